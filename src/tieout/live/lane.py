"""One account's turn: one reconciliation at a time, and what is asked for meanwhile is one more after it.

Where only events ask, which know what they touched, a look at that comes first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from typing import Protocol

from msgspec import Struct

from tieout.clock import Clock
from tieout.live.touched import EVERYTHING, Touched, both
from tieout.live.watch import SECOND, Trouble, Unfinished, Watch, caught
from tieout.model.discrepancy import ActionKind
from tieout.model.report import ReconciliationReport, Trigger
from tieout.model.snapshot import Observation, Section

Answer = ReconciliationReport | Unfinished

# What one reconciliation is called that several asked for.
_RANK: dict[Trigger, int] = {"replay": 0, "schedule": 1, "event": 2, "manual": 3, "startup": 4}
STOPPED = Unfinished("the schedule is stopped")
COARSE_S = 1  # a venue's clock may count in no less


class Reconciles(Protocol):
    """What a schedule asks of `PositionReconciler`.

    `observed` MUST hold a new observation of an account before anything of that reconciliation is acted on.
    """

    @property
    def observed(self) -> Mapping[str, Observation]:
        """The last observation of each account."""

    async def reconcile(self, account: str, *, trigger: Trigger) -> ReconciliationReport:
        """One whole reconciliation."""

    async def look(self, account: str, sections: frozenset[Section]) -> ReconciliationReport | None:
        """A look at *sections*, followed by nothing; None where it shows what only a whole reconciliation can judge."""

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Those of *accounts* of which words of people wait that no reconciliation has heard yet."""


class Pace(Struct, frozen=True, kw_only=True):
    """How an account's reconciliations may follow each other, in seconds.

    Attributes:
        timeout_seconds: How long one may take; then it is broken off, unless it may be acting already.
        event_gap_seconds: The least time between the end of one and the next that only events asked for.
        settle_seconds: When it is read again where a break was not confirmed yet; after that each half of it.
        follow_ups: How often in a row.
        prompt: How many events that are to be seen at once may do without that gap; each gap gives one of them back.
    """

    timeout_seconds: int
    event_gap_seconds: int
    settle_seconds: float
    follow_ups: int
    prompt: int = 5


class _Batch:
    """Those who asked before a reconciliation began; all get its report."""

    def __init__(self, trigger: Trigger) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.trigger = trigger
        self.follow_up = True  # nobody asked but the lane itself
        self.prompt = False
        self.touched: Touched = frozenset()  # of the account, where it was only events that asked


class Credit:
    """So many at once, then one for each *seconds*."""

    def __init__(self, most: int, seconds: int, clock: Clock) -> None:
        self._each_ns, self._clock = seconds * SECOND, clock
        self._most_ns = most * self._each_ns
        self._free_ns: int | None = None  # when all would be there again

    def take(self) -> bool:
        """Whether there is one; it is then gone."""
        now = self._clock.monotonic_ns()
        free = max(now, self._free_ns or now) + self._each_ns
        if free - now > self._most_ns:
            return False
        self._free_ns = free
        return True


