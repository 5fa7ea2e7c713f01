"""What an engine still lacks at its start before an order may leave."""

from __future__ import annotations

from tieout.errors import SourceError
from tieout.live.feed import Feed
from tieout.live.orders import Orders
from tieout.live.reconciler import Account
from tieout.live.strategy import EngineSettings
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation, Snapshot


class Readiness:
    """Asks, after each reading of a start, whether that was enough.

    Attributes:
        gave_up: Whether it no longer waits for orders of an earlier process of which nobody knows whether they arrived.
    """

    def __init__(self, account: Account, orders: Orders, feed: Feed, settings: EngineSettings) -> None:
        self._account, self._orders, self._feed, self._settings = account, orders, feed, settings
        self.gave_up = False

    async def lacking(self, report: ReconciliationReport, observed: Observation, waited: int) -> str | None:
        """Why trading may not begin yet, *waited* seconds after the start; None where it may."""
        if not _whole(report, self._account.settings.required):
            return "a side could not be read whole"
        if _empty(observed.local) and not _empty(observed.broker):
            return f"the books are empty and the account is not, `tieout adopt {self._account.name}` takes it over"
        try:
            # What is too young for a reconciliation to book is booked here, so that nobody orders it a second time.
            await self._feed.poll()
        except (SourceError, TimeoutError):
            return "the fills of own orders could not be fetched"
        pending = [order for order in self._orders.live if order.status == "pending"]
        self.gave_up = bool(pending) and waited >= self._settings.pending_seconds
        return "what became of earlier orders is not known" if pending and not self.gave_up else None


def _whole(report: ReconciliationReport, required: tuple[str, ...] | None) -> bool:
    needed = required if required is not None else ("positions", "balances", "orders")
    compared = "compared" in report.coverage.values()
    return compared and all(report.coverage.get(section) in ("compared", "not_required") for section in needed)


def _empty(side: object) -> bool:
    if not isinstance(side, Snapshot):
        return False
    held = any(row.amount for row in side.positions or ()) or any(row.total for row in side.balances or ())
    return not held and not any(order.live for order in side.orders or ())
