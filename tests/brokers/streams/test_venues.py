"""Every venue's stream over a real socket, through to the reading that sees what it told."""

from __future__ import annotations

import asyncio

import pytest
from tests.brokers.streams.scene import VENUES


@pytest.mark.parametrize("venue", VENUES)
async def test_what_the_venue_tells_is_seen_by_a_reading_and_what_it_did_not_tell_by_the_one_after_a_reconnect(
    venue: str,
) -> None:
    """Nobody polls, no interval is due: a trade behind our back is in a report, and so is one made while nobody listened."""
    async with VENUES[venue]() as scene:
        await scene.start()
        await scene.until(lambda: len(scene.reports) >= 2)  # the first one, and the one after listening began
        assert [report.trigger for report in scene.reports] == ["startup", "event"]
        assert scene.found == set()
        told = scene.trade(0)
        await scene.until(lambda: told in scene.found)
        await scene.until(lambda: any(row.confirmed for row in scene.reports[-1].discrepancies))
        scene.loopback.dropping = True
        untold = scene.trade(1)
        scene.loopback.dropping = False
        scene.loopback.cut()
        await scene.until(lambda: untold in scene.found)
        assert scene.stream.measured.connected == 2
        assert scene.alarm.sentences == []


@pytest.mark.parametrize("venue", VENUES)
async def test_a_refused_subscription_is_told_once_and_the_account_is_read_no_less(venue: str) -> None:
    """Each venue's own *no* is known as such, and not tried again and again; readings need no stream."""
    async with VENUES[venue]() as scene:
        scene.loopback.refusing = True
        await scene.start()
        async with asyncio.timeout(5):
            await scene.alarm.said.wait()
        asset = scene.trade()
        report = await scene.schedule.request("main")
        assert asset in {row.asset for row in report.discrepancies}
        (sentence,) = scene.alarm.sentences
        assert "SourceRefused" in sentence
        assert scene.stream.measured.connected == 0
        assert scene.stream.measured.refused == 1


@pytest.mark.parametrize(("venue", "untouched"), [("alpaca", "/v2/account/activities?"), ("dydx", "/v4/transfers")])
async def test_what_a_trade_does_not_touch_is_not_asked_for_until_a_whole_reading_judges_it(
    venue: str, untouched: str
) -> None:
    """The first report of a trade comes without a request for payments; the one that confirms it asked for them, too."""
    async with VENUES[venue]() as scene:
        await scene.start()
        await scene.until(lambda: len(scene.reports) >= 2)
        before = len(scene.server.asked)
        told = scene.trade(0)
        await scene.until(lambda: told in scene.found)
        seen, asked = scene.reports[-1], [each.target for each in scene.server.asked[before:]]
        assert asked
        assert not any(untouched in target for target in asked)
        assert all(action.detail.get("not_acted_on") == "look" for action in seen.actions)
        await scene.until(lambda: any(row.confirmed for row in scene.reports[-1].discrepancies))
        assert any(untouched in each.target for each in scene.server.asked[before:])
        assert not any("look" in action.detail.values() for action in scene.reports[-1].actions)
        later = await scene.schedule.request("main")
        assert {row.discrepancy_id for row in later.discrepancies} == {
            row.discrepancy_id for row in scene.reports[-1].discrepancies
        }
