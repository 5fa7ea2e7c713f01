"""Holdings as the rows of a snapshot, within what the contract can carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from tieout.books.holdings import Holdings
from tieout.books.instruments import Instrument
from tieout.model.amounts import DIVIDE, MAX_EXPONENT, exact, fits
from tieout.model.snapshot import Balance, Position

FINEST = Decimal(1).scaleb(-MAX_EXPONENT)


@exact
def position_rows(held: Holdings, prices: Mapping[str, Decimal]) -> Iterator[Position]:
    """Every leg that is not flat, by name, with the market price where one is known."""
    for (asset, leg), row in sorted(held.positions.items()):
        if not row.amount:
            continue
        known = held.instruments.get(asset) or Instrument(asset=asset)
        yield Position(
            asset=asset,
            amount=fitted(row.amount),
            side=leg,
            average_price=None if row.average is None else fitted(row.average),
            market_price=prices.get(asset),
            currency=known.currency,
            multiplier=known.multiplier,
            settlement=known.settlement,
            base=known.base,
            quote=known.quote,
        )


@exact
def balance_rows(held: Holdings, opened: Mapping[str, Balance], usd_prices: Mapping[str, Decimal]) -> Iterator[Balance]:
    """Every listed currency, by name. What is locked is the venue's to say (it holds fees back too), so it is left open."""
    for currency, amount in sorted(held.cash.items()):
        known = opened.get(currency)
        usd_price = usd_prices.get(currency) or (known.usd_price if known is not None else None)
        yield Balance(currency=currency, total=fitted(amount), usd_price=usd_price)


def fitted(value: Decimal) -> Decimal:
    """*value* as a number of the contract; only digits beyond the 64th, or below 1e-64, are rounded (half even)."""
    if fits(value):
        return value
    rounded = DIVIDE.plus(value.normalize())
    exponent = rounded.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_EXPONENT:
        rounded = DIVIDE.quantize(rounded, FINEST)
    return rounded
