"""Lists of more than one page, over the venues' own ways of paging: whole, or not believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from tests.contracts.conftest import VENUES
from tests.contracts.steps import ids, list_share
from tests.contracts.venues import OverHttp

from tieout.brokers.ccxt.spans import Span
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated.commands import Advance, Trade
from tieout.errors import SourceError
from tieout.model.amounts import dec
from tieout.model.snapshot import Fill

PAGED = {"ccxt_kraken": 120, "ccxt_bybit": 230, "ccxt_okx": 230, "ccxt_coinbase": 570}  # fills enough for three pages


class Paged(NamedTuple):
    """A venue with a long list of fills."""

    venue: OverHttp
    due: set[str]


@pytest.fixture(params=PAGED)
async def paged(request: pytest.FixtureRequest) -> AsyncIterator[Paged]:
    """An account that traded often."""
    async with VENUES[request.param]("often", "", False) as venue:
        assert isinstance(venue, OverHttp)
        asset = venue.traits.asset("T1")
        await list_share(venue, asset)
        fills: list[Fill] = []
        for number in range(PAGED[request.param]):
            if number % 7 == 0:
                await venue.let(Advance(seconds=1))
            trade = Trade(account=venue.account, asset=asset, side="buy", quantity=dec(1), price=dec(9))
            fills += (await venue.let(trade)).fills
        yield Paged(venue, ids(venue.traits.renamed(fills)))


async def test_every_page_is_read(paged: Paged) -> None:
    """Every fill is there, once."""
    read = await paged.venue.broker.get_fills(paged.venue.traits.since)
    assert len(read) == len(paged.due)
    assert ids(read) == paged.due


@pytest.mark.parametrize("fault", [HttpFault.DUPLICATE, HttpFault.VANISHED])
async def test_a_page_that_comes_twice_or_not_at_all_is_noticed(paged: Paged, fault: HttpFault) -> None:
    """The second page is the first once more, or empty: all fills came in another way, or the reading raises."""
    venue = paged.venue
    venue.server.faults.inject(HttpRule(fault=fault, endpoint=venue.calls["get_fills"], skip=1))
    try:
        read = await venue.broker.get_fills(venue.traits.since)
    except SourceError as error:
        assert ids(getattr(error, "rows", ())) <= paged.due
    else:
        assert ids(read) == paged.due
    assert ids(await venue.broker.get_fills(venue.traits.since)) == paged.due


def test_a_clock_that_is_behind_still_asks() -> None:
    """Where the moment asked for lies ahead of the clock, one stretch is asked for all the same, never none."""
    since = datetime(2026, 11, 20, 10, tzinfo=UTC)
    span = Span("startTime", "endTime", days=7)
    assert len(list(span.windows(since, since - timedelta(days=2)))) == 1
    assert len(list(span.windows(since, since + timedelta(days=13)))) == 2
