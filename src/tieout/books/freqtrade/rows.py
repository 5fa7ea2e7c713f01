"""What freqtrade keeps of trades and orders -> positions, balances and open orders. Exact from here on.

It keeps binary floats: each is taken at the digits that it is written with, and quantities at the step of their market, so
that 0.30000000000000004 is 0.3. What a trade holds is summed over its orders: `trade.amount` leaves out what an order that is
still open has filled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from msgspec import Struct

from tieout.model.amounts import ZERO, exact, fits, ratio
from tieout.model.snapshot import Balance, Order, OrderSide, OrderStatus, Position

TICK, PLACES = 4, 2  # ccxt's numbers for how a precision is meant: a step, or decimal places
FINEST = Decimal("1e-12")
STOP = "stoploss"  # which side of a trade an order is of, where it is its stop at the venue
_STATUS: dict[str, OrderStatus] = {
    "open": "open",
    "new": "open",
    "closed": "filled",
    "canceled": "cancelled",
    "cancelled": "cancelled",
    "expired": "expired",
    "rejected": "rejected",
}


class OrderKept(Struct, frozen=True, kw_only=True):
    """An order as freqtrade keeps it; quantities unsigned, in base units."""

    order_id: str
    entry: bool
    live: bool
    amount: Decimal
    filled: Decimal
    fee_base: Decimal
    stop: bool = False
    status: str | None = None
    type: str | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    placed_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def on_paper(self) -> bool:
        """Whether it was never sent: the bot numbers those itself."""
        return self.order_id.startswith("dry_run_")


class TradeKept(Struct, frozen=True, kw_only=True):
    """An open trade with its orders. `step` is the market's, None where it is not known."""

    id: int
    pair: str
    base: str
    short: bool
    futures: bool
    step: Decimal | None
    open_rate: Decimal | None
    stake: str | None
    orders: tuple[OrderKept, ...]


def number(value: object) -> Decimal:
    """A number that freqtrade keeps, as it is written; 0 where there is none.

    Raises:
        ValueError: It is none.
    """
    if value is None:
        return ZERO
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError("not a number")
    taken = value if isinstance(value, Decimal) else Decimal(str(value))
    if not taken.is_finite() or not fits(taken):
        raise ValueError("not a finite number")
    return taken


def step_of(precision: Decimal | None, mode: int | None) -> Decimal | None:
    """The step of quantities, by ccxt's precision and the mode that it is in; None where that tells none."""
    if precision is None or mode is None:
        return None
    if mode == TICK and precision > 0:
        return precision
    if mode == PLACES and precision == precision.to_integral_value():
        return Decimal(1).scaleb(-int(precision))
    return None


@exact
def stepped(quantity: Decimal, step: Decimal | None) -> Decimal:
    """The multiple of *step* next to *quantity*: what a float was before it became one."""
    unit = step or FINEST
    return ratio(quantity, unit).to_integral_value(ROUND_HALF_EVEN) * unit


@exact
def held(trade: TradeKept) -> Decimal:
    """The signed amount that a trade holds: entries less exits less what fees took of it."""
    total = ZERO
    for order in trade.orders:
        filled = stepped(order.filled, trade.step)
        total += (filled if order.entry else -filled) - order.fee_base
    return -total if trade.short else total


@exact
def positions(trades: Iterable[TradeKept]) -> tuple[Position, ...]:
    """What futures trades hold, a row a pair; a pair whose trades cancel out is not listed."""
    sums: dict[str, Decimal] = {}
    for trade in trades:
        sums[trade.pair] = sums.get(trade.pair, ZERO) + held(trade)
    return tuple(Position(asset=pair, amount=amount) for pair, amount in sums.items() if amount)


@exact
def balances(trades: Iterable[TradeKept]) -> tuple[Balance, ...]:
    """What spot trades hold, a row a coin. What else the account has, freqtrade does not know."""
    sums: dict[str, Decimal] = {}
    for trade in trades:
        sums[trade.base] = sums.get(trade.base, ZERO) + held(trade)
    return tuple(Balance(currency=coin, total=amount) for coin, amount in sums.items() if amount)


def orders(trades: Sequence[TradeKept]) -> tuple[Order, ...]:
    """The orders that are still open."""
    return tuple(_order(trade, each) for trade in trades for each in trade.orders if each.live)


def _order(trade: TradeKept, order: OrderKept) -> Order:
    side: OrderSide = "buy" if order.entry is not trade.short else "sell"
    filled = stepped(order.filled, trade.step)
    status = _STATUS.get(order.status or "open", "unknown")
    # Where it is still open for freqtrade it may have filled: that shows in what it knows of it, not in the word.
    status = "partially_filled" if status == "open" and filled else status
    return Order(
        asset=trade.pair,
        side=side,
        quantity=stepped(order.amount, trade.step),
        status=status,
        broker_order_id=order.order_id,
        type="stop_limit" if order.stop and order.type == "limit" else order.type,
        filled=filled,
        limit_price=order.price if order.type in (None, "limit") and order.price else None,
        stop_price=order.stop_price or None,
        created_at=order.placed_at,
        updated_at=order.updated_at,
    )
