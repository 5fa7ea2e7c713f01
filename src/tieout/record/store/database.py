"""Two databases behind one interface: `read` and `write` run a function of a connection in one transaction.

SQLite is called on threads of its own (one that writes, one that reads): a commit then costs two thread changes, where an
asynchronous driver pays one for each statement. PostgreSQL is called through asyncpg. The functions are the same for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from tieout.errors import RecordUnavailable
from tieout.record.store.address import NO_ADDRESS, is_address, postgres_address
from tieout.record.store.claims import FileClaims, ServerClaims
from tieout.record.store.failures import async_failures, failures
from tieout.record.store.sqlite_files import LOGGED_AS, make_private, sqlite_connection, sqlite_engine

T = TypeVar("T")
Work = Callable[[Connection], T]

CONNECT_S, ANSWER_S = 5, 30  # how long PostgreSQL may take to let us in, and for one statement, unless its URL says so
STOPPED_MS = 3000  # how long it waits for the next statement of a transaction that writes


class Database(Protocol):
    """A database that the record is kept in."""

    name: str

    async def write(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        """Run *work* in one transaction; when this returns, what it wrote survives a crash and a power cut.

        Args:
            work: What to do; it may be run again where a transaction has to be repeated.
            then: Called with its result once that is committed, before anybody else writes here.

        Raises:
            RecordUnavailable: It could not be written. Where the connection was lost while committing nobody knows whether
                it was; what is written again has to recognise itself.
            IntegrityError: *work* broke a constraint; nothing of it was written.
        """

    async def read(self, work: Work[T]) -> T:
        """Run *work*, which only reads, on one consistent state.

        Raises:
            RecordUnavailable: It cannot be read now.
        """

    async def ask(self, work: Work[T]) -> T:
        """Run *work*, which asks one question: that one sees one state with no transaction around it.

        Raises:
            RecordUnavailable: It cannot be asked now.
        """

    async def claim(self, account: int) -> bool:
        """Whether this process is the one that writes an account, from now until it closes or dies; ask each time.

        Raises:
            RecordUnavailable: It cannot be found out.
        """

    async def scrub(self) -> None:
        """Leave no older version of what was erased in the database's own files, as far as it lies with us.

        Raises:
            RecordUnavailable: It cannot be written.
        """

    async def close(self) -> None:
        """Give everything back; whoever calls it afterwards is refused. Safe to repeat."""


class SqliteDatabase:
    """A SQLite file: write-ahead log, every commit on the disk, one writer.

    Args:
        path: The file; it is made, for its owner alone, unless *read_only*.
        read_only: For those who look while another process writes, or from a medium that cannot be written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.name, self.path = f"SQLite file {path.name}", path
        self._read_only, self._claims = read_only, FileClaims(path)
        if not read_only:
            make_private(path)
        mode = "ro" if read_only else "rw"
        self._writer = sqlite_engine(path, mode, begin="BEGIN IMMEDIATE")
        self._reader = sqlite_engine(path, mode, begin="BEGIN", prepare="PRAGMA query_only=ON")
        self._held: dict[Engine, Connection] = {}
        self._writing = ThreadPoolExecutor(1, "record-writer")
        self._reading = ThreadPoolExecutor(1, "record-reader")
        self._closed = False

    async def write(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        """Run *work* in one immediate transaction on the writer's thread."""
        if self._read_only:
            raise RecordUnavailable(f"{self.name} was opened for reading only")
        return await self._on(self._writing, lambda: self._run(self._writer, work, then))

    async def read(self, work: Work[T]) -> T:
        """Run *work* on the reader's thread."""
        return await self._on(self._reading, lambda: self._run(self._reader, work))

    async def ask(self, work: Work[T]) -> T:
        """The same: a transaction costs nothing here."""
        return await self.read(work)

    async def claim(self, account: int) -> bool:
        """A lock of the operating system on a byte of a file beside this one."""

        def take() -> bool:
            with failures(self.name):
                return self._claims.take(account)

        return (not self._closed and self._claims.holds(account)) or await self._on(self._writing, take)

    async def scrub(self) -> None:
        """Fold the write-ahead log into the file and empty it; a reader of an older state puts that off to the next time."""
        await self._on(self._writing, self._fold)

    async def _on(self, threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        if self._closed:
            raise RecordUnavailable(f"{self.name} was closed")
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    def _fold(self) -> None:
        # Beside the held connection, for which the engine would begin a transaction.
        with failures(self.name), closing(sqlite_connection(self.path, "rw")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _run(self, engine: Engine, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        # One connection for ever: taking one from a pool each time would cost a tenth of a commit.
        connection = self._held.get(engine)
        with failures(self.name):
            try:
                if connection is None:
                    connection = self._held[engine] = engine.connect()
                with connection.begin():
                    result = work(connection)
            except (DBAPIError, OSError):
                self._let_go(engine)
                raise
            if then is not None:
                then(result)
            return result

    def _let_go(self, engine: Engine) -> None:
        held = self._held.pop(engine, None)
        if held is not None:
            held.close()

    async def close(self) -> None:
        """Close both connections; the last one folds the write-ahead log into the file."""
        self._closed = True
        for threads, engine in ((self._reading, self._reader), (self._writing, self._writer)):
            threads.shutdown(wait=True)
            self._let_go(engine)
            engine.dispose()
        self._claims.close()


class PostgresDatabase:
    """A PostgreSQL database, for several processes and machines.

    Args:
        url: ``postgresql://user@host/name``; its password is never shown.
        read_only: Whether the session may only read.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.name = "PostgreSQL database"
        self._read_only = read_only
        scheme, _, rest = url.partition("://")
        assert scheme in ("postgresql", "postgres"), "a URL of PostgreSQL"
        address = postgres_address(f"postgresql+asyncpg://{rest}")
        self._engine = _postgres_engine(address, {})
        # A process that is stopped, or cut off, within a transaction holds the end of the log: the others wait no longer
        # than this for it.
        self._writes = _postgres_engine(address, {"idle_in_transaction_session_timeout": str(STOPPED_MS)})
        self._closed, self._claims = False, ServerClaims(self._engine, self.name)

    async def write(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        """Run *work* in one transaction."""
        if self._read_only:
            raise RecordUnavailable(f"the {self.name} was opened for reading only")
        self._check_open()
        async with async_failures(self.name):
            async with self._writes.begin() as connection:
                result = await connection.run_sync(work)
            if then is not None:
                then(result)
            return result

    async def read(self, work: Work[T]) -> T:
        """Run *work* in one repeatable-read transaction."""
        self._check_open()
        async with async_failures(self.name), self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                return await connection.run_sync(work)

    async def ask(self, work: Work[T]) -> T:
        """Run *work* with no transaction around it, which would take two answers of the server more."""
        self._check_open()
        async with async_failures(self.name), self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            return await connection.run_sync(work)

    async def claim(self, account: int) -> bool:
        """An advisory lock of a session that is kept for that."""
        self._check_open()
        return await self._claims.take(account)

    async def scrub(self) -> None:
        """Nothing: the server vacuums on its own, and keeps what was erased as long as its write-ahead log and backups."""

    async def close(self) -> None:
        """Close the pool."""
        self._closed = True
        await self._claims.close()
        await self._engine.dispose()
        await self._writes.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise RecordUnavailable(f"the {self.name} was closed")


def _postgres_engine(address: URL, settings: Mapping[str, str]) -> AsyncEngine:
    # Without an end to waiting, a server that only fell silent would keep accounts from being checked.
    limits = {"timeout": CONNECT_S, "command_timeout": ANSWER_S}
    engine = create_async_engine(
        address,
        hide_parameters=True,
        logging_name=LOGGED_AS,
        pool_size=4,
        max_overflow=4,
        connect_args={
            **{name: value for name, value in limits.items() if name not in address.query},
            "server_settings": dict(settings),
        },
    )
    event.listen(engine.sync_engine, "checkout", _require_open)
    return engine


def _require_open(_: object, pooled: ConnectionPoolEntry, __: object) -> None:
    # The pool opens another one then. To ask the server each time, as a pool can, takes as long as a short transaction.
    if pooled.driver_connection is None or pooled.driver_connection.is_closed():
        raise DisconnectionError


def open_database(where: str, *, read_only: bool = False) -> Database:
    """The database at *where*: a URL of PostgreSQL, else a path of a SQLite file.

    Raises:
        RecordUnavailable: The file cannot be made, or the URL is none.
    """
    if where.startswith(("postgresql://", "postgres://")):
        return PostgresDatabase(where, read_only=read_only)
    if is_address(where):  # as a path it would put a password into the names of files, and into sentences
        raise RecordUnavailable(NO_ADDRESS)
    return SqliteDatabase(Path(where), read_only=read_only)
