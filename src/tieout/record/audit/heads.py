"""Heads of the log that were kept elsewhere: whoever cut or rewrote it has to explain them."""

from __future__ import annotations

from msgspec import Struct

from tieout.errors import ProofRefused
from tieout.record.audit.fetching import Fetch
from tieout.record.audit.finding import Finding, Kind
from tieout.record.audit.signing import Succession, opened
from tieout.record.audit.wording import first_ones, last_ones
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from tieout.record.tlog.note import COSIGNATURE, Signature, Verifier, signature_of
from tieout.record.tlog.policy import NONE, TrustPolicy

COSIGNED = "SELECT size, kind, name, body FROM attestations WHERE size > ? ORDER BY size DESC"
STAMPED = "rfc3161"
MOST = 200  # of the last checkpoints that others signed, those that are looked at


class KeptHead(Struct, frozen=True):
    """A head that was kept elsewhere: where, as a phrase, and the note."""

    where: str
    note: bytes


def size_of(kept: KeptHead) -> int | None:
    """The size that it speaks of; None where it is no checkpoint."""
    try:
        return parse_checkpoint(kept.note.decode().rpartition("\n\n")[0] + "\n").size
    except (ProofRefused, ValueError):
        return None


def check_head(kept: KeptHead, roots: dict[int, bytes], size: int, keys: Succession) -> Finding | None:
    """Hold the log of *size* against a head that was kept elsewhere."""
    note = opened(kept.note, keys.known)
    if note is None:
        what = f"the head in {kept.where} is not signed by this log's key: it was changed, or is of another log"
        return Finding(Kind.FORK, what)
    held = parse_checkpoint(note.text)
    if held.size > size:
        what = f"the log has {size} entries, and signed {held.size} before, as {kept.where} shows"
        why = f"{last_ones(held.size - size)} cut off, or an older copy was put in place"
        return Finding(Kind.CUT, f"{what}: {why}", size)
    if roots.get(held.size) == held.root:
        return None
    what = (
        f"{first_ones(held.size)} of the log {'is' if held.size == 1 else 'are'} not what {kept.where} shows as signed"
    )
    why = "the log was rewritten, or two of its readers are shown different ones; keep both signed heads: they are the proof"
    return Finding(Kind.FORK, f"{what}: {why}", None)


class Attested(Struct, frozen=True):
    """What others signed over the log.

    Attributes:
        size: The largest checkpoint that the quorum of the policy cosigned; None where the policy asks for none.
        cosignatures: How many were checked.
        stamps: How many time stamps there are.
    """

    findings: tuple[Finding, ...] = ()
    size: int | None = None
    cosignatures: int = 0
    stamps: int = 0


def attested_sizes(fetch: Fetch) -> tuple[int, ...]:
    """The checkpoints that others signed, the last ones."""
    return tuple(dict.fromkeys(row[0] for row in fetch(COSIGNED, (-1,))))[:MOST]


def check_attested(fetch: Fetch, origin: str, roots: dict[int, bytes], policy: TrustPolicy, size: int) -> Attested:
    """Hold what witnesses cosigned against the log of *size*, and against what the policy asks for."""
    lines: dict[int, list[bytes]] = {}
    stamps = 0
    for at, kind, _, body in fetch(COSIGNED, (-1,)):
        if kind == STAMPED:
            stamps += 1
        elif at in roots or at > size:
            lines.setdefault(at, []).append(bytes(body))
    findings: list[Finding] = []
    checked, best = 0, None
    for at, bodies in lines.items():
        text = "" if at not in roots else format_checkpoint(Checkpoint(origin, at, roots[at]))
        names = set()
        for body in bodies:
            for name, witness in policy.witnesses.items():
                signature = _line(body, witness)
                if signature is None:
                    continue
                checked += 1
                if text and witness.verify(text.encode(), signature.value):
                    names.add(name)
                else:
                    findings.append(_refuted(name, at))
        if best is None and policy.quorum != NONE and policy.reached(names):
            best = at
    if policy.quorum != NONE and best is None:
        findings.append(
            Finding(
                Kind.WITNESS,
                f"no checkpoint of the log is cosigned as the policy asks (quorum {policy.quorum}): "
                "nobody but the holder of its key vouches for it",
            )
        )
    return Attested(tuple(findings[:MOST]), best, checked, stamps)


def _refuted(name: str, at: int) -> Finding:
    what = f"the witness {name} cosigned a log of {at} entries that is not this one"
    why = "entries before that were rewritten since, or the cosignature was changed"
    return Finding(Kind.WITNESS, f"{what}: {why}; ask the witness which log it saw", None)


def _line(body: bytes, witness: Verifier) -> Signature | None:
    """The cosignature in a line, if it is by *witness*."""
    assert witness.kind == COSIGNATURE
    try:
        signature = signature_of(body)
    except ProofRefused:
        return None
    found = signature.name == witness.name and signature.hint == witness.id and len(signature.value) == 72
    return signature if found else None
