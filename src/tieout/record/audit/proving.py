"""One entry proved to a stranger: a proof of C2SP's form with the entry in it, and what that commits to if wished."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, or_, select

from tieout.errors import BadInput, LogBroken, Problem, ProofRefused, RecordUnavailable
from tieout.record.audit.encoding import bytes_of, text_of
from tieout.record.audit.heads import STAMPED
from tieout.record.audit.scanned import READING
from tieout.record.entry import Entry, decode
from tieout.record.log import read_subtrees
from tieout.record.payloads import Payloads, id_of
from tieout.record.readings import commitments_of, decode_record, decode_statement, statements_of
from tieout.record.store.schema import actions, attestations, checkpoints, log_entries, observations, reports, snapshots
from tieout.record.tlog import merkle
from tieout.record.tlog.checkpoint import parse_checkpoint
from tieout.record.tlog.note import COSIGNATURE, cosigned_at
from tieout.record.tlog.policy import TrustPolicy
from tieout.record.tlog.proof import Proof, check_proof, format_proof, parse_proof
from tieout.record.vault import matches

SHORTEST = 6


def find_entry(connection: Connection, id_: str) -> int:
    """Where a report or an action stands in the log, by its id or the begin of it: the reading, or the intent.

    Raises:
        BadInput: There is none, or several.
    """
    if len(id_) < SHORTEST:
        mend = f"give at least {SHORTEST} characters of it; `tieout reports` lists them"
        raise BadInput([Problem("report or action", id_, "too short for an id", mend)])
    report = reports.c.report_id.startswith(id_.upper(), autoescape=True)
    action = or_(actions.c.id == id_, actions.c.id.startswith(id_, autoescape=True))
    found = [row.entry for row in connection.execute(select(reports.c.entry).where(report).limit(2))]
    found += [row.intent for row in connection.execute(select(actions.c.intent).where(action).limit(2))]
    if len(found) == 1:
        return int(found[0])
    what, mend = (
        ("several ids begin so", "give more of it") if found else ("there is none", "`tieout reports` lists them")
    )
    raise BadInput([Problem("report or action", id_, what, mend)])


def prove(connection: Connection, index: int) -> bytes:
    """The proof of the entry at *index*, as a file: under the newest checkpoint that somebody cosigned, else the newest.

    Raises:
        BadInput: There is no such entry.
        LogBroken: What the proof needs is not stored.
    """
    body = _body(connection, index)
    signed = _checkpoint(connection, index)
    size = parse_checkpoint(signed.decode().rpartition("\n\n")[0] + "\n").size
    wanted = merkle.inclusion_nodes(index, size)
    hashes = merkle.inclusion_proof(index, size, read_subtrees(connection, wanted))
    return format_proof(Proof(index, tuple(hashes), signed, body))


def _body(connection: Connection, index: int) -> bytes:
    body: bytes | None = connection.execute(
        select(log_entries.c.body).where(log_entries.c.entry == index)
    ).scalar() if 0 <= index < 2**63 else None  # fmt: skip
    if body is None:
        raise BadInput(
            [Problem("--entry", str(index), "there is no such entry", "`tieout audit show` lists the last ones")]
        )
    return body


def _checkpoint(connection: Connection, index: int) -> bytes:
    """The note, with the cosignatures that there are."""
    lines = connection.execute(
        select(attestations.c.size, attestations.c.body)
        .where(attestations.c.size > index, attestations.c.kind != STAMPED)
        .order_by(attestations.c.size.desc())
    ).all()
    newest = select(checkpoints.c.note).where(checkpoints.c.size > index).order_by(checkpoints.c.size.desc()).limit(1)
    if lines:
        newest = select(checkpoints.c.note).where(checkpoints.c.size == lines[0].size)
    note: bytes | None = connection.execute(newest).scalar()
    if note is None:
        raise LogBroken(f"no checkpoint covers entry {index}: it was deleted", index)
    return note + b"".join(bytes(line.body) for line in lines if line.size == lines[0].size)


class Payload(Struct, frozen=True):
    """One payload disclosed: its commitment is HMAC-SHA256 of the payload under the salt. All are base64."""

    commitment: str
    salt: str
    payload: str


class Disclosure(Struct, frozen=True):
    """What an entry commits to, laid open for somebody who checks it against the entry. What is base64 are exact bytes.

    Whoever hands it on may take single payloads out: each stands on its own.

    Attributes:
        entry: Where in the log.
        reading: The record of a reading, whose SHA-256 the entry has; it names statements and payloads.
        statements: What each side said, named by their SHA-256.
        payloads: Those that were not erased.
    """

    entry: int
    reading: str | None
    statements: tuple[str, ...]
    payloads: tuple[Payload, ...]


def disclose(connection: Connection, sealed: Payloads, index: int) -> Disclosure:
    """Everything that the entry at *index* commits to, in clear.

    Raises:
        LogBroken: It is not what was recorded.
        RecordUnavailable: All of it was erased.
    """
    entry = decode(_body(connection, index), index)
    wanted = {bytes_of(text) for name, text in entry.commitments.items() if name != READING}
    raw: bytes | None = None
    bodies: Sequence[bytes] = ()
    if READING in entry.commitments:
        raw = connection.execute(select(observations.c.record).where(observations.c.entry == index)).scalar()
        if raw is None:
            raise LogBroken(f"the reading of entry {index} is not stored any more", index)
        record = decode_record(raw, index)
        bodies = _statements(connection, statements_of(record))
        wanted |= commitments_of(record, {sha256(body).digest(): decode_statement(body) for body in bodies})
    opened = sealed.open(connection, wanted)
    found = [Payload(text_of(name), text_of(each.salt), text_of(each.payload)) for name, each in opened.items() if each]
    if wanted and not found:
        raise RecordUnavailable(f"what entry {index} commits to was erased when its time had come")
    return Disclosure(index, None if raw is None else text_of(raw), tuple(map(text_of, bodies)), tuple(found))


def _statements(connection: Connection, digests: Collection[bytes]) -> list[bytes]:
    """What sides said, in the very bytes that are stored."""
    query = select(snapshots.c.body).where(snapshots.c.id.in_([id_of(each) for each in digests]))
    bodies = [bytes(row.body) for row in connection.execute(query.order_by(snapshots.c.id))]
    if {sha256(body).digest() for body in bodies} != set(digests):
        raise LogBroken("what a side said is not what was recorded: its row was changed or deleted")
    return bodies


class Shown(Struct, frozen=True):
    """What a proof shows.

    Attributes:
        index: Where the entry stands, in a log of `size` entries named `log`.
        entry: The entry; None where its bytes are not an entry of ours.
        cosigned: Witnesses, by name, and since when they vouch for it.
        contents: Payloads that were disclosed and hold, in clear.
    """

    log: str
    index: int
    size: int
    key: str
    entry: Entry | None
    cosigned: dict[str, datetime]
    contents: tuple[bytes, ...] = ()


def check(raw: bytes, policy: TrustPolicy, given: bytes | None, disclosed: bytes | None) -> Shown:
    """What the proof in the file *raw* shows, once it holds.

    Args:
        raw: The proof.
        policy: Whom to trust.
        given: The entry's bytes; None where the proof brings them along.
        disclosed: A disclosure to be held against the entry.

    Raises:
        ProofRefused: It does not hold.
    """
    proof = parse_proof(raw)
    body = proof.extra if given is None else given
    if body is None:
        raise ProofRefused("the proof does not bring the entry along: give its bytes with --entry-file")
    if given is not None and proof.extra is not None and given != proof.extra:
        raise ProofRefused("the proof was made for another entry than the one that was given")
    proved = check_proof(proof, body, policy.logs[0].name, (*policy.logs, *policy.witnesses.values()))
    note = policy.open(proof.checkpoint)
    cosigned = {
        each.name: datetime.fromtimestamp(cosigned_at(each), UTC)
        for each in note.verified
        for witness in policy.witnesses.values()
        if witness.kind == COSIGNATURE and (each.name, each.hint) == (witness.name, witness.id)
    }
    entry = _entry(body, proof.index)
    contents = () if disclosed is None else _contents(disclosed, entry, proof.index)
    key = next(each for each in policy.logs if (each.name, each.id) in {(s.name, s.hint) for s in note.verified})
    point = proved.checkpoint
    return Shown(point.origin, proof.index, point.size, key.vkey, entry, cosigned, contents)


def _entry(body: bytes, index: int) -> Entry | None:
    try:
        return decode(body, index)
    except LogBroken:
        return None


def _contents(disclosed: bytes, entry: Entry | None, index: int) -> tuple[bytes, ...]:
    """What was disclosed, once it is seen to be what the entry commits to."""
    try:
        laid_open = msgspec.json.decode(disclosed, type=Disclosure)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProofRefused("what was disclosed cannot be read: it is no file that `tieout audit prove` made") from None
    if entry is None:
        raise ProofRefused("the entry is not one of Tieout's, so nothing can be held against it")
    wanted = {bytes_of(text) for name, text in entry.commitments.items() if name != READING}
    if laid_open.reading is not None:
        wanted |= _of_reading(laid_open, entry, index)
    contents = []
    for each in laid_open.payloads:
        payload, commitment = bytes_of(each.payload), bytes_of(each.commitment)
        if commitment not in wanted:
            raise ProofRefused("a payload was disclosed that the entry does not commit to")
        if not matches(commitment, bytes_of(each.salt), payload):
            raise ProofRefused("a payload that was disclosed is not the one that the entry commits to: it was changed")
        contents.append(payload)
    return tuple(contents)


def _of_reading(laid_open: Disclosure, entry: Entry, index: int) -> set[bytes]:
    raw = bytes_of(laid_open.reading or "")
    if sha256(raw).digest() != bytes_of(entry.commitments.get(READING, "")):
        raise ProofRefused("the reading that was disclosed is not the one that the entry commits to")
    bodies = {sha256(body).digest(): body for body in map(bytes_of, laid_open.statements)}
    try:
        record = decode_record(raw, index)
        found = {record.report} | ({record.lookups} if record.lookups else set())
        for digest in statements_of(record) & bodies.keys():
            found |= set(decode_statement(bodies[digest]).sections.values())
    except LogBroken as error:
        raise ProofRefused(error.why) from None
    return found
