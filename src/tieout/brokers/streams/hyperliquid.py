"""Hyperliquid's user channels: orders, fills, funding and transfers of an address. No key."""

from __future__ import annotations

from collections.abc import Iterable

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.dialect import Json, Spoken, due_object, due_rows, touched
from tieout.brokers.streams.line import Line, Ping

URL, TESTNET = "wss://api.hyperliquid.xyz/ws", "wss://api.hyperliquid-testnet.xyz/ws"
_TYPES = ("orderUpdates", "userEvents", "userNonFundingLedgerUpdates")


class Hyperliquid(Spoken):
    """Subscribed with an address."""

    ping: Ping | None = Ping('{"method":"ping"}')

    def __init__(self, source: str, wallet: str, url: str = URL) -> None:
        super().__init__(source, url)
        self._wallet = wallet

    async def open(self, line: Line) -> None:
        """Subscribe to each channel."""
        for kind in _TYPES:
            await line.send({"method": "subscribe", "subscription": {"type": kind, "user": self._wallet}})
            answer = await self._answered(line, lambda frame: frame.get("channel") in ("subscriptionResponse", "error"))
            if answer.get("channel") == "error":
                raise self._refused()

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """What was touched; what a channel begins with is the past, and tells nothing."""
        told = due_object(frame)
        channel, data = told.get("channel"), told.get("data")
        if channel == "error":
            raise self._over("the venue tells an error")
        if channel == "orderUpdates":
            for row in due_rows(data):
                yield touched("orders", due_object(row.get("order")), "oid", "cloid")
        elif channel == "user":
            yield from self._events(due_object(data))
        elif channel == "userNonFundingLedgerUpdates" and not due_object(data).get("isSnapshot"):
            yield StreamEvent(what=Heard.TOUCHED, section="activities")

    def _events(self, data: Json) -> Iterable[StreamEvent]:
        if "fills" in data:
            yield from (touched("fills", row, "oid", "cloid") for row in due_rows(data["fills"]))
        else:
            yield StreamEvent(what=Heard.TOUCHED)  # funding, a liquidation, a cancel of the venue's
