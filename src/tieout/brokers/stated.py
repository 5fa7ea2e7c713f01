"""A broker's side that is stated whole, as a file is: the port's questions are answered out of the one statement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.errors import ActionRefused, SourceIncomplete
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Section, Snapshot

Row = TypeVar("Row", Position, Balance, Order, Fill, Activity)


class Stated(Struct, frozen=True):
    """What a file states.

    Attributes:
        snapshot: The statement.
        gaps: Why a section is not whole, in a sentence without amounts, where that is known.
    """

    snapshot: Snapshot
    gaps: Mapping[Section, str] = {}


class StatedBroker(ABC):
    """One account at a broker, as something states it that takes no orders and answers no questions.

    Args:
        name: How sentences name it.
        account: Which account it is.
        venue: What its account information calls the venue.
    """

    def __init__(self, name: str, account: str, venue: str) -> None:
        self.name = name
        self._account, self._venue = account, venue

    @abstractmethod
    async def state(self) -> Stated:
        """The whole statement, read anew.

        Raises:
            SourceError: There is none, or not a whole one.
        """

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What such a statement can hold. Needs no network."""

    async def get_statement(self) -> Snapshot:
        """The whole statement, with the coverage that it claims itself.

        Raises:
            SourceError: There is none, or not a whole one.
        """
        return (await self.state()).snapshot

    async def get_positions(self) -> tuple[Position, ...]:
        """The statement's positions."""
        return await self._rows("positions", lambda stated: stated.positions)

    async def get_balances(self) -> tuple[Balance, ...]:
        """The statement's balances."""
        return await self._rows("balances", lambda stated: stated.balances)

    async def get_open_orders(self) -> tuple[Order, ...]:
        """The statement's live orders."""
        rows = await self._rows("orders", lambda stated: stated.orders)
        return tuple(order for order in rows if order.live)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """The statement's fills from *since* on, where it vouches for them from then on."""
        rows = await self._rows("fills", lambda stated: stated.fills, since)
        return tuple(row for row in rows if row.at >= since)

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """The statement's activities from *since* on, where it vouches for them from then on."""
        rows = await self._rows("activities", lambda stated: stated.activities, since)
        return tuple(row for row in rows if row.at >= since)

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """A file answers no questions."""
        raise SourceIncomplete(self.name, "order", "a file answers no questions")

    async def get_account_info(self) -> AccountInfo:
        """Which account this is, as it was configured."""
        return AccountInfo(account=self._account, venue=self._venue, trading_enabled=False)

    async def submit_order(self, request: OrderRequest) -> Order:
        """A file takes no orders."""
        raise ActionRefused("submit_order", "the broker's side is a file, which takes no orders")

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """A file takes no orders."""
        raise ActionRefused("cancel_order", "the broker's side is a file, which takes no orders")

    async def server_time(self) -> datetime:
        """The moment that the statement speaks of."""
        return (await self.get_statement()).as_of

    async def close(self) -> None:  # noqa: B027
        """Nothing is held open."""

    async def _rows(
        self, section: Section, rows_of: Callable[[Snapshot], tuple[Row, ...] | None], since: datetime | None = None
    ) -> tuple[Row, ...]:
        stated = await self.state()
        rows = rows_of(stated.snapshot) or ()
        if stated.snapshot.covers(section) != "complete":
            why = stated.gaps.get(section, "the file does not hold it whole")
            raise SourceIncomplete(self.name, section, why, rows)
        vouched = getattr(stated.snapshot, f"{section}_since", None)
        if since is not None and (vouched is None or vouched > since):
            raise SourceIncomplete(self.name, section, "the file does not vouch for all that time", rows)
        return rows
