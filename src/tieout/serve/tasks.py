"""Tasks that run beside something for as long as it stands. One that ends by a fault is told of: nobody would notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from tieout.live.alarm import Alarm
from tieout.live.watch import Unfinished, caught

WHO = "service"  # whom the alarm is about, where that is no account


class Place:
    """Where one task at a time runs, and another may take its place.

    Args:
        name: What the task does, as a person is told that it ended.
        alarm: The way to a person.
    """

    def __init__(self, name: str, alarm: Alarm) -> None:
        self._name, self._alarm = name, alarm
        self._tasks: set[asyncio.Future[object]] = set()

    async def take(self, work: Awaitable[object] | None) -> None:
        """Let *work* run here, once what ran before has ended."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if work is not None:
            task = asyncio.ensure_future(work)
            self._tasks = {task, asyncio.ensure_future(self._watch(task))}

    @asynccontextmanager
    async def standing(self, work: Awaitable[object]) -> AsyncIterator[None]:
        """*work*, or what took its place, for as long as this stands."""
        await self.take(work)
        try:
            yield
        finally:
            await self.take(None)

    async def _watch(self, task: Awaitable[object]) -> None:
        ended = await caught(task)
        if isinstance(ended, Unfinished):
            await caught(self._alarm.raise_alarm(WHO, f"{self._name} has ended, by a fault: {ended.why}; start anew"))


@asynccontextmanager
async def beside(work: Awaitable[object], name: str, alarm: Alarm) -> AsyncIterator[None]:
    """*work* as a task for as long as this stands; *name* says what it does."""
    async with Place(name, alarm).standing(work):
        yield
