"""Events that wait to be pushed, numbered as they come. Safe to be used from several threads."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime

import msgspec

from tieout.books.pushes import ActivityPushed, Batch, Event, FillPushed, OrderPushed
from tieout.errors import BookError
from tieout.model.snapshot import Activity, Fill, Order

AT_ONCE = 500  # events in one request


class Outbox:
    """What waits. Where more comes than it holds, a whole snapshot has to take its place.

    Args:
        most: How many events it holds.
        stream: What their sequence is called; a new one for each start of a program, unless it remembers its numbers.
    """

    def __init__(self, most: int = 2000, stream: str | None = None) -> None:
        self.stream = secrets.token_hex(8) if stream is None else stream
        self._most, self._lock = most, threading.Lock()
        self._waiting: list[Event] = []
        self.last = self._contained = 0
        self._lost = 0  # the last event that was given up

    @property
    def overflown(self) -> bool:
        """Whether events were given up that no whole snapshot contains."""
        return self._lost > self._contained

    def add(self, row: Fill | Activity | Order, name: str | None) -> int:
        """Keep what happened; returns its number.

        Raises:
            BookError: A text in it is none that can be written; it is not kept.
        """
        with self._lock:
            number = self.last + 1
            told = {"id": name or f"{self.stream}-{number}", "sequence": number}
            match row:
                case Fill():
                    event: Event = FillPushed(fill=row, **told)  # type: ignore[arg-type]
                case Activity():
                    event = ActivityPushed(activity=row, **told)  # type: ignore[arg-type]
                case Order():
                    event = OrderPushed(order=row, **told)  # type: ignore[arg-type]
            _require_writable(event)
            self.last = number
            self._waiting.append(event)
            if len(self._waiting) > self._most:
                self._waiting.clear()
                self._lost = number
            return number

    def batch(self, now: datetime) -> Batch:
        """The next that are to be pushed, none where nothing waits."""
        with self._lock:
            return Batch(as_of=now, events=tuple(self._waiting[:AT_ONCE]), stream=self.stream, through=self.last)

    def taken(self, number: int) -> bool:
        """Forget what was pushed, up to *number*; tells whether more waits."""
        with self._lock:
            self._waiting = [event for event in self._waiting if event.sequence > number]
            return bool(self._waiting)

    def contained(self, number: int) -> None:
        """A whole snapshot contains everything up to *number*."""
        self.taken(number)
        with self._lock:
            self._contained = max(self._contained, number)


def _require_writable(event: Event) -> None:
    """Whoever adds it hears it: on its way out it would keep back everything behind it."""
    try:
        msgspec.json.encode(event)
    except UnicodeEncodeError:
        raise BookError("event", "a text in it is no text that can be written") from None
