"""One writer an account: a claim that the operating system, or the database, takes back when its process dies.

Beside workers that share a PostgreSQL database a process that takes an account for itself alone is refused while any lease
lives, and ends those that ran out: both look after they have taken, so that one of them sees the other.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tieout.record.store.failures import async_failures
from tieout.record.store.leasing import end_expired

_SPACE = 7_419  # any number that nobody else uses for advisory locks of two keys


class FileClaims:
    """Claims on the accounts of a SQLite file: a locked byte each, in a file beside it.

    The locks belong to the process: the kernel gives them back however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}-claims")
        self._file: int | None = None
        self._held: set[int] = set()

    def take(self, account: int) -> bool:
        """Whether the account is claimed by this process now.

        Raises:
            OSError: The file cannot be made or locked.
        """
        if account in self._held:
            return True
        if self._file is None:
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, account)
        except (BlockingIOError, PermissionError):
            return False
        self._held.add(account)
        return True

    def holds(self, account: int) -> bool:
        """Whether it was claimed: a claim of this kind lasts as long as the process."""
        return account in self._held

    def close(self) -> None:
        """Give all of them back."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._held = None, set()


class ServerClaims:
    """Claims on the accounts of a PostgreSQL database: advisory locks of one session, which is kept for them alone."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self._engine, self._name = engine, name
        self._session: AsyncConnection | None = None
        self._held: set[int] = set()
        self._turn = asyncio.Lock()

    async def take(self, account: int) -> bool:
        """Whether the account is claimed by this process now: a session that was lost has lost its claims.

        One after the other: two at once would open two sessions, of which one is forgotten, and its claims with it.

        Raises:
            RecordUnavailable: The database cannot be asked.
        """
        async with async_failures(self._name), self._turn:
            try:
                return await self._asked(account)
            except (SQLAlchemyError, OSError):
                await self.close()
                return await self._asked(account)

    async def _asked(self, account: int) -> bool:
        if self._session is None:
            self._session = await self._engine.connect()
            await self._session.execution_options(isolation_level="AUTOCOMMIT")
        if account in self._held:
            await self._session.execute(text("SELECT 1"))
            return True
        taken = await self._session.execute(
            text("SELECT pg_try_advisory_lock(:space, :account)"), {"space": _SPACE, "account": account}
        )
        if not taken.scalar():
            return False
        # A worker that was paused past its time, and wakes up, is to find that it holds nothing.
        if not await self._session.run_sync(end_expired):
            await self._session.execute(
                text("SELECT pg_advisory_unlock(:space, :account)"), {"space": _SPACE, "account": account}
            )
            return False
        self._held.add(account)
        return True

    async def close(self) -> None:
        """Give all of them back with the session."""
        session, self._session, self._held = self._session, None, set()
        if session is not None:
            await session.invalidate()
            await session.close()


def claimed_alone(connection: Connection) -> frozenset[str]:
    """The accounts that some process has taken for itself alone, in a PostgreSQL database."""
    held = (
        "SELECT name FROM accounts JOIN pg_locks ON objid = accounts.id AND classid = :space WHERE locktype = 'advisory' "
        "AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return frozenset(connection.execute(text(held), {"space": _SPACE}).scalars())
