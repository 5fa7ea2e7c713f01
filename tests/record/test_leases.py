"""Leases: a shard has one holder at a time, by the server's clock; whoever lost one writes nothing of its accounts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.util import await_

from tests.record import postgres
from tieout.clock import SystemClock
from tieout.errors import AccountTaken, RecordUnavailable
from tieout.live.alarm import LoggedAlarm
from tieout.live.lane import Reconciles
from tieout.live.schedule import Schedule
from tieout.record import keys
from tieout.record.entry import Draft, EntryKind
from tieout.record.leases import Leases
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store import claims
from tieout.record.store.database import Database, open_database
from tieout.record.store.leasing import end_expired, fair_share
from tieout.record.writer import Unit
from tieout.serve.workers.shared import SharedEngine

BRIEF = timedelta(milliseconds=300)
LONG = timedelta(hours=1)
STOPPED = """
import asyncio, os, signal, sys
from sqlalchemy import select
from tieout.record.store.database import open_database
from tieout.record.store.schema import log_head

def work(connection):
    connection.execute(select(log_head.c.size).with_for_update()).one()
    print("holds the end of the log", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(open_database(sys.argv[1]).write(work))
"""


@pytest.fixture
def settings(server: postgres.Server, tmp_path: Path) -> RecordSettings:
    """A record on PostgreSQL."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=server.made(), keys=str(tmp_path / "keys"))


class Worker:
    """One worker: a record of its own, its leases, and the fence between."""

    def __init__(self, record: StoreRecord, leases: Leases) -> None:
        self.record, self.leases = record, leases
        record.fence = leases


@asynccontextmanager
async def working(
    settings: RecordSettings, *names: str, lasting: timedelta = LONG, total: int = 4
) -> AsyncIterator[list[Worker]]:
    """Workers on one store."""
    workers, pools = list[Worker](), list[Database]()
    try:
        for name in names:
            record, pool = await open_record(settings, SystemClock()), open_database(settings.store)
            pools.append(pool)
            workers.append(Worker(record, Leases(pool, name, total, lasting)))
            await workers[-1].leases.begin()
        yield workers
    finally:
        for each in workers:
            await each.record.close()
        for pool in pools:
            await pool.close()


async def ran_out() -> None:
    """Wait until what was held has run out."""
    await asyncio.sleep(BRIEF / timedelta(seconds=1) + 0.05)


@given(total=st.integers(1, 200), live=st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=30))
def test_shares_are_fair_and_leave_nothing(total: int, live: set[str]) -> None:
    """The shares of all who live add up to everything, and no two differ by more than one."""
    names = sorted(live)
    shares = [fair_share(total, names, name) for name in names]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


async def test_one_who_joins_gets_its_share_only_once_it_is_given_up(settings: RecordSettings) -> None:
    """The first has all; a second one gets nothing until the first let go of the surplus, and then exactly that."""
    async with working(settings, "ann", "bob") as (ann, bob):
        assert set((await ann.leases.turn()).epochs) == {0, 1, 2, 3}
        assert (await bob.leases.turn()).epochs == {}
        surplus = (await ann.leases.turn()).surplus
        assert surplus == (2, 3)
        await ann.leases.release(surplus)
        assert (await bob.leases.turn()).epochs == {2: 2, 3: 2}
        assert set((await ann.leases.turn()).epochs) == {0, 1}
        await bob.leases.leave()
        assert (await ann.leases.turn()).epochs == {0: 1, 1: 1, 2: 3, 3: 3}


async def test_who_is_late_and_was_not_followed_goes_on_under_the_same_epoch(settings: RecordSettings) -> None:
    """A lease that ran out while nobody took it is renewed as it was: an outage of the store ends nobody's work."""
    async with working(settings, "ann", lasting=BRIEF) as (ann,):
        before = (await ann.leases.turn()).epochs
        await ran_out()
        assert (await ann.leases.turn()).epochs == before


