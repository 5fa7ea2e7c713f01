"""A broker whose assets go by the names, and are counted in the units, that its user gave them; it is asked in its own."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from tieout.brokers.base import AccountInfo, BrokerAdapter, Capabilities, OrderRequest
from tieout.clock import Clock
from tieout.errors import ActionRefused, SourceIncomplete
from tieout.model.amounts import divided, multiplied
from tieout.model.identified import identified_row, identified_rows
from tieout.model.identity import Identity, Sayer
from tieout.model.snapshot import SECTIONS, Activity, Balance, Fill, Order, Position, Row, Section, Snapshot

R = TypeVar("R", Position, Balance, Order, Fill, Activity)


class IdentifiedBroker:
    """One account at one venue (`brokers.base.BrokerAdapter`) under one name an asset, in local's units.

    Args:
        inner: The venue's own adapter.
        identity: What its names mean.
        clock: Which day it is.
        heard: What it stated last: the names that it uses.
    """

    def __init__(
        self, inner: BrokerAdapter, identity: Identity, clock: Clock, *, heard: Snapshot | None = None
    ) -> None:
        self.inner, self.name = inner, inner.name
        self._identity, self._clock = identity, clock
        self._said: dict[Section, dict[str, set[str]]] = {}
        for section in SECTIONS:
            self._hear(section, getattr(heard, section, None) or (), self._sayer())

    async def get_positions(self) -> tuple[Position, ...]:
        """Every open position. Raises `SourceMalformed` where rows of one asset do not add up."""
        return await self._rows("positions", self.inner.get_positions())

    async def get_balances(self) -> tuple[Balance, ...]:
        """Every currency with a total. Raises `SourceMalformed` where rows of one do not add up."""
        return await self._rows("balances", self.inner.get_balances())

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order."""
        return await self._rows("orders", self.inner.get_open_orders())

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """One order; None where the venue says that it knows none such."""
        order = await self.inner.get_order(broker_order_id=broker_order_id, client_order_id=client_order_id)
        return None if order is None else identified_row("orders", order, self._sayer())

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill from *since* on."""
        return await self._rows("fills", self.inner.get_fills(since))

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Everything but trades from *since* on."""
        return await self._rows("activities", self.inner.get_activities(since))

    async def get_account_info(self) -> AccountInfo:
        """Which account this is."""
        return await self.inner.get_account_info()

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send an order once, under the venue's name and in its units.

        Raises:
            ActionRefused: Nothing was sent: the venue's name is not known, or the quantity is no number of its contracts.
        """
        asset, size = request.asset, self._identity.sizes.get(request.asset)
        quantity = request.quantity if size is None else divided(request.quantity, size)
        if quantity is None:
            raise ActionRefused("submit_order", "the quantity is no exact number of the broker's contracts")
        theirs = replace(request, asset=self._theirs(asset), quantity=quantity)
        if size is not None and asset in self._identity.packs:
            told = {"limit_price": request.limit_price, "stop_price": request.stop_price}
            prices = {name: multiplied(price, size) for name, price in told.items() if price is not None}
            if None in prices.values():
                raise ActionRefused("submit_order", "the price of a pack has more digits than can be sent")
            theirs = replace(theirs, **prices)
        return self._answered(await self.inner.submit_order(theirs))

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end."""
        order = await self.inner.cancel_order(broker_order_id=broker_order_id, client_order_id=client_order_id)
        return self._answered(order)

    async def server_time(self) -> datetime:
        """The venue's clock."""
        return await self.inner.server_time()

    def capabilities(self) -> Capabilities:
        """What this venue can tell and do."""
        return self.inner.capabilities()

    async def close(self) -> None:
        """Let go of connections."""
        await self.inner.close()

    def _sayer(self) -> Sayer:
        return Sayer(self._identity, "broker", self._clock.now())

    def _answered(self, order: Order) -> Order:
        return identified_row("orders", order, self._sayer())

    async def _rows(self, section: Section, asked: Awaitable[tuple[R, ...]]) -> tuple[R, ...]:
        sayer = self._sayer()
        try:
            rows = await asked
        except SourceIncomplete as error:
            came: list[R] = [row for row in error.rows if isinstance(row, Row)]  # type: ignore[misc]
            part = identified_rows(section, came, sayer)
            raise SourceIncomplete(error.source, error.scope, error.why, part) from error
        self._hear(section, rows, sayer)
        return identified_rows(section, rows, sayer)

    def _hear(self, section: Section, rows: Sequence[Row], sayer: Sayer) -> None:
        """Keep the names that the venue uses, section by section, as they were last."""
        said: dict[str, set[str]] = {}
        for row in rows:
            name = getattr(row, "asset", None)
            if name is not None and name not in self._identity.twins:
                said.setdefault(self._identity.name(name, sayer.day), set()).add(name)
        self._said[section] = said

    def _theirs(self, asset: str) -> str:
        """The venue's own name of *asset*, as the user told it, else as the venue used it; never a guess."""
        told = self._identity.at_broker.get(asset)
        others = [name for name in self._identity.others(asset) if name not in self._identity.twins]
        if told is not None or not others:
            return told or asset
        used = {name for said in self._said.values() for name in said.get(asset, ())}
        if len(used) != 1:
            raise ActionRefused("submit_order", f"which name {asset} has at the broker is not known: write broker_name")
        return used.pop()
