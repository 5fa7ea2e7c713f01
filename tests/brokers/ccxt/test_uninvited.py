"""ccxt acts in the account's name only when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.conform.loopback import client

from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.loopback.base import Login
from tieout.brokers.loopback.hyperliquid import LoopbackHyperliquid
from tieout.brokers.simulated import Instrument, World
from tieout.clock import VirtualClock
from tieout.model.amounts import dec
from tieout.model.snapshot import Section

GAPS: tuple[Section, ...] = ("positions",)
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


async def test_reading_at_hyperliquid_signs_nothing() -> None:
    """With a private key at hand, readings ask and never send: no fee is granted to ccxt's builder, no referrer is set."""
    world = World(VirtualClock(NOW), 7)
    world.add_account("a", currency="USDC")
    world.add_instrument(Instrument(asset="QQQ/USDC:USDC", kind="margin", currency="USDC"))
    world.trade("a", "QQQ/USDC:USDC", "buy", dec(3), dec(90))
    login = Login(account="a", key="0x" + "1" * 40)
    async with LoopbackHyperliquid(world, login) as server:
        made = client("hyperliquid", int(server.url.rpartition(":")[2]))
        assert made.privateKey
        broker = CcxtBroker("hyperliquid", account="a", client=made, accept_gaps=GAPS, clock=world.clock)
        assert [row.amount for row in await broker.get_positions()] == [dec(3)]
        await broker.close()
        assert {asked.path for asked in server.asked} == {"/info"}
