"""What the process that dies and the world outside it say to each other: one ordered stream, which outlives the process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import Struct

from tieout.model.changes import Change

LOOKS = frozenset(("read", "get_order"))
SENDS = frozenset(("apply", "cancel_order"))


class Asked(Struct, frozen=True, tag="asked"):
    """A question or an act; *intent* names the intent that it belongs to, where there is one."""

    number: int
    account: str
    method: str
    broker_order_id: str | None = None
    client_order_id: str | None = None
    since: datetime | None = None
    changes: tuple[Change, ...] = ()
    reason: str = ""
    intent: str | None = None


class Told(Struct, frozen=True, tag="told"):
    """What the record has just acknowledged: events by the entry that each stands at."""

    entries: dict[int, str]


class Said(Struct, frozen=True, tag="said"):
    """A line for people: an alarm, or that the work is done."""

    account: str
    sentence: str


class Answer(Struct, frozen=True):
    """What came of a question: a body, or the name of a failure and why."""

    number: int
    now: datetime
    body: bytes = b""
    failure: str | None = None
    why: str = ""


Message = Asked | Told | Said
encode = msgspec.msgpack.Encoder().encode
messages = msgspec.msgpack.Decoder(Message)
answers = msgspec.msgpack.Decoder(Answer)


def frame(message: Message | Answer) -> bytes:
    """A message as it goes over the stream."""
    body = encode(message)
    return len(body).to_bytes(4) + body


def cut(buffer: bytearray) -> Iterator[bytes]:
    """The messages that are whole in *buffer*, each taken out of it."""
    while len(buffer) >= 4 and len(buffer) >= (end := 4 + int.from_bytes(buffer[:4])):
        yield bytes(buffer[4:end])
        del buffer[:end]


async def receive(reader: asyncio.StreamReader) -> bytes | None:
    """The next message; None where the other side is gone, be it in the middle of one."""
    try:
        size = int.from_bytes(await reader.readexactly(4))
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
