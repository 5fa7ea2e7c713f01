"""The whole log held against its key: what `tieout audit verify` does. Reads only, and needs no private key."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection

from tieout.errors import LogBroken, RecordUnavailable
from tieout.record.audit.content import Content, check_content
from tieout.record.audit.fetching import Fetch, rows_of
from tieout.record.audit.finding import Finding, Kind, Verdict
from tieout.record.audit.heads import (
    Attested,
    KeptHead,
    attested_sizes,
    check_attested,
    check_head,
    size_of,
)
from tieout.record.audit.memory import memory_file, recall
from tieout.record.audit.parallel import scan_log
from tieout.record.audit.readmodel import check_rows
from tieout.record.audit.rebuilding import READINGS, Rebuilt, check_rebuilt
from tieout.record.audit.scanned import Scanned, Stretch
from tieout.record.audit.signing import Succession, succession
from tieout.record.audit.standing import Ends, Signed, check_entries, check_signatures
from tieout.record.audit.story import check_story, remarks_of
from tieout.record.audit.structure import check_structure
from tieout.record.audit.trust import Trust
from tieout.record.files import SideFile
from tieout.record.payloads import Payloads
from tieout.record.store.schema import metadata

Progress = Callable[[int, int], None]
_LOG = {"log_entries", "tree_nodes", "checkpoints", "payloads", "observations"}  # were read whole before
_GRAVITY = {kind: number for number, kind in enumerate(Kind)}


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be verified, and with what.

    Attributes:
        store: Where the record is: a SQLite file or a URL.
        trust: Whom to believe.
        side: The head that the service keeps besides the store.
        memory: The verifier's own; None is in the user's state folder.
        every: Whether each single signature is checked.
    """

    store: str
    trust: Trust
    side: Path
    memory: Path | None = None
    every: bool = False


class Verified(Struct, frozen=True):
    """The verdict, and the newest checkpoint that the key signed and the entries fit, whatever else was found."""

    verdict: Verdict
    newest: bytes | None


def verify(
    connection: Connection, asked: Asked, sealed: Payloads | None, progress: Progress = lambda _done, _of: None
) -> Verified:
    """Go over everything on the one state that *connection* sees.

    Raises:
        RecordUnavailable: This is no record, or it cannot be read.
    """
    try:
        return _verify(connection, asked, sealed, progress)
    except LogBroken as error:
        return _damaged(asked, Finding(Kind.DAMAGED, error.why, error.entry))
    except (TypeError, ValueError, OverflowError) as error:
        # SQLite keeps in a column whatever a flipped bit makes of it: numbers that are text, times before all times.
        what = f"a row holds what no row of its table can ({type(error).__name__}): it was changed"
        return _damaged(asked, Finding(Kind.DAMAGED, what))


def _damaged(asked: Asked, finding: Finding) -> Verified:
    """The verdict where the log could not be gone over to its end."""
    key = asked.trust.keys[0].vkey
    verdict = Verdict(
        log="?", store=shown(asked.store), pinned_by=asked.trust.pinned_by, key=key, entries=0, proved=0,
        findings=(finding,),
    )  # fmt: skip
    return Verified(verdict, None)


def _verify(connection: Connection, asked: Asked, sealed: Payloads | None, progress: Progress) -> Verified:
    # Before the first row is read: a service that writes meanwhile moves these on, too, and would seem to be cut.
    heads, unchecked, findings = _heads(asked)
    fetch = rows_of(connection)
    vault = None if sealed is None else sealed.vault
    damage = check_structure(connection, fetch)
    origin, head_at, ends = _ends(fetch)
    findings += damage
    sizes = {ends.checkpoints, ends.last, *attested_sizes(fetch), *(size_of(each) for each in heads)} - {None}
    path = None if "://" in asked.store else Path(asked.store)
    stretch = Stretch(origin, 0, ends.last, (), tuple(size for size in sizes if size is not None and size <= ends.last))
    scanned = scan_log(fetch, stretch, path, lambda done: progress(done, ends.last))
    keys = succession(fetch, scanned.handovers, asked.trust)
    signed = check_signatures(fetch, scanned, keys, ends, every=asked.every)
    findings += check_entries(fetch, scanned, signed, keys, ends) + signed.findings
    findings += _origin(origin, asked.trust, keys)
    findings += filter(None, (check_head(each, scanned.roots, ends.entries, keys) for each in heads))
    attested = check_attested(fetch, origin, scanned.roots, asked.trust.policy, ends.entries)
    findings += attested.findings
    findings += check_story(fetch, scanned, (ends, head_at, keys.broken))
    content, rebuilt = Content(), None
    if not damage:  # else the tables that are searched may have other columns than are asked for
        content = check_content(fetch, scanned, vault)
        findings += content.findings + check_rows(fetch, scanned)
        rebuilt = _rebuilt(connection, scanned, sealed, content)
        findings += rebuilt.findings if rebuilt is not None else []
    verdict = Verdict(
        log=origin,
        store=shown(asked.store),
        pinned_by=asked.trust.pinned_by,
        key=(signed.key or keys.known[0]).vkey,
        entries=ends.entries,
        proved=signed.proved,
        root=_root(scanned, signed),
        first_at=scanned.clocks.first_at,
        last_at=scanned.clocks.last_at,
        findings=tuple(sorted(findings, key=_gravity)),
        remarks=remarks_of(fetch, scanned, keys, attested, signed),
        unchecked=(*unchecked, *_unchecked(signed, content, attested, rebuilt)),
        checked=_checked(scanned, signed, content, attested, len(heads)),
        kinds=dict(scanned.kinds),
    )
    return Verified(verdict, signed.note)


