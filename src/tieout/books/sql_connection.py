"""A database that is only read: every question in one transaction, which is never committed."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tieout.errors import SourceUnreachable

T = TypeVar("T")
SECONDS = 20
LOGGED_AS = "tieout-books"
# SQLAlchemy logs every row that it fetches at DEBUG, and hide_parameters does not cover those.
logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGED_AS}").addFilter(lambda record: record.levelno > logging.DEBUG)


class SqlSource:
    """A database at an address as SQLAlchemy writes it, such as ``postgresql://user:secret@host/name``.

    Raises:
        ValueError: It is none, or its driver is not installed; in words that do not repeat it.
    """

    def __init__(self, address: str) -> None:
        try:
            url = make_url(address)
            self._kind = url.get_backend_name()
            if url.drivername in ("postgresql", "postgres", "postgresql+asyncpg"):
                url = url.set(drivername="postgresql+asyncpg")
                self._engine: Engine | AsyncEngine = create_async_engine(
                    url, hide_parameters=True, logging_name=LOGGED_AS, poolclass=NullPool
                )
            elif self._kind == "sqlite":
                path = Path(url.database or "")
                self._engine = create_engine(
                    "sqlite://", creator=lambda: _sqlite(path), poolclass=NullPool, logging_name=LOGGED_AS
                )
            else:
                self._engine = create_engine(url, hide_parameters=True, logging_name=LOGGED_AS, poolclass=NullPool)
        except (ArgumentError, SQLAlchemyError, ValueError):
            raise ValueError("not an address of a database") from None
        except ImportError as error:
            raise ValueError(f"its driver is not installed ({error.name})") from None

    def __repr__(self) -> str:
        return f"SqlSource({self._kind})"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The result of *work* in one transaction that only reads.

        Raises:
            SourceUnreachable: The database is not there.
            SQLAlchemyError: It does not answer *work*.
        """
        async with asyncio.timeout(SECONDS):
            if isinstance(self._engine, AsyncEngine):
                options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                try:
                    plain = await self._engine.connect()
                except (SQLAlchemyError, OSError) as error:
                    raise _away(error) from None
                try:
                    connection = await plain.execution_options(**options)
                    return await connection.run_sync(work)
                finally:
                    await plain.close()
            return await asyncio.to_thread(self._read, self._engine, work)

    def _read(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            connection = engine.connect()
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise _away(error) from None
        with connection:
            if self._kind != "sqlite":  # whose transactions see one moment, whatever they are told
                self._at_one_moment(connection)
            return work(connection)  # never committed: leaving takes everything back

    def _at_one_moment(self, connection: Connection) -> None:
        own = self._kind in ("mysql", "mariadb")
        try:
            connection.execution_options(isolation_level="REPEATABLE READ" if own else "SERIALIZABLE")
        except (ArgumentError, RuntimeError):  # the latter of a dialect that knows no levels at all
            why = f"{self._kind} does not say what all of its tables held at one moment"
            raise SourceUnreachable("local", "SQL books", why) from None
        if own:
            connection.execute(text("SET TRANSACTION READ ONLY"))


def _away(error: Exception) -> SourceUnreachable:
    return SourceUnreachable("local", "SQL books", f"the database lets nobody in ({type(error).__name__})")


def _sqlite(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=5, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("BEGIN")
    return connection
