"""The id that the engine gave its order is the id that the venue has: by nothing else a lost one is found again."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from tieout.brokers.base import OrderRequest
from tieout.brokers.loopback.street import PLOTS, Plot, built
from tieout.clock import SystemClock

# The demo's account at Hyperliquid has no key to sign with.
ACTING = [plot for plot in PLOTS if plot.venue not in ("alpaca", "dydx", "hyperliquid")]


@pytest.mark.parametrize("plot", ACTING, ids=lambda plot: plot.venue)
async def test_an_order_rests_at_the_venue_under_the_engines_own_id(plot: Plot) -> None:
    """What was submitted under an id stands at the venue, and in the list of open orders, under that very id."""
    async with AsyncExitStack() as closing:
        stand = await built(plot, SystemClock(), 7, closing)
        closing.push_async_callback(stand.broker.close)
        name = f"engine{random.Random(plot.venue).randrange(10**6)}"
        worth = Decimal(plot.holds[0][2])
        request = OrderRequest(
            client_order_id=name, asset=stand.asset, side="buy", quantity=Decimal("0.25"), limit_price=worth - 100
        )
        placed = await stand.broker.submit_order(request)
        (truth,) = (row for row in stand.world.snapshot(plot.account).orders or () if row.live)
        assert truth.client_order_id == name
        (listed,) = await stand.broker.get_open_orders()
        assert (listed.client_order_id, listed.broker_order_id) == (name, placed.broker_order_id)
