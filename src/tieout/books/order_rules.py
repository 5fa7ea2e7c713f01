"""What holds for one order: which state may follow which, how fills move it, and what is refused."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from tieout.errors import BookError
from tieout.model.amounts import ZERO, fits
from tieout.model.rules import order_finding
from tieout.model.snapshot import Fill, Order, OrderStatus

ENDED: frozenset[OrderStatus] = frozenset(("filled", "cancelled", "rejected", "expired"))
_ALL: frozenset[OrderStatus] = frozenset(get_args(OrderStatus))
NEXT: dict[OrderStatus, frozenset[OrderStatus]] = {
    "pending": _ALL.difference(("pending",)),
    "open": _ALL.difference(("pending", "open")),
    "partially_filled": _ALL.difference(("pending", "open", "partially_filled", "rejected")),
    "unknown": _ALL.difference(("pending", "unknown")),
}
"""Which state may follow which; an ended one is followed by none, but by a correction from the broker's record."""

EventKind = Literal["opened", "registered", "advanced", "filled", "fill_reversed", "corrected", "adopted"]


class OrderEvent(Struct, frozen=True):
    """One change of an order; `before` is None where the order is new to the books."""

    number: int
    kind: EventKind
    before: Order | None
    after: Order
    reason: str = ""


class Tracked(Struct, frozen=True):
    """An order with what accounts for its `filled`, both unsigned.

    `known` is the sum of fills that the books have, `older` what fills from before the books were opened account for.
    The order may state more than the two (a correction was faster than its fills, which then add nothing) or less
    (a fill was booked twice, whose reversal then takes nothing away).
    """

    order: Order
    known: Decimal = ZERO
    older: Decimal = ZERO


class OrdersState(Struct, frozen=True):
    """All that an order manager is; ids lead to orders by their place in `tracked`."""

    tracked: tuple[Tracked, ...]
    by_client: dict[str, int]
    by_broker: dict[str, int]
    seen: tuple[str, ...]
    early: tuple[Fill, ...]
    history: tuple[OrderEvent, ...]


def merged(tracked: Tracked, order: Order) -> Tracked:
    """An order with all that another record of it states.

    Raises:
        BookError: What comes of it breaks a rule.
    """
    stated = {name: value for name in order.__struct_fields__ if (value := getattr(order, name)) is not None}
    after = replace(tracked.order, **stated)
    check_order(after)
    return replace(tracked, order=after)


def at_filled(order: Order, filled: Decimal, at: datetime | None, broker_order_id: str | None) -> Order:
    """The order with another filled quantity, and the status that goes with it unless it ended some other way."""
    status = order.status
    if status not in ("cancelled", "rejected", "expired"):
        if filled and filled == order.quantity:
            status = "filled"
        elif filled:
            status = "partially_filled"
        elif status in ("filled", "partially_filled"):
            status = "open"
    return replace(
        order,
        filled=filled,
        status=status,
        updated_at=order.updated_at if at is None else later(order, at),
        broker_order_id=order.broker_order_id or broker_order_id,
    )


def later(order: Order, at: datetime) -> datetime:
    """When the order last changed: records may arrive out of their order."""
    return at if order.updated_at is None else max(order.updated_at, at)


def bears_id_of(fill: Fill, order: Order) -> bool:
    """Whether the fill names the order by either id."""
    same_client = fill.client_order_id is not None and fill.client_order_id == order.client_order_id
    return same_client or (fill.broker_order_id is not None and fill.broker_order_id == order.broker_order_id)


def check_fit(order: Order, fill: Fill) -> None:
    """Refuse a fill that cannot be of that order."""
    other_client = None not in (order.client_order_id, fill.client_order_id) and (
        order.client_order_id != fill.client_order_id
    )
    if other_client or (order.asset, order.side) != (fill.asset, fill.side):
        raise BookError(
            f"fill {fill.fill_id}", f"it names order {order.name}, and is not of its asset, side or client id"
        )


def check_order(order: Order) -> None:
    """Refuse what the contract's reader would refuse."""
    broken = order_finding(order)
    if broken is not None:
        raise BookError(f"order {order.name}", f"{broken[1]}; {broken[2]}")
    for field in ("quantity", "filled", "limit_price", "stop_price"):
        value = getattr(order, field)
        if value is not None and not fits(value):
            raise BookError(f"order {order.name}", f"{field} is not a finite decimal of at most 64 digits")
