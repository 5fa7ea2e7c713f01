"""The text of a cell -> a value of ours, by what the mapping says of it. Numbers stay exact, times become aware."""

from __future__ import annotations

import re
from collections.abc import Mapping as Words
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from tieout.brokers.statements.mapping import Field, Writing
from tieout.model.amounts import dec


class BadCell(ValueError):
    """A cell that is not what its column should hold. *place* is the column; no word of it repeats the cell."""

    def __init__(self, place: str, what: str) -> None:
        self.place, self.what = place, what
        super().__init__(f"column {place}: {what}")


class UnknownWord(BadCell):
    """A word that the mapping does not translate: the row is one of those that nobody here can place."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the cells of one table are read."""

    writing: Writing
    zone: ZoneInfo
    typed: frozenset[str]

    def value(self, field: Field, row: Words[str, str], kind: object) -> object:
        """What one field holds in one row; None where its cell is empty.

        Args:
            field: Where it comes from.
            row: The cells by column.
            kind: Decimal, datetime, bool or str.

        Raises:
            BadCell: The cell is no such thing.
        """
        if field.sign_of is not None:
            return self._side(field.sign_of, row)
        place = field.column or "constant"
        text = row[field.column] if field.column is not None else field.constant or ""
        if field.words and text:
            text = _translated(text, field.words, place)
        if not text:
            return None
        if kind is Decimal:
            return self._signed(field, row, self.number(text, place))
        if kind is datetime:
            return self.moment(text, field.format, place)
        if kind is bool:
            return _flag(text, place)
        return text

    def number(self, text: str, place: str) -> Decimal:
        """An exact number.

        Raises:
            BadCell: It is none, as this statement writes numbers.
        """
        plain = text if place in self.typed or place == "constant" else _plain(text, self.writing)
        try:
            return dec(plain)
        except ValueError:
            raise BadCell(place, "no number; see writing.decimal and writing.thousands of the mapping") from None

    def moment(self, text: str, form: str | None, place: str) -> datetime:
        """An aware time; one without a zone is in the statement's.

        Raises:
            BadCell: It is none, or one that the clocks of the zone never showed.
        """
        try:
            iso = form is None or place in self.typed
            found = datetime.fromisoformat(text) if iso else datetime.strptime(text, form or "")  # noqa: DTZ007
        except ValueError:
            raise BadCell(place, "no time of the form that the mapping gives") from None
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        here = found.replace(tzinfo=self.zone)
        if here.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != found:
            raise BadCell(place, "a time that the clocks of the zone skipped")
        return here.astimezone(UTC)

    def _side(self, column: str, row: Words[str, str]) -> str | None:
        if not row[column]:
            return None
        number = self.number(row[column], column)
        if not number:
            raise BadCell(column, "a zero has no side")
        return "buy" if number > 0 else "sell"

    def _signed(self, field: Field, row: Words[str, str], number: Decimal) -> Decimal:
        number = number.copy_abs() if field.absolute else number
        turned = any(row[column] in words for column, words in field.negative.items())
        return number.copy_negate() if number and turned is not field.negate else number


def _translated(text: str, words: Words[str, str], place: str) -> str:
    if text not in words:
        # A word of the statement, not an amount: without it nobody could complete the mapping. Digits stay out.
        raise UnknownWord(place, f'"{re.sub(r"[0-9]+", "…", text[:40])}" stands in no table of the mapping')
    return words[text]


def _flag(text: str, place: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise BadCell(place, "neither true nor false; give the statement's words for them")
    return text.lower() == "true"


def _plain(text: str, writing: Writing) -> str:
    """The number as Python writes it, or a text that is none."""
    negative = False
    if writing.parentheses and text.startswith("(") and text.endswith(")"):
        text, negative = text[1:-1], True
    matched = _shape(writing.decimal, writing.thousands).fullmatch(text)
    if matched is None or (negative and matched["sign"]):
        return ""
    whole = matched["whole"].replace(writing.thousands, "") if writing.thousands else matched["whole"]
    part = "" if matched["part"] is None else f".{matched['part']}"
    return f"{'-' if negative else matched['sign']}{whole}{part}{matched['power'] or ''}"


@lru_cache(maxsize=32)
def _shape(decimal: str, thousands: str) -> re.Pattern[str]:
    """A number as a statement writes it: groups of three or none at all, so that "1,5" is never fifteen."""
    groups = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|" if thousands else ""
    pattern = rf"(?P<sign>[+-]?)(?P<whole>{groups}\d+)(?:{re.escape(decimal)}(?P<part>\d*))?(?P<power>[eE][+-]?\d+)?"
    return re.compile(pattern, re.ASCII)
