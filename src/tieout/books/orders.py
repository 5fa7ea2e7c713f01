"""`OrderManager`: the books' own orders, what state they are in, and how much of them the booked fills account for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tieout.books.order_index import OrderIndex
from tieout.books.order_rules import (
    ENDED,
    NEXT,
    EventKind,
    OrderEvent,
    OrdersState,
    Tracked,
    at_filled,
    bears_id_of,
    check_fit,
    check_order,
    later,
    merged,
)
from tieout.errors import BookError
from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Fill, Order, OrderStatus

__all__ = ["ENDED", "NEXT", "OrderEvent", "OrderManager", "OrdersState"]


class OrderManager:
    """Orders by client id and by broker id. What is refused raises `BookError` and changes nothing."""

    def __init__(self) -> None:
        self._index = OrderIndex()
        self._early: list[Fill] = []
        self._history: list[OrderEvent] = []

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order ever known, live and ended, in the order of their arrival."""
        return tuple(tracked.order for tracked in self._index.tracked.values())

    @property
    def live(self) -> tuple[Order, ...]:
        """The orders that may still trade."""
        return self._index.live

    @property
    def history(self) -> tuple[OrderEvent, ...]:
        """Every change, in order."""
        return tuple(self._history)

    @property
    def changes(self) -> int:
        """How many changes there were."""
        return len(self._history)

    def find(self, *, client_order_id: str | None = None, broker_order_id: str | None = None) -> Order | None:
        """The order that bears these ids, or None.

        Raises:
            BookError: They belong to different orders.
        """
        key = self._index.place(client_order_id, broker_order_id)
        return None if key is None else self._index.tracked[key].order

    def note_sent(self, client_order_id: str) -> bool:
        """Remember a client id as used, so that no order will bear it again; tells whether it was not used before."""
        return self._index.note(client_order_id)

    @exact
    def open(self, order: Order, *, listed: Decimal, whole: bool) -> Order:
        """Take over an order as the books had it when they were opened.

        Args:
            order: The record as it is.
            listed: The sum of its fills among the opening entries, repeats included, unsigned.
            whole: Whether those are all the fills it can have had.
        """
        return self._insert("opened", order, Tracked(order, listed, ZERO if whole else max(order.done - listed, ZERO)))

    @exact
    def register(self, order: Order, *, reason: str = "") -> Order:
        """Take a new order of our own; fills that came before it count at once.

        Raises:
            BookError: It has no client id, or one that was used before.
        """
        check_order(order)
        if order.client_order_id is None:
            raise BookError("order", "an order of our own needs a client id before it is sent")
        if order.client_order_id in self._index.seen:
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
        key = self._index.need(client_order_id, broker_order_id)
        before = self._index.tracked[key].order
        if broker_order_id is not None and before.broker_order_id not in (None, broker_order_id):
            raise BookError(f"order {before.name}", "it bears another broker id; that one was replaced")
        after = replace(before, broker_order_id=before.broker_order_id or broker_order_id)
        if status != before.status:
            if status not in NEXT.get(before.status, ()):
                raise BookError(f"order {before.name}", f"it is {before.status} and cannot become {status}")
            filled = before.quantity if status == "filled" else before.filled
            after = replace(after, status=status, filled=filled, updated_at=later(before, at))
        return (
            after if after == before else self._write("advanced", key, replace(self._index.tracked[key], order=after))
        )

    @exact
    def book_fill(self, fill: Fill, *, reason: str = "") -> Order | None:
        """Count a booked fill towards its order; None where its order is not known (yet).

        Raises:
            BookError: The fill is not that order's (asset, side, ids), or more than was left of it.
        """
        key = self._index.place(fill.client_order_id, fill.broker_order_id)
        if key is None:
            self._early.append(fill)
            return None
        before = self._index.tracked[key]
        check_fit(before.order, fill)
        order, counted = before.order, before.known + before.older
        # Only fills that are known can overfill: what the order states may well contain this one already.
        if min(before.known, order.done) + fill.quantity > order.quantity:
            raise BookError(f"fill {fill.fill_id}", f"it fills order {order.name} beyond its quantity")
        filled = order.done + fill.quantity if counted >= order.done else max(order.done, counted + fill.quantity)
        after = at_filled(order, min(filled, order.quantity), fill.at, fill.broker_order_id)
        return self._write("filled", key, replace(before, order=after, known=before.known + fill.quantity), reason)

    @exact
    def reverse_fill(self, fill: Fill, *, reason: str = "") -> Order | None:
        """Take a reversed fill back off its order, and the order out of `filled` if that no longer holds.

        What the order states without that fill, or counted only once, stays.
        """
        if fill in self._early:
            self._early.remove(fill)
            return None
        key = self._index.place(fill.client_order_id, fill.broker_order_id)
        if key is None:
            return None
        before = self._index.tracked[key]
        known, filled = max(before.known - fill.quantity, ZERO), before.order.done
        if before.known + before.older >= filled:
            filled = min(filled, known + before.older)
        after = at_filled(before.order, filled, None, None)
        return self._write("fill_reversed", key, replace(before, order=after, known=known), reason)

    @exact
    def update_order(self, order: Order, *, reason: str = "") -> Order:
        """Bring an order to the broker's record of it, whatever state it is in; what that leaves null stays.

        Raises:
            BookError: No such order, a status that proves nothing, or a record that breaks a rule.
        """
        check_order(order)
        if order.status == "unknown":
            raise BookError(f"order {order.name}", "a status unknown proves nothing")
        key = self._index.need(order.client_order_id, order.broker_order_id)
        return self._write("corrected", key, merged(self._index.tracked[key], order), reason)

    @exact
    def adopt_order(self, order: Order, *, reason: str = "") -> Order:
        """Take the broker's live order into the books, again or for the first time.

        Raises:
            BookError: It is not live, or breaks a rule.
        """
        check_order(order)
        if not order.live:
            raise BookError(f"order {order.name}", "only a live order can be adopted")
        key = self._index.place(order.client_order_id, order.broker_order_id)
        if key is not None:
            return self._write("adopted", key, merged(self._index.tracked[key], order), reason)
        return self._insert_with_early("adopted", order, reason)

    def export(self) -> OrdersState:
        """Everything that is known here."""
        index = self._index
        return OrdersState(
            tracked=tuple(index.tracked.values()),
            by_client=dict(index.by_client),
            by_broker=dict(index.by_broker),
            seen=tuple(sorted(index.seen)),
            early=tuple(self._early),
            history=self.history,
        )

    def saved(self) -> Callable[[], None]:
        """A way back: calling it brings the orders to where they are now."""
        index_back, early, size = self._index.saved(), self._early.copy(), len(self._history)

        def back() -> None:
            index_back()
            self._early = early
            del self._history[size:]

        return back

    def settle(self) -> None:
        """What was changed stays: no point that was saved is gone back to any more."""
        self._index.settle()

    def _insert(self, kind: EventKind, order: Order, tracked: Tracked, reason: str = "") -> Order:
        if self._index.place(order.client_order_id, order.broker_order_id) is not None:
            raise BookError(f"order {order.name}", "it is in the books already")
        return self._write(kind, len(self._index.tracked), tracked, reason)

    def _write(self, kind: EventKind, key: int, tracked: Tracked, reason: str = "") -> Order:
        """The one place where an order changes: record, ids and history together."""
        known, order = self._index.put(key, tracked), tracked.order
        before = None if known is None else known.order
        self._history.append(OrderEvent(len(self._history) + 1, kind, before, order, reason))
        return order

    def _insert_with_early(self, kind: EventKind, order: Order, reason: str) -> Order:
        """Take in a new order, and count the fills that arrived before it did.

        What a new order of our own says is filled counts as known fills; what the broker's record says awaits them.
        """
        early = [fill for fill in self._early if bears_id_of(fill, order)]
        counted = sum((fill.quantity for fill in early), ZERO)
        known = max(order.done - counted, ZERO) if kind == "registered" else ZERO
        back = self.saved() if early else None
        order = self._insert(kind, order, Tracked(order, known), reason)
        try:
            for fill in early:
                self._early.remove(fill)
                order = self.book_fill(fill, reason=reason) or order
        except BookError:
            assert back is not None, "only an early fill can be refused here"
            back()
            raise
        return order


def orders_from(state: OrdersState) -> OrderManager:
    """The orders that were exported as *state*."""
    orders = OrderManager()
    index = orders._index
    index.fill(state.tracked)
    index.by_client, index.by_broker, index.seen = dict(state.by_client), dict(state.by_broker), set(state.seen)
    orders._early, orders._history = list(state.early), list(state.history)
    return orders
