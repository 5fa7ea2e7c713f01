"""Workers are killed, and paused, while actions are under way: others go on within ten seconds, and nothing happens twice."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from random import Random

import pytest

from tests.conform.output import say
from tests.proving import PROVE
from tests.record import postgres
from tests.serve.workers.floor import STEP, Floor, floor, takeovers, until
from tieout.model.intent import Ended
from tieout.record.entry import EntryKind

pytestmark = pytest.mark.long

RUNNING_S = 10  # every shard is to be running again within that, on a machine that has nothing else to do
PATIENCE_S = 10 if PROVE else 40  # and this is what one that is busy may take
# No venue takes an epoch: an order that a pause caught right before it left may leave at its end. So whoever follows
# believes in `no such order` only after the lag, and a pause is to be shorter than that.
LAG_S = 2 * RUNNING_S


class Story:
    """Wants that come up, ends that happen in the middle of them, and what has to be true of it all."""

    def __init__(self, here: Floor, seed: int) -> None:
        self.floor, self._random = here, Random(seed)
        self._wants = 0
        self.took: list[float] = []

    async def begin(self, workers: int) -> None:
        """So many workers, each with its share."""
        for _ in range(workers):
            self.floor.hire()
        await until(lambda: self.shared_by(workers), 60, "a fair share for each worker")
        await until(lambda: self._read_behind(0, set()), 60, "the first reading of each account")

    async def end(self, *ends: tuple[int, signal.Signals], paused: int | None = None) -> None:
        """Some workers end in the middle of actions; the others have everything running again, and do what is wanted."""
        gone = {str(await self.floor.run_of(worker)) for worker in (*dict(ends), *([paused] if paused else ()))}
        before = await self.floor.newest()
        self._want()
        await until(lambda: self._acting(before), 20, "an intent")
        for worker, how in ends:
            await asyncio.sleep(self._random.uniform(0, 0.3))
            self.floor.signal(worker, how)
        ended = await self.floor.newest()
        try:
            running = await until(lambda: self._read_behind(ended, gone), PATIENCE_S, "a reading by others")
        except AssertionError:
            say(await self.floor.scene(ended, gone))
            raise
        self.took.append(running)
        say(f"{[how.name for _, how in ends]}: every account read by others after {running:.1f} s")
        for worker in (worker for worker, how in ends if how is signal.SIGSTOP):
            self.floor.signal(worker, signal.SIGCONT)
        await until(self._settled, 40 + LAG_S, "what was wanted")

    def _want(self) -> None:
        """More, then less again: a difference that comes back right after it was corrected would halt, as it should."""
        self._wants += 1
        for account in self.floor.accounts:
            self.floor.want(account, STEP if self._wants % 2 else -STEP)

    async def prove(self) -> None:
        """Nothing was sent twice, nobody wrote what was another's, and the log is sound."""
        submits, entries = await self.floor.submits(), await self.floor.entries()
        assert max(submits.values()) == 1, "an id was sent twice"
        for account in self.floor.accounts:
            assert await self.floor.moved(account) == self._wants * STEP, (
                f"{account} traded more than was wanted, or less"
            )
        assert [index for index, _ in entries] == list(range(len(entries)))
        acted = sum(each.kind is EntryKind.INTENT for _, each in entries)
        assert acted >= self._wants * len(self.floor.accounts)
        undone = {each.refs["action"] for _, each in entries if each.refs.get("ended") == Ended.UNDONE}
        assert not submits.keys() & {f"tieout-{action[:25]}" for action in undone}, "what never happened arrived"
        for account in self.floor.accounts:
            assert takeovers(entries, account)
        await self.floor.say("audit", "verify")

    async def shared_by(self, workers: int) -> bool:
        """Whether so many workers have their share each."""
        holders = list((await self.floor.holders()).values())
        counts = [holders.count(each) for each in set(holders)]
        return len(counts) == workers and max(counts) - min(counts) <= 1

    async def read(self, account: str, since: int, *, times: int) -> bool:
        """Whether an account was read so often behind that entry."""
        found = [each for _, each in await self.floor.entries(since) if each.kind is EntryKind.COMPARE]
        return sum(each.account == account for each in found) >= times

    async def _acting(self, before: int) -> bool:
        return any(each.kind is EntryKind.INTENT for _, each in await self.floor.entries(before))

    async def _read_behind(self, entry: int, gone: set[str]) -> bool:
        return await self.floor.read_since(entry, gone) == set(self.floor.accounts)

    async def _settled(self) -> bool:
        # Seen by a reading, too: what differs otherwise before that is a cure that did not hold, and halts.
        return (
            all([await self.floor.settled(account) for account in self.floor.accounts])
            and not await self.floor.differ()
        )


async def test_whoever_ends_others_go_on_and_nothing_is_done_twice(tmp_path: Path, server: postgres.Server) -> None:
    """Of four workers one is paused, and two are killed while orders go out; the paused one wakes up to nothing."""
    async with floor(tmp_path, server.fresh(), accounts=8, shards=16) as here:
        story = Story(here, 1)
        await story.begin(4)
        here.signal(1, signal.SIGSTOP)
        await story.end((2, signal.SIGKILL), (3, signal.SIGKILL), paused=1)
        here.signal(1, signal.SIGCONT)
        await until(lambda: story.shared_by(2), 60, "its share for the one who woke up")
        await story.prove()


async def test_a_halt_goes_with_its_account(tmp_path: Path, server: postgres.Server) -> None:
    """Whoever takes a halted account over sends nothing for it until somebody resumes it, and goes on with the others."""
    async with floor(tmp_path, server.fresh(), accounts=2, shards=2) as here:
        story, (halted, other) = Story(here, 3), here.accounts
        await story.begin(2)
        await here.say("halt", halted, "--reason", "strange fills")
        said = await here.newest()
        await until(lambda: story.read(halted, said, times=2), 40, "a reading that heard of the halt")
        holder = await here.holder(halted)
        here.signal(holder, signal.SIGKILL)
        ended = await here.newest()
        for account in here.accounts:
            here.want(account, STEP)
        await until(lambda: here.settled(other), 60, "what was wanted of the other account")
        await until(lambda: story.read(halted, ended, times=3), 60, "readings by whoever took the halted one over")
        assert not await here.settled(halted) and await here.moved(halted) == 0
        await here.say("resume", halted, "--reason", "looked at", "--yes")
        await until(lambda: here.settled(halted), 60, "what was wanted of it before")
        assert set((await here.submits()).values()) == {1}


@pytest.mark.skipif(not PROVE, reason="takes minutes: make prove")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_fifty_ends_in_a_row(tmp_path: Path, server: postgres.Server, how: signal.Signals) -> None:
    """Fifty times a worker is killed, or paused and woken up, while actions are under way; nothing happens twice."""
    lag = LAG_S if how is signal.SIGSTOP else 1
    async with floor(tmp_path, server.fresh(), accounts=8, shards=16, lag=lag) as here:
        story = Story(here, int(how))
        await story.begin(2)
        for _ in range(50):
            victim = min(here.workers)
            if how is signal.SIGKILL:
                here.hire()
            await story.end((victim, how))
            if how is signal.SIGSTOP:
                here.workers[max(here.workers) + 1] = here.workers.pop(victim)  # the other one's turn
            await until(lambda: story.shared_by(2), 60, "a fair share for each worker")
        say(f"{how.name}: running again after {sorted(round(each, 1) for each in story.took)} s")
        await story.prove()
