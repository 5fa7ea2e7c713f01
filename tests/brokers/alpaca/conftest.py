"""Alpaca's adapter, unmodified, over a real socket to its loopback server."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import LIMITS
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock, VirtualClock
from tieout.model.amounts import dec

START = datetime(2026, 3, 6, 15, tzinfo=UTC)  # two days before New York's clocks change
ONCE = ReadPatience(tries_again=0, seconds=2)


@dataclass
class Shop:
    """A world with an account, Alpaca's server over it, and the adapter."""

    world: World
    server: LoopbackAlpaca
    broker: AlpacaBroker

    def answers(self, text: str, endpoint: str = "*", **more: object) -> None:
        """Let the server answer *text*, once."""
        self.server.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint=endpoint, text=text, **more))  # type: ignore[arg-type]

    @property
    def clock(self) -> VirtualClock:
        """The world's clock."""
        assert isinstance(self.world.clock, VirtualClock)
        return self.world.clock


def connected(url: str, secret: str = "s") -> AlpacaBroker:
    """The adapter, asking once."""
    wire = Wire("alpaca", clock=SystemClock(), limits=LIMITS["alpaca"], random=random.Random(7), patience=ONCE)
    return AlpacaBroker("main", key="k", secret=secret, wire=wire, url=url)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """An account in USD with 100,000 of it, and shares, an option and a coin to trade."""
    world = World(VirtualClock(START), seed=7)
    world.add_account("main", currency="USD")
    for asset, multiplier in (("AAPL", 1), ("BRK.B", 1), ("AAPL270115C00200000", 100)):
        world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD", multiplier=dec(multiplier)))
    world.add_instrument(Instrument(asset="BTC/USD", kind="spot", currency="USD", base="BTC"))
    world.office.pay("main", "deposit", "USD", dec("100000"))
    server = LoopbackAlpaca(world, Login(account="main", key="k", secret="s"))
    async with server:
        broker = connected(server.url)
        yield Shop(world, server, broker)
        await broker.close()
