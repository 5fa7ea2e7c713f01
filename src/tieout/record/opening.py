"""Opening the record: migrate, find the log's end in a handful of rows, and hold it against what it once signed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, select

from tieout.clock import Clock
from tieout.errors import LogBehind, LogBroken, RecordUnavailable, StorageExhausted
from tieout.record import keys
from tieout.record.files import SideFile
from tieout.record.handover import hand_over
from tieout.record.keys import Keys
from tieout.record.log import Appended, Author, Head, begin, read_head, read_origin, read_subtrees
from tieout.record.payloads import Payloads
from tieout.record.recorder import Guard, StoreRecord
from tieout.record.room import Room
from tieout.record.settings import RecordSettings
from tieout.record.store.database import Database, SqliteDatabase, open_database
from tieout.record.store.migrations import migrate
from tieout.record.store.schema import checkpoints
from tieout.record.tlog import merkle, note
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from tieout.record.writer import Writer

DURABLE_EVERY = timedelta(seconds=1)  # of the side file: after a power cut it may be that far behind


class Opened(Struct, frozen=True):
    """The log as it was found: its end, and the checkpoint that it signed there (None where it is new)."""

    head: Head
    note: bytes | None


async def open_record(settings: RecordSettings, clock: Clock) -> StoreRecord:
    """The record that *settings* name, made where there is none.

    Raises:
        KeyUnusable: The keys are missing, damaged, or open to others.
        RecordUnavailable: The database cannot be reached or written; `StorageExhausted` where its disk is full.
        LogBehind: The log is behind, or beside, a head that it once signed.
        LogBroken: The log contradicts itself.
    """
    held = keys.load(settings.key_folder)
    async with AsyncExitStack() as undo:
        database = open_database(settings.store)
        undo.push_async_callback(database.close)
        room = Room(Path(settings.store)) if isinstance(database, SqliteDatabase) else None
        found = await _begun(database, held, room)
        side = SideFile(settings.head_file)
        if found.note is None and side.read() is None:
            # Before the first entry: a crash after that finds a head, so that a missing one always means something. A crash
            # before it leaves an empty log, which the next start takes for a new one, as it is.
            side.write(_signed(held, found.head), durable=True)
        await database.read(lambda connection: check_side(connection, side, held.verifiers))
        if found.note is not None:
            handed = await hand_over(database, held, settings.key_folder, (found.head, found.note), clock)
            if handed is not None:
                side.write(handed.note, durable=True)
                found = Opened(handed.head, handed.note)
        run = secrets.token_hex(4)
        author = Author(held.name, held.signer, clock, run)
        if room is not None:
            with suppress(StorageExhausted):  # then the writer refuses everything, until there is room
                await asyncio.to_thread(room.take)
        writer = Writer(database, author, found.head, _Keeper(side, clock).keep, room=room)
        guard = _guard(database, settings, clock)
        undo.pop_all()
    return StoreRecord(database, writer, Payloads(database, held.vault), clock, run=run, guard=guard)


def _guard(database: Database, settings: RecordSettings, clock: Clock) -> Guard:
    """What is asked before acting."""
    if not settings.witnesses:
        return _allowed
    from tieout.record.guarding import Witnesses  # loads an HTTP client

    patience = timedelta(seconds=settings.witness_seconds)
    return Witnesses(database, settings.witnesses, patience=patience, clock=clock).permit


async def _allowed() -> None:
    """Nothing stands in the way."""


async def _begun(database: Database, held: Keys, room: Room | None) -> Opened:
    """The log as it is found; on a full disk, where SQLite cannot even be read, in the room that was kept back."""
    try:
        return await database.write(lambda connection: _start(connection, held))
    except RecordUnavailable:
        if room is None or not room.is_full():
            raise
    await asyncio.to_thread(room.give)
    try:
        return await database.write(lambda connection: _start(connection, held))
    except RecordUnavailable:
        raise room.refusal() from None


def _start(connection: Connection, held: Keys) -> Opened:
    migrate(connection)
    begin(connection, held.name)
    origin = read_origin(connection)
    if origin != held.name:
        raise LogBehind(
            f"the store holds the log {origin}, and the key is of {held.name}; give the key that belongs to it"
        )
    head = read_head(connection)
    signed = connection.execute(select(checkpoints.c.note).where(checkpoints.c.size == head.size)).scalar()
    if head.size:
        if signed is None:
            raise LogBroken(f"the log has {head.size} entries and no checkpoint over them: rows were deleted or added")
        found = read_checkpoint(signed, held.verifiers)
        if (found.size, found.root) != (head.size, merkle.root(head.peaks)):
            raise LogBroken(f"the log's {head.size} entries are not those that were signed")
    return Opened(head, signed)


def _signed(held: Keys, head: Head) -> bytes:
    return note.sign(format_checkpoint(Checkpoint(held.name, head.size, merkle.root(head.peaks))), held.signer)


def read_checkpoint(signed: bytes, verifiers: Sequence[note.Verifier]) -> Checkpoint:
    """The checkpoint in a note, once its signature holds.

    Raises:
        ProofRefused: It does not.
    """
    return parse_checkpoint(note.open_note(signed, verifiers).text)


def check_side(connection: Connection, side: SideFile, verifiers: Sequence[note.Verifier]) -> None:
    """Hold the log against the head that is kept besides.

    Raises:
        LogBehind: The log is shorter, or another one.
    """
    # In this order: another process that writes meanwhile moves the log on before the head that is kept besides it.
    signed = side.read()
    head = read_head(connection)
    if signed is None:
        raise LogBehind(
            f"the head that is kept besides the log, {side.path}, is gone while the log has {head.size} entries: "
            "verify the log with `tieout audit verify`, then write it anew with `tieout audit key head`"
        )
    kept = read_checkpoint(signed, verifiers)
    if kept.size > head.size:
        raise LogBehind(
            f"the log has {head.size} entries, and signed {kept.size} before: "
            "the last ones were cut off, or an older copy was put in place"
        )
    coordinates = merkle.peak_nodes(kept.size)
    hashes = read_subtrees(connection, coordinates)
    if merkle.root([hashes[each] for each in coordinates]) != kept.root:
        raise LogBehind(f"the first {kept.size} entries of the log are not those that were signed before")


class _Keeper:
    """Keeps the side file at the log's end; on the disk at most `DURABLE_EVERY` behind."""

    def __init__(self, side: SideFile, clock: Clock) -> None:
        self._side, self._clock = side, clock
        self._durable_at: int | None = None

    def keep(self, appended: Appended) -> None:
        """Called after each commit. A crash before it leaves a side file that the log is past, which is in order."""
        now = self._clock.monotonic_ns()
        due = self._durable_at is None or now - self._durable_at >= DURABLE_EVERY // timedelta(microseconds=1) * 1000
        self._side.write(appended.note, durable=due)
        if due:
            self._durable_at = now
