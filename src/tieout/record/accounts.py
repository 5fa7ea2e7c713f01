"""Accounts by name -> their rows, each made on first sight."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Connection, select

from tieout.record.rows import upsert
from tieout.record.store.database import Database
from tieout.record.store.schema import accounts

AT_ONCE = 500  # names in one query


class Accounts:
    """The rows of the accounts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: dict[str, int] = {}
        self._wanted: set[str] = set()
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def row(self, name: str) -> int:
        """The row of an account, made on first sight. Thousands may start at once: those that wait are looked up together.

        Raises:
            RecordUnavailable: The database cannot be asked.
        """
        if name not in self._rows:
            self._wanted.add(name)
            if self._next is None:
                self._next = asyncio.create_task(self._look_up(), name="tieout looks up accounts")
            await asyncio.shield(self._next)
        return self._rows[name]

    async def _look_up(self) -> None:
        async with self._turn:
            wanted, self._wanted, self._next = sorted(self._wanted), set(), None
            found = await self._database.read(lambda connection: _rows(connection, wanted))
            if lacking := [name for name in wanted if name not in found]:
                found |= await self._database.write(lambda connection: _made(connection, lacking))
            self._rows |= found


def _made(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Rows for *names*; another process may be making the same."""
    upsert(connection, accounts, [{"name": name} for name in names], ["name"])
    return _rows(connection, names)


def _rows(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    found = dict[str, int]()
    for start in range(0, len(names), AT_ONCE):
        chunk = names[start : start + AT_ONCE]
        query = select(accounts.c.name, accounts.c.id).where(accounts.c.name.in_(chunk))
        found |= {row.name: row.id for row in connection.execute(query)}
    return found
