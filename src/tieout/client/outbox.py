"""Events that wait to be pushed, numbered as they come. Safe to be used from several threads."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime

from tieout.books.pushes import ActivityPushed, Batch, Event, FillPushed, OrderPushed
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
        self.last = 0
        self.overflown = False

    def add(self, row: Fill | Activity | Order, name: str | None) -> int:
        """Keep what happened; returns its number."""
        with self._lock:
            self.last += 1
            told = {"id": name or f"{self.stream}-{self.last}", "sequence": self.last}
            match row:
                case Fill():
                    event: Event = FillPushed(fill=row, **told)  # type: ignore[arg-type]
                case Activity():
                    event = ActivityPushed(activity=row, **told)  # type: ignore[arg-type]
                case Order():
                    event = OrderPushed(order=row, **told)  # type: ignore[arg-type]
            self._waiting.append(event)
            if len(self._waiting) > self._most:
                self._waiting.clear()
                self.overflown = True
            return self.last

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
            if not self._waiting and number >= self.last:
                self.overflown = False
