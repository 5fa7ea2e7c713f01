"""What most venues' dialects have in common: frames that are objects, rows that name an order, answers to wait for."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.line import Line, Ping, refused
from tieout.errors import SourceRefused, SourceUnreachable
from tieout.model.snapshot import Section

Json = Mapping[str, Any]
Now = Callable[[], datetime]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Spoken:
    """A dialect at a fixed address, whose logins last for as long as their connection."""

    ping: Ping | None = None

    def __init__(self, source: str, url: str) -> None:
        self._source, self._url = source, url

    async def address(self) -> str:
        """Where to connect."""
        return self._url

    async def keep(self) -> None:
        """Nothing has to be kept up."""

    async def _answered(self, line: Line, is_answer: Callable[[Json], bool]) -> Json:
        """The answer to what was sent; whatever comes before it is dropped, for a reading follows."""
        while True:
            frame = due_object(await line.receive())
            if is_answer(frame):
                return frame

    def _refused(self) -> SourceRefused:
        return refused(self._source, "the venue does not accept key or subscription for its stream")

    def _over(self, why: str) -> SourceUnreachable:
        return SourceUnreachable(self._source, "stream", why)


def due_object(frame: object) -> Json:
    """*frame*, an object.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(frame, dict):
        raise ValueError("a frame that is no object")
    return frame


def due_rows(told: object) -> list[Json]:
    """*told*, a list of objects, or one alone.

    Raises:
        ValueError: It is neither.
    """
    rows = told if isinstance(told, list) else [told]
    return [due_object(row) for row in rows]


def touched(section: Section | None, row: Json, id_: str = "", client_id: str = "") -> StreamEvent:
    """What a row says: *section*, and the order that its fields *id_* and *client_id* name."""
    return StreamEvent(
        what=Heard.TOUCHED, section=section, broker_order_id=_name(row, id_), client_order_id=_name(row, client_id)
    )


def by_topic(
    rows: Iterable[Json], section: Section | None, id_: str = "", client_id: str = ""
) -> Iterable[StreamEvent]:
    """An event for each of *rows*."""
    return (touched(section, row, id_, client_id) for row in rows)


def order_or_fill(word: object, without_fill: Collection[str]) -> Section:
    """What an order's event touched: a fill may have come with it, unless its *word* is one of those *without_fill*."""
    return "orders" if isinstance(word, str) and word in without_fill else "fills"


def milliseconds(at: datetime) -> int:
    """*at* in milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def signature(secret: str, payload: str) -> bytes:
    """HMAC-SHA256."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()


def _name(row: Json, field: str) -> str | None:
    value = row.get(field) if field else None
    return str(value) if isinstance(value, (str, int)) and value != "" else None
