"""What moved an account without a trade: every sort of it, over each venue's own ledger, to the last page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.contracts.ccxt_venues import CCXT
from tests.contracts.conftest import VENUES
from tests.contracts.steps import ids, list_share, sorted_rows
from tests.contracts.venues import OverHttp

from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated.commands import Advance, Pay, Trade
from tieout.errors import SourceError
from tieout.model.amounts import dec
from tieout.model.snapshot import CASH_KINDS

# Payments enough for two or three pages; of transfers at Binance's spot wallet.
LONG = {
    "ccxt_binance": 230, "ccxt_binanceusdm": 2100, "ccxt_binancecoinm": 1100, "ccxt_bybit": 120, "ccxt_okx": 230,
    "ccxt_kraken": 120, "ccxt_coinbase": 230, "ccxt_hyperliquid": 1100,
}  # fmt: skip
ENDPOINT = {"ccxt_binance": "GET /sapi/v1/asset/transfer*type=MAIN_FUNDING*"}


@pytest.fixture(params=CCXT)
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[OverHttp]:
    """An account that bought something, so that its trades stand in the ledgers that tell them."""
    async with VENUES[request.param]("paid", "", False) as made:
        assert isinstance(made, OverHttp)
        asset = made.traits.asset("T1")
        await list_share(made, asset)
        await made.let(Trade(account="paid", asset=asset, side="buy", quantity=dec("0.3"), price=dec("9.7")))
        yield made


async def test_every_sort_of_payment_is_told(venue: OverHttp) -> None:
    """Each kind, in the venue's own currency and another, in and out where that can be; a trade is none of them."""
    for kind in sorted(CASH_KINDS):
        for currency in (venue.traits.quote, "EUR"):
            for amount in ("3.000000000000000007", "-0.000000000000000003"):
                if (kind, amount[0] == "-") not in (("deposit", True), ("withdrawal", False)):
                    await venue.let(Advance(seconds=1))
                    await venue.let(Pay(account="paid", kind=kind, currency=currency, amount=dec(amount)))  # type: ignore[arg-type]
    due = venue.traits.tells(venue.world.snapshot("paid")).activities
    assert due is not None and len(due) == 1 + 32
    assert sorted_rows(await venue.broker.get_activities(venue.traits.since)) == sorted_rows(due)


async def test_a_long_ledger_is_read_to_its_end(venue: OverHttp) -> None:
    """Every payment is there, once; a second page that is the first once more, or is empty, is not believed."""
    name = f"ccxt_{venue.traits.name}"
    for number in range(LONG[name]):
        if number % 7 == 0:
            await venue.let(Advance(seconds=1))
        await venue.let(Pay(account="paid", kind="transfer", currency=venue.traits.quote, amount=dec("-0.01")))
    due = ids(venue.traits.renamed(venue.world.snapshot("paid").activities or ()))
    read = await venue.broker.get_activities(venue.traits.since)
    assert len(read) == len(due) and ids(read) == due
    for fault in (HttpFault.DUPLICATE, HttpFault.VANISHED):
        endpoint = ENDPOINT.get(name, venue.calls["get_activities"])
        venue.server.faults.inject(HttpRule(fault=fault, endpoint=endpoint, skip=1))
        try:
            assert ids(await venue.broker.get_activities(venue.traits.since)) == due
        except SourceError as error:
            assert ids(getattr(error, "rows", ())) <= due
        venue.server.faults.clear()
