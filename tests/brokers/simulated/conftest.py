"""A small venue that the tests of the simulator share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tieout.brokers.simulated import Instrument, World
from tieout.clock import VirtualClock
from tieout.model.amounts import dec


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock(datetime(2026, 11, 20, 10, tzinfo=UTC))


@pytest.fixture
def world(clock: VirtualClock) -> World:
    """A coin pair, a share and a future; an account with 1000 USD and 2 BTC."""
    world = World(clock, seed=7)
    world.add_account("main")
    spot = Instrument(asset="BTC/USD", kind="spot", currency="USD", base="BTC", fee_rate=dec("0.001"))
    world.add_instrument(spot)
    world.add_instrument(Instrument(asset="ACME", kind="cash", currency="USD"))
    world.add_instrument(Instrument(asset="FUT", kind="margin", currency="USD", multiplier=dec(10)))
    world.office.pay("main", "deposit", "USD", dec(1000))
    world.office.pay("main", "deposit", "BTC", dec(2))
    return world
