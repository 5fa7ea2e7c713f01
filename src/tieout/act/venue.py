"""Before an order is sent: both sides of its position as they stand now, and what by now speaks against it."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from tieout.brokers.base import BrokerAdapter
from tieout.model.amounts import ZERO
from tieout.model.changes import SubmitOrder
from tieout.model.snapshot import Order, Position, Snapshot

BOOKS_MOVED, BROKER_MOVED, NO_LOOKUP = "books_moved", "broker_moved", "venue_cannot_look_up"


class Venue(Struct, frozen=True):
    """What the broker says now, and whether an order can be found again there by the id that we give it."""

    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    finds_orders: bool


async def visit(broker: BrokerAdapter) -> Venue:
    """The broker's positions and live orders, as they stand now.

    Raises:
        SourceError: They could not be read whole.
    """
    able = broker.capabilities()
    positions, orders = await broker.get_positions(), await broker.get_open_orders()
    return Venue(positions, orders, able.client_order_ids and able.order_lookup)


def amount_of(order: SubmitOrder, rows: tuple[Position, ...] | None) -> Decimal:
    """The position that an order trades as one side states it, signed, in that side's own units."""
    legs = ("net", "long", "short") if order.position_side == "net" else (order.position_side,)
    return sum((row.amount for row in rows or () if row.asset == order.asset and row.leg in legs), ZERO)


def same_order(row: Order, order: Order) -> bool:
    """Whether two records bear one of the two ids alike."""
    same_broker = row.broker_order_id is not None and row.broker_order_id == order.broker_order_id
    return same_broker or (row.client_order_id is not None and row.client_order_id == order.client_order_id)


def objection_to(order: SubmitOrder, local: Snapshot, venue: Venue) -> str | None:
    """What speaks against sending an order, in a word; None where both sides stand as they stood when it was decided."""
    if not venue.finds_orders:
        return NO_LOOKUP  # a lost answer would leave nobody able to say whether it arrived
    if amount_of(order, local.positions) != order.local_amount:
        return BOOKS_MOVED
    if amount_of(order, venue.positions) != order.broker_amount:
        return BROKER_MOVED
    known = local.orders or ()
    live = (row for row in venue.orders if row.asset == order.asset and row.live)
    strange = any(not any(same_order(row, mine) for mine in known) for row in live)
    return f"{BROKER_MOVED}: an order that local does not know is live there" if strange else None
