"""Fields of the indexer's JSON, exact or refused. The texts of refusals name fields and never hold a value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.model.amounts import dec, fits

Json = Mapping[str, Any]


class RowError(ValueError):
    """An answer breaks its format."""


class RowLeft(ValueError):
    """A row is in order, but nobody here knows what it means: the section is not complete."""


def table(value: object, what: str) -> Json:
    """*value*, an object.

    Raises:
        RowError: It is none.
    """
    if not isinstance(value, dict):
        raise RowError(f"{what} is no object")
    return value


def listed(value: object, what: str) -> list[Json]:
    """*value*, a list of objects.

    Raises:
        RowError: It is none.
    """
    if not isinstance(value, list):
        raise RowError(f"{what} is no list")
    return [table(row, f"a row of {what}") for row in value]


def text(row: Json, field: str) -> str:
    """The text in *field*, which has to be there and not empty."""
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise RowError(f"{field} is no text")
    return value


def whole(row: Json, field: str) -> int:
    """The whole number in *field*, which the indexer writes as a number here and as text there."""
    value = row.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RowError(f"{field} is no whole number")
    return value


def number(row: Json, field: str) -> Decimal:
    """The exact number in *field*, which has to be there.

    Raises:
        RowError: It is missing, a float, or no decimal.
    """
    value = row.get(field)
    if isinstance(value, Decimal) and fits(value):
        return value
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise RowError(f"{field} is not the text of a number")
    try:
        return dec(value)
    except ValueError:
        raise RowError(f"{field} is not an exact decimal") from None


def number_if_any(row: Json, field: str) -> Decimal | None:
    """The exact number in *field*; None where there is none."""
    return None if row.get(field) is None else number(row, field)


def moment(row: Json, field: str) -> datetime:
    """The time in *field*, ISO 8601 with an offset.

    Raises:
        RowError: It is missing, or none.
    """
    try:
        at = datetime.fromisoformat(text(row, field))
    except ValueError:
        raise RowError(f"{field} is no time") from None
    if at.tzinfo is None:
        raise RowError(f"{field} has no offset")
    return at


def moment_if_any(row: Json, field: str) -> datetime | None:
    """The time in *field*; None where there is none."""
    return None if row.get(field) is None else moment(row, field)
