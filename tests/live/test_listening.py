"""Streams that come and go: what a person is told of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from tests.live.virtual import Listening, LoopClock, virtual
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.live.listening import AWAY_S, Listener
from tieout.live.watch import Trouble, Watch

FOREVER = 10**6


class Scripted:
    """A stream that tells each thing after so many seconds."""

    def __init__(self, name: str, clock: LoopClock, script: Sequence[tuple[int, Heard]]) -> None:
        self.name, self._clock, self._script, self.listening = name, clock, script, True

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Them."""
        for seconds, what in self._script:
            await self._clock.sleep(seconds)
            yield StreamEvent(what=what)
        await self._clock.sleep(FOREVER)

    async def close(self) -> None:
        """Nothing to let go of."""


@virtual
async def test_one_stream_that_comes_back_does_not_hide_that_another_is_away(clock: LoopClock) -> None:
    """The trouble stands until every stream of the account is heard again, and is then told to be over."""
    alarm = Listening(clock)
    watch = Watch({"main": FOREVER}, clock, alarm, overdue=lambda _: None)
    watch.start()
    orders = Scripted("orders", clock, [(1, Heard.LISTENING), (10, Heard.LOST), (2000, Heard.LISTENING)])
    trades = Scripted("trades", clock, [(1, Heard.LISTENING), (400, Heard.LOST), (1, Heard.LISTENING)])
    listener = Listener("main", [orders, trades], clock=clock, due=lambda _: None, watch=watch)
    listener.start()
    await clock.sleep(1000)
    assert Trouble.STREAM in watch.troubles("main")
    await clock.sleep(1500)
    assert watch.troubles("main") == {}
    assert [AWAY_S < at < 12 + AWAY_S + 60 for at, *_ in alarm.said][:1] == [True]
    assert len(alarm.said) == 2
    await listener.stop()
    await watch.stop()
