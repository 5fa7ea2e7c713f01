"""A venue's private stream as a port. What it tells starts a reading; no amount is believed because a stream told it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from tieout.model.snapshot import Fill, Section


class Heard(StrEnum):
    """What a stream has to tell."""

    TOUCHED = "touched"  # something of the account changed
    UNREADABLE = "unreadable"  # something was told, and cannot be understood: it may have been that
    LISTENING = "listening"  # from now on it is told; what happened before was not
    LOST = "lost"  # nothing is told until it is listening again


class StreamEvent(Struct, frozen=True, kw_only=True):
    """One thing that a stream told. Whatever is None is not known, so that everything may be meant.

    Attributes:
        what: What it is.
        section: What of the account it touched.
        asset: Where.
        broker_order_id: Which order.
        client_order_id: The same.
        fill: An execution as the stream tells it: evidence, which a reading has yet to confirm.
        again: Of `listening`: whether it was lost before.
        why: Of `lost`: the reason, without amounts or secrets.
    """

    what: Heard
    section: Section | None = None
    asset: str | None = None
    broker_order_id: str | None = None
    client_order_id: str | None = None
    fill: Fill | None = None
    again: bool = False
    why: str = ""


class Stream(Protocol):
    """What one account's venue tells. It may leave out, repeat and swap events: readings make up for it."""

    name: str

    @property
    def listening(self) -> bool:
        """Whether what happens now is told."""

    def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Events as they come, for ever: a connection that breaks, or is silent for too long, is made anew.

        Raises:
            SourceRefused: The venue does not accept key or subscription; to iterate once more tries once more.
        """

    async def close(self) -> None:
        """Let go of connections. Safe to repeat."""
