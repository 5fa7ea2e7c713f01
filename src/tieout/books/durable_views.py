"""What durable books let an engine see of their ledger, and do with their orders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from tieout.books.engine_books import EngineBooks
from tieout.books.entries import Entry
from tieout.books.events import Advanced, Event, Registered, Sent
from tieout.books.holdings import Holdings
from tieout.books.orders import OrderEvent
from tieout.books.standing import Standing
from tieout.model.snapshot import Order, OrderStatus


class LedgerView(Protocol):
    """A ledger to be read; what would change it goes through the books."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that was ever written."""

    @property
    def held(self) -> Holdings:
        """What the books hold now; a copy."""

    @property
    def standing(self) -> Standing:
        """The fills and activities that stand."""

    def held_at(self, number: int) -> Holdings:
        """What the books held after entry *number*."""


class DurableOrders:
    """The orders of durable books: what `OrderManager` offers an engine, kept before it counts."""

    def __init__(self, books: EngineBooks, change: Callable[[Event], None]) -> None:
        self._books, self._change = books, change

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order ever known, live and ended, in the order of their arrival."""
        return self._books.orders.orders

    @property
    def live(self) -> tuple[Order, ...]:
        """The orders that may still trade."""
        return self._books.orders.live

    @property
    def history(self) -> tuple[OrderEvent, ...]:
        """Every change, in order."""
        return self._books.orders.history

    def find(self, *, client_order_id: str | None = None, broker_order_id: str | None = None) -> Order | None:
        """The order that bears these ids, or None.

        Raises:
            BookError: They belong to different orders.
        """
        return self._books.orders.find(client_order_id=client_order_id, broker_order_id=broker_order_id)

    def note_sent(self, client_order_id: str) -> None:
        """Remember a client id as used, so that no order will bear it again.

        Raises:
            BookError: That cannot be kept: nothing may be sent under this id.
        """
        self._change(Sent(client_order_id))

    def register(self, order: Order, *, reason: str = "") -> Order:
        """Take a new order of our own.

        Raises:
            BookError: It has no client id, or one that was used before, or it cannot be kept: it may not be sent.
        """
        self._change(Registered(order, reason))
        return self._found(order.client_order_id, order.broker_order_id)

    def advance(
        self,
        status: OrderStatus,
        at: datetime,
        *,
        client_order_id: str | None = None,
        broker_order_id: str | None = None,
    ) -> Order:
        """Move an order to the next legal state; the state it is in already is no change.

        Raises:
            BookError: No such order, no way leads from its state to that one, or it cannot be kept.
        """
        self._change(Advanced(status, at, client_order_id, broker_order_id))
        return self._found(client_order_id, broker_order_id)

    def _found(self, client_order_id: str | None, broker_order_id: str | None) -> Order:
        found = self.find(client_order_id=client_order_id, broker_order_id=broker_order_id)
        assert found is not None, "the order was just written"
        return found
