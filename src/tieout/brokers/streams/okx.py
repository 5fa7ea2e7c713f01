"""OKX's private stream: orders, positions and the account. Conditional orders have another one, and are looked at."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from tieout.brokers.streams.base import StreamEvent
from tieout.brokers.streams.dialect import (
    Json,
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

URL, DEMO = "wss://ws.okx.com:8443/ws/v5/private", "wss://wspap.okx.com:8443/ws/v5/private"
_SECTIONS: dict[object, Section] = {"orders": "orders", "positions": "positions", "account": "balances"}
_WITHOUT_FILL = ("live", "canceled", "mmp_canceled")
_ONLY_CHANGES = '{"updateInterval":"0"}'  # else the same is told every few seconds
_CHANNELS: tuple[Json, ...] = (
    {"channel": "orders", "instType": "ANY"},
    {"channel": "positions", "instType": "ANY", "extraParams": _ONLY_CHANGES},
    {"channel": "account", "extraParams": _ONLY_CHANGES},
)
_PASSING = ("60006", "60014", "63999", "64008", "50001", "50102")  # a clock, a limit, an upgrade


class Okx(Spoken):
    """Logged in with a key and its passphrase; *now* is the venue's time."""

    ping: Ping | None = Ping("ping", "pong")

    def __init__(self, source: str, credentials: Mapping[str, str], now: Now, url: str = URL) -> None:
        super().__init__(source, url)
        self._credentials, self._now = credentials, now

    async def open(self, line: Line) -> None:
        """Log in, then subscribe to each channel."""
        stamp = str(milliseconds(self._now()) // 1000)
        signed = signature(self._credentials.get("secret", ""), f"{stamp}GET/users/self/verify")
        login = {
            "apiKey": self._credentials.get("apiKey", ""), "passphrase": self._credentials.get("password", ""),
            "timestamp": stamp, "sign": base64.b64encode(signed).decode(),
        }  # fmt: skip
        await line.send({"op": "login", "args": [login]})
        await self._confirmed(line, "login")
        await line.send({"op": "subscribe", "args": list(_CHANNELS)})
        for _ in _CHANNELS:
            await self._confirmed(line, "subscribe")

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """Rows of a channel."""
        told = due_object(frame)
        self._require_no_error(told)
        if told.get("event") == "notice":
            raise self._over("the venue is about to close the connection")
        channel = told.get("arg")
        section = _SECTIONS.get(channel.get("channel")) if isinstance(channel, dict) else None
        if section is not None and "data" in told:
            for row in due_rows(told["data"]):
                of = _of_order(row) if section == "orders" else section
                yield touched(of, row, "ordId", "clOrdId")

    async def _confirmed(self, line: Line, event: str) -> None:
        self._require_no_error(
            await self._answered(line, lambda frame: frame.get("event") in (event, "error")), else_ok=True
        )

    def _require_no_error(self, frame: Json, *, else_ok: bool = False) -> None:
        code = str(frame.get("code", "0"))
        if frame.get("event") == "error" or (else_ok and code != "0"):
            raise self._over(f"the venue tells an error, code {code}") if code in _PASSING else self._refused()


def _of_order(row: Json) -> Section:
    unfilled = row.get("accFillSz") in (None, "", "0")
    return order_or_fill(row.get("state"), _WITHOUT_FILL) if unfilled else "fills"
