"""Figures, times and other people's text in a form that is safe to show and loses nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tieout.model.amounts import plain

FIGURE_SPACE = "\u2007"
PUNCTUATION_SPACE = "\u2008"
MAX_ALIGNED = 26  # past this many columns padding would only push figures over the edge
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_MAX_MARKS = 2


def inert(text: str, encoding: str = "utf-8") -> str:
    """*text* with everything that could act on a screen written out as an escape such as ``\\u202e``.

    That is: controls (ANSI, line ends), format characters (bidi overrides, zero widths), surrogates and unassigned ones,
    spaces other than a space, letters without a shape, piles of combining marks, right-to-left letters (figures beside
    them change places on a screen), and what *encoding* lacks.
    """
    marks = _MAX_MARKS  # a mark at the very start would sit on whatever stands before it
    out: list[str] = []
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        out.append(_escape(char) if marks > _MAX_MARKS or _acts(char) else char)
    return "".join(out).encode(encoding, "backslashreplace").decode(encoding)


def _acts(char: str) -> bool:
    category = unicodedata.category(char)
    blank = category[0] == "C" or (category[0] == "Z" and char != " ") or char in _BLANK_LETTERS
    return blank or unicodedata.bidirectional(char) in ("R", "AL", "AN")


def _escape(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode("ascii") if ord(char) > 127 else f"\\x{ord(char):02x}"


def amount(value: Decimal) -> str:
    """All digits of *value*, its integer part in groups of three: ``-1,234,567.00012``."""
    whole, point, part = plain(value).partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{part}"


def signed(value: Decimal) -> str:
    """All digits of *value* with its sign, plus included."""
    return ("+" if value > 0 else "") + amount(value)


def usd(value: Decimal | None) -> str:
    """A value in USD with at least its cents, or that there is none."""
    if value is None:
        return "no USD value"
    whole, _, part = amount(value).partition(".")
    return f"{whole}.{part:0<2} USD"


def aligned(figures: Sequence[str], *, digit: str = " ", point: str = " ") -> list[str]:
    """*figures* padded on the right so that, set flush right, their decimal points stand in one line.

    Unpadded where that would be wider than `MAX_ALIGNED`. *digit* and *point* are the padding for a digit and a point.
    """
    parts = [figure.partition(".") for figure in figures]
    longest = max((len(part) for _, _, part in parts), default=0)
    if max((len(whole) for whole, _, _ in parts), default=0) + 1 + longest > MAX_ALIGNED:
        return list(figures)
    return [
        f"{whole}{mark}{part}" + ("" if mark or not longest else point) + digit * (longest - len(part))
        for whole, mark, part in parts
    ]


def moment(at: datetime) -> str:
    """A time as ``2026-11-20 10:00:00 UTC``; parts of a second only where there are any."""
    return f"{at.astimezone(UTC):%Y-%m-%d} {of_day(at)} UTC"


def of_day(at: datetime) -> str:
    """The UTC time of day, to the last digit that says something."""
    at = at.astimezone(UTC)
    part = f".{at.microsecond:06}".rstrip("0") if at.microsecond else ""
    return f"{at:%H:%M:%S}{part}"


def lasting(span: timedelta) -> str:
    """A span in the two largest units that say something: ``1 min 30 s``, ``0.012 s``."""
    if span < timedelta(minutes=1):
        part = f".{span.microseconds:06}".rstrip("0") if span.microseconds else ""
        return f"{span.seconds}{part} s"
    hours, minutes, seconds = span.seconds // 3600, span.seconds // 60 % 60, span.seconds % 60
    units = [(span.days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{number} {unit}" for number, unit in [one for one in units if one[0]][:2])