class Lane:
    """Runs the reconciliations of one account, never two at once.

    Args:
        account: Its name.
        reconciler: Reconciles it.
        pace: How they follow each other.
        watch: Is told of each one's end.
        clock: Measures the gap between events.
    """

    def __init__(self, account: str, reconciler: Reconciles, pace: Pace, watch: Watch, clock: Clock) -> None:
        self.account, self._pace = account, pace
        self._reconciler, self._watch, self._clock = reconciler, watch, clock
        self._next: _Batch | None = None
        self._worker: asyncio.Task[None] | None = None
        self._run: asyncio.Task[Answer] | None = None
        self._seen: Observation | None = None  # the one before the present run
        self._pressing = asyncio.Event()
        self._credit = Credit(pace.prompt, pace.event_gap_seconds, clock)
        self._later: asyncio.TimerHandle | None = None
        self._looked = False  # whether the present run, or the last, was a look alone
        self._followed = 0
        self._ended_ns: int | None = None
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether it begins nothing more."""
        return self._stopped

    def ask(
        self, trigger: Trigger, *, follow_up: bool = False, prompt: bool = False, touched: Touched = EVERYTHING
    ) -> asyncio.Future[Answer]:
        """Ask for a reconciliation that begins after this call. Returns at once; the answer is shared, so shield it.

        A *prompt* event does not wait for others, unless there were many such. Where all who ask know what was *touched*,
        a look at that comes first, and is the answer where it needs no more.
        """
        if self._stopped:
            refused = _Batch(trigger).answer
            refused.set_result(STOPPED)
            return refused
        batch = self._next = self._next or _Batch(trigger)
        batch.trigger = max(batch.trigger, trigger, key=_RANK.__getitem__)
        batch.follow_up = batch.follow_up and follow_up
        batch.touched = both(batch.touched, touched)
        batch.prompt = batch.prompt or (prompt and self._credit.take())
        if trigger != "event" or follow_up or batch.prompt:
            self._pressing.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name=f"tieout reconciles {self.account}")
        return batch.answer

    async def stop(self, seconds: float) -> bool:
        """Begin nothing more, and wait for what is under way.

        After *seconds* it is broken off, unless it may be acting already. Returns False where that is so: it was left alone.
        """
        self._stopped = True
        self._forget_later()
        waiting, self._next = self._next, None
        if waiting is not None:
            waiting.answer.set_result(STOPPED)
        self._pressing.set()
        if self._worker is None:
            return True
        done, _ = await asyncio.wait({self._worker}, timeout=seconds)
        if not done and self._break_off():
            done, _ = await asyncio.wait({self._worker}, timeout=seconds)
        return bool(done)

    async def _work(self) -> None:
        try:
            while self._next is not None:
                await self._pause()
                batch, self._next = self._next, None
                if batch is None:  # stopped meanwhile
                    return
                self._pressing.clear()
                answer = await self._once(batch)
                self._ended_ns = self._clock.monotonic_ns()
                batch.answer.set_result(answer)
                self._follow(answer, new=not batch.follow_up)
        finally:
            self._worker = None

    async def _pause(self) -> None:
        """Let events that come in a storm wait for each other; everything else goes on at once."""
        if self._ended_ns is None:
            return
        left = self._pace.event_gap_seconds - (self._clock.monotonic_ns() - self._ended_ns) / SECOND
        if left > 0:
            with contextlib.suppress(TimeoutError):  # the gap is over
                async with asyncio.timeout(left):
                    await self._pressing.wait()

    async def _reconciled(self, batch: _Batch) -> ReconciliationReport:
        """The report of a look at what was touched where that is enough, else of a whole reconciliation."""
        sections = batch.touched
        self._looked = sections is not None
        if sections is not None:
            seen = await self._reconciler.look(self.account, sections)
            if seen is not None:
                return seen
        self._looked = False
        self._forget_later()
        return await self._reconciler.reconcile(self.account, trigger=batch.trigger)

    async def _once(self, batch: _Batch) -> Answer:
        self._seen = self._reconciler.observed.get(self.account)
        work = caught(self._reconciled(batch))
        # In a task of its own: whoever asked, or waits, may be cancelled without breaking it off.
        self._run = run = asyncio.create_task(work, name=f"tieout reconciliation of {self.account}")
        done, _ = await asyncio.wait({run}, timeout=self._pace.timeout_seconds)
        if not done:
            became = "was broken off before it acted" if self._break_off() else "may be acting, and is left to finish"
            late = f"a reconciliation took longer than {self._pace.timeout_seconds} s and {became}"
            self._watch.begin(self.account, Trouble.SLOW, late)
            await asyncio.wait({run})
        return self._ended(Unfinished("it was broken off") if run.cancelled() else run.result(), late=not done)

    def _ended(self, answer: Answer, *, late: bool) -> Answer:
        if isinstance(answer, ReconciliationReport):
            if not self._looked:  # however many looks there are, an account without a whole reading is overdue
                self._watch.finished(self.account, answer)
        elif not self._stopped and not late:
            self._watch.begin(self.account, Trouble.BROKEN, f"a reconciliation did not come to its end: {answer.why}")
        return answer

    def _break_off(self) -> bool:
        """Cancel the run, if it surely acts on nothing yet; tells whether it did.

        While the observation is the one before it, the run is still reading: the cancellation ends the very read that it
        waits for. Once a new one is there it may be acting, and nothing from here cancels it.
        """
        if self._run is None or self._run.done() or self._reconciler.observed.get(self.account) is not self._seen:
            return False
        return self._run.cancel()

    def _follow(self, answer: Answer, *, new: bool) -> None:
        """Read again soon where a break was not confirmed yet, or what an event told of could not be read."""
        self._followed = 0 if new else self._followed
        if self._stopped or isinstance(answer, Unfinished) or self._followed >= self._pace.follow_ups:
            return
        if self._later is None and any(action.action is ActionKind.WAIT for action in answer.actions):
            # What is still too young by the venue's own clock, which may count in seconds, is not waited for twice as long.
            settle = self._pace.settle_seconds
            wait = max(settle / 2, min(settle, COARSE_S)) if self._followed else settle
            self._followed += 1
            self._later = asyncio.get_running_loop().call_later(wait, self._again, "schedule")
        elif self._later is None and answer.trigger == "event" and answer.status in ("incomplete", "failed"):
            self._followed += 1
            wait = self._pace.event_gap_seconds * self._followed
            self._later = asyncio.get_running_loop().call_later(wait, self._again, "event")

    def _again(self, trigger: Trigger) -> None:
        self._later = None
        self.ask(trigger, follow_up=True)

    def _forget_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
