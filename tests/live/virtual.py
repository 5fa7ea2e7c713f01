"""An event loop whose time jumps to the next timer, a clock on it, and a reconciler that takes time on it."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from tieout.model.discrepancy import ActionKind, ActionStatus, ReconciliationStrategy
from tieout.model.report import Action, ReconciliationReport, Status, Summary, Trigger
from tieout.model.snapshot import Observation, Section, SideError, SideFailure

T = TypeVar("T")
HUNG_SECONDS = 60
START = datetime(2026, 11, 20, 14, tzinfo=UTC)


class _Jumping(selectors.SelectSelector):
    """Where nothing is ready, and no thread at work, the time that would have been waited has passed."""

    now = 0.0
    at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now."""
        ready = super().select(HUNG_SECONDS if self.at_work and timeout != 0 else 0)
        assert ready or not self.at_work or timeout == 0, "a thread hangs"
        if not ready:
            assert timeout is not None, "nothing would ever happen again: every task waits for another one"
            self.now += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop of which each second takes no time. Threads take what they need: no timer fires early because one is slow."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._jumping.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As ever, counting what is at work."""
        self._jumping.at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(lambda _: self._ended())
        return future

    async def shutdown_default_executor(self) -> None:
        """As ever; that is a thread, too."""
        self._jumping.at_work += 1
        await super().shutdown_default_executor()
        self._ended()

    def _ended(self) -> None:
        self._jumping.at_work -= 1


class LoopClock:
    """A clock that shows a virtual loop's time; `wall` can be set wrong, as an administrator does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self.wall = loop, timedelta()

    def now(self) -> datetime:
        """The wall clock."""
        return START + self.wall + timedelta(seconds=self._loop.time())

    def monotonic_ns(self) -> int:
        """Nobody can set this one."""
        return round(self._loop.time() * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def passed(self) -> float:
        """Seconds since the start, to a thousandth."""
        return round(self._loop.time(), 3)


def virtually(scenario: Callable[[LoopClock], Coroutine[Any, Any, T]]) -> T:
    """Run a scenario in virtual time, APScheduler's wall clock included. It must leave no task behind."""

    async def whole() -> T:
        result = await scenario(clock)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left behind: {left}"
        return result

    loop = VirtualLoop()
    clock = LoopClock(loop)

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return clock.now().astimezone(tz)

    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=lambda: loop) as runner:
        patch.setattr("apscheduler.schedulers.base.datetime", Now)
        patch.setattr("apscheduler.executors.base.datetime", Now)
        return runner.run(whole())


def virtual(scenario: Callable[[LoopClock], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that runs in virtual time."""

    def test() -> None:
        virtually(scenario)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


class Listening:
    """An alarm that keeps what it is told."""

    def __init__(self, clock: LoopClock) -> None:
        self._clock = clock
        self.said: list[tuple[float, str]] = []

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Keep it, with the time."""
        self.said.append((self._clock.passed(), f"{account}: {sentence}"))

    @property
    def sentences(self) -> list[str]:
        """What was said."""
        return [sentence for _, sentence in self.said]


def report_of(account: str, at: datetime, *, trigger: Trigger = "manual", status: Status = "matched",
              waits: bool = False) -> ReconciliationReport:  # fmt: skip
    """A report of nothing in particular."""
    wait = Action(
        action=ActionKind.WAIT,
        strategy=ReconciliationStrategy.WARN_ONLY,
        status=ActionStatus.PLANNED,
        discrepancy_ids=("d-1",),
    )
    return ReconciliationReport(
        report_id="r",
        account=account,
        trigger=trigger,
        started_at=at,
        finished_at=at,
        status=status,
        severity=None,
        coverage={},
        discrepancies=(),
        actions=(wait,) if waits else (),
        summary=Summary({}, {}, ""),
    )


class Run:
    """One reconciliation that the reconciler below ran."""

    def __init__(self, account: str, trigger: Trigger, began: float) -> None:
        self.account, self.trigger, self.began = account, trigger, began
        self.ended: float | None = None
        self.broken_off_while: str | None = None


Ending = ReconciliationReport | Exception


class SlowReconciler:
    """Reads for a while, then acts for a while, and says how many did so at once.

    Args:
        clock: Virtual time.
        reads: Seconds of reading, by account; 1 unless told.
        acts: Seconds of acting; 1 unless told.
    """

    def __init__(
        self, clock: LoopClock, *, reads: Mapping[str, float] | None = None, acts: Mapping[str, float] | None = None
    ) -> None:
        self._clock = clock
        self.reads, self.acts = dict(reads or {}), dict(acts or {})
        self.observed: dict[str, Observation] = {}
        self.runs: list[Run] = []
        self.under_way: Counter[str] = Counter()
        self.most_of_one = self.most_together = 0
        self.endings: list[tuple[Status | Exception, bool]] = []
        self.words: Counter[str] = Counter()
        self.deaf: Exception | None = None
        self.listened = 0
        self.acting: Callable[[str], None] = lambda _: None
        self.looks: list[tuple[float, frozenset[Section]]] = []
        self.glances: list[bool | None] = []  # how looks end: None, or a report that waits or does not

    async def reconcile(self, account: str, *, trigger: Trigger = "manual") -> ReconciliationReport:
        """Read, act, report; the next of `endings` says how it ends."""
        run = Run(account, trigger, self._clock.passed())
        self.runs.append(run)
        self.under_way[account] += 1
        self.most_of_one = max(self.most_of_one, self.under_way[account])
        self.most_together = max(self.most_together, self.under_way.total())
        doing = "reading"
        try:
            await asyncio.sleep(self.reads.get(account, 1))
            failed = SideError(SideFailure.OTHER)
            self.observed[account] = Observation(self._clock.now(), account, failed, failed)
            doing = "acting"
            self.acting(account)
            await asyncio.sleep(self.acts.get(account, 1))
            self.words[account] = max(self.words[account] - 1, 0)
            return self._ending(account, trigger)
        except asyncio.CancelledError:
            run.broken_off_while = doing
            raise
        finally:
            self.under_way[account] -= 1
            run.ended = self._clock.passed()

    async def look(self, account: str, sections: frozenset[Section]) -> ReconciliationReport | None:
        """Read; the next of `glances` says whether that is enough, which it is unless told."""
        assert not self.under_way[account], "a look beside a run"
        self.looks.append((self._clock.passed(), sections))
        await asyncio.sleep(self.reads.get(account, 1) / 2)
        waits = self.glances.pop(0) if self.glances else False
        return None if waits is None else report_of(account, self._clock.now(), trigger="event", waits=waits)

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Of which there are words; each run hears one."""
        self.listened += 1
        if self.deaf is not None:
            raise self.deaf
        return {account for account in accounts if self.words[account] > 0}

    def _ending(self, account: str, trigger: Trigger) -> ReconciliationReport:
        status, waits = self.endings.pop(0) if self.endings else ("matched", False)
        if isinstance(status, Exception):
            raise status
        return report_of(account, self._clock.now(), trigger=trigger, status=status, waits=waits)

    def of(self, account: str) -> Sequence[Run]:
        """The runs of one account."""
        return [run for run in self.runs if run.account == account]

    def triggers(self, account: str = "main") -> list[Trigger]:
        """Why each of them ran."""
        return [run.trigger for run in self.of(account)]

    def begins(self, account: str = "main") -> list[float]:
        """When each began."""
        return [run.began for run in self.of(account)]


__all__ = ["START", "Listening", "LoopClock", "SlowReconciler", "report_of", "virtual", "virtually"]
