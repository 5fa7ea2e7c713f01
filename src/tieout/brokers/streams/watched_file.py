"""Streams out of files that other programs write: that one was written is told, and nothing of what is in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.clock import Clock

Seen: TypeAlias = tuple[int, int, int] | None


class FileWatch:
    """Looks at the files of many accounts in one go: to wake for each by itself takes longer than to look at all of them.

    It looks in a thread of its own: a folder that does not answer keeps nobody waiting but those who watch files, too.

    Args:
        clock: What is waited on.
        seconds: From one look to the next.
    """

    def __init__(self, clock: Clock, seconds: int) -> None:
        self._clock, self._seconds = clock, seconds
        self._watched: dict[asyncio.Event, tuple[Path, Seen]] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def changes(self, path: Path) -> AsyncIterator[asyncio.Event]:
        """Set meanwhile whenever the file is another one than at the last look; also where it comes, and where it goes."""
        changed = asyncio.Event()
        (seen,) = await self._look([path])
        self._watched[changed] = path, seen
        self._task = self._task or asyncio.create_task(self._watch(), name="tieout watches files")
        try:
            yield changed
        finally:
            del self._watched[changed]
            if not self._watched:
                await self._rest()

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(self._seconds)
            before = dict(self._watched)
            after = await self._look([path for path, _ in before.values()])
            for (changed, (path, last)), seen in zip(before.items(), after, strict=True):
                if seen != last and changed in self._watched:
                    self._watched[changed] = path, seen
                    changed.set()

    async def _rest(self) -> None:
        task, self._task, thread, self._thread = self._task, None, self._thread, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if thread is not None:
            thread.shutdown(wait=False)

    async def _look(self, paths: list[Path]) -> list[Seen]:
        self._thread = self._thread or ThreadPoolExecutor(1, "tieout looks at files")
        return await asyncio.get_running_loop().run_in_executor(self._thread, _looked, paths)


class WatchedFile:
    """Tells when a file was written, by its time, its size and which file it is; what it says is for a reading to find out.

    Args:
        path: The file.
        watch: Looks at it.
    """

    def __init__(self, path: Path, watch: FileWatch) -> None:
        self.name = f"file {path.name}"
        self._path, self._watch = path, watch

    @property
    def listening(self) -> bool:
        """Always: what changes is seen at the next look."""
        return True

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """One event whenever the file changed since the last look."""
        async with self._watch.changes(self._path) as changed:
            while True:
                await changed.wait()
                changed.clear()
                yield StreamEvent(what=Heard.TOUCHED)

    async def close(self) -> None:
        """Nothing is held."""


def _looked(paths: list[Path]) -> list[Seen]:
    return [_seen(path) for path in paths]


def _seen(path: Path) -> Seen:
    try:
        told = path.stat()
    except (OSError, ValueError):  # ValueError: no file can be called that
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino
