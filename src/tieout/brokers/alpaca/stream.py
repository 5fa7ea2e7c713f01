"""Alpaca's `trade_updates`: what becomes of orders, told as it happens. Payments and corporate actions are not told."""

from __future__ import annotations

from collections.abc import Iterable

from tieout.brokers.alpaca import parse
from tieout.brokers.alpaca.fields import Json, RowError, RowLeft, due, due_word, moment, word
from tieout.brokers.alpaca.symbols import asset
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.line import Line, Ping, refused
from tieout.errors import SourceMalformed
from tieout.model.snapshot import Fill, Section

_UPDATES = "trade_updates"
_FILLS = ("fill", "partial_fill")
_WITHOUT_FILL = (
    "accepted", "canceled", "done_for_day", "expired", "new", "order_cancel_rejected", "order_replace_rejected",
    "pending_cancel", "pending_new", "pending_replace", "rejected", "replaced",
)  # fmt: skip


class AlpacaUpdates:
    """The dialect of one account's stream.

    Args:
        source: The adapter's name, for failures.
        key: The API key's id.
        secret: Its secret.
        url: The REST interface's address; the stream's is beside it.
    """

    ping: Ping | None = None

    def __init__(self, source: str, *, key: str, secret: str, url: str) -> None:
        self._source, self._key, self._secret = source, key, secret
        self._url = f"ws{url.removeprefix('http')}/stream"

    async def address(self) -> str:
        """Beside the REST interface."""
        return self._url

    async def open(self, line: Line) -> None:
        """Log in, then listen."""
        await line.send({"action": "auth", "key": self._key, "secret": self._secret})
        if (await self._answer(line, "authorization")).get("status") != "authorized":
            raise refused(self._source, "the venue does not accept the key for its stream")
        await line.send({"action": "listen", "data": {"streams": [_UPDATES]}})
        if _UPDATES not in ((await self._answer(line, "listening")).get("streams") or ()):
            raise refused(self._source, "the venue does not give the stream of orders to this key")

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """An order that was touched, with its execution where that is what touched it."""
        if not isinstance(frame, dict):
            raise RowError("a frame that is no object")
        data = frame.get("data")
        if frame.get("stream") == "authorization" and isinstance(data, dict) and data.get("status") != "authorized":
            raise refused(self._source, "the venue took the key's leave for its stream back")
        if frame.get("stream") != _UPDATES:
            return
        if not isinstance(data, dict) or not isinstance(data.get("order"), dict):
            raise RowError("an update without an order")
        row, event = data["order"], due_word(data, "event")
        yield StreamEvent(
            what=Heard.TOUCHED,
            section=_section(event),
            asset=_asset(row),
            broker_order_id=due_word(row, "id"),
            client_order_id=word(row, "client_order_id"),
            fill=_fill(data, row) if event in _FILLS else None,
        )

    async def keep(self) -> None:
        """A login lasts for as long as its connection."""

    async def _answer(self, line: Line, stream: str) -> Json:
        """The answer to what was sent; whatever comes before it is dropped, for a reading follows."""
        while True:
            frame = await line.receive()
            if not isinstance(frame, dict):
                raise SourceMalformed(self._source, "stream", "a frame that is no object")
            data = frame.get("data")
            if frame.get("stream") == stream and isinstance(data, dict):
                return data
            if frame.get("stream") == "authorization":
                raise refused(self._source, "the venue does not accept the key for its stream")


def _asset(row: Json) -> str | None:
    try:
        return asset(due_word(row, "symbol"), word(row, "asset_class")).name
    except RowLeft:
        return None  # of a class that is not read here: a reading says what follows from it


def _fill(data: Json, row: Json) -> Fill | None:
    """The execution, as far as the frame tells it all."""
    at = moment(data, "timestamp")
    name, execution = _asset(row), word(data, "execution_id")
    if at is None or name is None or execution is None:
        return None
    return Fill(
        fill_id=execution, asset=name, side=parse.side_of(row), quantity=due(data, "qty"), price=due(data, "price"), at=at,
        broker_order_id=due_word(row, "id"), client_order_id=word(row, "client_order_id"),
    )  # fmt: skip


def _section(event: str) -> Section | None:
    """What *event* touched; None where it is another one, such as a trade that the venue takes back."""
    if event in _FILLS:
        return "fills"
    return "orders" if event in _WITHOUT_FILL else None
