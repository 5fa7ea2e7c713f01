"""Rows, raw: as fast as a driver gives them, from either database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tieout.errors import LogBroken
from tieout.record.plain import driver_sql

Value = int | str | bytes
Fetch = Callable[[str, tuple[Value, ...]], list[tuple[Any, ...]]]

ENTRIES = "SELECT entry, event, body FROM log_entries WHERE entry >= ? AND entry < ? ORDER BY entry"
NODES = "SELECT leaf, hashes FROM tree_nodes WHERE leaf >= ? AND leaf < ? ORDER BY leaf"
CHECKPOINTS = "SELECT size, note FROM checkpoints WHERE size > ? AND size <= ? ORDER BY size"
LAST_CHECKPOINTS = "SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size DESC LIMIT ?"
NEXT_CHECKPOINT = "SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT 1"
OBSERVATIONS = (
    "SELECT entry, account, at, look, record FROM observations WHERE entry >= ? AND entry <= ? ORDER BY entry"
)


def sqlite_rows(path: Path) -> Fetch:
    """Rows of a SQLite file, opened for reading only."""
    # as_uri escapes what a file's name may hold and a URI must not.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("BEGIN")  # one state for all that follows
    return _rows_of(connection)


def rows_of(connection: Connection) -> Fetch:
    """Rows as *connection* sees them, in its own transaction."""
    if connection.dialect.name == "sqlite":
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return _rows_of(driver)

    def fetch(sql: str, bounds: tuple[Value, ...]) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.exec_driver_sql(driver_sql(connection, sql), bounds)]

    return fetch


def _rows_of(connection: sqlite3.Connection) -> Fetch:
    def fetch(sql: str, bounds: tuple[Value, ...]) -> list[tuple[Any, ...]]:
        try:
            return connection.execute(sql, bounds).fetchall()
        except UnicodeDecodeError:
            raise LogBroken(_damaged(sql)) from None
        except sqlite3.DatabaseError as error:
            said = str(error)
            if "malformed" not in said and "UTF-8" not in said and "corrupt" not in said:
                raise
            raise LogBroken(_damaged(sql)) from None

    return fetch


def _damaged(sql: str) -> str:
    table = sql.partition(" FROM ")[2].split()[0]
    return (
        f"the database's file is damaged: rows of its table {table} cannot be read any more; "
        "restore it from a backup, and verify that against the head that is kept besides"
    )
