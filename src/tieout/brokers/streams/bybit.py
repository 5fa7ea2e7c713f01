"""Bybit v5's private stream: orders, executions, positions and the wallet of all categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tieout.brokers.streams.base import StreamEvent
from tieout.brokers.streams.dialect import (
    Now,
    Spoken,
    due_object,
    due_rows,
    milliseconds,
    order_or_fill,
    signature,
    touched,
)
from tieout.brokers.streams.line import Line, Ping
from tieout.model.snapshot import Section

URL, TESTNET = "wss://stream.bybit.com/v5/private", "wss://stream-testnet.bybit.com/v5/private"
_SECTIONS: dict[object, Section] = {
    "order": "orders", "execution": "fills", "position": "positions", "wallet": "balances",
}  # fmt: skip
_WITHOUT_FILL = ("New", "Untriggered", "Triggered", "Rejected", "Deactivated", "Cancelled")
_GOOD_FOR_MS = 10_000


class Bybit(Spoken):
    """Logged in with a key; *now* is the venue's time."""

    ping: Ping | None = Ping('{"op":"ping"}')

    def __init__(self, source: str, credentials: Mapping[str, str], now: Now, url: str = URL) -> None:
        super().__init__(source, url)
        self._key, self._secret, self._now = credentials.get("apiKey", ""), credentials.get("secret", ""), now

    async def open(self, line: Line) -> None:
        """Log in, then subscribe."""
        until = milliseconds(self._now()) + _GOOD_FOR_MS
        await self._ask(line, "auth", [self._key, until, signature(self._secret, f"GET/realtime{until}").hex()])
        await self._ask(line, "subscribe", list(_SECTIONS))

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """Rows of a topic; answers to pings tell nothing."""
        told = due_object(frame)
        section = _SECTIONS.get(told.get("topic"))
        if section is not None:
            for row in due_rows(told.get("data")):
                of = order_or_fill(row.get("orderStatus"), _WITHOUT_FILL) if section == "orders" else section
                yield touched(of, row, "orderId", "orderLinkId")
        elif told.get("op") == "auth" and told.get("success") is False:
            raise self._refused()

    async def _ask(self, line: Line, op: str, args: list[object]) -> None:
        await line.send({"op": op, "args": args})
        if (await self._answered(line, lambda frame: frame.get("op") == op)).get("success") is not True:
            raise self._refused()
