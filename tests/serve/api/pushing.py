"""A service over accounts whose books are pushed, and what an engine would push."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tieout.model.snapshot import Balance, Fill, Order, OrderStatus, Position, Snapshot

PUSHED = """
[accounts.{name}.local]
kind = "pushed"
correction_seconds = 2
[accounts.{name}.broker]
kind = "file"
path = "{folder}/{name}-broker.json"
"""
SENT = datetime.now(UTC) - timedelta(minutes=5)


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def books(amount: str = "2", cash: str = "10000", *, orders: tuple[Order, ...] = (), account: str = "main") -> Snapshot:
    """Books that hold so much BTC and cash."""
    return Snapshot(
        schema="tieout.snapshot/1",
        account=account,
        source="local",
        as_of=now(),
        positions=(Position("BTC/USD", Decimal(amount), market_price=Decimal(50000), currency="USD"),),
        balances=(Balance("USD", Decimal(cash), usd_price=Decimal(1)),),
        orders=orders,
        fills=(),
        activities=(),
    )


def order(status: OrderStatus) -> Order:
    """The order that buys one BTC."""
    return Order(
        "BTC/USD",
        "buy",
        Decimal(1),
        status,
        broker_order_id="B1",
        client_order_id="c1",
        filled=Decimal(status == "filled"),
        created_at=SENT,
    )


def fill(name: str, quantity: str = "1", at: datetime | None = None) -> Fill:
    """A bought quantity of BTC."""
    return Fill(
        fill_id=name,
        asset="BTC/USD",
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(50000),
        at=at or now(),
        broker_order_id="B1",
        settlement="margin",
    )
