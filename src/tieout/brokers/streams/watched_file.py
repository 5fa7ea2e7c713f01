"""A stream out of a file that another program writes: that it was written is told, and nothing of what is in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.clock import Clock


class WatchedFile:
    """Looks at when a file was written, how large it is and which file it is; what it says is for a reading to find out.

    Args:
        path: The file.
        clock: What is waited on.
        seconds: From one look to the next.
    """

    def __init__(self, path: Path, *, clock: Clock, seconds: int) -> None:
        self.name = f"file {path.name}"
        self._path, self._clock, self._seconds = path, clock, seconds

    @property
    def listening(self) -> bool:
        """Always: what changes is seen at the next look."""
        return True

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """One event whenever the file is another one than at the last look; also where it comes, and where it goes."""
        last = self._seen()
        while True:
            await self._clock.sleep(self._seconds)
            seen = self._seen()
            if seen != last:
                last = seen
                yield StreamEvent(what=Heard.TOUCHED)

    async def close(self) -> None:
        """Nothing is held."""

    def _seen(self) -> tuple[int, int, int] | None:
        try:
            told = self._path.stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_size, told.st_ino
