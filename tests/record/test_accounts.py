"""The rows of accounts: those that start together are looked up together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TypeVar

import pytest

from tieout.errors import RecordUnavailable
from tieout.record.accounts import Accounts
from tieout.record.store.database import SqliteDatabase, Work, open_database
from tieout.record.store.migrations import migrate

T = TypeVar("T")
NAMES = [f"a{number}" for number in range(1200)]


class Counting(SqliteDatabase):
    """A database that counts what it is asked, and may be away."""

    asked, away = 0, False

    async def read(self, work: Work[T]) -> T:
        """One question."""
        self.asked += 1
        if self.away:
            raise RecordUnavailable("it is away")
        return await super().read(work)


async def test_accounts_that_start_together_have_rows_of_their_own(where: str) -> None:
    """Thousands that are asked for at once, by two processes, get a row each, and the same in both."""
    databases = [open_database(where) for _ in range(2)]
    await databases[0].write(migrate)
    told = [await asyncio.gather(*map(each.row, NAMES)) for each in map(Accounts, databases)]
    here, there = Accounts(databases[0]), Accounts(databases[1])
    new = await asyncio.gather(*(each.row(f"new {name}") for name in NAMES[:50] for each in (here, there)))
    for database in databases:
        await database.close()
    assert told[0] == told[1]
    assert len({*told[0]}) == len(NAMES)
    assert new[::2] == new[1::2]


async def test_accounts_that_start_together_are_asked_for_at_once(tmp_path: Path) -> None:
    """A thousand that start together cost one question; while the store is away all are told so at once."""
    database = Counting(tmp_path / "tieout.db")
    await database.write(migrate)
    rows = Accounts(database)
    database.away = True
    failed = await asyncio.gather(*map(rows.row, NAMES), return_exceptions=True)
    assert {type(each) for each in failed} == {RecordUnavailable}
    assert database.asked == 1
    database.away = False
    await asyncio.gather(*map(rows.row, NAMES), return_exceptions=True)
    assert database.asked == 2
    await database.close()


async def test_whoever_stops_waiting_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """One that is broken off while it waits for its row leaves the others theirs."""
    database = SqliteDatabase(tmp_path / "tieout.db")
    await database.write(migrate)
    rows = Accounts(database)
    waiting = [asyncio.create_task(rows.row(name)) for name in ("a", "b")]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert await waiting[1] == await rows.row("b")
    await database.close()
