"""The judge's words: how a number, a price or a time is taken from a raw row, whose numbers are all still text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

Row = Any
Get = Callable[[Row], Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Rule(NamedTuple):
    """Where the rows are, what a row is known by, and what each number of its record must be."""

    rows: Callable[[Any], Iterable[Row]]
    name: Get
    fields: dict[str, Get]
    holds: Get = lambda _row: True  # rows that must have a record
    side: Get = lambda row: row["side"].lower()  # of an order or a fill: buy or sell


def at(row: Row, path: str) -> Any:
    """What stands at a dotted path; None where nothing does."""
    for step in path.split("."):
        if isinstance(row, list):
            row = row[int(step)] if int(step) < len(row) else None
        else:
            row = row.get(step) if isinstance(row, dict) else None
    return row


def num(path: str) -> Get:
    """The number at *path*; None where there is none."""
    return lambda row: None if at(row, path) in (None, "") else Decimal(at(row, path))


def magnitude(path: str) -> Get:
    """The number at *path* without its sign."""
    return lambda row: abs(Decimal(at(row, path)))


def negated(path: str) -> Get:
    """The number at *path* with the other sign."""
    return lambda row: -Decimal(at(row, path))


def price(*paths: str) -> Get:
    """The first number at *paths* that is not 0."""
    return lambda row: next((found for path in paths if (found := num(path)(row))), None)


def plus(*paths: str) -> Get:
    """The sum of the numbers at *paths*."""
    return lambda row: summed(Decimal(at(row, path)) for path in paths)


def minus(one: str, other: str) -> Get:
    """The number at *one* less that at *other*."""
    return lambda row: summed((Decimal(at(row, one)), -Decimal(at(row, other))))


def signed(path: str, side: str, short: str) -> Get:
    """The number at *path*, negative where *side* says *short*."""
    return lambda row: -Decimal(at(row, path)) if at(row, side) == short else Decimal(at(row, path))


def summed(numbers: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    with localcontext(prec=200):
        return sum(numbers, Decimal(0))


def given(value: str | None) -> Get:
    """Always *value*."""
    return lambda _row: None if value is None else Decimal(value)


def ms(path: str) -> Get:
    """A time in milliseconds."""
    return lambda row: EPOCH + timedelta(milliseconds=int(at(row, path))) if at(row, path) else None


def seconds(path: str) -> Get:
    """A time in seconds with a fraction, to the microsecond."""
    return lambda row: EPOCH + timedelta(microseconds=int(Decimal(at(row, path)) * 10**6)) if at(row, path) else None


def iso(path: str) -> Get:
    """A time as text, to the millisecond that ccxt keeps."""

    def get(row: Row) -> datetime | None:
        told = at(row, path)
        if not told:
            return None
        moment = datetime.fromisoformat(told.replace("Z", "+00:00"))
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    return get


def micros(path: str) -> Get:
    """A time as text, to the microsecond."""
    return lambda row: datetime.fromisoformat(at(row, path)) if at(row, path) else None


def under(path: str = "") -> Callable[[Any], Iterable[Row]]:
    """The rows at *path*; an object's keys are put into its rows as `_key`."""

    def rows(body: Any) -> Iterable[Row]:
        found = at(body, path) if path else body
        if isinstance(found, dict):
            return [{"_key": key, **(row if isinstance(row, dict) else {"_value": row})} for key, row in found.items()]
        return list(found)

    return rows


def text(path: str) -> Get:
    """What stands at *path*, as a name."""
    return lambda row: str(at(row, path))


def live(path: str) -> Get:
    """Whether the number at *path* is not 0."""
    return lambda row: bool(Decimal(at(row, path)))
