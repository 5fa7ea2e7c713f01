"""One position and what trades, moves and splits make of it. Amounts are signed; a price is in quote currency a unit."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from tieout.model.amounts import ONE, ZERO, exact, ratio

SMALLEST = Decimal("0.00000001")


class Holding(Struct, frozen=True):
    """A signed amount and its average cost a unit; the average is None where flat or unknown."""

    amount: Decimal = ZERO
    average: Decimal | None = None


FLAT = Holding()


@exact
def traded(before: Holding, signed: Decimal, price: Decimal | None, *, inverse: bool = False) -> Holding:
    """The position after *signed* units at *price*.

    The average is weighted on an increase (for an inverse contract by coin value, so that no profit is made or lost by
    averaging), stays on a reduction, is the fill's price on opening and on a flip, and None when flat.
    """
    after = before.amount + signed
    if not signed:
        return before
    if not after:
        return FLAT
    if before.amount * after <= 0:
        return Holding(after, price)
    if abs(after) < abs(before.amount):
        return Holding(after, before.average)
    if before.average is None or price is None:
        return Holding(after, None)
    return Holding(after, _weighted(before.amount, before.average, signed, price, inverse=inverse))


@exact
def untraded(after: Holding, signed: Decimal, price: Decimal, *, inverse: bool = False) -> Holding:
    """The position as it must have been before *signed* units at *price* led to *after*.

    The average cannot be told, and is None, where the trade closed or flipped the position.
    """
    before = after.amount - signed
    if not signed:
        return after
    if not before:
        return FLAT
    if before * after.amount <= 0:
        return Holding(before, None)
    if abs(after.amount) < abs(before):
        return Holding(before, after.average)
    if after.average is None:
        return Holding(before, None)
    average = _weighted(after.amount, after.average, -signed, price, inverse=inverse)
    # Other trades came in between when the sign makes no sense: then nothing is known.
    return Holding(before, average if average is not None and average * after.average > 0 else None)


def _weighted(amount: Decimal, average: Decimal, signed: Decimal, price: Decimal, *, inverse: bool) -> Decimal | None:
    if average == price:
        return average
    if not inverse:
        return ratio(amount * average + signed * price, amount + signed)
    if average <= 0 or price <= 0:
        return None
    coins = ratio(amount, average) + ratio(signed, price)
    return ratio(amount + signed, coins) if coins else None


@exact
def moved(before: Holding, amount: Decimal) -> Holding:
    """The position after *amount* units came or went without a price: the average stays while the side does."""
    after = before.amount + amount
    return Holding(after, before.average if after * before.amount > 0 else None)


@exact
def split(before: Holding, above: Decimal, below: Decimal) -> Holding:
    """The position after *above* new units for *below* old ones, cut toward zero to the smallest unit."""
    # Integer division truncates toward zero and is exact, where a rounded quotient could step over the unit.
    amount = (before.amount * above) // (below * SMALLEST) * SMALLEST
    if not amount:
        return FLAT
    average = before.average
    return Holding(amount, None if average is None else ratio(average * below, above))


@exact
def closed_by(before: Holding, signed: Decimal) -> Decimal:
    """The part of the position that *signed* units close, with the position's sign; 0 when they increase it."""
    if before.amount * signed >= 0:
        return ZERO
    return before.amount if abs(signed) >= abs(before.amount) else -signed


@exact
def profit(closed: Decimal, entry: Decimal, price: Decimal, *, inverse: bool = False) -> Decimal:
    """What closing *closed* units (signed as they were held, multiplied out) at *price* realises over *entry*.

    Returns:
        Quote currency; for an inverse contract the base coin, from 1 ÷ entry - 1 ÷ price.
    """
    if inverse:
        return closed * (ratio(ONE, entry) - ratio(ONE, price))
    return closed * (price - entry)
