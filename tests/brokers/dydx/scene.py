"""An account at the loopback indexer, and the unmodified adapter that reads it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from tieout.brokers.base import OrderRequest
from tieout.brokers.dydx.adapter import DydxBroker
from tieout.brokers.loopback.base import Login
from tieout.brokers.loopback.dydx import DydxVenue
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.clock import VirtualClock
from tieout.model.amounts import dec
from tieout.model.snapshot import Order

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
ADDRESS = "dydx1tester"
BTC, ETH = "BTC-USD", "ETH-USD"


READS: dict[str, Callable[[DydxBroker], Awaitable[object]]] = {
    "get_positions": lambda broker: broker.get_positions(),
    "get_balances": lambda broker: broker.get_balances(),
    "get_open_orders": lambda broker: broker.get_open_orders(),
    "get_fills": lambda broker: broker.get_fills(EPOCH),
    "get_activities": lambda broker: broker.get_activities(EPOCH),
    "get_account_info": lambda broker: broker.get_account_info(),
}


@dataclass
class Scene:
    """The world's account "main" is sub-account 0 of `ADDRESS`; "far" is sub-account 5."""

    world: World
    clock: VirtualClock
    venue: DydxVenue
    broker: DydxBroker

    async def body(self, path: str) -> bytes:
        """What the indexer answers there now."""
        async with aiohttp.ClientSession() as session, session.get(self.venue.url + path) as response:
            return await response.read()

    def trade(self, asset: str, quantity: str, price: str) -> None:
        """A trade of "main", signed."""
        amount = dec(quantity)
        self.world.trade("main", asset, "buy" if amount > 0 else "sell", abs(amount), dec(price))

    def rest(self, client_order_id: str, asset: str = BTC, price: str = "50") -> Order:
        """A limit order of "main" that rests."""
        request = OrderRequest(
            client_order_id=client_order_id, asset=asset, side="buy", quantity=dec(1), limit_price=dec(price)
        )
        return self.world.submit("main", request)


def adapter(venue: DydxVenue, clock: VirtualClock, address: str = ADDRESS, subaccount: int = 0) -> DydxBroker:
    """The unmodified adapter; it does not try again, so that a fault shows."""
    wire = Wire(
        "dydx",
        clock=clock,
        limits=Limits(((10_000, 10_000),), by="address"),
        random=random.Random(7),
        patience=ReadPatience(tries_again=0),
    )
    return DydxBroker(address, account="main", wire=wire, subaccount=subaccount, url=venue.url)


@asynccontextmanager
async def staged() -> AsyncIterator[Scene]:
    """Two instruments, 100000 USDC, and nothing else."""
    clock = VirtualClock(START)
    world = World(clock, seed=7)
    for name in ("main", "far"):
        world.add_account(name, currency="USDC")
    for asset in (BTC, ETH):
        world.add_instrument(Instrument(asset=asset, kind="cash", currency="USDC"))
    world.office.pay("main", "deposit", "USDC", dec(100000))
    logins = Login(account="main", key=ADDRESS), Login(account="far", key=f"{ADDRESS}/5")
    async with DydxVenue(world, *logins) as venue:
        assert isinstance(venue, DydxVenue)
        broker = adapter(venue, clock)
        try:
            yield Scene(world, clock, venue, broker)
        finally:
            await broker.close()
