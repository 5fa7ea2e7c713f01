"""A world's own file: every fact as one row of JSON text, decimals as strings, one transaction a change.

After `append` has returned, a `kill -9` or a power cut loses nothing of it: `synchronous=FULL` waits for the disk. One
process at a time holds the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .facts import Entry, WorldBroken

BUSY_S = 1
_entry = msgspec.json.Decoder(Entry)


class SqliteJournal:
    """A journal in a SQLite file.

    Raises:
        WorldBroken: Another process holds the file, or it is not a world.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise WorldBroken(f"{path.name}: {error}") from error

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode=EXCLUSIVE")
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")
        run("BEGIN IMMEDIATE")
        run("CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT")
        run("COMMIT")

    @property
    def synchronous(self) -> str:
        """How far SQLite says that a commit waits for the disk."""
        (level,) = self._connection.execute("PRAGMA synchronous").fetchone()
        return ("OFF", "NORMAL", "FULL", "EXTRA")[level]

    def read(self) -> list[Entry]:
        """Every entry, in the order in which they were appended."""
        try:
            rows = self._connection.execute("SELECT body FROM entry ORDER BY number").fetchall()
            return [_entry.decode(body) for (body,) in rows]
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise WorldBroken(f"{self._path.name}: not a world that this version can read") from error

    def append(self, entries: Sequence[Entry]) -> None:
        """Write *entries* in one transaction that is on the disk when this returns."""
        rows = [(msgspec.json.encode(entry).decode(),) for entry in entries]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO entry (body) VALUES (?)", rows)
            # Before the commit a crash loses the change whole, after it nothing; nobody was told of it before.
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise WorldBroken(f"{self._path.name}: {error}") from error

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        self._connection.close()