async def test_who_was_followed_writes_nothing_more(settings: RecordSettings) -> None:
    """Behind its time and followed: configuring, confirming and claiming are refused, and the log does not grow by it."""
    async with working(settings, "ann", lasting=BRIEF) as (ann,), working(settings, "bob") as (bob,):
        await ann.leases.turn()
        await ann.record.claim("main")
        await ann.record.configure("main", b"before")
        await ann.record.confirm("main")
        await ran_out()
        assert set((await bob.leases.turn()).epochs) == {0, 1, 2, 3}  # ann is counted no more
        await bob.record.claim("main")
        with pytest.raises(AccountTaken, match="another worker has taken main over"):
            await ann.record.configure("main", b"after")
        with pytest.raises(AccountTaken, match="nothing more is written or sent"):
            await ann.record.confirm("main")
        await bob.record.configure("main", b"after")
        await ann.leases.turn()
        with pytest.raises(AccountTaken, match="another worker reconciles main"):
            await ann.record.claim("main")


async def test_what_was_claimed_before_counts_no_more_after_a_return(settings: RecordSettings) -> None:
    """Lost and had again: a reconciliation that began under the old epoch writes nothing under the new one."""
    async with working(settings, "ann") as (ann,):
        await ann.leases.turn()
        first = await ann.record.claim("main")
        await ann.leases.release(range(4))
        await ann.leases.turn()
        with pytest.raises(AccountTaken):
            await ann.record.configure("main", b"settings")
        assert await ann.record.claim("main") > first
        await ann.record.configure("main", b"settings")


async def test_the_others_do_not_suffer_for_one_that_is_refused(settings: RecordSettings) -> None:
    """In one commit of many the write of a lost account is refused alone."""
    async with working(settings, "ann") as (ann,):
        await ann.leases.turn()
        await ann.record.claim("main")
        other = next(f"x{n}" for n in range(99) if ann.leases.shard_of(f"x{n}") != ann.leases.shard_of("main"))
        await ann.record.claim(other)
        await ann.leases.release([ann.leases.shard_of("main")])
        ends = await asyncio.gather(
            ann.record.configure("main", b"1"), ann.record.configure(other, b"1"), return_exceptions=True
        )
        assert isinstance(ends[0], AccountTaken)
        assert isinstance(ends[1], str)


async def test_workers_divide_alike_or_not_at_all(settings: RecordSettings) -> None:
    """One that is to divide into another number is refused while the others live, and may once nobody does."""
    async with working(settings, "ann") as (ann,):
        await ann.leases.turn()
        with pytest.raises(RecordUnavailable, match="into 4 shards, and this one is to divide them into 8"):
            async with working(settings, "bob", total=8):
                pass
        await ann.leases.leave()
        async with working(settings, "bob", total=8) as (bob,):
            assert set((await bob.leases.turn()).epochs) == set(range(8))
            with pytest.raises(AccountTaken):
                await ann.record.claim("main")


async def test_who_wakes_up_after_a_division_has_no_part_in_it(settings: RecordSettings) -> None:
    """One that slept while others divided anew takes nothing of it, is not counted, and hears why; epochs only ever grow."""
    async with working(settings, "ann", lasting=BRIEF) as (ann,), contextlib.AsyncExitStack() as later:
        before = (await ann.leases.turn()).epochs
        await ann.record.claim("main")
        await ran_out()
        (bob,) = await later.enter_async_context(working(settings, "bob", total=8))
        with pytest.raises(AccountTaken, match="into 8 shards, and this one divides them into 4"):
            await ann.leases.turn()
        with pytest.raises(AccountTaken, match="another worker reconciles main"):
            await ann.record.claim("main")
        turn = await bob.leases.turn()
        assert (set(turn.epochs), turn.live, turn.surplus) == (set(range(8)), 1, ())
        assert min(turn.epochs.values()) > max(before.values())
        with pytest.raises(AccountTaken):
            await ann.record.configure("main", b"after")


