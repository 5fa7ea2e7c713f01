"""The only place that asks the machine what time it is."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol


class Clock(Protocol):
    """Where aware UTC time comes from, and how one waits on it."""

    def now(self) -> datetime:
        """The present moment, timezone-aware UTC."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since some fixed moment; never goes back, whatever is done to the wall clock."""

    async def sleep(self, seconds: float) -> None:
        """Return when *seconds* have passed on this clock."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's UTC time."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """The machine's monotonic clock."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that moves only when it is told to, for replay, demo and tests."""

    def __init__(self, start: datetime) -> None:
        assert start.tzinfo is not None, "a clock needs an aware time"
        self._start = self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The virtual moment."""
        return self._now

    def monotonic_ns(self) -> int:
        """Nanoseconds since the clock was made."""
        return (self._now - self._start) // timedelta(microseconds=1) * 1000

    def advance(self, seconds: float) -> None:
        """Move forward by *seconds*; never back."""
        assert seconds >= 0, "time does not run backwards"
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Move the clock instead of waiting, and let other tasks run."""
        self.advance(seconds)
        await asyncio.sleep(0)


class Deadline:
    """Until when whoever called wants an answer: who waits on their behalf begins no wait that would end after it."""

    def __init__(self, clock: Clock, seconds: int) -> None:
        self._clock, self._until_ns = clock, clock.monotonic_ns() + seconds * 10**9

    def left_ns(self) -> int:
        """Nanoseconds until then; below 0 once it has passed."""
        return self._until_ns - self._clock.monotonic_ns()


DEADLINE: Final[ContextVar[Deadline | None]] = ContextVar("deadline", default=None)
