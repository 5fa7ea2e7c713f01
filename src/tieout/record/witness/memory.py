"""What a witness remembers, in a SQLite file of its own: the last checkpoint of each log, and those that it refused."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from tieout.errors import RecordUnavailable
from tieout.record.files import OWNER_ONLY, unavailable

BUSY_S = 5
REFUSED_AT_MOST = 1000  # of one log; the first are the ones that count

_TABLES = (
    "CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,"
    " signed BLOB NOT NULL, at TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS refused (origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,"
    " signed BLOB NOT NULL, before BLOB NOT NULL, why TEXT NOT NULL, at TEXT NOT NULL,"
    " PRIMARY KEY (origin, size, root)) STRICT",
)


class Seen(Struct, frozen=True):
    """The last checkpoint of a log that was cosigned."""

    size: int
    root: bytes
    signed: bytes
    at: datetime


class Refused(Struct, frozen=True):
    """A checkpoint that its log did sign and that was not cosigned, with the one that stood against it, and why."""

    origin: str
    size: int
    signed: bytes
    before: bytes
    why: str
    at: datetime


class Held:
    """The memory inside one transaction: nobody else looks at it or changes it before that ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def seen(self, origin: str) -> Seen | None:
        """The last checkpoint of a log; None where there is none yet."""
        row = self._connection.execute("SELECT size, root, signed, at FROM seen WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else Seen(row[0], row[1], row[2], datetime.fromisoformat(row[3]))

    def remember(self, origin: str, seen: Seen) -> None:
        """Let it be the last one."""
        self._connection.execute(
            "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)",
            (origin, seen.size, seen.root, seen.signed, _text(seen.at)),
        )

    def accuse(self, refused: Refused, root: bytes) -> None:
        """Keep what a log signed and should not have."""
        (count,) = self._connection.execute(
            "SELECT count(*) FROM refused WHERE origin = ?", (refused.origin,)
        ).fetchone()
        if count < REFUSED_AT_MOST:
            row = (refused.origin, refused.size, root, refused.signed, refused.before, refused.why, _text(refused.at))
            self._connection.execute("INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def logs(self) -> list[tuple[str, Seen]]:
        """Every log that is known, with its last checkpoint."""
        rows = self._connection.execute("SELECT origin, size, root, signed, at FROM seen ORDER BY origin")
        return [(row[0], Seen(row[1], row[2], row[3], datetime.fromisoformat(row[4]))) for row in rows]

    def refused(self) -> list[Refused]:
        """What was refused, oldest first."""
        rows = self._connection.execute("SELECT origin, size, signed, before, why, at FROM refused ORDER BY at, size")
        return [Refused(row[0], row[1], row[2], row[3], row[4], datetime.fromisoformat(row[5])) for row in rows]


class Memory:
    """A witness' memory.

    Args:
        path: Its file; it is made, for its owner alone.

    Raises:
        RecordUnavailable: It cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with unavailable(path, "made"):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, OWNER_ONLY))
        with self.hold() as _:
            pass

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """One transaction; when it ends well, what it changed survives a crash and a power cut.

        Raises:
            RecordUnavailable: It cannot be read or written now.
        """
        address = f"{self._path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_S)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("BEGIN IMMEDIATE")
                for table in _TABLES:
                    connection.execute(table)
                yield Held(connection)
                # A crash before this leaves the checkpoint before; nothing was answered yet.
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise RecordUnavailable(
                f"the witness' memory {self._path} cannot be used ({type(error).__name__}); look at its disk"
            ) from None


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
