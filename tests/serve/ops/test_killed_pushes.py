"""The service is killed while books are pushed: what was acknowledged is there afterwards, once, and a gap is mended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from time import monotonic

from tests.conform.output import say
from tests.proving import PROVE
from tests.serve.api.pushing import PUSHED, books, fill
from tests.serve.api.stage import CLOCK, CONFIGURATION, write_side
from tests.serve.ops.process import make_access
from tieout.books.pushed import PushedBooks
from tieout.client import BooksClient
from tieout.config import load
from tieout.errors import ServiceError
from tieout.model.snapshot import Snapshot
from tieout.record import keys
from tieout.record.drawer import Drawer
from tieout.record.opening import open_record
from tieout.serve.access.roles import Role

KILLS = 30 if PROVE else 1
EACH = Decimal("0.01")
WHOLE_EVERY, MOST = 200, 300  # fills between two snapshots, and without an answer
PATIENCE_S = 120


class Service:
    """A process on an address that stays the same, killed and started again."""

    def __init__(self, file: Path, url: str) -> None:
        self.file, self.url, self._log = file, url, (file.parent / "log").open("ab")
        self._forks = None if PROVE else self._run("tests.serve.ops.light", str(file))
        self._pid = 0
        self.start()

    def start(self) -> None:
        """Start it; the real one, or one that was loaded already."""
        if self._forks is None:
            self._real = self._run("tieout", "serve", "--config", str(self.file))
            return
        assert self._forks.stdin and self._forks.stdout
        self._forks.stdin.write(b"\n")
        self._forks.stdin.flush()
        self._pid = int(self._forks.stdout.readline())

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._forks is None:
            self._real.kill()
            self._real.wait(60)
        elif self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._pid = 0

    def end(self) -> None:
        """End it for good."""
        self.kill()
        if self._forks is not None:
            self._forks.communicate(timeout=60)
        self._log.close()

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        pipe = None if PROVE else subprocess.PIPE
        out = self._log if PROVE else subprocess.PIPE
        return subprocess.Popen([sys.executable, "-m", *words], stdin=pipe, stdout=out, stderr=self._log)


class Engine:
    """A program that books a fill after the other and pushes each, and the books whole now and then."""

    def __init__(self, url: str, token: str) -> None:
        self.client = BooksClient(url, token, "main", tries=1, most=100_000)
        self.acknowledged = self.refused = 0
        self.ending = threading.Event()
        self.wanted: list[str] = []  # why a snapshot was asked for that nobody should have needed
        self._thread = threading.Thread(target=self._run)

    @property
    def held(self) -> Decimal:
        """What its books hold."""
        return 2 + EACH * self.client.last

    def whole(self) -> Snapshot:
        """Its books."""
        return books(str(self.held), str(10_000 - 50_000 * EACH * self.client.last))

    def book(self) -> None:
        """One fill more."""
        self.client.add_fill(fill(f"f{self.client.last}", str(EACH)))

    def _run(self) -> None:
        whole = 0
        while not self.ending.is_set():
            if self.client.last - self.acknowledged < MOST:
                self.book()
            try:
                state = self.client.flush()
                if state is None or not state.established:
                    self.wanted.append(f"at {self.client.last}: {state and state.why}")
                    return
                self.acknowledged = self.client.last
                if self.client.last - whole >= WHOLE_EVERY:
                    self.client.push_snapshot(self.whole())
                    whole = self.client.last
            except ServiceError:
                self.refused += 1
                self.ending.wait(0.02)

    async def through(self, number: int) -> None:
        """Wait until an event behind *number* was acknowledged."""
        began = monotonic()
        while self.acknowledged <= number:
            assert monotonic() - began < PATIENCE_S and not self.wanted, self.wanted or "nothing is acknowledged"
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def pushing(self) -> AsyncIterator[None]:
        """It pushes meanwhile."""
        self._thread.start()
        try:
            yield
        finally:
            self.ending.set()
            await asyncio.to_thread(self._thread.join)


async def kept(file: Path) -> tuple[int, Decimal | None, str | None]:
    """What a start of the service would find: the last event without a gap, what is held, and why it is not believed."""
    record = await open_record(load(file, None, {}).record, CLOCK)
    try:
        found = PushedBooks("main", Drawer(record), CLOCK)
        state = await found.state()
        held = (await found.read()).positions if state.established else None
        return state.sequence, held[0].amount if held else None, state.why
    finally:
        await record.close()


async def retried(engine: Engine) -> None:
    """The books whole, pushed until the service is there."""
    began = monotonic()
    while True:
        try:
            await asyncio.to_thread(engine.client.push_snapshot, engine.whole())
        except ServiceError:
            assert monotonic() - began < PATIENCE_S, "the service does not come"
            await asyncio.sleep(0.05)
        else:
            return


async def test_no_acknowledged_push_is_lost_and_none_counts_twice(tmp_path: Path) -> None:
    """Killed in the middle of pushes and started again: every acknowledged event is on the disk, once, and none missing."""
    file, url = configured(tmp_path)
    token, chance = await make_access(file, Role.BOOKS), Random(9)
    service, engine = Service(file, url), Engine(url, token)
    try:
        await retried(engine)
        async with engine.pushing():
            for _ in range(KILLS):
                await engine.through(engine.acknowledged)
                await asyncio.sleep(chance.uniform(0, 0.3))
                service.kill()
                before = engine.acknowledged
                sequence, held, why = await kept(file)
                assert (why, held) == (None, 2 + EACH * sequence), "an event counts twice, or not"
                assert sequence >= before, "an acknowledged event was lost"
                service.start()
                await engine.through(before)
        say(f"{engine.client.last} events, {KILLS} kills, {engine.refused} pushes without an answer")
        engine.client.flush()
        service.kill()
        assert not engine.wanted
        assert await kept(file) == (engine.client.last, engine.held, None)
        await gap_is_mended(service, engine)
    finally:
        service.end()


async def gap_is_mended(service: Service, engine: Engine) -> None:
    """Events are lost on the way while the service is away: it notices, believes nothing, and a snapshot mends it."""
    lost = BooksClient(service.url, "", "main")._outbox
    lost.stream, lost.last = engine.client._outbox.stream, engine.client.last
    engine.client._outbox = lost
    lost.add(fill("lost", str(EACH)), None)
    lost.taken(lost.last)
    engine.book()
    service.start()
    began = monotonic()
    while not engine.client.snapshot_wanted:
        try:
            await asyncio.to_thread(engine.client.flush)
        except ServiceError:
            assert monotonic() - began < PATIENCE_S, "the service does not come"
            await asyncio.sleep(0.05)
    state = engine.client.state
    assert state is not None and not state.established
    assert f"event {engine.client.last - 1} of the stream is missing" in str(state.why)
    await retried(engine)
    assert not engine.client.snapshot_wanted
    service.kill()
    assert await kept(service.file) == (engine.client.last, engine.held, None)


def configured(folder: Path) -> tuple[Path, str]:
    """A service whose account's books are pushed, and the address where it will listen."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    write_side(folder, "main", "broker", "2")
    file = folder / "tieout.toml"
    told = CONFIGURATION.format(folder=folder, accounts=PUSHED.format(name="main", folder=folder))
    file.write_text(told.replace("127.0.0.1:0", f"127.0.0.1:{port}"), "utf-8")
    keys.create(folder / "keys", "test")
    return file, f"http://127.0.0.1:{port}"
