"""Walks through the record: readings kept, acted on, and every way in which a database, a key or a payload fails."""

from __future__ import annotations

import base64
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, event, insert, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tests.canary.desks import CASH, READS, START, TOLD, MarkedDesk, differing
from tests.canary.ear import Ear
from tests.live.feeding import feed
from tests.record.postgres import Server
from tests.record.test_migrations import VERSIONS, by_migrations
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.errors import (
    ActionRefused,
    BookError,
    OutcomeUnknown,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceUnreachable,
    TieoutError,
)
from tieout.live.configuration import Configuration
from tieout.model.settings import Settings
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.patient import PatientRecord
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.database import open_database
from tieout.record.store.schema import actions, live_positions, payloads

FAILURES = ("database or disk is full", "attempt to write a readonly database", "disk I/O error", "no such table")


@dataclass
class Ground:
    """Where a walk goes: an ear, an empty folder, and a PostgreSQL server."""

    ear: Ear
    folder: Path
    server: Server
    numbers: Iterator[int]
    escaped: list[str]  # failures that a command let through as they were
    every: int = 1  # of what a walk repeats with small changes, only each so many-th is done

    def settings(self, kind: str = "sqlite") -> RecordSettings:
        """A new record's settings, its keys made; the keys are marked."""
        folder = self.folder / f"record-{next(self.numbers)}"
        folder.mkdir()
        store = str(folder / "tieout.db") if kind == "sqlite" else self.server.fresh()
        keys.create(folder / "keys", "tieout-canary")
        for name in (keys.LOG_KEY, keys.MASTER_KEY):
            line = (folder / "keys" / name).read_text().strip()
            secret = line.split("+", 4)[-1] if name == keys.LOG_KEY else line  # PRIVATE+KEY+name+id+key
            self.ear.marks.secret(base64.b64decode(secret), base64.b64decode(secret)[1:], secret)
        return RecordSettings(store=store, keys=str(folder / "keys"))

    async def caught(self, attempt: Awaitable[object]) -> None:
        """Await what may fail, and search how."""
        try:
            await attempt
        except (TieoutError, SQLAlchemyError) as error:
            self.ear.caught(error)


@asynccontextmanager
async def opened(settings: RecordSettings, clock: VirtualClock) -> AsyncIterator[StoreRecord]:
    record = await open_record(settings, clock)
    try:
        yield record
    finally:
        await record.close()


