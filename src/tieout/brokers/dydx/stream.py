"""dYdX's channel of a parent sub-account: orders, fills, positions and transfers as the indexer takes them in. No key."""

from __future__ import annotations

from collections.abc import Iterable

from tieout.brokers.dydx.rows import Json, listed, table
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.line import Line, Ping, refused
from tieout.brokers.streams.numbered import Numbered
from tieout.errors import SourceUnreachable
from tieout.model.snapshot import Section

_CHANNEL = "v4_parent_subaccounts"
_SECTIONS: dict[str, Section] = {
    "orders": "orders", "fills": "fills", "perpetualPositions": "positions", "assetPositions": "balances",
    "transfers": "activities",
}  # fmt: skip


class DydxChannel:
    """The dialect of one account's stream.

    Args:
        source: The adapter's name, for failures.
        address: On the chain.
        subaccount: The parent's number.
        url: Of the indexer; its stream is beside it.
    """

    ping: Ping | None = None

    def __init__(self, source: str, address: str, *, subaccount: int, url: str) -> None:
        self._source, self._id = source, f"{address}/{subaccount}"
        self._url = f"ws{url.removeprefix('http')}/v4/ws"
        self._numbers = Numbered()

    async def address(self) -> str:
        """Beside the indexer's REST interface."""
        self._numbers.begin()
        return self._url

    async def open(self, line: Line) -> None:
        """Subscribe."""
        await line.send({"type": "subscribe", "channel": _CHANNEL, "id": self._id})
        while True:
            frame = table(await line.receive(), "a frame")
            self._require_no_error(frame)
            self._numbers.missed(frame.get("message_id"))
            if frame.get("type") == "subscribed" and frame.get("channel") == _CHANNEL:
                return

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """What was touched, row by row; everything where a message went missing."""
        row = table(frame, "a frame")
        if self._numbers.missed(row.get("message_id")):
            yield StreamEvent(what=Heard.TOUCHED)
        self._require_no_error(row)
        kind = row.get("type")
        if kind == "unsubscribed":
            raise SourceUnreachable(self._source, "stream", "the indexer ended the subscription")
        if row.get("channel") != _CHANNEL or kind not in ("channel_data", "channel_batch_data"):
            return
        contents = row.get("contents")
        for part in listed(contents, "contents") if isinstance(contents, list) else [table(contents, "contents")]:
            yield from _touched(part)

    async def keep(self) -> None:
        """A subscription lasts for as long as its connection."""

    def _require_no_error(self, frame: Json) -> None:
        """The indexer tells what it does not understand, and what it cannot do now, as an error; only the one is final."""
        if frame.get("type") != "error":
            return
        if str(frame.get("message")).startswith("Invalid"):
            raise refused(self._source, "the indexer does not accept the subscription")
        raise SourceUnreachable(self._source, "stream", "the indexer tells an error")


def _touched(part: Json) -> Iterable[StreamEvent]:
    for name, section in _SECTIONS.items():
        told = part.get(name)
        if told is None:
            continue
        for row in [told] if isinstance(told, dict) else listed(told, name):
            order = row.get("id") if name == "orders" else row.get("orderId")
            client, asset = row.get("clientId"), row.get("market") or row.get("ticker")
            yield StreamEvent(
                what=Heard.TOUCHED,
                section=section,
                asset=asset if isinstance(asset, str) else None,
                broker_order_id=order if isinstance(order, str) else None,
                client_order_id=client if isinstance(client, str) else None,
            )
