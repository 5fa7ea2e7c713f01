"""Interactive Brokers' adapter, with the unmodified ib_async, over a real socket to a loopback TWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tieout.brokers.base import OrderRequest
from tieout.brokers.ib.adapter import IbBroker
from tieout.brokers.loopback.tws import LoopbackTws
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.simulated.commands import Trade, perform
from tieout.clock import VirtualClock
from tieout.model.amounts import dec

START = datetime(2026, 11, 20, 15, tzinfo=UTC)
OPTION = "AAPL  270115C00200000"


@dataclass
class Office:
    """A world with the account DU1, a TWS over it, and the adapter."""

    world: World
    tws: LoopbackTws
    brokers: list[IbBroker] = field(default_factory=list)

    @property
    def today(self) -> datetime:
        """Since when TWS knows executions: midnight in New York."""
        return datetime(2026, 11, 20, 5, tzinfo=UTC)

    def connect(
        self, account: str = "DU1", *, seconds: float = 5, linger: float = 1, currency: str | None = None
    ) -> IbBroker:
        """The adapter, connected when it is first asked."""
        broker = IbBroker(
            account, port=self.tws.port, timeout_seconds=seconds, commission_seconds=linger, currency=currency
        )
        self.brokers.append(broker)
        return broker

    def trade(self, asset: str, side: str, quantity: str, price: str) -> None:
        """Let the account trade."""
        trade = Trade(account="DU1", asset=asset, side=side, quantity=dec(quantity), price=dec(price))  # type: ignore[arg-type]
        perform(self.world, trade)
        assert isinstance(self.world.clock, VirtualClock)
        self.world.clock.advance(1)

    def order(self, name: str, price: str, kind: str = "limit") -> None:
        """Let an order rest."""
        limit, stop = (None, dec(price)) if kind == "stop" else (dec(price), None)
        request = OrderRequest(
            client_order_id=name,
            asset="AAPL",
            side="buy",
            quantity=dec(1),
            type=kind,
            limit_price=limit,
            stop_price=stop,
        )
        self.world.submit("DU1", request)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """Two shares, a future and an option; an account in USD and EUR that holds some of each and has orders."""
    world = World(VirtualClock(START - timedelta(minutes=5)), seed=7)
    world.add_account("DU1", currency="USD")
    rate = dec("0.001")
    world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=rate))
    world.add_instrument(Instrument(asset="ESZ6", kind="margin", currency="USD", multiplier=dec(50), fee_rate=rate))
    world.add_instrument(Instrument(asset=OPTION, kind="cash", currency="USD", multiplier=dec(100), fee_rate=rate))
    world.office.pay("DU1", "deposit", "USD", dec("1000000.000000000000000001"))
    world.office.pay("DU1", "withdrawal", "EUR", dec("-0.30"))
    async with LoopbackTws(world, "DU1") as tws:
        made = Office(world, tws)
        made.trade("AAPL", "buy", "3.25", "90.1")
        made.trade("ESZ6", "sell", "3", "5800.25")
        made.trade(OPTION, "buy", "2", "1.07")
        made.order("c-1", "50.5")
        made.order("c-2", "120", "stop")
        made.order("c-3", "40")
        world.cancel("DU1", client_order_id="c-3")
        yield made
        for broker in made.brokers:
            await broker.close()
