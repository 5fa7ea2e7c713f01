"""Accounts by name -> their rows, each made on first sight."""

from __future__ import annotations

from sqlalchemy import Connection, select

from tieout.record.rows import upsert
from tieout.record.store.database import Database
from tieout.record.store.schema import accounts


class Accounts:
    """The rows of the accounts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: dict[str, int] = {}

    async def row(self, name: str) -> int:
        """The row of an account, made on first sight.

        Raises:
            RecordUnavailable: The database cannot be asked.
        """
        if name not in self._rows:
            found = await self._database.read(lambda connection: _row(connection, name))
            if found is None:
                await self._database.write(lambda connection: upsert(connection, accounts, [{"name": name}], ["name"]))
                found = await self._database.read(lambda connection: _row(connection, name))
            assert found is not None
            self._rows[name] = found
        return self._rows[name]


def _row(connection: Connection, name: str) -> int | None:
    found: int | None = connection.execute(select(accounts.c.id).where(accounts.c.name == name)).scalar()
    return found
