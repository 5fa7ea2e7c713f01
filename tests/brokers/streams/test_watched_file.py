"""A file that is watched: each writing of it is told, and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tieout.brokers.streams.watched_file import FileWatch, WatchedFile
from tieout.clock import VirtualClock

START = datetime(2026, 11, 20, 13, tzinfo=UTC)


class Steps(VirtualClock):
    """A clock that lets its watch look once more whenever it is told to, and says when that has looked."""

    def __init__(self) -> None:
        super().__init__(START)
        self._go, self._waits = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait until it is told to go on."""
        self._waits.set()
        await self._go.wait()
        self._go.clear()
        self.advance(seconds)

    async def step(self) -> None:
        """One look, whole."""
        await self._waits.wait()
        self._waits.clear()
        self._go.set()
        await self._waits.wait()


async def test_a_file_that_is_written_is_told(tmp_path: Path) -> None:
    """Written in place, replaced by one of the same size and time, gone and there again: once each; untouched: never."""
    path, other, part = tmp_path / "local.json", tmp_path / "other.json", tmp_path / "part"
    path.write_text("1", "utf-8")

    def replaced() -> None:
        told = path.stat()
        part.write_text("3", "utf-8")
        os.utime(part, ns=(told.st_atime_ns, told.st_mtime_ns))
        part.replace(path)

    deeds: list[tuple[Callable[[], object], bool]] = [
        (lambda: None, False), (lambda: path.write_text("22", "utf-8"), True), (lambda: None, False),
        (lambda: path.write_text("3", "utf-8"), True), (replaced, True), (lambda: other.write_text("4", "utf-8"), False),
        (path.unlink, True), (lambda: None, False), (lambda: path.write_text("3", "utf-8"), True),
    ]  # fmt: skip
    clock = Steps()
    watch = FileWatch(clock, 2)
    async with (
        aclosing(WatchedFile(path, watch).events()) as events,
        aclosing(WatchedFile(other, watch).events()) as rest,
    ):
        told, elsewhere = asyncio.ensure_future(anext(events)), asyncio.ensure_future(anext(rest))
        for deed, tells in deeds:
            await clock.step()
            assert not told.done()
            deed()
            await clock.step()
            await asyncio.sleep(0)
            assert told.done() is tells
            if tells:
                told = asyncio.ensure_future(anext(events))
        assert elsewhere.done()
        told.cancel()
        await asyncio.wait({told})


async def test_a_folder_that_does_not_answer_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else the process does goes on; the file is told of once the folder answers."""
    path, clock, answers = tmp_path / "local.json", Steps(), threading.Event()
    found = Path.stat

    def stat(asked: Path, **how: bool) -> os.stat_result:
        answers.wait(20)
        return found(asked, **how)

    answers.set()
    async with aclosing(WatchedFile(path, FileWatch(clock, 2)).events()) as events:
        told = asyncio.ensure_future(anext(events))
        await clock.step()
        path.write_text("1", "utf-8")
        monkeypatch.setattr(Path, "stat", stat)
        answers.clear()
        look = asyncio.ensure_future(clock.step())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not look.done()
        answers.set()
        await look
        await asyncio.wait_for(told, 20)