async def test_a_worker_of_an_old_division_watches_nothing_more(settings: RecordSettings) -> None:
    """Its schedules end with the turn that is refused: it neither reads nor acts beside those who divided anew."""
    async with working(settings, "ann", lasting=BRIEF) as (ann,), contextlib.AsyncExitStack() as later:
        engine = SharedEngine(ann.leases, ["main"], lambda _: Schedule(cast(Reconciles, None), {}), LoggedAlarm())
        await engine._turn()
        assert set(engine.accounts) == {"main"}
        await ran_out()
        await later.enter_async_context(working(settings, "bob", total=8))
        with pytest.raises(AccountTaken, match="into 8 shards"):
            await engine._turn()
        assert set(engine.accounts) == set()
        await engine.stop()


async def test_a_worker_that_wakes_up_while_an_account_is_taken_alone_keeps_it_or_writes_nothing(
    settings: RecordSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However its renewing falls between what a command looks at: one of both has the account, and never both."""
    alone = await open_record(settings, SystemClock())
    async with working(settings, "ann", lasting=BRIEF) as (ann,), contextlib.AsyncExitStack() as stack:
        await ann.leases.turn()
        await ann.record.claim("main")
        await ran_out()

        class Waking:
            def __init__(self, connection: Connection) -> None:
                self._connection, self._woke = connection, False

            def execute(self, *what: Any) -> Any:
                found = self._connection.execute(*what)
                if not self._woke:
                    self._woke = True
                    await_(ann.leases.turn())
                return found

        monkeypatch.setattr(claims, "end_expired", lambda connection: end_expired(cast(Connection, Waking(connection))))
        stack.push_async_callback(alone.close)
        with contextlib.suppress(AccountTaken):
            await alone.claim("main")
            with pytest.raises(AccountTaken):
                await ann.record.configure("main", b"after")


async def test_a_process_alone_and_workers_keep_from_each_other(settings: RecordSettings) -> None:
    """While a lease lives nobody takes an account alone; whoever did before keeps a worker from that account only."""
    alone = await open_record(settings, SystemClock())
    async with working(settings, "ann") as (ann,):
        await ann.leases.turn()
        with pytest.raises(AccountTaken, match="another process reconciles main"):
            await alone.claim("main")
        await ann.leases.leave()
        await alone.claim("main")
        await ann.leases.turn()
        with pytest.raises(AccountTaken, match="a process that is no worker reconciles main"):
            await ann.record.claim("main")
        await ann.record.claim("other")
        await alone.close()
        await ann.leases.turn()
        await ann.record.claim("main")


async def test_a_worker_that_sleeps_past_its_time_is_ended_by_who_takes_an_account_alone(
    settings: RecordSettings,
) -> None:
    """Nobody followed it, but a command took the account: the worker that wakes up writes nothing."""
    alone = await open_record(settings, SystemClock())
    async with working(settings, "ann", lasting=BRIEF) as (ann,):
        await ann.leases.turn()
        await ann.record.claim("main")
        await ran_out()
        await alone.claim("main")
        with pytest.raises(AccountTaken):
            await ann.record.configure("main", b"after")
    await alone.close()


async def test_one_that_stops_in_the_middle_of_a_commit_holds_nobody_up(settings: RecordSettings) -> None:
    """A process is stopped while it holds the end of the log: within seconds the others write, and it writes nothing."""
    record = await open_record(settings, SystemClock())
    path = os.pathsep.join(sys.path)
    stopped = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STOPPED, settings.store, stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        assert stopped.stdout is not None
        assert await stopped.stdout.readline() == b"holds the end of the log\n"
        async with asyncio.timeout(8):
            await record.write(Unit((Draft(event="behind it", kind=EntryKind.HEARTBEAT),)))
        stopped.send_signal(signal.SIGCONT)
        _, said = await stopped.communicate()
        assert b"RecordUnavailable" in said
    finally:
        if stopped.returncode is None:
            stopped.kill()
            await stopped.wait()
        await record.close()
