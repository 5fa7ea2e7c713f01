"""How old an answer may be: an indexer that stands still goes on telling what was, and none of it is believed."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.brokers.dydx.scene import ADDRESS, BTC, EPOCH, READS, START, adapter, staged

from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.amounts import dec

SECTIONS = [read for read in READS if read != "get_account_info"]


@pytest.mark.parametrize("read", SECTIONS)
async def test_an_indexer_that_stands_still_is_in_doubt(read: str) -> None:
    """Its newest block is half a minute old: each section is incomplete, whether it holds rows or not."""
    async with staged() as scene:
        scene.trade(BTC, "1", "60000")
        for account in (0, 9):
            broker = adapter(scene.venue, scene.clock, ADDRESS, account)
            await READS[read](broker)
            scene.venue.behind = timedelta(seconds=31)
            scene.clock.advance(2)
            with pytest.raises(SourceIncomplete, match="stands still"):
                await READS[read](broker)
            scene.venue.behind = timedelta(seconds=2)
            scene.clock.advance(2)
            await READS[read](broker)
            await broker.close()


async def test_our_own_clock_says_nothing_about_the_indexer() -> None:
    """A venue whose clock is an hour off is read all the same: its blocks are held against its own time."""
    async with staged() as scene:
        scene.venue.skew = timedelta(hours=-1)
        assert [row.total for row in await scene.broker.get_balances()] == [dec(100000)]


async def test_answers_out_of_a_cache_are_noticed_by_the_clock() -> None:
    """Time and height that are handed out again and again fit each other; the time does not go on, and that shows."""
    async with staged() as scene:
        assert await scene.broker.server_time() == START
        old = {path: (await scene.body(path)).decode() for path in ("/v4/time", "/v4/height")}
        scene.clock.advance(60)
        for path, text in old.items():
            rule = HttpRule(fault=HttpFault.TEXT, endpoint=f"GET {path}", text=text, times=None)
            scene.venue.faults.inject(rule)
        with pytest.raises(SourceMalformed, match="does not go on"):
            await scene.broker.server_time()
        with pytest.raises(SourceIncomplete, match="stands still"):
            await scene.broker.get_positions()


async def test_a_clock_that_was_set_back_is_believed_once_it_goes_on() -> None:
    """It is in doubt until it has moved for a while."""
    async with staged() as scene:
        await scene.broker.server_time()
        scene.venue.skew = timedelta(seconds=-60)
        for _ in range(2):
            with pytest.raises(SourceMalformed):
                await scene.broker.server_time()
        scene.clock.advance(15)
        assert await scene.broker.server_time() == START - timedelta(seconds=45)


async def test_an_answer_of_a_replica_that_is_far_behind_is_in_doubt() -> None:
    """The account's document names the block that it is of; one from long ago is told as what it is, with its rows."""
    async with staged() as scene:
        scene.trade(BTC, "1", "60000")
        path = f"/v4/addresses/{ADDRESS}/parentSubaccountNumber/0"
        old = json.loads(await scene.body(path))
        for number in range(40):
            scene.rest(str(number))
        scene.trade(BTC, "1", "60000")
        rule = HttpRule(fault=HttpFault.TEXT, endpoint="GET /v4/addresses/*", text=json.dumps(old), times=2)
        scene.venue.faults.inject(rule)
        with pytest.raises(SourceIncomplete, match="long before") as failure:
            await scene.broker.get_positions()
        assert [row.amount for row in failure.value.rows if hasattr(row, "amount")] == [dec(1)]
        with pytest.raises(SourceIncomplete):
            await scene.broker.get_balances()
        assert [row.amount for row in await scene.broker.get_positions()] == [dec(2)]


async def test_several_readings_at_once_share_one_question_for_the_height() -> None:
    """What is read within a second asks once how far the indexer is."""
    async with staged() as scene:
        await scene.broker.get_positions()
        await scene.broker.get_balances()
        await scene.broker.get_fills(EPOCH)
        assert [asked.path for asked in scene.venue.asked].count("/v4/height") == 1
