"""Tasks that run beside something for as long as it stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager


class Place:
    """Where one task at a time runs, and another may take its place."""

    def __init__(self) -> None:
        self._task: asyncio.Future[object] | None = None

    async def take(self, work: Awaitable[object] | None) -> None:
        """Let *work* run here, once what ran before has ended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if work is not None:
            self._task = asyncio.ensure_future(work)

    @asynccontextmanager
    async def standing(self, work: Awaitable[object]) -> AsyncIterator[None]:
        """*work*, or what took its place, for as long as this stands."""
        await self.take(work)
        try:
            yield
        finally:
            await self.take(None)


@asynccontextmanager
async def beside(work: Awaitable[object]) -> AsyncIterator[None]:
    """*work* as a task for as long as this stands."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
