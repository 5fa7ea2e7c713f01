"""One pass over a stretch of the log: every entry hashed from its stored bytes, read, and held against what is stored of it.

This is the part that a million entries go through, so it works on windows of rows. It judges nothing: what a fault means
depends on which checkpoints are signed.
"""

from __future__ import annotations

import binascii
from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tieout.errors import LogBroken
from tieout.record.audit.clocks import MOST
from tieout.record.audit.fetching import CHECKPOINTS, ENTRIES, NODES, Fetch
from tieout.record.audit.scanned import READING, Erasure, Fault, Flaw, Handover, Scanned, Step, Stretch
from tieout.record.entry import Entry, EntryKind, decode, event_key
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint
from tieout.record.tlog.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash, root

WINDOW = 256  # a power of two: a whole window is a complete subtree; larger ones fall out of the fast memory
Rows = list[tuple[Any, ...]]


def scan(fetch: Fetch, asked: Stretch, progress: Callable[[int], None] = lambda _done: None) -> Scanned:
    """Go over a stretch.

    Args:
        fetch: Where rows come from.
        asked: Which; it begins where a window does.
        progress: Told after each window how many entries are done.
    """
    assert asked.start % WINDOW == 0, "a stretch begins with a window"
    found = Scanned(asked.start, asked.peaks)
    if 0 in asked.roots and asked.start == 0:
        found.roots[0] = EMPTY_ROOT
    for start in range(asked.start, asked.stop, WINDOW):
        end = min(start + WINDOW, asked.stop)
        rows = _unbroken(fetch(ENTRIES, (start, end)), start, end, found)
        if rows:
            _window(fetch, asked, start, rows, found)
        progress(found.stop - asked.start)
        if found.stop < end:
            break
    return found


def _unbroken(rows: Rows, start: int, end: int, found: Scanned) -> Rows:
    """The rows up to the first that is missing."""
    if len(rows) == end - start:
        return rows  # the index is the primary key: that many are all of them
    there = next((place for place, row in enumerate(rows) if row[0] != start + place), len(rows))
    found.note(Fault(Flaw.MISSING, start + there, start + there + 1))
    return rows[:there]


def _window(fetch: Fetch, asked: Stretch, start: int, rows: Rows, found: Scanned) -> None:
    end = start + len(rows)
    bodies = [row[2] if isinstance(row[2], bytes) else b"" for row in rows]
    levels = _levels(list(map(leaf_hash, bodies)))
    before = found.peaks
    found.peaks, finished = _grown(start, before, levels)
    found.stop = end
    _compare_nodes(fetch(NODES, (start, end)), start, _completed(levels, finished), found)
    _compare_checkpoints(fetch(CHECKPOINTS, (start, end)), asked.origin, (before, start, levels), found)
    for size in asked.roots:
        if start < size <= end:
            found.roots[size] = _root_at(size, before, start, levels)
    _read(rows, bodies, found)


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The complete subtrees of a window by level."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append(list(map(node_hash, below[::2], below[1::2])))
    return levels


def _grown(start: int, peaks: tuple[bytes, ...], levels: list[list[bytes]]) -> tuple[tuple[bytes, ...], bytes]:
    """The peaks after a window, and the hashes above it that it completes, one after the other."""
    size = len(levels[0])
    if size < WINDOW:
        return (*peaks, *_peaks(size, levels)), b""
    stack, node, finished, number = list(peaks), levels[-1][0], b"", start // WINDOW
    while number & 1:
        node = node_hash(stack.pop(), node)
        finished += node
        number >>= 1
    return (*stack, node), finished


def _peaks(size: int, levels: list[list[bytes]]) -> list[bytes]:
    """The peaks over the first *size* leaves of a window."""
    return [levels[level][(size >> level) - 1] for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]


def _root_at(size: int, before: tuple[bytes, ...], start: int, levels: list[list[bytes]]) -> bytes:
    return root((*before, *_peaks(size - start, levels)))


def _completed(levels: list[list[bytes]], finished: bytes) -> list[bytes]:
    """What is stored with each second leaf of a window: the hashes of the subtrees that it completes, lowest first."""
    if len(levels) == 1:
        return []
    made = levels[1][:]
    for level, nodes in enumerate(levels[2:], 2):
        for number, node in enumerate(nodes, 1):
            made[(number << (level - 1)) - 1] += node
    if finished:
        made[-1] += finished
    return made


