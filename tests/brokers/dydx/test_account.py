"""Whose account it is, and whether it is there at all: nobody's account must never look like an empty one."""

from __future__ import annotations

import pytest
from tests.brokers.dydx.scene import ADDRESS, BTC, EPOCH, ETH, READS, adapter, staged

from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.errors import SourceError, SourceMalformed, SourceRefused
from tieout.model.amounts import dec

LISTS = [read for read in READS if read != "get_account_info"]


@pytest.mark.parametrize("read", READS)
async def test_an_address_that_nobody_used_is_refused(read: str) -> None:
    """Three questions of six answer a misspelt address with an empty list; none of them is believed."""
    async with staged() as scene:
        broker = adapter(scene.venue, scene.clock, "dydx1misspelt")
        with pytest.raises(SourceRefused):
            await READS[read](broker)
        await broker.close()


@pytest.mark.parametrize("read", LISTS)
async def test_a_subaccount_that_nobody_used_is_empty(read: str) -> None:
    """The venue knows the address and not that sub-account of it: it holds nothing, by the venue's own word."""
    async with staged() as scene:
        scene.trade(BTC, "2", "60000")
        broker = adapter(scene.venue, scene.clock, ADDRESS, 9)
        assert await READS[read](broker) == ()
        await broker.close()


@pytest.mark.parametrize("text", ["{}", "[]", "<html>", '{"errors":[]}', '{"errors":[{"msg":"route not found"}]}'])
@pytest.mark.parametrize("endpoint", ["GET /v4/addresses/*/parentSubaccountNumber/*", "GET /v4/addresses/*"])
async def test_a_no_of_somebody_else_is_no_empty_account(text: str, endpoint: str) -> None:
    """Whatever stands between us and the venue may answer 404; only the venue's own words count."""
    async with staged() as scene:
        scene.venue.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint=endpoint, status=404, text=text, times=None))
        for read in LISTS:
            broker = adapter(scene.venue, scene.clock, ADDRESS, 9)
            with pytest.raises(SourceError):
                await READS[read](broker)
            await broker.close()


async def test_the_answer_of_another_account_is_not_believed() -> None:
    """A cache that mixes accounts up gives a document that says whose it is."""
    async with staged() as scene:
        scene.world.office.pay("far", "deposit", "USDC", dec(5))
        broker = adapter(scene.venue, scene.clock, ADDRESS, 5)
        assert [row.total for row in await broker.get_balances()] == [dec(5)]
        text = (await scene.body(f"/v4/addresses/{ADDRESS}/parentSubaccountNumber/0")).decode()
        scene.venue.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint="GET /v4/addresses/*", text=text))
        with pytest.raises(SourceMalformed):
            await broker.get_balances()
        await broker.close()


async def test_isolated_positions_are_counted_in() -> None:
    """A position in a sub-account of its own is the account's, and is netted with the parent's in its market."""
    async with staged() as scene:
        scene.venue.isolated[ETH] = 128
        scene.trade(BTC, "1", "60000")
        scene.trade(ETH, "4", "2000")
        assert [(row.asset, row.amount) for row in await scene.broker.get_positions()] == [(BTC, dec(1)), (ETH, dec(4))]
        assert [fill.asset for fill in await scene.broker.get_fills(EPOCH)] == [BTC, ETH]
