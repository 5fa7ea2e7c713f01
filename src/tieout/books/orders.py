"""`OrderManager`: the books' own orders, what state they are in, and how much of them the booked fills account for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from tieout.errors import BookError
from tieout.model.amounts import ZERO, exact, fits
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


class _Tracked(Struct, frozen=True):
    """An order with what accounts for its `filled`, both unsigned.

    `known` is the sum of fills that the books have, `older` what fills from before the books were opened account for.
    The order may state more than the two (a correction was faster than its fills, which then add nothing) or less
    (a fill was booked twice, whose reversal then takes nothing away).
    """

    order: Order
    known: Decimal = ZERO
    older: Decimal = ZERO


class OrderManager:
    """Orders by client id and by broker id. What is refused raises `BookError` and changes nothing."""

    def __init__(self) -> None:
        self._tracked: dict[int, _Tracked] = {}
        self._by_client: dict[str, int] = {}
        self._by_broker: dict[str, int] = {}
        self._seen: set[str] = set()
        self._early: list[Fill] = []
        self._history: list[OrderEvent] = []

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order ever known, live and ended, in the order of their arrival."""
        return tuple(tracked.order for tracked in self._tracked.values())

    @property
    def history(self) -> tuple[OrderEvent, ...]:
        """Every change, in order."""
        return tuple(self._history)

    def find(self, *, client_order_id: str | None = None, broker_order_id: str | None = None) -> Order | None:
        """The order that bears these ids, or None.

        Raises:
            BookError: They belong to different orders.
        """
        key = self._key(client_order_id, broker_order_id)
        return None if key is None else self._tracked[key].order

    def note_sent(self, client_order_id: str) -> None:
        """Remember a client id as used, so that no order will bear it again."""
        self._seen.add(client_order_id)

    @exact
    def open(self, order: Order, *, listed: Decimal, whole: bool) -> Order:
        """Take over an order as the books had it when they were opened.

        Args:
            order: The record as it is.
            listed: The sum of its fills among the opening entries, repeats included, unsigned.
            whole: Whether those are all the fills it can have had.
        """
        return self._insert("opened", order, _Tracked(order, listed, ZERO if whole else max(order.done - listed, ZERO)))

    @exact
    def register(self, order: Order, *, reason: str = "") -> Order:
        """Take a new order of our own; fills that came before it count at once.

        Raises:
            BookError: It has no client id, or one that was used before.
        """
        _check(order)
        if order.client_order_id is None:
            raise BookError("order", "an order of our own needs a client id before it is sent")
        if order.client_order_id in self._seen:
            raise BookError(f"order {order.name}", "its client id was used before; ids are never used again")
        return self._insert_with_early("registered", order, reason)

    @exact
    def advance(
        self,
        status: OrderStatus,
        at: datetime,
        *,
        client_order_id: str | None = None,
        broker_order_id: str | None = None,
    ) -> Order:
        """Move an order to the next legal state; the state it is in already is no change.

        A broker id that the order has not got yet becomes its own. `filled` fills it up: fills still to come add nothing.

        Raises:
            BookError: No such order, or no way leads from its state to that one.
        """
        key = self._need(client_order_id, broker_order_id)
        before = self._tracked[key].order
        if broker_order_id is not None and before.broker_order_id not in (None, broker_order_id):
            raise BookError(f"order {before.name}", "it bears another broker id; that one was replaced")
        after = replace(before, broker_order_id=before.broker_order_id or broker_order_id)
        if status != before.status:
            if status not in NEXT.get(before.status, ()):
                raise BookError(f"order {before.name}", f"it is {before.status} and cannot become {status}")
            filled = before.quantity if status == "filled" else before.filled
            after = replace(after, status=status, filled=filled, updated_at=_later(before, at))
        return after if after == before else self._write("advanced", key, replace(self._tracked[key], order=after))

    @exact
    def book_fill(self, fill: Fill, *, reason: str = "") -> Order | None:
        """Count a booked fill towards its order; None where its order is not known (yet).

        Raises:
            BookError: The fill is not that order's (asset, side, ids), or more than was left of it.
        """
        key = self._key(fill.client_order_id, fill.broker_order_id)
        if key is None:
            self._early.append(fill)
            return None
        before = self._tracked[key]
        _check_fit(before.order, fill)
        order, counted = before.order, before.known + before.older
        # Only fills that are known can overfill: what the order states may well contain this one already.
        if min(before.known, order.done) + fill.quantity > order.quantity:
            raise BookError(f"fill {fill.fill_id}", f"it fills order {order.name} beyond its quantity")
        filled = order.done + fill.quantity if counted >= order.done else max(order.done, counted + fill.quantity)
        after = _at_filled(order, min(filled, order.quantity), fill.at, fill.broker_order_id)
        return self._write("filled", key, replace(before, order=after, known=before.known + fill.quantity), reason)

    @exact
    def reverse_fill(self, fill: Fill, *, reason: str = "") -> Order | None:
        """Take a reversed fill back off its order, and the order out of `filled` if that no longer holds.

        What the order states without that fill, or counted only once, stays.
        """
        if fill in self._early:
            self._early.remove(fill)
            return None
        key = self._key(fill.client_order_id, fill.broker_order_id)
        if key is None:
            return None
        before = self._tracked[key]
        known, filled = max(before.known - fill.quantity, ZERO), before.order.done
        if before.known + before.older >= filled:
            filled = min(filled, known + before.older)
        after = _at_filled(before.order, filled, None, None)
        return self._write("fill_reversed", key, replace(before, order=after, known=known), reason)

    @exact
    def update_order(self, order: Order, *, reason: str = "") -> Order:
        """Bring an order to the broker's record of it, whatever state it is in; what that leaves null stays.

        Raises:
            BookError: No such order, a status that proves nothing, or a record that breaks a rule.
        """
        _check(order)
        if order.status == "unknown":
            raise BookError(f"order {order.name}", "a status unknown proves nothing")
        key = self._need(order.client_order_id, order.broker_order_id)
        return self._write("corrected", key, self._merged(key, order), reason)

    @exact
    def adopt_order(self, order: Order, *, reason: str = "") -> Order:
        """Take the broker's live order into the books, again or for the first time.

        Raises:
            BookError: It is not live, or breaks a rule.
        """
        _check(order)
        if not order.live:
            raise BookError(f"order {order.name}", "only a live order can be adopted")
        key = self._key(order.client_order_id, order.broker_order_id)
        if key is not None:
            return self._write("adopted", key, self._merged(key, order), reason)
        return self._insert_with_early("adopted", order, reason)

    def saved(self) -> Callable[[], None]:
        """A way back: calling it brings the orders to where they are now."""
        state = {name: value.copy() for name, value in vars(self).items()}
        return lambda: vars(self).update(state)

    def _merged(self, key: int, order: Order) -> _Tracked:
        mine = self._tracked[key].order
        stated = {name: value for name in order.__struct_fields__ if (value := getattr(order, name)) is not None}
        after = replace(mine, **stated)
        _check(after)
        return replace(self._tracked[key], order=after)

    def _insert(self, kind: EventKind, order: Order, tracked: _Tracked, reason: str = "") -> Order:
        if self._key(order.client_order_id, order.broker_order_id) is not None:
            raise BookError(f"order {order.name}", "it is in the books already")
        return self._write(kind, len(self._tracked), tracked, reason)

    def _write(self, kind: EventKind, key: int, tracked: _Tracked, reason: str = "") -> Order:
        """The one place where an order changes: record, ids and history together."""
        order, known = tracked.order, self._tracked.get(key)
        self._tracked[key] = tracked
        if order.client_order_id is not None:
            self._by_client[order.client_order_id] = key
            self._seen.add(order.client_order_id)
        if order.broker_order_id is not None:
            self._by_broker[order.broker_order_id] = key
        before = None if known is None else known.order
        self._history.append(OrderEvent(len(self._history) + 1, kind, before, order, reason))
        return order

    def _insert_with_early(self, kind: EventKind, order: Order, reason: str) -> Order:
        """Take in a new order, and count the fills that arrived before it did.

        What a new order of our own says is filled counts as known fills; what the broker's record says awaits them.
        """
        early = [fill for fill in self._early if _bears_id_of(fill, order)]
        counted = sum((fill.quantity for fill in early), ZERO)
        known = max(order.done - counted, ZERO) if kind == "registered" else ZERO
        back = self.saved() if early else None
        order = self._insert(kind, order, _Tracked(order, known), reason)
        try:
            for fill in early:
                self._early.remove(fill)
                order = self.book_fill(fill, reason=reason) or order
        except BookError:
            assert back is not None, "only an early fill can be refused here"
            back()
            raise
        return order

    def _key(self, client: str | None, broker: str | None) -> int | None:
        by_client = self._by_client.get(client) if client is not None else None
        by_broker = self._by_broker.get(broker) if broker is not None else None
        if by_client is not None and by_broker is not None and by_client != by_broker:
            raise BookError(f"order {client}", f"its broker id {broker} belongs to another order")
        return by_broker if by_client is None else by_client

    def _need(self, client: str | None, broker: str | None) -> int:
        key = self._key(client, broker)
        if key is None:
            raise BookError(f"order {client or broker}", "the books know no such order")
        return key


