"""Kraken's private channels (v2): executions, which are orders too, and balances."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.dialect import Spoken, by_topic, due_object, due_rows, order_or_fill, touched
from tieout.brokers.streams.line import Line, Ping
from tieout.brokers.streams.numbered import Numbered

URL = "wss://ws-auth.kraken.com/v2"
_CHANNELS = ("executions", "balances")
_WITHOUT_FILL = ("pending_new", "new", "canceled", "expired", "amended", "restated")


class Kraken(Spoken):
    """Subscribed with a token that *token* gives; it lasts for as long as its connection."""

    ping: Ping | None = Ping('{"method":"ping"}')

    def __init__(self, source: str, token: Callable[[], Awaitable[str]], url: str = URL) -> None:
        super().__init__(source, url)
        self._token = token
        self._numbers = {channel: Numbered() for channel in _CHANNELS}

    async def open(self, line: Line) -> None:
        """Subscribe to each channel."""
        token = await self._token()
        for channel, numbers in self._numbers.items():
            numbers.begin()
            no_past = {"snap_orders": False, "snap_trades": False} if channel == "executions" else {"snapshot": False}
            await line.send({"method": "subscribe", "params": {"channel": channel, "token": token, **no_past}})
            if (await self._answered(line, lambda frame: frame.get("method") == "subscribe")).get(
                "success"
            ) is not True:
                raise self._refused()

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """Rows of a channel; everything where messages of it are missing."""
        told = due_object(frame)
        channel = told.get("channel")
        if channel not in _CHANNELS:
            return
        if self._numbers[channel].missed(told.get("sequence")):
            yield StreamEvent(what=Heard.TOUCHED)
        if channel == "balances":
            yield from by_topic(due_rows(told.get("data")), "balances")
            return
        for row in due_rows(told.get("data")):
            yield touched(order_or_fill(row.get("exec_type"), _WITHOUT_FILL), row, "order_id", "cl_ord_id")
