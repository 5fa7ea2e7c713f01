"""What a database may raise, as one sentence without any of the values that were being written."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from tieout.errors import RecordUnavailable, StorageExhausted


@contextmanager
def failures(name: str) -> Iterator[None]:
    """Turn what a database may raise into one sentence without any of the values that were being written."""
    try:
        yield
    except IntegrityError as error:
        # What the database itself says of it shows the whole row.
        raise IntegrityError(None, None, ValueError(f"{name}: {type(error.orig).__name__}")) from None
    except DBAPIError as error:
        raise _unavailable(name, _sentence(error.orig)) from None
    except sqlite3.Error as error:
        raise _unavailable(name, _sentence(error)) from None
    except (SQLAlchemyError, OSError) as error:
        raise _unavailable(name, _sentence(error)) from None


def _unavailable(name: str, sentence: str) -> RecordUnavailable:
    return (StorageExhausted if sentence == _FULL else RecordUnavailable)(f"{name}: {sentence}")


@asynccontextmanager
async def async_failures(name: str) -> AsyncIterator[None]:
    """The same around what is awaited."""
    with failures(name):
        yield


_FULL = "the disk is full"
_KNOWN = (
    ("disk is full", _FULL),
    ("no space left", _FULL),
    ("readonly", "it cannot be written (read-only)"),
    ("read-only", "it cannot be written (read-only)"),
    ("malformed", "the file is damaged"),
    ("not a database", "this is not a Tieout record"),
    ("database is locked", "another process holds it"),
    ("unable to open", "the file cannot be opened"),
    ("disk i/o error", "the disk does not answer as it should"),
    ("no such table", "this is not a Tieout record"),
    ("already exists", "it holds tables of something else; give Tieout a store of its own"),
)


def _sentence(error: BaseException | None) -> str:
    said = str(error).lower()
    return next((plain for words, plain in _KNOWN if words in said), plain(error))


def plain(error: BaseException | None) -> str:
    """What kind of failure it was; its own words might hold values."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    state = getattr(error, "sqlstate", None)  # five letters and digits, listed in PostgreSQL's appendix of error codes
    return f"it does not answer ({type(error).__name__}{f' {state}' if state else ''})"
