"""`OrderManager`: the books' own orders, what state they are in, and how much of them the booked fills account for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

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
        self._tracked: dict[int, Tracked] = {}
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

    @property
    def changes(self) -> int:
        """How many changes there were."""
        return len(self._history)

    def find(self, *, client_order_id: str | None = None, broker_order_id: str | None = None) -> Order | None:
        """The order that bears these ids, or None.

        Raises:
            BookError: They belong to different orders.
        """
        key = self._key(client_order_id, broker_order_id)
        return None if key is None else self._tracked[key].order

    def note_sent(self, client_order_id: str) -> bool:
        """Remember a client id as used, so that no order will bear it again; tells whether it was not used before."""
        news = client_order_id not in self._seen
        self._seen.add(client_order_id)
        return news

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
            after = replace(after, status=status, filled=filled, updated_at=later(before, at))
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
        key = self._key(fill.client_order_id, fill.broker_order_id)
        if key is None:
            return None
        before = self._tracked[key]
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
        key = self._need(order.client_order_id, order.broker_order_id)
        return self._write("corrected", key, merged(self._tracked[key], order), reason)

    @exact
    def adopt_order(self, order: Order, *, reason: str = "") -> Order:
        """Take the broker's live order into the books, again or for the first time.

        Raises:
            BookError: It is not live, or breaks a rule.
        """
        check_order(order)
        if not order.live:
            raise BookError(f"order {order.name}", "only a live order can be adopted")
        key = self._key(order.client_order_id, order.broker_order_id)
        if key is not None:
            return self._write("adopted", key, merged(self._tracked[key], order), reason)
        return self._insert_with_early("adopted", order, reason)

    def export(self) -> OrdersState:
        """Everything that is known here."""
        return OrdersState(
            tracked=tuple(self._tracked.values()),
            by_client=dict(self._by_client),
            by_broker=dict(self._by_broker),
            seen=tuple(sorted(self._seen)),
            early=tuple(self._early),
            history=self.history,
        )

    def saved(self) -> Callable[[], None]:
        """A way back: calling it brings the orders to where they are now."""
        state = {name: value.copy() for name, value in vars(self).items()}
        return lambda: vars(self).update(state)

    def _insert(self, kind: EventKind, order: Order, tracked: Tracked, reason: str = "") -> Order:
        if self._key(order.client_order_id, order.broker_order_id) is not None:
            raise BookError(f"order {order.name}", "it is in the books already")
        return self._write(kind, len(self._tracked), tracked, reason)

    def _write(self, kind: EventKind, key: int, tracked: Tracked, reason: str = "") -> Order:
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


def orders_from(state: OrdersState) -> OrderManager:
    """The orders that were exported as *state*."""
    orders = OrderManager()
    orders._tracked = dict(enumerate(state.tracked))
    orders._by_client, orders._by_broker = dict(state.by_client), dict(state.by_broker)
    orders._seen, orders._early, orders._history = set(state.seen), list(state.early), list(state.history)
    return orders