async def differing_sides(ground: Ground) -> None:
    """Generated accounts that differ in every way, judged, kept and restored, on both databases."""
    made = differing(24 // ground.every, ground.ear.marks)
    for kind in ("sqlite", "postgres"):
        clock = VirtualClock(START)
        async with opened(ground.settings(kind), clock) as record:
            told = await feed(record, made, Configuration(Settings(), Policy()), clock, restarts=(len(made) // 2,))
        ground.ear.marks.amount(*told)


async def older_records(ground: Ground) -> None:
    """A record that an older version made is brought forward, on both databases."""
    for kind in ("sqlite", "postgres"):
        settings = ground.settings(kind)
        database = open_database(settings.store)
        await database.write(lambda connection: by_migrations(connection, VERSIONS[-2]))
        await database.close()
        await (await open_record(settings, VirtualClock(START))).close()


async def failing_sides(ground: Ground) -> None:
    """Each call of broker and books fails with a venue's own words, while reading and while acting."""
    clock = VirtualClock(START)
    for record in (None, await open_record(ground.settings(), clock)):
        desk = MarkedDesk(ground.ear.marks, clock)
        desk.start(record)
        for kind in (SourceRefused, SourceUnreachable, SourceThrottled, SourceMalformed, SourceIncomplete):
            for call in (*READS, "read"):
                side = desk.books if call == "read" else desk.broker
                await desk.differ(stranger=call == "read")
                side.fails = {call: kind("venue", call.removeprefix("get_"), TOLD)}
                await desk.read()
                side.fails = {}
        ground.ear.hear("report", repr(await desk.read()), amounts=True)
        if record is not None:
            await record.close()


async def failing_acts(ground: Ground) -> None:
    """What is acted on is refused, or its outcome never comes, on both sides; then it is looked up."""
    silent = SourceUnreachable("venue", "account", TOLD)
    for refusal in (BookError("fill f-1", TOLD), OutcomeUnknown("booking", TOLD)):
        desk = MarkedDesk(ground.ear.marks)
        await desk.differ()
        desk.books.fails, desk.books.afterwards = {"apply": refusal}, {"read": silent}
        await _on_after(ground, desk)
    for refused in (ActionRefused("cancel", TOLD), OutcomeUnknown("cancel", TOLD)):
        desk = MarkedDesk(ground.ear.marks)
        await desk.differ(order=True)
        desk.broker.fails, desk.broker.afterwards = {"cancel_order": refused}, {"get_order": silent}
        await _on_after(ground, desk)


async def _on_after(ground: Ground, desk: MarkedDesk) -> None:
    """Act, find the side silent, start anew before and after it speaks again."""
    async with opened(ground.settings(), desk.clock) as record:
        desk.start(record)
        for _ in range(3):
            await desk.read()
        desk.start(record)
        await desk.read()
        desk.mend()
        await desk.read()
        rows = await record.database.read(lambda connection: connection.execute(select(actions)).all())
        ground.ear.hear("table actions", repr(rows))


class Breaking:
    """Lets the *fatal*-th statement of a database fail, as the database itself would: with the row in its words."""

    def __init__(self, fatal: int, words: str) -> None:
        self.fatal, self.words, self.seen = fatal, words, 0

    def __call__(self, _connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        self.seen += 1
        if self.seen == self.fatal:
            raw = sqlite3.OperationalError(f"{self.words}: {TOLD} {parameters!r}")
            raise DBAPIError(statement, [parameters], raw)


@contextmanager
def breaking(fatal: int, words: str) -> Iterator[Breaking]:
    breaks = Breaking(fatal, words)
    event.listen(Engine, "before_cursor_execute", breaks)
    try:
        yield breaks
    finally:
        event.remove(Engine, "before_cursor_execute", breaks)


async def failing_statements(ground: Ground) -> None:
    """One statement after the other fails, while a record is opened, written, acted from and restored."""
    for kind, step in (("sqlite", 3 * ground.every), ("postgres", 9 * ground.every)):
        settings = ground.settings(kind)
        for fatal in itertools.count(1, step):
            clock = VirtualClock(START + timedelta(days=fatal))
            with breaking(fatal, FAILURES[fatal % len(FAILURES)]) as breaks:
                record = PatientRecord(lambda: open_record(settings, clock), clock)  # noqa: B023
                desk = MarkedDesk(ground.ear.marks, clock)
                desk.start(record)
                await desk.differ(stranger=True, order=True)
                for _ in range(2):
                    await desk.read()
                await ground.caught(record.permit())
            if record._record is not None:
                await record._record.close()
            if breaks.seen < fatal:
                break


def _insert_twice(connection: Connection, row: dict[str, object]) -> None:
    for _ in range(2):
        connection.execute(insert(live_positions), [row])


async def broken_constraints(ground: Ground) -> None:
    """Rows that the database itself refuses: a key twice, a reference to nothing, a value that is missing or no number."""
    for kind in ("sqlite", "postgres"):
        desk = MarkedDesk(ground.ear.marks)
        async with opened(ground.settings(kind), desk.clock) as record:
            desk.start(record)
            await desk.differ(stranger=True)
            await desk.read()
            row = {"account": 1, "asset": "X", "side": "net", "amount": CASH, "at": desk.clock.now(), "entry": 0}
            for wrong in ({}, {"account": 77}, {"at": None}, {"amount": "no number"}):
                await ground.caught(record.database.write(partial(_insert_twice, row={**row, **wrong})))
            await ground.caught(record.database.write(lambda c: c.execute(text("SELECT :x FROM nowhere"), {"x": TOLD})))
            await ground.caught(record.database.write(lambda c: c.execute(text("DROP TABLE"))))
            await ground.caught(
                record.database.write(
                    lambda c: c.execute(insert(payloads), [dict(c.execute(select(payloads)).first()._mapping)])  # type: ignore[union-attr]
                )
            )


WALKS = (older_records, differing_sides, failing_sides, failing_acts, failing_statements, broken_constraints)
