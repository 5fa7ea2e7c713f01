"""A SQLite file: made for its owner alone, opened with a write-ahead log that waits for the disk."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from tieout.errors import RecordUnavailable
from tieout.record.store.failures import plain

BUSY_MS = 5000
LOGGED_AS = "tieout"
# SQLAlchemy logs every row that it fetches at DEBUG, and hide_parameters does not cover those.
logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGED_AS}").addFilter(lambda record: record.levelno > logging.DEBUG)
_FULL = 2  # what SQLite answers for synchronous=FULL


def make_private(path: Path) -> None:
    """Make the file for its owner alone; SQLite gives the files beside it the same mode.

    Raises:
        RecordUnavailable: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise RecordUnavailable(f"SQLite file {path.name} cannot be made ({plain(error)})") from None


def sqlite_connection(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to it; *mode* is "rw" or "ro".

    Raises:
        RecordUnavailable: It does not keep a write-ahead log that waits for the disk.
    """
    address = f"file:{_quoted(path)}?mode={mode}"
    if mode == "ro" and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
        # A write-ahead log needs files beside it, which cannot be made here; nobody else writes this one either.
        address += "&immutable=1"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    _prepare(connection, path, mode)
    return connection


def sqlite_engine(path: Path, mode: str, *, begin: str, prepare: str | None = None) -> Engine:
    """A pool of one connection to it, whose transactions start with *begin*; *prepare* runs first of all."""

    def connect() -> sqlite3.Connection:
        connection = sqlite_connection(path, mode)
        if prepare is not None:
            connection.execute(prepare)
        return connection

    # The URL is never used, it only picks the dialect: the path may hold characters that a URL gives another meaning.
    engine = create_engine(
        "sqlite://",
        creator=connect,
        hide_parameters=True,
        logging_name=LOGGED_AS,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver's own BEGIN is deferred: two that read and then write would each overwrite the other's change.
        connection.exec_driver_sql(begin)

    return engine


def _prepare(connection: sqlite3.Connection, path: Path, mode: str) -> None:
    run = connection.execute
    run(f"PRAGMA busy_timeout={BUSY_MS}")
    run("PRAGMA foreign_keys=ON")
    if mode == "ro":
        return
    run("PRAGMA journal_mode=WAL")
    run("PRAGMA synchronous=FULL")
    run("PRAGMA secure_delete=ON")  # an erased payload's key must not stay behind in a free page
    (level,) = run("PRAGMA synchronous").fetchone()
    (journal,) = run("PRAGMA journal_mode").fetchone()
    if (journal, level) != ("wal", _FULL):
        connection.close()
        raise RecordUnavailable(
            f"SQLite file {path.name} does not keep a write-ahead log that waits for the disk; move it to a local disk"
        )


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
