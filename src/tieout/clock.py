"""The only place that asks the machine what time it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where aware UTC time comes from, and how one waits on it."""

    def now(self) -> datetime:
        """The present moment, timezone-aware UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return when *seconds* have passed on this clock."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's UTC time."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that moves only when it is told to, for replay, demo and tests."""

    def __init__(self, start: datetime) -> None:
        assert start.tzinfo is not None, "a clock needs an aware time"
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The virtual moment."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by *seconds*; never back."""
        assert seconds >= 0, "time does not run backwards"
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Move the clock instead of waiting, and let other tasks run."""
        self.advance(seconds)
        await asyncio.sleep(0)