def _at_filled(order: Order, filled: Decimal, at: datetime | None, broker_order_id: str | None) -> Order:
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
        updated_at=order.updated_at if at is None else _later(order, at),
        broker_order_id=order.broker_order_id or broker_order_id,
    )


def _later(order: Order, at: datetime) -> datetime:
    """When the order last changed: records may arrive out of their order."""
    return at if order.updated_at is None else max(order.updated_at, at)


def _bears_id_of(fill: Fill, order: Order) -> bool:
    """Whether the fill names the order by either id."""
    same_client = fill.client_order_id is not None and fill.client_order_id == order.client_order_id
    return same_client or (fill.broker_order_id is not None and fill.broker_order_id == order.broker_order_id)


def _check_fit(order: Order, fill: Fill) -> None:
    """Refuse a fill that cannot be of that order."""
    other_client = None not in (order.client_order_id, fill.client_order_id) and (
        order.client_order_id != fill.client_order_id
    )
    if other_client or (order.asset, order.side) != (fill.asset, fill.side):
        raise BookError(
            f"fill {fill.fill_id}", f"it names order {order.name}, and is not of its asset, side or client id"
        )


def _check(order: Order) -> None:
    """Refuse what the contract's reader would refuse."""
    broken = order_finding(order)
    if broken is not None:
        raise BookError(f"order {order.name}", f"{broken[1]}; {broken[2]}")
    for field in ("quantity", "filled", "limit_price", "stop_price"):
        value = getattr(order, field)
        if value is not None and not fits(value):
            raise BookError(f"order {order.name}", f"{field} is not a finite decimal of at most 64 digits")