def _compare_nodes(rows: Rows, start: int, made: Sequence[bytes], found: Scanned) -> None:
    expected = list(zip(range(start + 1, start + 2 * len(made), 2), made, strict=True))
    if rows == expected:
        return
    stored = {row[0]: row[1] for row in rows}
    for leaf, hashes in expected:
        kept = stored.pop(leaf, None)
        if kept == hashes:
            continue
        # Only where it is one hash for another may the entries under it be what was changed.
        if isinstance(kept, bytes) and len(kept) == len(hashes) and kept[:32] != hashes[:32]:
            found.note(Fault(Flaw.SUBTREE, leaf - 1, leaf + 1))
        else:
            found.note(Fault(Flaw.NODE, leaf, leaf + 1))
    for leaf in stored:
        found.note(Fault(Flaw.NODE, leaf, leaf + 1))


def _compare_checkpoints(
    rows: Rows, origin: str, tree: tuple[tuple[bytes, ...], int, list[list[bytes]]], found: Scanned
) -> None:
    before, start, levels = tree
    for size, note in rows:
        found.checkpoints += 1
        text = format_checkpoint(Checkpoint(origin, size, _root_at(size, before, start, levels))).encode()
        if isinstance(note, bytes) and note.startswith(text + b"\n"):
            found.matched = size
        else:
            found.note(Fault(Flaw.CHECKPOINT, found.matched, size))
            if len(found.unfit) < MOST:
                found.unfit.append((found.matched, size))


def _read(rows: Rows, bodies: Sequence[bytes], found: Scanned) -> None:
    """Read each entry, and hold it against its row and the one before."""
    indices = [row[0] for row in rows]
    try:
        entries = list(map(decode, bodies, indices))
    except LogBroken:
        indices, entries = _readable(indices, bodies, found)
    keys = [event_key(entry.event) for entry in entries]
    stored = [row[1] for row in rows]
    found.events += b"".join(keys)
    if keys != stored:
        _compare_events(dict(zip(indices, keys, strict=True)), rows, found)
    found.clocks.see(indices, entries)
    kinds = [entry.kind for entry in entries]
    for kind in EntryKind:
        count = kinds.count(kind)
        if count:
            found.kinds[kind] = found.kinds.get(kind, 0) + count
            if kind in _TELLING:
                for place in (place for place, each in enumerate(kinds) if each is kind):
                    _telling(indices[place], entries[place], found)
    _collect(indices, entries, found)


def _readable(indices: Sequence[int], bodies: Sequence[bytes], found: Scanned) -> tuple[list[int], list[Entry]]:
    good: list[int] = []
    entries: list[Entry] = []
    for index, body in zip(indices, bodies, strict=True):
        try:
            entries.append(decode(body, index))
        except LogBroken:
            found.note(Fault(Flaw.UNREADABLE, index, index + 1))
        else:
            good.append(index)
    return good, entries


def _compare_events(keys: Mapping[int, bytes], rows: Rows, found: Scanned) -> None:
    for index, event, _ in rows:
        if index in keys and keys[index] != event:
            found.note(Fault(Flaw.EVENT, index, index + 1))


def _collect(indices: Sequence[int], entries: Sequence[Entry], found: Scanned) -> None:
    """The commitments of the entries."""
    readings, named = found.readings, found.named
    for index, entry in zip(indices, entries, strict=True):
        for name, encoded in entry.commitments.items():
            try:
                commitment = a2b_base64(encoded, strict_mode=True)
            except binascii.Error:
                commitment = b""
            if len(commitment) == HASH_BYTES:
                target = readings if name == READING else named
                target += index.to_bytes(8) + commitment
            else:
                found.note(Fault(Flaw.UNREADABLE, index, index + 1))


_TELLING = frozenset((EntryKind.CONFIGURE, EntryKind.ERASE, EntryKind.INTENT, EntryKind.OUTCOME))


def _telling(index: int, entry: Entry, found: Scanned) -> None:
    """What later checks need of an entry."""
    refs = entry.refs
    if entry.kind is EntryKind.CONFIGURE and "new_key" in refs:
        found.handovers.append(Handover(index, refs["new_key"], refs.get("old_key", "")))
    elif entry.kind is EntryKind.ERASE:
        moment, count = entry.event.removeprefix("erase:"), refs.get("payloads", "0")
        number = int(count) if count.isdecimal() else 0
        found.erasures.append(Erasure(index, moment, number, refs.get("erased", "")))
    elif "action" in refs:
        found.steps.append(Step(index, refs["action"], refs.get("ended")))
