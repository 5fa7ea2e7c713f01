"""When accounts are reconciled: at the start, at intervals, after what matters, and when somebody asks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from msgspec import Struct

from tieout.brokers.streams.base import Stream
from tieout.clock import Clock, SystemClock
from tieout.errors import ReconciliationError
from tieout.live.alarm import Alarm, LoggedAlarm
from tieout.live.ear import Ear, Patience
from tieout.live.fills import LargeFills
from tieout.live.lane import Answer, Lane, Pace, Reconciles
from tieout.live.listening import Listener
from tieout.live.reconciler import Account
from tieout.live.timer import SchedulerTimer, Timer
from tieout.live.touched import EVERYTHING, Touched
from tieout.live.watch import Trouble, Unfinished, Watch
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import Fill

BEGINS_S = 1  # how long a first reconciliation counts as beginning: one of a slow venue keeps no others from theirs
SETTLE_MARGIN = 0.1  # a reading again that came a hair before the settle window is over would confirm nothing


class Cadence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When one account is reconciled. Times in whole seconds.

    Attributes:
        reconciliation_interval: From one scheduled reconciliation to the next.
        timeout_seconds: How long one may take. One that is still reading then is broken off; one that may be acting never is.
        large_fill_usd: A fill worth at least this much is followed by a reconciliation; None looks at no fill's worth.
        large_fill_percent: And one of at least this share of the position before it; None looks at no share.
        event_gap_seconds: What only events ask for waits this long after the last reconciliation, so that a storm of them
            does not use up the broker's patience.
        listen_seconds: How often it is looked whether words of people wait.
        follow_ups: How often in a row an account is read again, after its settle window and then each half of it, while
            breaks are unconfirmed.
        stop_seconds: How long stopping waits for what is under way.
    """

    reconciliation_interval: int = 300
    timeout_seconds: int = 120
    large_fill_usd: Decimal | None = Decimal(10_000)
    large_fill_percent: Decimal | None = Decimal(10)
    event_gap_seconds: int = 5
    listen_seconds: int = 5
    follow_ups: int = 3
    stop_seconds: int = 30

    @property
    def overdue_seconds(self) -> int:
        """The time without a finished reconciliation after which it is overdue."""
        return 2 * self.reconciliation_interval + self.timeout_seconds


