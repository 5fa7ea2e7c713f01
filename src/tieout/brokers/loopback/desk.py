"""What a skin asks the world: rows as they stand, or as a fault lets them look, and orders on their way in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import World, statement
from tieout.brokers.simulated.facts import Resting
from tieout.brokers.simulated.state import State
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position

from .faults import HttpFault, HttpRule

Row = TypeVar("Row", Position, Balance, Order, Fill, Activity)


class Desk:
    """One request's view of the world. `rule` is what bends it; reads are oldest first."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rule: HttpRule | None = None

    @property
    def state(self) -> State:
        """The world that this request sees."""
        if self._fault is HttpFault.STALE and self.rule is not None:
            return self.world.past(self.world.clock.now() - timedelta(seconds=self.rule.seconds))
        return self.world.state

    def positions(self, account: str) -> tuple[Position, ...]:
        """Every position."""
        return self._seen(statement.positions(self.state, account))

    def balances(self, account: str) -> tuple[Balance, ...]:
        """Every currency with a total other than 0."""
        return self._seen(statement.balances(self.state, account))

    def orders(self, account: str) -> tuple[Order, ...]:
        """Every live order."""
        return self._seen(statement.open_orders(self.state, account))

    def all_orders(self, account: str) -> tuple[Order, ...]:
        """Every order there ever was."""
        return self._seen(tuple(resting.order for resting in self.state.account(account).orders.values()))

    def fills(self, account: str, since: datetime | None = None) -> tuple[Fill, ...]:
        """Every fill with ``at >= since``."""
        rows = statement.fills(self.state, account, since)
        if self._fault is HttpFault.LAG and self.rule is not None:
            shown = self.world.clock.now() - timedelta(seconds=self.rule.seconds)
            return tuple(row for row in rows if row.at <= shown)
        return self._seen(rows)

    def activities(self, account: str, since: datetime | None = None) -> tuple[Activity, ...]:
        """Every activity with ``at >= since``."""
        return self._seen(statement.activities(self.state, account, since))

    def order(
        self, account: str, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Resting | None:
        """The order that bears the ids given, live or ended, with what only the venue keeps of it."""
        if self._fault is HttpFault.HIDDEN:
            return None
        return self.state.account(account).find(broker_order_id, client_order_id)

    def submit(self, account: str, request: OrderRequest) -> Order:
        """Send an order into the world.

        Raises:
            ActionRefused: The reason; nothing rests.
        """
        return self.world.submit(account, request)

    def cancel(self, account: str, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """End an order, or only say so.

        Raises:
            ActionRefused: No such live order.
        """
        if self._fault is HttpFault.CANCEL_LOST:
            found = self.world.state.account(account).find(broker_order_id, client_order_id)
            if found is not None and found.order.live:
                return found.order
        return self.world.cancel(account, broker_order_id=broker_order_id, client_order_id=client_order_id)

    @property
    def _fault(self) -> HttpFault | None:
        return None if self.rule is None else self.rule.fault

    def _seen(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        if self._fault is HttpFault.HIDDEN:
            return ()
        return rows[1:] if self._fault is HttpFault.DROPPED else rows
