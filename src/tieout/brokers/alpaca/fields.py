"""Fields of Alpaca's JSON, read exactly. What is due and missing, or is no number, makes a row unusable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.amounts import dec, fits
from tieout.model.rules import finding
from tieout.model.snapshot import Row

P = ParamSpec("P")
T = TypeVar("T")
Json = Mapping[str, Any]


class RowError(ValueError):
    """The row breaks its format. The text names fields and never holds a value."""


class RowLeft(ValueError):
    """The row is in order, but its meaning is not known here: the section is not complete without it."""


def number(row: Json, field: str) -> Decimal | None:
    """The exact number in *field*, text or JSON; None where there is none.

    Raises:
        RowError: It is a float, or no decimal.
    """
    value = row.get(field)
    if value is None or value == "":
        return None
    if isinstance(value, Decimal) and fits(value):
        return value
    if not isinstance(value, (str, int)):
        raise RowError(f"{field} is not an exact number")
    try:
        return dec(value)
    except ValueError:
        raise RowError(f"{field} is not an exact decimal") from None


def due(row: Json, field: str) -> Decimal:
    """The exact number in *field*, which has to be there.

    Raises:
        RowError: It is not.
    """
    value = number(row, field)
    if value is None:
        raise RowError(f"{field} is missing")
    return value


def word(row: Json, field: str) -> str | None:
    """The text in *field*; None where there is none.

    Raises:
        RowError: Something else than text is there.
    """
    value = row.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RowError(f"{field} is not text")
    return value


def due_word(row: Json, field: str) -> str:
    """The text in *field*, which has to be there.

    Raises:
        RowError: It is not.
    """
    value = word(row, field)
    if value is None:
        raise RowError(f"{field} is missing")
    return value


def moment(row: Json, field: str) -> datetime | None:
    """The time in *field*, cut to the microsecond; None where there is none.

    Raises:
        RowError: It is no time with an offset.
    """
    told = word(row, field)
    if told is None:
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        raise RowError(f"{field} is no time") from None
    if at.tzinfo is None:
        raise RowError(f"{field} is a time without an offset")
    return at.astimezone(UTC)


def checked(record: Row) -> None:
    """Raise `RowError` where *record* breaks a rule of the model."""
    broken = finding(record)
    if broken is not None:
        raise RowError(f"{broken[0]}: {broken[1]}")


def believed(source: str, scope: str, reading: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What *reading* makes of an answer.

    Raises:
        SourceMalformed: A row breaks its format.
        SourceIncomplete: The meaning of one is not known here.
    """
    try:
        return reading(*args, **kwargs)
    except RowError as error:
        raise SourceMalformed(source, scope, str(error)) from None
    except RowLeft as left:
        raise SourceIncomplete(source, scope, str(left)) from None


def eastern(local: datetime) -> datetime:
    """A naive time of New York's clocks as a moment; in the hour that comes twice, the first.

    The rule of 2007 is written out here, for a machine need not have a table of time zones.
    """
    year = local.year
    summer = _sunday(year, 3, 2) + timedelta(hours=2) <= local < _sunday(year, 11, 1) + timedelta(hours=2)
    return (local + timedelta(hours=4 if summer else 5)).replace(tzinfo=UTC)


def _sunday(year: int, month: int, which: int) -> datetime:
    first = datetime(year, month, 1)  # noqa: DTZ001 - a day, not a moment
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (which - 1))
