"""Alpaca's account, positions, orders and fills -> records of the model."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tieout.brokers.alpaca.fields import Json, RowError, RowLeft, checked, due, due_word, moment, number, word
from tieout.brokers.alpaca.symbols import asset
from tieout.model.snapshot import Balance, Fill, Order, OrderSide, OrderStatus, Position

_SIDES: dict[str, OrderSide] = {
    "buy": "buy", "buy_minus": "buy",
    "sell": "sell", "sell_plus": "sell", "sell_short": "sell", "sell_short_exempt": "sell",
}  # fmt: skip
_LIVE = frozenset(
    (
        "new", "accepted", "pending_new", "accepted_for_bidding", "partially_filled", "held", "stopped", "suspended",
        "done_for_day", "pending_cancel", "pending_replace", "pending_review",
    )
)  # fmt: skip
_ENDED: dict[str, OrderStatus] = {
    "filled": "filled", "canceled": "cancelled", "expired": "expired", "rejected": "rejected", "replaced": "cancelled",
}  # fmt: skip


def balance(account: Json) -> Balance:
    """The account's cash: what has not settled is in it, the worth of positions is not.

    What of it is free is not told: buying power counts margin, and what coins or options may not use.

    Raises:
        RowError: Cash or currency is missing or makes no sense.
    """
    return Balance(currency=due_word(account, "currency"), total=due(account, "cash"))


def holds(account: Json) -> bool:
    """Whether the account says that its holdings are worth something.

    Raises:
        RowError: What it says is no number.
    """
    return any(number(account, worth) for worth in ("long_market_value", "short_market_value", "position_market_value"))


def position(row: Json) -> Position | None:
    """A holding, signed by its side; None where it is zero. The whole of it, what open orders hold back included.

    Raises:
        RowError: Amount or side is missing, or they contradict each other.
        RowLeft: Its class is not read here.
    """
    amount, side = due(row, "qty"), due_word(row, "side")
    if side not in ("long", "short") or (side == "long" and amount < 0):
        raise RowError("qty and side contradict each other")
    if not amount:
        return None
    what = asset(due_word(row, "symbol"), due_word(row, "asset_class"))
    prices = row["usd"] if isinstance(row.get("usd"), dict) else row  # accounts in another currency have both
    record = Position(
        asset=what.name,
        amount=amount if side == "long" else -abs(amount),
        average_price=number(prices, "avg_entry_price"),
        market_price=number(prices, "current_price"),
        currency=what.quote,
        multiplier=what.multiplier,
        settlement="cash",
        base=what.base,
        quote=what.quote,
    )
    checked(record)
    return record


def family(row: Json) -> Iterator[Json]:
    """An order and its legs, legs of legs included; a frame around legs that is no order itself is left out.

    Raises:
        RowError: The legs are no list of orders.
    """
    legs = row.get("legs") or []
    if not isinstance(legs, list) or not all(isinstance(leg, dict) for leg in legs):
        raise RowError("legs is no list of orders")
    if word(row, "symbol") is not None or not legs:
        yield row
    for leg in legs:
        yield from family(leg)


def order(row: Json) -> Order:
    """An order, live or ended. One sized in money has a quantity only once it ended: what was filled of it.

    Raises:
        RowError: A field is missing or makes no sense.
        RowLeft: It has no quantity yet, or is of a class that is not read here.
    """
    filled, told = number(row, "filled_qty"), due_word(row, "status")
    quantity = number(row, "qty")
    if quantity is None:
        if filled is None or told not in _ENDED:
            raise RowLeft("an order sized in money, which has no quantity until it ends")
        quantity = filled
    record = Order(
        asset=asset(due_word(row, "symbol"), word(row, "asset_class")).name,
        side=side_of(row),
        quantity=quantity,
        status=status(told, quantity, filled),
        broker_order_id=due_word(row, "id"),
        client_order_id=word(row, "client_order_id"),
        type=word(row, "type") or word(row, "order_type"),
        filled=filled,
        limit_price=number(row, "limit_price"),
        stop_price=number(row, "stop_price"),
        created_at=moment(row, "created_at") or moment(row, "submitted_at"),
        updated_at=moment(row, "updated_at"),
    )
    checked(record)
    return record


def status(told: str, quantity: Decimal, filled: Decimal | None) -> OrderStatus:
    """The contract's word for Alpaca's; `unknown` where it proves nothing."""
    if told in _LIVE:
        return "partially_filled" if filled else "open"
    if told == "calculated" and filled == quantity:
        return "filled"
    return _ENDED.get(told, "unknown")


def fill(row: Json) -> Fill:
    """An execution. Fees are activities of their own, and come later.

    Raises:
        RowError: A field is missing or makes no sense.
        RowLeft: It is of a class, or of a type, that is not read here.
    """
    at, what = moment(row, "transaction_time"), asset(due_word(row, "symbol"))
    if at is None:
        raise RowError("transaction_time is missing")
    if word(row, "type") not in ("fill", "partial_fill"):
        raise RowLeft("a trade activity that is no fill")
    record = Fill(
        fill_id=due_word(row, "id"),
        asset=what.name,
        side=side_of(row),
        quantity=due(row, "qty"),
        price=due(row, "price"),
        at=at,
        broker_order_id=word(row, "order_id"),
        settlement="cash",
        base=what.base,
        quote=what.quote,
    )
    checked(record)
    return record


def side_of(row: Json) -> OrderSide:
    """Whether a row buys or sells.

    Raises:
        RowError: It does not say.
    """
    side = _SIDES.get(due_word(row, "side"))
    if side is None:
        raise RowError("side is neither buy nor sell")
    return side
