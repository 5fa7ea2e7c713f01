"""A house in which a process dies again and again on one record, and what has to be true of it after each death."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.record.crash.outside import START, Outside
from tests.record.crash.rehash import Found, rehash
from tests.record.crash.victim import Work
from tests.record.crash.wire import LOOKS, SENDS, Asked, Told
from tieout.clock import VirtualClock
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

ROOT = Path(__file__).parents[3]


class House:
    """A world outside, a record, and the process that forks those who die.

    Attributes:
        acknowledged: Every entry that was ever acknowledged, by its place.
    """

    def __init__(self, outside: Outside, work: Work, forks: asyncio.subprocess.Process) -> None:
        self.outside, self.work, self._forks = outside, work, forks
        self._settings, self._held = work.record, keys.load(work.record.key_folder)
        self.acknowledged: dict[int, str] = {}
        self.found = Found({}, ())
        self.counts: Counter[str] = Counter()
        self._unheard = 0

    async def live(self, **changes: Any) -> int:
        """Let a process do its work to its end; returns how it ended: 0, or minus the signal that killed it."""
        await self._begin(**changes)
        return await self._end()

    async def die(self, delay_s: float) -> int:
        """Let a process work without end, and kill it after *delay_s* seconds, wherever it is then."""
        process = os.pidfd_open(await self._begin())
        try:
            # On a thread of its own, so that it strikes also while this loop answers the process.
            timer = threading.Timer(delay_s, signal.pidfd_send_signal, (process, signal.SIGKILL))
            timer.start()
            ended = await self._end()
            timer.join()
        finally:
            os.close(process)
        return ended

    async def _begin(self, **changes: Any) -> int:
        self.outside.said.clear()
        assert self._forks.stdin is not None and self._forks.stdout is not None
        self._forks.stdin.write(msgspec.json.encode(replace(self.work, **changes)) + b"\n")
        self.outside.pid = int(await self._forks.stdout.readline())
        return self.outside.pid

    async def _end(self) -> int:
        assert self._forks.stdout is not None
        ended = int(await self._forks.stdout.readline())
        await self.outside.silent()
        return ended

    async def check(self) -> None:
        """What has to be true now; raises AssertionError where it is not."""
        before = self.found.open
        told = self.outside.told()
        self.acknowledged |= told
        self.found = await self._read()
        events = self.found.events
        lost = [entry for entry, event in self.acknowledged.items() if events.get(entry) != event]
        assert not lost, f"acknowledged and lost: {lost}"
        assert len(set(events.values())) == len(events), "an event stands twice"
        self._check_effects()
        self._check_order(before)
        self.counts.update(
            starts=1,
            acknowledged=len(told),
            unheard=len(events) - len(self.acknowledged) - self._unheard,
            left_open=len({each.id for each in self.found.open} - {each.id for each in before}),
        )
        self._unheard = len(events) - len(self.acknowledged)

    def _check_effects(self) -> None:
        outside = self.outside
        assert not outside.refused, "something was asked for again that had happened, or that never fitted"
        assert all(count == 1 for count in outside.sent.values()), "an intent was sent twice"
        assert all(count == 1 for count in outside.made.values()), "a case was cured twice"
        for each in self.found.intents:
            if each.ended:
                happened = outside.happened.get(each.id, False)
                assert (each.status == "done") is happened, f"{each.id} is {each.status}"

    def _check_order(self, before: list[Any]) -> None:
        """Every open intent was looked up before anything else, and nothing was sent but on an acknowledged intent."""
        known = set(self.acknowledged.values())
        waiting: dict[str, set[str]] = {}
        for each in before:
            waiting.setdefault(each.account, set()).add(each.id)
        fresh: set[str] = set()
        for said in self.outside.said:
            if isinstance(said, Told):
                fresh |= set(said.entries.values())
                for open_intents in waiting.values():
                    open_intents -= {event.rpartition(":")[2] for event in fresh if event.startswith("outcome:")}
            elif isinstance(said, Asked) and said.method != "tick" and said.number > 1:
                assert said.method in LOOKS or not waiting.get(said.account), f"{said.method} before a look-up"
                assert said.method not in SENDS or f"intent:{said.intent}" in fresh & known, "sent before it was kept"

    async def _read(self) -> Found:
        """The record as the process left it; of a SQLite file a copy, so that the next one finds it as it was left."""
        if "://" in self._settings.store:
            return await read_record(self._settings, self._held)
        with tempfile.TemporaryDirectory() as folder:
            return await read_record(copied(self._settings, Path(folder)), self._held)

    async def rest(self, *, lives: int = 3, rounds: int = 5) -> None:
        """Let processes live, one after the other, and check that it ended as if nobody had ever died."""
        self.outside.trouble, self.outside.dies = 0.0, None
        for _ in range(lives):
            assert await self.live(rounds=rounds, producers=0, dies_at=None) == 0
            await self.check()
        assert not self.found.open
        for account in self.work.accounts:
            assert self.outside.quiet(account), f"{account} was not healed"


def copied(settings: RecordSettings, folder: Path) -> RecordSettings:
    """The settings of a copy of a SQLite record, as a dead process left it: the file and its write-ahead log."""
    for end in ("", "-wal"):
        source = Path(settings.store + end)
        if source.exists():
            shutil.copyfile(source, folder / f"record.db{end}")
    return replace(settings, store=str(folder / "record.db"))


async def read_record(settings: RecordSettings, held: keys.Keys) -> Found:
    """Open a record with all that opening checks, and hash it anew."""
    record = await open_record(settings, VirtualClock(START))
    try:
        return await record.database.read(lambda connection: rehash(connection, held))
    finally:
        await record.close()


@asynccontextmanager
async def house(
    store: str, folder: Path, rng: random.Random, *, accounts: int = 1, producers: int = 0
) -> AsyncIterator[House]:
    """A house with an empty record in *store*; keys and the socket are in *folder*."""
    keys.create(folder / "keys", "tieout-test")
    names = tuple(f"a{number}" for number in range(accounts))
    outside = Outside(names, rng)
    settings = RecordSettings(store=store, keys=str(folder / "keys"))
    work = Work(outside=str(folder / "outside"), record=settings, accounts=names, producers=producers)
    async with outside.listening(folder / "outside"):
        forks = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.record.crash.victim"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield House(outside, work, forks)
        finally:
            assert forks.stdin is not None
            forks.stdin.close()
            await forks.wait()
