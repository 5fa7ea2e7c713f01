"""Appending to the log, inside the transaction of what is recorded; the database decides on which thread that runs.

One append is: the head moved from its old size to the new one, the entries, the subtrees that they complete, and a signed
checkpoint over them all. Either all of it is on the disk or nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import Connection, insert, select

from tieout.clock import Clock
from tieout.errors import LogBehind, LogBroken
from tieout.record.entry import Draft, Stamp, encode, event_key
from tieout.record.plain import among, change, change_each
from tieout.record.store.schema import log_entries, log_head
from tieout.record.store.types import EPOCH, micro
from tieout.record.tlog import merkle, note
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint

HEAD_ROW = 1
_MICROSECOND = timedelta(microseconds=1)


class Head(Struct, frozen=True):
    """Where the log ends: its size, the subtrees at its right edge (largest first), and the time of its last entry."""

    size: int
    peaks: tuple[bytes, ...]
    at: datetime


class HeadMoved(Exception):
    """Another process appended in the meantime; nothing was written."""


class Author(Struct, frozen=True):
    """Who appends: the log's origin and signer, the clock, and which start of which process this is."""

    origin: str
    signer: note.Signer
    clock: Clock
    run: str
    clock_name: str = "system"


class Appended(Struct, frozen=True):
    """What an append made: the index of its first entry, the head after it, and the signed checkpoint over that."""

    first: int
    head: Head
    note: bytes


def begin(connection: Connection, origin: str) -> None:
    """Make the head of a new log; one that is there is left alone."""
    if connection.execute(select(log_head.c.size)).first() is None:
        connection.execute(insert(log_head).values(id=HEAD_ROW, origin=origin, size=0, at=EPOCH))


def read_origin(connection: Connection) -> str | None:
    """Whose log it says it is; None where there is none yet."""
    found: str | None = connection.execute(select(log_head.c.origin)).scalar()
    return found


def read_head(connection: Connection) -> Head:
    """The head as it stands, read in a handful of rows whatever the log's size.

    Raises:
        LogBroken: A subtree that it needs is not there.
    """
    row = connection.execute(select(log_head.c.size, log_head.c.at)).one()
    coordinates = merkle.peak_nodes(row.size)
    hashes = read_subtrees(connection, coordinates)
    return Head(row.size, tuple(hashes[each] for each in coordinates), row.at)


def lock_head(connection: Connection, known: Head) -> Head:
    """The head as the last commit left it, behind *known*, which it once was; nobody else moves it before this ends.

    Raises:
        LogBehind: It is shorter, or another log by now.
        LogBroken: A subtree that it needs is not there.
    """
    row = connection.execute(select(log_head.c.size, log_head.c.at).with_for_update()).one()
    if row.size < known.size:
        raise LogBehind(f"the log has {row.size} entries, and had {known.size}: an older copy was put in place")
    now, then = merkle.peak_nodes(row.size), merkle.peak_nodes(known.size)
    hashes = read_subtrees(connection, tuple({*now, *then}))
    if tuple(hashes[each] for each in then) != known.peaks:
        raise LogBehind(f"the first {known.size} entries of the log are not those that were there before")
    return Head(row.size, tuple(hashes[each] for each in now), row.at)


def read_subtrees(connection: Connection, coordinates: Sequence[merkle.Coordinate]) -> dict[merkle.Coordinate, bytes]:
    """The hashes of complete subtrees by (level, index); those of level 0 are made from the stored entries.

    Raises:
        LogBroken: One is not there.
    """
    bodies: dict[int, bytes] = dict(among(connection, _BODIES, [index for level, index in coordinates if level == 0]))
    homes = {each: merkle.home(*each) for each in coordinates if each[0]}
    stored: dict[int, bytes] = dict(among(connection, _HASHES, [leaf for leaf, _ in homes.values()]))
    found: dict[merkle.Coordinate, bytes] = {}
    for each in coordinates:
        if each in homes:
            leaf, place = homes[each]
            hash_ = stored.get(leaf, b"")[place * 32 : (place + 1) * 32]
        else:
            hash_ = merkle.leaf_hash(bodies[each[1]]) if each[1] in bodies else b""
        if len(hash_) != 32:
            raise LogBroken(f"the log has no subtree {each}: rows were deleted")
        found[each] = hash_
    return found


def append(connection: Connection, head: Head, drafts: Sequence[Draft], author: Author) -> Appended:
    """Append *drafts* after *head*.

    Raises:
        HeadMoved: The log does not end at *head* any more.
        IntegrityError: An event was logged before.
    """
    size = head.size + len(drafts)
    now = author.clock.now()
    # The log's time never goes back: how far the wall clock was behind it stands in the entry instead.
    at = max(now, head.at)
    if change(connection, _MOVE, (size, micro(at), HEAD_ROW, head.size)) != 1:
        raise HeadMoved
    stamp = Stamp(at, (at - now) // _MICROSECOND, author.clock.monotonic_ns(), author.run, author.clock_name)
    bodies = [encode(draft, stamp) for draft in drafts]
    peaks, completed = merkle.extend_all(head.size, head.peaks, [merkle.leaf_hash(body) for body in bodies])
    places = range(head.size, size)
    entries = [(place, event_key(draft.event), body) for place, draft, body in zip(places, drafts, bodies, strict=True)]
    change_each(connection, _ENTRY, entries)
    nodes = [(place, b"".join(made)) for place, made in zip(places, completed, strict=True) if made]
    change_each(connection, _NODE, nodes)
    signed = note.sign(format_checkpoint(Checkpoint(author.origin, size, merkle.root(peaks))), author.signer)
    change(connection, _CHECKPOINT, (size, signed))
    return Appended(head.size, Head(size, peaks, at), signed)


def places_of(connection: Connection, events: Sequence[str]) -> dict[str, int]:
    """Where those of *events* stand that were logged already."""
    keys = {event_key(event): event for event in events}
    found = connection.execute(
        select(log_entries.c.event, log_entries.c.entry).where(log_entries.c.event.in_(list(keys)))
    )
    return {keys[event]: index for event, index in found}


# Every append and every proof runs these, and composing them anew each time takes longer than running them: plain SQL.
_MOVE = "UPDATE log_head SET size = ?, at = ? WHERE id = ? AND size = ?"
_ENTRY = "INSERT INTO log_entries (entry, event, body) VALUES (?, ?, ?)"
_NODE = "INSERT INTO tree_nodes (leaf, hashes) VALUES (?, ?)"
_BODIES = "SELECT entry, body FROM log_entries WHERE entry IN "
_HASHES = "SELECT leaf, hashes FROM tree_nodes WHERE leaf IN "
_CHECKPOINT = "INSERT INTO checkpoints (size, note) VALUES (?, ?)"
