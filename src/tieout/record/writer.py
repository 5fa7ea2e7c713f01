"""Group commit: what many tasks want recorded goes to the disk in one transaction, and each is told when it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tieout.errors import AccountTaken, RecordError, RecordUnavailable, StorageExhausted
from tieout.record.entry import Draft, EntryKind
from tieout.record.log import Appended, Author, Head, HeadMoved, append, lock_head, places_of
from tieout.record.room import Room
from tieout.record.store.database import Database

MAX_BATCH = 1024
STORAGE_EXHAUSTED = "storage_exhausted"  # why the log says that it halted, and went on

# Writes the rows that belong to entries, given where those stand; runs inside the transaction, and may run again.
Rows = Callable[[Connection, Sequence[int]], None]


class Overtaken(Exception):
    """What a unit was made from has changed before it was written; it has to be made anew."""


class Unit(Struct, frozen=True):
    """What is recorded whole or not at all: entries, and the rows that belong to them."""

    drafts: tuple[Draft, ...]
    rows: Rows | None = None


class Written(Struct, frozen=True):
    """Where a unit's entries stand; `before` where they stood there already, written by an attempt that got no answer."""

    entries: tuple[int, ...]
    before: bool = False


class Writer:
    """The one writer of a process.

    Args:
        database: Where to.
        author: Who signs.
        head: The log's end as it was read when it was opened.
        committed: Called after each commit with the checkpoint that it signed, on the thread that committed.
        room: What the disk has left; None where that is not ours to know.
    """

    def __init__(
        self,
        database: Database,
        author: Author,
        head: Head,
        committed: Callable[[Appended], None],
        *,
        room: Room | None = None,
    ) -> None:
        self._database, self._author, self._committed, self._room = database, author, committed, room
        self._head = head
        self._waiting: list[tuple[Unit, asyncio.Future[Written]]] = []
        self._flushing: asyncio.Task[None] | None = None

    @property
    def size(self) -> int:
        """How many entries the log had when this process last looked."""
        return self._head.size

    async def write(self, unit: Unit) -> Written:
        """Record *unit*; when this returns it is on the disk. Repeating it after a failure is safe.

        Raises:
            RecordUnavailable: It could not be written, or nobody knows whether it was; `StorageExhausted` where the disk is
                full, until there is room again.
            LogBehind: The log has become shorter than it was.
            Overtaken: Its rows found that it has to be made anew.
        """
        future: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append((unit, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await future

    async def close(self) -> None:
        """Wait for what is under way. Safe to repeat."""
        if self._flushing is not None:
            await self._flushing

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._commit(batch)
        finally:
            self._flushing = None
            left, self._waiting = self._waiting, []
            for _, future in left:  # a bug ended this task, or a shutdown: who queued up meanwhile is told as well
                _answer(future, _fault())

    async def _commit(self, batch: list[tuple[Unit, asyncio.Future[Written]]]) -> None:
        units = [unit for unit, _ in batch]
        outcomes: list[Any] = [_fault() for _ in batch]
        try:
            outcomes = list(await self._attempt(units))
        except (IntegrityError, Overtaken, AccountTaken):
            # One of them was written before, is wrong, or is of an account that another process writes by now: each alone,
            # so that the others do not suffer for it.
            outcomes = [await self._alone(unit) for unit in units]
        except RecordError as error:
            outcomes = [error] * len(batch)
        finally:
            # Also where a bug ends this task: nobody is left waiting for an answer.
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                _answer(future, outcome)

    async def _alone(self, unit: Unit) -> Written | Exception:
        try:
            known = await self._database.read(lambda connection: places_of(connection, [d.event for d in unit.drafts]))
            if unit.drafts and len(known) == len(unit.drafts):
                return Written(tuple(known[draft.event] for draft in unit.drafts), before=True)
            return (await self._attempt([unit]))[0]
        except (RecordError, IntegrityError, Overtaken) as error:
            return error

    async def _attempt(self, units: Sequence[Unit]) -> list[Written]:
        if self._room is None:
            return await self._transact(units)
        try:
            if self._room.exhausted:
                await asyncio.to_thread(self._room.take)
                await self._note(EntryKind.RESUME)
            return await self._transact(units)
        except StorageExhausted:
            # A crash in here leaves the disk full and nobody told by the log; nothing is acted on all the same, for that
            # would have to be written first. What is acknowledged stands in every case.
            if await asyncio.to_thread(self._room.give):
                with suppress(RecordError):  # then the log cannot say it: the one who asked for this is told
                    await self._note(EntryKind.HALT)
            raise self._room.refusal() from None

    async def _note(self, kind: EntryKind) -> None:
        """Log that the disk is full (the ballast made room for this), or that there is room again."""
        event = f"storage:{kind}:{self._head.size}"
        await self._transact([Unit((Draft(event=event, kind=kind, refs={"reason": STORAGE_EXHAUSTED}),))])

    async def _transact(self, units: Sequence[Unit]) -> list[Written]:
        """Write *units* in one transaction, after whatever other processes wrote in the meantime."""
        _, written = await self._database.write(lambda connection: self._transaction(connection, units), self._advance)
        return written

    def _advance(self, done: tuple[Appended | None, list[Written]]) -> None:
        if done[0] is not None:
            self._head = done[0].head
            self._committed(done[0])

    def _transaction(self, connection: Connection, units: Sequence[Unit]) -> tuple[Appended | None, list[Written]]:
        drafts = [draft for unit in units for draft in unit.drafts]
        appended = self._append(connection, drafts) if drafts else None
        written, place = [], appended.first if appended else 0
        for unit in units:
            entries = tuple(range(place, place + len(unit.drafts)))
            place += len(unit.drafts)
            if unit.rows is not None:
                unit.rows(connection, entries)
            written.append(Written(entries))
        # A crash before the commit leaves nothing of it; one between the commit and the answer leaves it whole, and whoever
        # tries again is told where it stands.
        return appended, written

    def _append(self, connection: Connection, drafts: Sequence[Draft]) -> Appended:
        try:
            return append(connection, self._head, drafts, self._author)
        except HeadMoved:
            # By another process, or by a commit of ours whose answer was lost. Whoever reads the head again in the same
            # transaction holds it, so that the fastest writer cannot keep the others from their turn.
            return append(connection, lock_head(connection, self._head), drafts, self._author)


def _fault() -> RecordUnavailable:
    return RecordUnavailable("a fault inside Tieout kept this from being recorded")


def _answer(future: asyncio.Future[Written], outcome: Written | Exception) -> None:
    if future.done():
        return  # its task was cancelled while it waited
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
