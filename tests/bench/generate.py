"""Accounts of any size for the benchmark: both sides in step, or with breaks that the broker's own fills explain."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tieout.model.codec import decode_snapshot, encode
from tieout.model.snapshot import Balance, Fill, Order, OrderSide, Position, Snapshot, Source

AS_OF = datetime(2026, 11, 20, 10, tzinfo=UTC)
CENT = Decimal("0.01")


def _price(chance: random.Random) -> Decimal:
    return chance.randrange(100, 100_000_00) * CENT


def _positions(count: int, chance: random.Random) -> list[Position]:
    return [
        Position(
            asset=f"A{number:06d}",
            amount=Decimal(chance.randrange(-10_000, 10_000) or 1),
            average_price=_price(chance),
            market_price=_price(chance),
            currency="USD",
        )
        for number in range(count)
    ]


def _orders(count: int, chance: random.Random) -> list[Order]:
    return [
        Order(
            asset=f"A{number:06d}",
            side="buy" if chance.random() < 0.5 else "sell",
            quantity=Decimal(chance.randrange(1, 1000)),
            status="open",
            broker_order_id=f"b-{number}",
            client_order_id=f"c-{number}",
            type="limit",
            filled=Decimal(0),
            limit_price=_price(chance),
            created_at=AS_OF - timedelta(hours=1),
            updated_at=AS_OF - timedelta(hours=1),
        )
        for number in range(count)
    ]


def accounts(
    rows: int, chance: random.Random, *, orders: int = 0, breaks: Decimal = Decimal("0.01")
) -> tuple[Snapshot, Snapshot]:
    """Local and broker of one account with *rows* positions and *orders* open orders.

    Args:
        rows: Positions on each side.
        chance: Where the numbers come from; the same seed gives the same accounts.
        orders: Open orders on each side, all in step.
        breaks: The share of positions in which the broker has a fill that local lacks. Each such fill stands among the
            broker's, belongs to an ended order of local's, and moves position and cash by exactly the difference.
    """
    held = _positions(rows, chance)
    working = _orders(orders, chance)
    broken = sorted(chance.sample(range(rows), int(rows * breaks)))
    ended, missed, cash, now = [], [], Decimal(10_000_000), list(held)
    for number in broken:
        row = held[number]
        side: OrderSide = "buy" if row.amount > 0 else "sell"
        quantity = Decimal(chance.randrange(1, 100))
        price = row.average_price or CENT
        missed.append(_fill(number, row.asset, side, quantity, price))
        ended.append(_parent(missed[-1]))
        signed = missed[-1].signed
        now[number] = Position(row.asset, row.amount + signed, "net", price, row.market_price, row.currency)
        cash -= signed * price
    # No broker lists its rows in the order of somebody else's books.
    theirs = working + ended
    chance.shuffle(now)
    chance.shuffle(theirs)
    local = _snapshot("local", held, working + [_unheard(order) for order in ended], [], Decimal(10_000_000))
    return _apart(local), _apart(_snapshot("broker", now, theirs, missed, cash))


def _apart(side: Snapshot) -> Snapshot:
    """The same snapshot in objects of its own, as two files give them: rows that are one object compare for free."""
    return decode_snapshot(encode(side), side.source)


def _fill(number: int, asset: str, side: OrderSide, quantity: Decimal, price: Decimal) -> Fill:
    at, order = AS_OF - timedelta(minutes=30), f"c-gone-{number}"
    return Fill(f"f-{number}", asset, side, quantity, price, at, f"b-gone-{number}", order, settlement="cash")


def _parent(fill: Fill) -> Order:
    """The broker's record of the order that *fill* filled."""
    ids = fill.broker_order_id, fill.client_order_id
    when = fill.at - timedelta(minutes=1), fill.at
    return Order(fill.asset, fill.side, fill.quantity, "filled", *ids, "limit", fill.quantity, fill.price, None, *when)


def _unheard(order: Order) -> Order:
    """The same order as local remembers it: sent, and nothing heard of since."""
    return Order(
        order.asset, order.side, order.quantity, "open", order.broker_order_id, order.client_order_id, order.type,
        Decimal(0), order.limit_price, None, order.created_at, order.created_at,
    )  # fmt: skip


def _snapshot(
    source: Source, positions: list[Position], orders: list[Order], fills: list[Fill], cash: Decimal
) -> Snapshot:
    return Snapshot(
        "tieout.snapshot/1",
        "main",
        source,
        AS_OF,
        positions=tuple(positions),
        balances=(Balance("USD", cash, usd_price=Decimal(1)),),
        orders=tuple(orders),
        fills=tuple(fills),
        activities=(),
        fills_since=AS_OF - timedelta(days=1),
        activities_since=AS_OF - timedelta(days=1),
    )


def as_json(sides: tuple[Snapshot, Snapshot]) -> tuple[bytes, bytes]:
    """Both sides as the files that a user would hand in."""
    return encode(sides[0]), encode(sides[1])
