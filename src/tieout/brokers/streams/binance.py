"""Binance's user data: spot over its WebSocket interface, signed; futures by a listen key that is renewed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.dialect import (
    Json,
    Now,
    Spoken,
    due_object,
    milliseconds,
    order_or_fill,
    signature,
    touched,
)
from tieout.brokers.streams.line import Line
from tieout.clock import Clock

SPOT, SPOT_TESTNET = "wss://ws-api.binance.com:443/ws-api/v3", "wss://ws-api.testnet.binance.vision/ws-api/v3"
USDM, USDM_TESTNET = "wss://fstream.binance.com/ws", "wss://stream.binancefuture.com/ws"
COINM, COINM_TESTNET = "wss://dstream.binance.com/ws", "wss://dstream.binancefuture.com/ws"
_RENEW_S = 30 * 60  # a key lasts for an hour
_PASSING = (-1000, -1001, -1003, -1006, -1007, -1008, -1016, -1021)  # overload, limits, a clock
_ENDS = ("eventStreamTerminated", "listenKeyExpired", "serverShutdown")
_QUIET = ("MARGIN_CALL", "ACCOUNT_CONFIG_UPDATE")
_WITHOUT_FILL = ("NEW", "CANCELED", "REPLACED", "REJECTED", "EXPIRED", "AMENDMENT", "TRADE_PREVENTION")


class BinanceSpot(Spoken):
    """Subscribed with a signature; *now* is the venue's time."""

    def __init__(self, source: str, credentials: Mapping[str, str], now: Now, url: str = SPOT) -> None:
        super().__init__(source, url)
        self._key, self._secret, self._now = credentials.get("apiKey", ""), credentials.get("secret", ""), now

    async def open(self, line: Line) -> None:
        """Subscribe."""
        stamp = milliseconds(self._now())
        signed = signature(self._secret, f"apiKey={self._key}&timestamp={stamp}").hex()
        params = {"apiKey": self._key, "timestamp": stamp, "signature": signed}
        await line.send({"id": "1", "method": "userDataStream.subscribe.signature", "params": params})
        answer = await self._answered(line, lambda frame: frame.get("id") == "1")
        if answer.get("status") != 200:
            error = answer.get("error")
            code = error.get("code") if isinstance(error, dict) else None
            raise self._over(f"the venue tells an error, code {code}") if code in _PASSING else self._refused()

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """An order's report, or an account's change."""
        told = due_object(frame)
        if "event" in told:
            yield from _event(self, due_object(told["event"]))


class BinanceFutures(Spoken):
    """Connected under a listen key that *listen_key* gives; asked again, it renews the same one."""

    def __init__(self, source: str, listen_key: Callable[[], Awaitable[str]], clock: Clock, url: str = USDM) -> None:
        super().__init__(source, url)
        self._listen_key, self._clock = listen_key, clock
        self._present = ""

    async def address(self) -> str:
        """The stream of a key."""
        self._present = await self._listen_key()
        return f"{self._url}/{self._present}"

    async def open(self, line: Line) -> None:
        """The address says it all."""

    async def keep(self) -> None:
        """Renew the key; another one means that this connection's has ended."""
        while True:
            await self._clock.sleep(_RENEW_S)
            if await self._listen_key() != self._present:
                raise self._over("the listen key has ended")

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """An order's report, or an account's change."""
        return _event(self, due_object(frame))


def _event(dialect: Spoken, event: Json) -> Iterable[StreamEvent]:
    kind = event.get("e")
    if kind in _ENDS:
        raise dialect._over("the venue ended the stream")
    if kind == "executionReport":
        yield touched(order_or_fill(event.get("x"), _WITHOUT_FILL), event, "i", "c")
    elif kind == "ORDER_TRADE_UPDATE":
        order = due_object(event.get("o"))
        yield touched(order_or_fill(order.get("x"), _WITHOUT_FILL), order, "i", "c")
    elif kind == "ALGO_UPDATE":
        yield touched("orders", due_object(event.get("o")), "aid", "caid")
    elif kind == "outboundAccountPosition":
        yield StreamEvent(what=Heard.TOUCHED, section="balances")
    elif kind == "balanceUpdate":
        yield StreamEvent(what=Heard.TOUCHED, section="activities")
    elif kind == "ACCOUNT_UPDATE" and due_object(event.get("a")).get("m") == "ORDER":
        yield StreamEvent(what=Heard.TOUCHED, section="positions")
    elif isinstance(kind, str) and kind not in _QUIET:
        yield StreamEvent(what=Heard.TOUCHED)
    elif kind is None:
        raise ValueError("an event without a name")
