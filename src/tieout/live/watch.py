"""The watchman of the schedule: reconciliations that break, last too long, come to nothing or do not come at all are told.

It has a task of its own and measures on the clock that it was given: where the scheduler dies, it is the one that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from tieout.clock import Clock
from tieout.errors import TieoutError
from tieout.live.alarm import Alarm
from tieout.model.report import ReconciliationReport

T = TypeVar("T")
SECOND = 1_000_000_000
AGAIN_NS = 3600 * SECOND
INCOMPLETE_RUNS = 3  # in a row, before that is told
ALARM_SECONDS = 30  # an alarm that takes longer is given up, so that it does not keep the others waiting


class Trouble(StrEnum):
    """What can be wrong with the reconciliations of an account."""

    BROKEN = "broken"
    SLOW = "slow"
    INCOMPLETE = "incomplete"
    OVERDUE = "overdue"
    SKIPPED = "skipped"
    DEAF = "deaf"
    STREAM = "stream"
    UNHALTED = "unhalted"


_WELL = {
    Trouble.BROKEN: "reconciliations come to their end again",
    Trouble.SLOW: "reconciliations end in time again",
    Trouble.INCOMPLETE: "reconciliations are complete again",
    Trouble.OVERDUE: "reconciliations are no longer overdue",
    Trouble.SKIPPED: "the schedule runs again",
    Trouble.DEAF: "words of people are heard again",
    Trouble.STREAM: "the venue's stream is heard again",
    Trouble.UNHALTED: "halts are seen to take effect again",
}
# A report, whatever it says, shows that these are over.
_ENDED_BY_A_REPORT = (Trouble.BROKEN, Trouble.SLOW, Trouble.OVERDUE, Trouble.SKIPPED)


class Unfinished(Struct, frozen=True):
    """Something that did not come to its end, and why; bears no amounts."""

    why: str


async def caught(work: Awaitable[T]) -> T | Unfinished:
    """What *work* returns or, where it raises anything at all, what became of it: a bug ends one run, never the schedule."""
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled us: it waited for something of its own that was. Let through, it would end us without a word.
        return Unfinished("it waited for a task that was cancelled")
    except Exception as error:  # noqa: BLE001 - the edge: behind it there is nobody who would notice
        return Unfinished(_described(error))


def _described(error: Exception) -> str:
    """What was raised and where. Not its text, unless it is ours: others write amounts and secrets into theirs."""
    if isinstance(error, TieoutError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " ".join([type(error).__name__, "at", *(f"{Path(each.filename).stem}:{each.lineno}" for each in frames)])


class _Told:
    """A trouble that stands."""

    def __init__(self, sentence: str, now_ns: int) -> None:
        self.sentence, self.said_ns = sentence, now_ns


class Watch:
    """Tells a person of trouble with the schedule: when it begins, each hour while it stands, and when it is over.

    Args:
        patience: For each account the seconds without a finished reconciliation after which it is overdue.
        clock: Measures them.
        alarm: The way to a person. Where it hangs or raises, that is logged, and the watch goes on.
        overdue: Is called with an account when it becomes overdue, and as often again as it would, so that it is reconciled
            even where the scheduler does not call for it.
    """

    def __init__(
        self, patience: Mapping[str, int], clock: Clock, alarm: Alarm, *, overdue: Callable[[str], None]
    ) -> None:
        self._patience, self._clock, self._alarm, self._overdue = dict(patience), clock, alarm, overdue
        self._finished_ns = dict.fromkeys(self._patience, clock.monotonic_ns())
        self._called_ns: dict[str, int] = {}
        self._incomplete = dict.fromkeys(self._patience, 0)
        self._standing: dict[str, dict[Trouble, _Told]] = {}
        self._sentences: deque[tuple[str, str]] = deque()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._log = logging.getLogger("tieout.watch")

    def start(self) -> None:
        """Begin to watch; the time until an account is overdue begins now."""
        assert self._task is None, "it watches already"
        self._finished_ns = dict.fromkeys(self._patience, self._clock.monotonic_ns())
        self._task = asyncio.create_task(self._keep_watch(), name="tieout watch")

    async def stop(self) -> None:
        """Watch no longer. What was to be told is told first, for as long as one alarm may take. Safe to repeat."""
        self._stopped = True
        self._news.set()
        task, self._task = self._task, None
        if task is not None:
            # Not cancelled at once: an alarm may be on its way, and one that swallows its cancellation would keep us here.
            done, _ = await asyncio.wait({task}, timeout=ALARM_SECONDS)
            if not done:
                task.cancel()
                await asyncio.wait({task}, timeout=1)

    def put(self, account: str, patience: int) -> None:
        """Watch one account more, from now on."""
        self._patience[account], self._incomplete[account] = patience, 0
        self._finished_ns[account] = self._clock.monotonic_ns()
        self._news.set()  # it may have to be looked at more often

    def drop(self, account: str) -> None:
        """Watch *account* no more; what is wrong with it is nobody's concern any longer."""
        for kept in (self._patience, self._finished_ns, self._called_ns, self._incomplete, self._standing):
            kept.pop(account, None)

    @property
    def accounts(self) -> Collection[str]:
        """The accounts that are watched."""
        return self._patience.keys()

    def troubles(self, account: str) -> dict[Trouble, str]:
        """What is wrong with an account's reconciliations now, each with its sentence. Other threads may ask, too."""
        # A copy is made in one go; what is walked here may grow meanwhile.
        return {trouble: told.sentence for trouble, told in self._standing.get(account, {}).copy().items()}

    def finished(self, account: str, report: ReconciliationReport) -> None:
        """A reconciliation came to its end."""
        if account not in self._patience:
            return
        self._finished_ns[account] = self._clock.monotonic_ns()
        self._called_ns.pop(account, None)
        for trouble in _ENDED_BY_A_REPORT:
            self.end(account, trouble)
        if report.status in ("matched", "discrepancies"):
            self._incomplete[account] = 0
            self.end(account, Trouble.INCOMPLETE)
            return
        self._incomplete[account] += 1
        if self._incomplete[account] >= INCOMPLETE_RUNS:
            self.begin(account, Trouble.INCOMPLETE, f"{INCOMPLETE_RUNS} reconciliations in a row were {report.status}")

    def begin(self, account: str, trouble: Trouble, sentence: str) -> None:
        """Something is wrong. It is told now, and again after an hour; not each time that it is seen."""
        if account not in self._patience:
            return  # it was let go meanwhile
        standing = self._standing.setdefault(account, {})
        if trouble not in standing:
            standing[trouble] = _Told(sentence, self._clock.monotonic_ns())
            self._say(account, sentence)

    def end(self, account: str, trouble: Trouble) -> None:
        """It is well again, as far as it was not."""
        if self._standing.get(account, {}).pop(trouble, None) is not None:
            self._say(account, _WELL[trouble])

    def look(self) -> None:
        """See what is overdue, and what has to be told again."""
        now = self._clock.monotonic_ns()
        for account, patience in self._patience.items():
            waited = (now - self._finished_ns[account]) // SECOND
            if waited >= patience:
                self.begin(account, Trouble.OVERDUE, f"no reconciliation has come to its end for {waited} s")
                self._call(account, now)
        for account, told in ((account, told) for account, those in self._standing.items() for told in those.values()):
            if now - told.said_ns >= AGAIN_NS:
                told.said_ns = now
                self._say(account, f"still, after an hour or more: {told.sentence}")

    def _call(self, account: str, now: int) -> None:
        """Have an overdue account reconciled, but not at every look."""
        if now - self._called_ns.get(account, 0) >= self._patience[account] * SECOND or account not in self._called_ns:
            self._called_ns[account] = now
            self._overdue(account)

    def _say(self, account: str, sentence: str) -> None:
        self._sentences.append((account, sentence))
        self._news.set()

    async def _keep_watch(self) -> None:
        while not self._stopped:
            period = max(1, min(30, *(patience // 10 for patience in self._patience.values()), 30))
            self.look()
            await self._tell()
            # Nothing is awaited between the last sentence and this, so no news is lost.
            self._news.clear()
            with contextlib.suppress(TimeoutError):  # the time for the next look
                async with asyncio.timeout(0 if self._stopped else period):
                    await self._news.wait()
        await self._tell()

    async def _tell(self) -> None:
        while self._sentences:
            account, sentence = self._sentences[0]  # taken once it is told: stopping in between tells it again
            failure = await caught(self._raise_alarm(account, sentence))
            self._sentences.popleft()
            if isinstance(failure, Unfinished):
                self._log.error("%s: %s (the alarm failed: %s)", account, sentence, failure.why)

    async def _raise_alarm(self, account: str, sentence: str) -> None:
        async with asyncio.timeout(ALARM_SECONDS):
            await self._alarm.raise_alarm(account, sentence)