class Schedule:
    """Reconciles many accounts, each when it is due: one at a time for each, all side by side.

    Everything is called from the event loop that it was started in. Events return at once. It is started once, and stopped
    once: nothing of it is kept, and the next start makes another.

    Args:
        reconciler: Reconciles them.
        accounts: The accounts by name.
        cadence: When, unless *own* says otherwise for an account.
        own: Of single accounts.
        clock: Measures what is overdue; real time in a running engine.
        alarm: The way to a person.
        timer: Fires at the intervals; APScheduler unless told otherwise.
        streams: What tells of changes, of those accounts that have such: what it touched is read. Closed at the stop.
        beginning: How many first reconciliations may be under way at once, also those of other schedules; None is any number.
    """

    def __init__(
        self,
        reconciler: Reconciles,
        accounts: Mapping[str, Account],
        cadence: Cadence | None = None,
        *,
        own: Mapping[str, Cadence] | None = None,
        clock: Clock | None = None,
        alarm: Alarm | None = None,
        timer: Timer | None = None,
        streams: Mapping[str, Sequence[Stream]] | None = None,
        beginning: asyncio.Semaphore | None = None,
    ) -> None:
        general, self._clock = cadence or Cadence(), clock or SystemClock()
        self._cadences: dict[str, Cadence] = {}
        self._reconciler = reconciler
        self.watch = Watch({}, self._clock, alarm or LoggedAlarm(), overdue=self._tick)
        self._lanes: dict[str, Lane] = {}
        self._fills: dict[str, LargeFills] = {}
        self._listeners: dict[str, Listener] = {}
        self._timer = timer or SchedulerTimer()
        self._ear = Ear(reconciler, self._heed, self.watch, self._clock)
        self._begun: set[asyncio.Task[Answer]] = set()
        self._beginning: contextlib.AbstractAsyncContextManager[None] = beginning or contextlib.nullcontext()
        self._stopping = asyncio.Event()
        for name, account in accounts.items():
            self._join(account, (own or {}).get(name, general), (streams or {}).get(name))

    async def start(self) -> dict[str, ReconciliationReport]:
        """Reconcile each account once, side by side, and then at its interval.

        Returns:
            The reports of those that came to their end. Of the others the alarm tells; they are tried again at the interval.
        """
        self.watch.start()
        self._timer.start(self._tick, self._lost)
        names = tuple(self._lanes)  # others may come and go meanwhile
        answers = await asyncio.gather(*(self._begin(name) for name in names))
        return {name: answer for name, answer in zip(names, answers, strict=True)
                if isinstance(answer, ReconciliationReport)}  # fmt: skip

    async def stop(self) -> None:
        """Begin nothing more, and wait for what is under way; nothing is broken off that may be acting. Safe to repeat."""
        self._stopping.set()
        self._timer.stop()
        for listener in self._listeners.values():
            await listener.stop()
        await self._ear.stop()
        begun = tuple(self._begun)
        for each in begun:
            each.cancel()
        if begun:
            await asyncio.wait(begun)
        await asyncio.gather(*(self._end(name) for name in self._lanes))
        await self.watch.stop()

    def put(self, account: Account, cadence: Cadence, streams: Sequence[Stream] | None = None) -> None:
        """Reconcile one account more, from now on. One of its name was let go before."""
        assert account.name not in self._lanes, "let go first"
        self._join(account, cadence, streams)
        begun = asyncio.create_task(self._begin(account.name), name=f"tieout begins {account.name}")
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)

    async def drop(self, account: str) -> None:
        """Reconcile *account* no more, and wait for what is under way; nothing is broken off that may be acting."""
        await self._end(account)  # first of all: from here on nothing more is begun for it, its first one included
        self._timer.never(account)
        if account in self._listeners:
            await self._listeners.pop(account).stop()
        self._ear.drop(account)
        self.watch.drop(account)
        del self._lanes[account], self._fills[account], self._cadences[account]

    def _join(self, account: Account, cadence: Cadence, streams: Sequence[Stream] | None) -> None:
        name = account.name
        self._cadences[name] = cadence
        self.watch.put(name, cadence.overdue_seconds)
        self._lanes[name] = Lane(name, self._reconciler, _pace(cadence, account.settings), self.watch, self._clock)
        self._fills[name] = self._judge_of_fills(name, account.settings)
        if streams is not None:
            due = partial(self.on_change, name)
            self._listeners[name] = Listener(name, streams, clock=self._clock, due=due, watch=self.watch)

    def on_fill(self, account: str, fill: Fill) -> None:
        """The engine had a fill: a large one is followed by a reconciliation. Call it for each, small ones too."""
        if account in self._fills and self._fills[account].large(fill):
            self._lanes[account].ask("event")

    def on_reconnect(self, account: str) -> None:
        """The connection to the broker was lost and is there again."""
        self._lanes[account].ask("event")

    def on_change(self, account: str, touched: Touched = EVERYTHING) -> None:
        """The venue told that something changed, or may have: it is looked at at once, and in a storm of it now and then.

        Where *touched* names sections, only those are read as long as they tell nothing that a whole reading has to judge.
        """
        if account in self._lanes:
            self._lanes[account].ask("event", prompt=True, touched=touched)

    def whenever(self, account: str, call: Callable[[], None]) -> None:
        """Have *call* called whenever the venue tells by itself that something changed; never, where it tells nothing."""
        if account in self._listeners:
            self._listeners[account].also(lambda _touched: call())

    def on_strategy_change(self, account: str) -> None:
        """Another strategy trades the account from now on."""
        self._lanes[account].ask("event")

    async def request(self, account: str) -> ReconciliationReport:
        """Reconcile on demand. Whoever stops waiting for it does not break it off.

        Returns:
            The report of a reconciliation that began after this call; others who asked meanwhile get the same.

        Raises:
            ReconciliationError: It did not come to its end, there is no such account, or the schedule is stopped.
        """
        if account not in self._lanes:
            raise ReconciliationError(account, "it is not watched, or not any more")
        answer = await asyncio.shield(self._lanes[account].ask("manual"))
        if isinstance(answer, Unfinished):
            raise ReconciliationError(account, answer.why)
        return answer

    async def _begin(self, account: str) -> Answer:
        lane = self._lanes[account]
        # Thousands at once would keep the loop from all else that a start does, and each of them from its end.
        async with self._beginning:
            asked = lane.ask("startup")
            await asyncio.wait({asked}, timeout=BEGINS_S)
        answer = await asyncio.shield(asked)
        if not self._stopping.is_set() and not lane.stopped:
            # For each as soon as it is ready: a slow one does not keep the others from their interval.
            cadence = self._cadences[account]
            self._timer.every(account, cadence.reconciliation_interval)
            self._ear.put(account, Patience(cadence.listen_seconds, cadence.reconciliation_interval))
            if account in self._listeners:
                self._listeners[account].start()
        return answer

    async def _end(self, account: str) -> None:
        if not await self._lanes[account].stop(self._cadences[account].stop_seconds):
            left = "stopped while a reconciliation may be acting; it is left to finish, and the record tells its end"
            self.watch.begin(account, Trouble.SLOW, left)

    def _tick(self, account: str) -> None:
        if account in self._lanes:
            self._lanes[account].ask("schedule")

    def _heed(self, account: str) -> asyncio.Future[Answer]:
        return self._lanes[account].ask("event")

    def _lost(self, account: str, sentence: str) -> None:
        if account in self._lanes:
            self.watch.begin(account, Trouble.SKIPPED, sentence)

    def _judge_of_fills(self, account: str, settings: Settings) -> LargeFills:
        cadence, reconciler = self._cadences[account], self._reconciler
        return LargeFills(
            settings,
            lambda: reconciler.observed.get(account),
            usd=cadence.large_fill_usd,
            percent=cadence.large_fill_percent,
        )


def _pace(cadence: Cadence, settings: Settings) -> Pace:
    # Not an amount: the event loop's time is in such seconds.
    milliseconds = int(settings.settle_seconds * 1000)
    return Pace(
        timeout_seconds=cadence.timeout_seconds,
        event_gap_seconds=cadence.event_gap_seconds,
        settle_seconds=milliseconds / 1000 + SETTLE_MARGIN,
        follow_ups=cadence.follow_ups,
    )
