"""A broker that is a snapshot file, written by whatever else can reach the broker. It is read, and takes no orders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.clock import Clock
from tieout.errors import ActionRefused, BadInput, SourceIncomplete, SourceMalformed, SourceUnreachable
from tieout.model.codec import decode_snapshot, read_bytes
from tieout.model.snapshot import SECTIONS, Activity, Balance, Fill, Order, Position, Section, Snapshot

Row = TypeVar("Row", Position, Balance, Order, Fill, Activity)


class SnapshotFileBroker:
    """One account at a broker, as a file states it.

    Args:
        path: The file (tieout.snapshot/1, source "broker"). Its writer must replace it whole: write another, then rename.
        account: Which account it is.
        clock: What its age is measured by.
        max_age_seconds: A file that says it is older is no answer. None takes any.
    """

    def __init__(self, path: Path, account: str, clock: Clock, *, max_age_seconds: int | None = None) -> None:
        self.name = f"file:{account}"
        self._path, self._account, self._clock = path, account, clock
        self._max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)

    async def get_statement(self) -> Snapshot:
        """The whole file, as one statement with the coverage that it claims itself.

        Raises:
            SourceUnreachable: It is not there, or is older than it may be.
            SourceMalformed: It is torn, no snapshot, or another account's.
        """
        try:
            raw = read_bytes(self._path)
        except BadInput as error:
            raise SourceUnreachable(self.name, str(self._path), error.problems[0].what) from error
        try:
            stated = decode_snapshot(raw, str(self._path), "broker")
        except BadInput as error:
            first = error.problems[0]
            raise SourceMalformed(self.name, str(self._path), f"{first.place} {first.what}".strip()) from error
        if stated.account != self._account:
            raise SourceMalformed(self.name, str(self._path), "it is of another account")
        if self._max_age is not None and self._clock.now() - stated.as_of > self._max_age:
            seconds = int((self._clock.now() - stated.as_of).total_seconds())
            raise SourceUnreachable(self.name, str(self._path), f"it is {seconds} seconds old: is its writer running?")
        return stated

    async def get_positions(self) -> tuple[Position, ...]:
        """The file's positions."""
        return await self._rows("positions", lambda stated: stated.positions)

    async def get_balances(self) -> tuple[Balance, ...]:
        """The file's balances."""
        return await self._rows("balances", lambda stated: stated.balances)

    async def get_open_orders(self) -> tuple[Order, ...]:
        """The file's live orders."""
        rows = await self._rows("orders", lambda stated: stated.orders)
        return tuple(order for order in rows if order.live)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """The file's fills from *since* on, where it vouches for them from then on."""
        rows = await self._rows("fills", lambda stated: stated.fills, since)
        return tuple(row for row in rows if row.at >= since)

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """The file's activities from *since* on, where it vouches for them from then on."""
        rows = await self._rows("activities", lambda stated: stated.activities, since)
        return tuple(row for row in rows if row.at >= since)

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """A file answers no questions."""
        raise SourceIncomplete(self.name, "order", "a file answers no questions")

    async def get_account_info(self) -> AccountInfo:
        """Which account this is, as it was configured."""
        return AccountInfo(account=self._account, venue="file", trading_enabled=False)

    async def submit_order(self, request: OrderRequest) -> Order:
        """A file takes no orders."""
        raise ActionRefused("submit_order", "the broker's side is a file, which takes no orders")

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """A file takes no orders."""
        raise ActionRefused("cancel_order", "the broker's side is a file, which takes no orders")

    async def server_time(self) -> datetime:
        """The moment that the file speaks of."""
        return (await self.get_statement()).as_of

    def capabilities(self) -> Capabilities:
        """Everything may stand in a file; single orders cannot be asked for."""
        return Capabilities(sections=frozenset(SECTIONS), acts=False, order_lookup=False)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _rows(
        self, section: Section, rows_of: Callable[[Snapshot], tuple[Row, ...] | None], since: datetime | None = None
    ) -> tuple[Row, ...]:
        stated = await self.get_statement()
        rows = rows_of(stated) or ()
        if stated.covers(section) != "complete":
            raise SourceIncomplete(self.name, section, "the file does not hold it whole", rows)
        vouched = getattr(stated, f"{section}_since", None)
        if since is not None and (vouched is None or vouched > since):
            raise SourceIncomplete(self.name, section, "the file does not vouch for all that time", rows)
        return rows