def _rebuilt(connection: Connection, scanned: Scanned, sealed: Payloads | None, content: Content) -> Rebuilt | None:
    """The tables made anew, where that can be done and takes not too long."""
    if sealed is None or content.readings > READINGS or scanned.faults or content.findings:
        return None
    rebuilt = check_rebuilt(connection, sealed, scanned)
    for table in metadata.tables.keys() - _LOG:
        rows_of(connection)(f"SELECT * FROM {table}", ())
    return rebuilt


def shown(store: str) -> str:
    """A store's name without a password."""
    scheme, mark, rest = store.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else store


def _ends(fetch: Fetch) -> tuple[str, int, Ends]:
    head = fetch("SELECT origin, size, at FROM log_head WHERE id >= ? ORDER BY id", (-(2**31),))
    if not head:
        raise RecordUnavailable("there is no log in this store yet, or its head was deleted")
    entries = fetch("SELECT max(entry) FROM log_entries WHERE entry >= ?", (0,))[0][0]
    checkpoints = fetch("SELECT max(size) FROM checkpoints WHERE size >= ?", (0,))[0][0]
    origin, size, at = head[0]
    for table, number in (("log_entries", entries), ("checkpoints", checkpoints), ("log_head", size), ("log_head", at)):
        if not isinstance(number, int | None):  # SQLite keeps whatever a column is given
            raise LogBroken(f"a row of the table {table} bears something else than a number: it was changed")
    return str(origin), at, Ends(size, 0 if entries is None else entries + 1, checkpoints or 0)


def _heads(asked: Asked) -> tuple[list[KeptHead], list[str], list[Finding]]:
    """Every head that was kept elsewhere, which of them are not there, and which are not what they were."""
    found, unchecked, findings = [], [], []
    try:
        side = SideFile(asked.side).read()
    except LogBroken as error:
        findings.append(Finding(Kind.FORK, error.why))
        side = b""
    if side:
        found.append(KeptHead(f"the head kept besides ({asked.side})", side))
    elif side is None and asked.trust.local:
        what = f"the head kept besides ({asked.side}) is gone: somebody may have cut the log and it"
        findings.append(Finding(Kind.CUT, f"{what}; `tieout audit key head` writes it anew once that is cleared up"))
    elif not asked.trust.local:
        unchecked.append(f"the head that the service keeps besides the store: {asked.side} is not here")
    files = [asked.memory] if asked.memory else [memory_file(key) for key in asked.trust.keys]
    remembered = [(path, note) for path in files if (note := recall(path)) is not None]
    found += [KeptHead(f"the head remembered from the last verification ({path})", note) for path, note in remembered]
    if not remembered:
        unchecked.append("whether the log was cut or rewritten since it was last verified: it is the first time")
    return found, unchecked, findings


def _origin(origin: str, trust: Trust, keys: Succession) -> list[Finding]:
    if any(each.name == origin for each in keys.known):
        return []
    what = f"the store says that it holds the log {origin}, and the key that was pinned is of {trust.keys[0].name}"
    return [Finding(Kind.KEY, f"{what}: give the key that belongs to it, or the store that belongs to the key", 0)]


def _root(scanned: Scanned, signed: Signed) -> str | None:
    root = scanned.roots.get(signed.proved)
    return None if root is None or not signed.proved else base64.b64encode(root).decode()


def _gravity(finding: Finding) -> tuple[int, int]:
    return _GRAVITY[finding.kind], finding.entry or 0


def _unchecked(signed: Signed, content: Content, attested: Attested, rebuilt: Rebuilt | None) -> list[str]:
    found = []
    if not signed.all:
        found.append(
            f"the signatures of the older checkpoints one by one (only of the last {signed.checked}, of which the newest "
            "covers every entry): --every-signature does"
        )
    if rebuilt is not None and rebuilt.lost:
        found.append(f"rows made from {rebuilt.lost} readings that were erased when their time had come")
    if rebuilt is None and content.opened:
        found.append(f"whether the tables that are searched are what the log makes of up to {READINGS} sound readings")
    if not content.opened and content.stored:
        found.append(
            "whether payloads are what the log commits to, and the rows made from them: that needs the master key"
        )
    if attested.stamps:
        found.append(f"{attested.stamps} time stamps: `tieout audit timestamp` holds them against their authority")
    return found


def _checked(scanned: Scanned, signed: Signed, content: Content, attested: Attested, heads: int) -> dict[str, int]:
    return {
        "entries": scanned.stop,
        "checkpoints": scanned.checkpoints,
        "signatures": signed.checked,
        "heads kept elsewhere": heads,
        "cosignatures": attested.cosignatures,
        "readings": content.readings,
        "payloads there": content.stored,
        "payloads opened": content.opened,
        "payloads erased": content.erased,
    }
