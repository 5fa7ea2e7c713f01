"""What goes wrong with a stream, over a real socket: nothing of it ends the stream, or is taken for quiet at the venue."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.brokers.streams.scene import Scene, alpaca

from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.streams.polled import Polled


async def listening(scene: Scene) -> None:
    """Start, and wait until the stream is heard and what follows from that was read."""
    await scene.start()
    await scene.until(lambda: len(scene.reports) >= 2)


async def test_a_silent_server_is_noticed_and_what_happened_meanwhile_is_read() -> None:
    """The connection stands and nothing comes, no pong either: it is given up, made anew, and followed by a reading."""
    async with alpaca() as scene:
        await listening(scene)
        scene.loopback.fall_silent()
        asset = scene.trade()
        await asyncio.sleep(0.2)
        assert scene.stream.listening  # too early to say
        await scene.until(lambda: asset in scene.found)
        assert (scene.stream.measured.silences, scene.stream.measured.connected) == (1, 2)


NONSENSE = (
    "{", "", "null", "[]", '"x"', "<html>", '{"stream":"trade_updates"}', "NaN", "\x00",
    '{"stream":"trade_updates","data":{"event":"fill","order":{"id":7}}}',
)  # fmt: skip


async def test_frames_that_make_no_sense_are_counted_and_read_after_and_end_nothing() -> None:
    """They may have told of anything: a reading follows, the connection stands, and what comes next is heard."""
    async with alpaca() as scene:
        await listening(scene)
        before = len(scene.reports)
        for text in NONSENSE:
            scene.loopback.garble(text)
        await scene.until(lambda: len(scene.reports) > before)
        assert (scene.stream.measured.malformed, scene.stream.measured.connected) == (len(NONSENSE), 1)
        asset = scene.trade()
        await scene.until(lambda: asset in scene.found)
        assert scene.stream.measured.connected == 1


async def test_a_refused_subscription_is_told_to_a_person_once_and_reading_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A key without leave for the stream is no outage: one sentence, without the secret, and the account is still read."""
    caplog.set_level(logging.DEBUG)
    async with alpaca(secret="wr0ng") as scene:
        await scene.start()
        await scene.alarm.said.wait()
        asset = scene.trade()
        report = await scene.schedule.request("main")
        assert asset in {row.asset for row in report.discrepancies}
        (sentence,) = scene.alarm.sentences
        assert "the stream is not heard, and the venue is polled: SourceRefused" in sentence
        assert "wr0ng" not in sentence + caplog.text
        assert scene.loopback.connected == 1


async def test_a_login_that_is_taken_back_is_told_and_the_account_is_read_no_less() -> None:
    """A token that expires in mid-stream ends the stream with the venue's refusal, not with a quiet one."""
    async with alpaca() as scene:
        await listening(scene)
        scene.loopback.refusing = True
        scene.loopback.expire()  # type: ignore[attr-defined]
        await scene.alarm.said.wait()
        assert "SourceRefused" in scene.alarm.sentences[0]
        assert not scene.stream.listening


async def test_events_twice_and_in_the_wrong_order_change_nothing() -> None:
    """Nothing is counted from events: the reading after them says what the venue holds."""
    async with alpaca() as scene:
        await listening(scene)
        scene.loopback.repeating = True
        scene.loopback.hold()
        first, second = scene.trade(0), scene.trade(1, "3")
        scene.loopback.release()
        await scene.until(lambda: scene.found >= {first, second})
        rows = {row.asset: row.difference for row in scene.reports[-1].discrepancies if row.domain == "position"}
        assert rows == {first: 1, second: 3}


async def test_a_burst_is_one_reading_and_a_storm_a_few() -> None:
    """A hundred trades at once are seen by one or two readings; a storm of them does not use up the venue's patience."""
    async with alpaca() as scene:
        await listening(scene)
        before = len(scene.reports)
        for _ in range(100):
            scene.trade()
        await scene.until(lambda: bool(scene.found))
        await asyncio.sleep(0.2)
        assert len(scene.reports) - before <= 3
        for _ in range(60):
            scene.trade(1)
            await asyncio.sleep(0.01)
        assert len(scene.reports) - before <= 3 + 5


async def test_a_server_that_is_away_is_tried_again_less_and_less_often() -> None:
    """While nobody listens there, waits grow to their longest; once it is back, what happened is read."""
    async with alpaca() as scene:
        await listening(scene)
        scene.loopback.closed = True
        scene.loopback.cut()
        asset = scene.trade()
        await asyncio.sleep(1)
        assert 4 <= scene.stream.measured.lost <= 20
        scene.loopback.closed = False
        await scene.until(lambda: asset in scene.found)


async def test_what_a_connected_stream_keeps_to_itself_is_found_by_looking() -> None:
    """A stream that is heard, and loses what happened, is not believed for longer than the next look."""
    async with alpaca() as scene:
        scene.streams.append(Polled(scene.broker, clock=scene.clock, seconds=1))
        await listening(scene)
        scene.loopback.dropping = True
        asset = scene.trade()
        await scene.until(lambda: asset in scene.found)
        assert scene.stream.listening
        assert scene.stream.measured.events == 0


async def test_a_reading_that_fails_after_an_event_is_no_flat_account_and_the_next_look_reads_again() -> None:
    """What the stream told and nobody could read is not lost: the report says so, and a later reading sees it."""
    async with alpaca() as scene:
        scene.streams.append(Polled(scene.broker, clock=scene.clock, seconds=1))
        await listening(scene)
        rule = HttpRule(fault=HttpFault.TEXT, endpoint="GET /v2/*", status=503, times=40)
        scene.server.faults.inject(rule)
        asset = scene.trade()
        await scene.until(lambda: scene.reports[-1].status == "incomplete", 10)
        assert not [row for row in scene.reports[-1].discrepancies if row.domain == "position"]
        scene.server.faults.clear()
        await scene.until(lambda: asset in scene.found, 10)
