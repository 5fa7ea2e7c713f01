"""Exact decimals: the one door in, the one door out, and the context that sums and products run in.

Every number of the contract is a plain decimal of at most 64 digits with an exponent within ±64. Sums and products of such
numbers fit into `EXACT`, which refuses to round: an inexact result there is a bug, not a small error. Only a division
rounds, and it says how (`ratio`, `percent`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from datetime import datetime
from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    localcontext,
)
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)
MAX_DIGITS = 64
MAX_EXPONENT = 64

DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
EXACT = Context(prec=2000, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
DIVIDE = Context(prec=64, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

# Its least exponent is Emin - prec + 1 = -64, its largest Emax - prec + 1 = 64: what it must clamp or round does not fit.
_BOUNDS = Context(
    prec=MAX_DIGITS,
    Emin=MAX_DIGITS - 1 - MAX_EXPONENT,
    Emax=MAX_DIGITS - 1 + MAX_EXPONENT,
    clamp=1,
    traps=[InvalidOperation, Overflow, Rounded, Clamped],
)


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Run *function* in the context that never rounds silently."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(EXACT):
            return function(*args, **kwargs)

    return run


def fits(*values: Decimal) -> bool:
    """Tell whether all are finite, with at most 64 digits and an exponent within ±64."""
    if not all(map(Decimal.is_finite, values)):
        return False
    try:
        deque(map(_BOUNDS.plus, values), maxlen=0)
    except DecimalException:
        return False
    return True


def dec(text: str | int) -> Decimal:
    """Read an exact decimal from text such as ``"0.10000001"``.

    Raises:
        ValueError: It is not a decimal number, not finite, or too long.
    """
    if isinstance(text, bool) or (isinstance(text, str) and not DECIMAL.fullmatch(text)):
        raise ValueError("not a decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a decimal number") from None
    if not fits(value):
        raise ValueError("not a finite decimal of at most 64 digits with an exponent within ±64")
    return value


def plain(value: Decimal) -> str:
    """Write *value* as a plain decimal; equal numbers give equal text, however they were spelt."""
    if not value:
        return "0"
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """*numerator* ÷ *denominator* to 64 digits, half even. The denominator is not 0."""
    return DIVIDE.divide(numerator, denominator)


@exact
def divided(value: Decimal, size: Decimal) -> Decimal | None:
    """*value* ÷ *size*, exactly; None where that has no end, or too many digits."""
    try:
        quotient = value / size
    except Inexact:
        return None
    return quotient if fits(quotient) else None


@exact
def multiplied(value: Decimal, size: Decimal) -> Decimal | None:
    """*value* times *size*, exactly; None where that has too many digits."""
    try:
        product = value * size
    except Inexact:
        return None
    return product if fits(product) else None


@exact
def percent(part: Decimal, *amounts: Decimal) -> Decimal:
    """100 · |part| ÷ the largest of |amounts|, to 4 decimals, half even; 0 when all are 0."""
    base = max(abs(amount) for amount in amounts)
    if not base:
        return ZERO
    # Rounded once, by the remainder: a quotient cut to some digits first could look like a tie that it is not.
    whole, rest = divmod(abs(part) * HUNDRED * 10**4, base)
    if 2 * rest > base or (2 * rest == base and whole % 2):
        whole += 1
    return whole.scaleb(-4)


@exact
def truncate(value: Decimal, unit: Decimal) -> Decimal:
    """Round *value* toward zero to a multiple of the smallest *unit*."""
    return value // unit * unit


def fraction(text: str) -> tuple[Decimal, Decimal]:
    """Read a split ratio, ``"4"`` or ``"1/6"``, as numerator and denominator, both above 0.

    Raises:
        ValueError: It is neither a decimal nor a fraction of two, or a part is not above 0.
    """
    above, slash, below = text.partition("/")
    numerator, denominator = dec(above), dec(below) if slash else ONE
    if numerator <= 0 or denominator <= 0:
        raise ValueError("a ratio above 0 is needed")
    return numerator, denominator


def seconds(start: datetime, end: datetime) -> Decimal:
    """Seconds from *start* to *end*, exactly."""
    delta = end - start
    return Decimal(delta.days * 86400 + delta.seconds) + Decimal(delta.microseconds).scaleb(-6)
