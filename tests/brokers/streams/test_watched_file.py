"""A file that is watched: each writing of it is told, and nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from tieout.brokers.streams.watched_file import WatchedFile
from tieout.clock import VirtualClock

START = datetime(2026, 11, 20, 13, tzinfo=UTC)


class Steps(VirtualClock):
    """A clock at each of whose waits something is done to the file."""

    def __init__(self, *deeds: object) -> None:
        super().__init__(START)
        self.deeds = list(deeds)

    async def sleep(self, seconds: float) -> None:
        """Do the next thing."""
        await super().sleep(seconds)
        deed = self.deeds.pop(0)
        if callable(deed):
            deed()


async def test_a_file_that_is_written_is_told(tmp_path: Path) -> None:
    """Written in place, replaced by one of the same size and time, gone and there again: once each; untouched: never."""
    path, part = tmp_path / "local.json", tmp_path / "part"
    path.write_text("1", "utf-8")

    def replaced() -> None:
        told = path.stat()
        part.write_text("3", "utf-8")
        os.utime(part, ns=(told.st_atime_ns, told.st_mtime_ns))
        part.replace(path)

    deeds = (None, lambda: path.write_text("22", "utf-8"), None, lambda: path.write_text("3", "utf-8"), replaced, path.unlink,
             None, lambda: path.write_text("3", "utf-8"))  # fmt: skip
    clock = Steps(*deeds)
    stream = WatchedFile(path, clock=clock, seconds=2)
    seen = []
    events = stream.events()
    for _ in range(5):
        await anext(events)
        seen.append(len(deeds) - len(clock.deeds))
    assert seen == [2, 4, 5, 6, 8]
    await events.aclose()
    await stream.close()
