"""`SharedEngine`: the accounts of those shards that this worker holds, each shard under a schedule of its own.

Each second a worker renews what it holds, takes its fair share of what nobody holds, and gives up what others are to have.
There is no leader. A worker that dies, or is paused, is followed within the time of a lease; what it was about to do is found
by whoever goes on as an intent without an end. What it would still write when it wakes up is refused (`record.leases`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from tieout.errors import AccountTaken, ReconciliationError, RecordError
from tieout.live.alarm import Alarm
from tieout.live.schedule import Schedule
from tieout.live.watch import Trouble, Unfinished, caught
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Fill
from tieout.record.leases import Leases

TURN_SECONDS = 1.0
WHO = "workers"  # whom the alarm is about, where that is no account
Make = Callable[[Collection[str]], Schedule]


class _Shard:
    """One shard under one epoch: its schedule runs from when it is held until it is not."""

    def __init__(self, shard: int, epoch: int, accounts: Collection[str], schedule: Schedule) -> None:
        self.shard, self.epoch, self.accounts, self.schedule = shard, epoch, accounts, schedule
        self.beginning = asyncio.create_task(schedule.start(), name=f"tieout shard {shard} under epoch {epoch}")

    async def end(self) -> None:
        """Begin nothing more, and wait for what may be acting."""
        await self.schedule.stop()
        await asyncio.wait({self.beginning})


class SharedEngine:
    """What one worker reconciles of accounts that several share.

    Args:
        leases: What it holds.
        accounts: All accounts.
        make: Makes the schedule of some of them; each is begun and ended once.
        alarm: The way to a person for when leases cannot be renewed.
    """

    def __init__(self, leases: Leases, accounts: Collection[str], make: Make, alarm: Alarm) -> None:
        self._leases, self._make, self._alarm = leases, make, alarm
        self._divided: dict[int, list[str]] = {}
        for name in accounts:
            self._divided.setdefault(leases.shard_of(name), []).append(name)
        self._shards: dict[int, _Shard] = {}
        self._watched: set[str] = set()
        self._leaving: dict[asyncio.Task[None], int] = {}
        self._stopping = asyncio.Event()
        self._told = ""

    @property
    def accounts(self) -> Collection[str]:
        """The accounts of the shards that it holds; the same collection follows them."""
        return self._watched

    @property
    def watch(self) -> SharedEngine:
        """Itself: each shard has a watchman of its own."""
        return self

    def troubles(self, account: str) -> Mapping[Trouble, str]:
        """What is wrong with an account's reconciliations here; of those of other workers nothing is known."""
        schedule = self._schedule(account)
        return {} if schedule is None else schedule.watch.troubles(account)

    def begin(self, account: str, trouble: Trouble, sentence: str) -> None:
        """Something is wrong with an account; told by its own watchman, where it is reconciled here."""
        schedule = self._schedule(account)
        if schedule is not None:
            schedule.watch.begin(account, trouble, sentence)

    def end(self, account: str, trouble: Trouble) -> None:
        """It is well again."""
        schedule = self._schedule(account)
        if schedule is not None:
            schedule.watch.end(account, trouble)

    async def start(self) -> None:
        """Take turns until it is stopped."""
        while not self._stopping.is_set():
            failed = await caught(self._turn())
            # Nobody else can take anything while the store is away: checking goes on, and nothing is acted on without it.
            why = f"leases cannot be renewed: {failed.why}" if isinstance(failed, Unfinished) else ""
            if why not in ("", self._told):
                await caught(self._alarm.raise_alarm(WHO, why))
            self._told = why
            with suppress(TimeoutError):  # time for the next turn
                async with asyncio.timeout(TURN_SECONDS):
                    await self._stopping.wait()

    async def stop(self) -> None:
        """Begin nothing more, wait for what may be acting, and let others go on. Safe to repeat."""
        self._stopping.set()
        for shard in tuple(self._shards):
            self._end(shard)
        while self._leaving:  # renewed meanwhile: where something may be acting nobody else is to go on yet
            await asyncio.wait(tuple(self._leaving), timeout=TURN_SECONDS)
            with suppress(RecordError):  # it runs out
                await self._leases.turn(leaving=True)

    def on_fill(self, account: str, fill: Fill) -> None:
        """The books had a fill. Of an account of another worker it is seen at its interval."""
        schedule = self._schedule(account)
        if schedule is not None:
            schedule.on_fill(account, fill)

    def on_change(self, account: str) -> None:
        """Something changed. Of an account of another worker it is seen at its interval."""
        schedule = self._schedule(account)
        if schedule is not None:
            schedule.on_change(account)

    async def request(self, account: str) -> ReconciliationReport:
        """Reconcile on demand what is reconciled here.

        Raises:
            ReconciliationError: It is not, or did not come to its end.
        """
        schedule = self._schedule(account)
        if schedule is None:
            raise ReconciliationError(account, "another worker reconciles it, at its interval and when people speak")
        return await schedule.request(account)

    def _schedule(self, account: str) -> Schedule | None:
        held = self._shards.get(self._leases.shard_of(account))
        return held.schedule if held is not None and account in self._watched else None

    async def _turn(self) -> None:
        """Run what is held, and nothing else."""
        try:
            turn = await self._leases.turn()
        except AccountTaken:
            for shard in tuple(self._shards):
                self._end(shard)
            raise
        if self._stopping.is_set():
            return
        for shard, each in tuple(self._shards.items()):
            if turn.epochs.get(shard) != each.epoch:
                self._end(shard)
            elif shard in turn.surplus:
                self._end(shard, release=True)
        for shard in turn.epochs.keys() - self._shards.keys() - set(self._leaving.values()) - set(turn.surplus):
            accounts = self._divided.get(shard, [])
            self._shards[shard] = _Shard(shard, turn.epochs[shard], accounts, self._make(accounts))
            self._watched.update(accounts)

    def _end(self, shard: int, *, release: bool = False) -> None:
        each = self._shards.pop(shard)
        self._watched.difference_update(each.accounts)

        async def ended() -> None:
            await each.end()
            if release:
                with suppress(RecordError):  # it is given up at a later turn
                    await self._leases.release([shard])

        task = asyncio.create_task(ended(), name=f"tieout ends shard {shard}")
        self._leaving[task] = shard
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        del self._leaving[task]
