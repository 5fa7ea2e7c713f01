"""`SqlBooks`: books in any SQL database, read by queries of the user's own. Nothing is written, and no float is taken."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from tieout.books.base import CanApply
from tieout.books.sql_connection import SqlSource
from tieout.clock import Clock
from tieout.errors import BookError, SourceMalformed, SourceUnreachable
from tieout.model.amounts import dec, fits
from tieout.model.changes import Change
from tieout.model.codec import sound
from tieout.model.snapshot import Activity, Balance, Fill, Json, Order, Position, Section, Snapshot

WHERE = "SQL books"
MOST_ROWS = 500_000
READS = re.compile(r"\s*(select|with)\b[^;]*;?\s*", re.IGNORECASE | re.DOTALL)
ROWS: dict[Section, type[Struct]] = {
    "positions": Position,
    "balances": Balance,
    "orders": Order,
    "fills": Fill,
    "activities": Activity,
}
T = TypeVar("T")


class Query(Struct, frozen=True):
    """One section's query, and which of its columns is which field; a field that is not named is its own column."""

    query: str
    columns: Mapping[str, str] = {}


class SqlBooks:
    """One account's books (`books.base.LocalBooks`).

    Args:
        account: Whose they are; queries may say :account.
        source: The database.
        clock: What their age is measured by.
        queries: What is read; a section without one is not fetched.
        as_of: A query for the moment that the books speak of; None is the moment of reading.
        max_age_seconds: Books that say they are older are not what local holds now; None takes any.
        since: How far back :since is.
    """

    can_apply = CanApply.NOT

    def __init__(
        self,
        account: str,
        source: SqlSource,
        clock: Clock,
        *,
        queries: Mapping[Section, Query],
        as_of: str | None = None,
        max_age_seconds: int | None = 900,
        since: timedelta = timedelta(days=7),
    ) -> None:
        self._account, self._source, self._clock, self._queries = account, source, clock, dict(queries)
        self._as_of, self._since = as_of, since
        self._max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)

    async def read(self) -> Snapshot:
        """Every section in one transaction.

        Raises:
            SourceUnreachable: The database does not answer, or its books are too old.
            SourceMalformed: A query fails, or a row is not what its section holds.
        """
        now = self._clock.now()
        try:
            held = await self._source.read(lambda connection: self._read(connection, now))
        except (SQLAlchemyError, sqlite3.Error) as error:
            # Not its text: that repeats the query, and what was in it.
            raise SourceMalformed("local", WHERE, f"a query failed ({type(error).__name__})") from None
        except (TimeoutError, OSError) as error:
            raise SourceUnreachable("local", WHERE, f"no answer ({type(error).__name__})") from None
        if self._max_age is not None and abs(now - held.as_of) > self._max_age:
            told = "old" if held.as_of < now else "ahead of our clock"
            seconds = int(abs(now - held.as_of).total_seconds())
            raise SourceUnreachable("local", WHERE, f"they are {seconds} seconds {told}: is their writer running?")
        return held

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Refused: the database is only read.

        Raises:
            BookError: Always.
        """
        raise BookError(f"account {self._account}", "its books are read by queries, and not written; book it there")

    async def adopt(self, statement: Snapshot) -> None:
        """Refused alike.

        Raises:
            BookError: Always.
        """
        raise BookError(f"account {self._account}", "its books are read by queries, and not written; open them there")

    def _read(self, connection: Connection, now: datetime) -> Snapshot:
        said = {"account": self._account, "since": (now - self._since).isoformat()}
        as_of = now if self._as_of is None else self._moment(connection, said)
        sections: Json = {
            section: tuple(_rows(connection, section, query, said)) for section, query in self._queries.items()
        }
        for section, rows in sections.items():
            if not sound(rows):
                raise SourceMalformed("local", WHERE, f"a row of {section} breaks a rule of docs/formats.md")
        since = now - self._since
        return Snapshot(
            schema="tieout.snapshot/1",
            account=self._account,
            source="local",
            as_of=as_of,
            fills_since=since if "fills" in sections else None,
            activities_since=since if "activities" in sections else None,
            **sections,
        )

    def _moment(self, connection: Connection, said: Mapping[str, str]) -> datetime:
        found = connection.execute(_statement(self._as_of or "", said)).fetchmany(2)
        if len(found) != 1 or len(found[0]) != 1:
            raise SourceMalformed("local", WHERE, "as_of has to give one row with one column")
        return _taken(found[0][0], datetime, "as_of", "as_of")


def _rows(connection: Connection, section: Section, query: Query, said: Mapping[str, str]) -> Iterator[Struct]:
    kind = ROWS[section]
    found = connection.execute(_statement(query.query, said))
    names = {field: query.columns.get(field, field) for field in kind.__struct_fields__}
    there = set(found.keys())
    used = {field: column for field, column in names.items() if column in there}
    lacking = sorted(set(query.columns.values()) - there)
    if lacking:
        raise SourceMalformed("local", WHERE, f"{section} gives no column {', '.join(lacking)}")
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for number, row in enumerate(found.mappings(), 1):
        if number > MOST_ROWS:
            raise SourceMalformed("local", WHERE, f"{section} gives more than {MOST_ROWS} rows")
        told = {field: _value(row[column], types[field], section, column) for field, column in used.items()}
        try:
            yield msgspec.convert(told, kind)
        except msgspec.ValidationError as error:
            place = str(error).rpartition("`$.")[2].strip("`")
            raise SourceMalformed("local", WHERE, f"row {number} of {section} is not one ({place})") from None


def _value(value: object, kind: Any, section: str, column: str) -> object:
    """What a column holds, as a field of *kind* takes it."""
    if value is None:
        return None
    for wanted in (Decimal, datetime):
        if wanted in _among(kind):
            return _taken(value, wanted, section, column)
    return value


def _taken(value: object, wanted: type[T], section: str, column: str) -> T:
    place = f"column {column} of {section}"
    if wanted is datetime:
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            moment = None
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise SourceMalformed(
                "local", WHERE, f"{place} is no time with a zone; give text such as 2026-11-20T12:00:00Z"
            )
        return moment  # type: ignore[return-value]
    if isinstance(value, float):
        raise SourceMalformed("local", WHERE, f"{place} is a binary float, which has lost digits; cast it to text")
    try:
        number = value if isinstance(value, Decimal) else dec(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        number = None
    if number is None or not fits(number):
        raise SourceMalformed("local", WHERE, f"{place} is not an exact number")
    return number  # type: ignore[return-value]


def _among(kind: Any) -> tuple[Any, ...]:
    """The types that a field admits, however deep they stand."""
    inner = getattr(kind, "__args__", ())
    return (kind, *(each for part in inner for each in _among(part)))


def _statement(query: str, said: Mapping[str, str]) -> Any:
    statement = text(query)
    wanted = {name: said[name] for name in statement._bindparams if name in said}
    return statement.bindparams(**wanted)


def reads_only(query: str) -> bool:
    """Whether a query is one SELECT, as far as its words tell; the transaction that it runs in may only read besides."""
    return READS.fullmatch(query) is not None
