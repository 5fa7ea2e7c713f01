"""The record's duties in virtual time: done when they are due, told of once when they fail, and never silently dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from tests.record.conftest import START
from tests.record.observing import reading
from tieout.clock import VirtualClock
from tieout.errors import RecordUnavailable
from tieout.record.beating import RETRY, Duty, beat, duties
from tieout.record.entry import EntryKind, decode
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings, Retention
from tieout.record.store.schema import log_entries

MINUTE = timedelta(minutes=1)
NOW = timedelta(0)


class Duties:
    """Duties that note when they were done, and what a person was told."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.done: list[tuple[str, timedelta]] = []
        self.said: list[tuple[timedelta, str]] = []

    def duty(self, name: str, every: timedelta, run: Callable[[], Awaitable[object]] | None = None) -> Duty:
        """A duty that is noted before *run* is called."""

        async def noted() -> None:
            self.done.append((name, self.clock.now() - START))
            if run is not None:
                await run()

        return Duty(name, every, noted)

    def moments(self, name: str) -> list[timedelta]:
        """When a duty was done."""
        return [at for each, at in self.done if each == name]

    async def tell(self, sentence: str) -> None:
        """Listen."""
        self.said.append((self.clock.now() - START, sentence))

    async def beat(self, what: Sequence[Duty], span: timedelta) -> None:
        """Let duties be done for a while."""
        await run_for(lambda stop: beat((*what, stop), self.clock, self.tell), span)


async def run_for(loop: Callable[[Duty], Awaitable[None]], span: timedelta) -> None:
    """Run a loop, with a duty that cancels it after *span*, and see that it ends as a cancelled task does."""
    task: asyncio.Task[None]

    async def cancel() -> None:
        task.cancel()

    async def whole() -> None:
        await loop(Duty("the end", span, cancel))

    task = asyncio.create_task(whole())
    with pytest.raises(asyncio.CancelledError):
        await task


def failing(times: int, why: Callable[[int], str] = lambda _: "no") -> Callable[[], Awaitable[object]]:
    """Fails so many times, then works."""
    left = iter(range(times))

    async def run() -> None:
        number = next(left, None)
        if number is not None:
            raise RecordUnavailable(why(number))

    return run


async def test_each_duty_is_done_when_it_is_due() -> None:
    """Duties of different intervals keep their own time, the first one after an interval; what is due at once is."""
    told = Duties()
    what = [told.duty("a", 5 * MINUTE), told.duty("b", 7 * MINUTE), replace(told.duty("c", 30 * MINUTE), at_once=True)]
    await told.beat(what, timedelta(minutes=36))
    assert told.moments("a") == [5 * MINUTE * number for number in range(1, 8)]
    assert told.moments("b") == [7 * MINUTE * number for number in range(1, 6)]
    assert told.moments("c") == [NOW, 30 * MINUTE]
    assert told.said == []


async def test_what_was_missed_is_not_made_up_for() -> None:
    """After a duty that took an hour the others are done once, and then at their interval again."""
    told = Duties()

    async def long() -> None:
        told.clock.advance(3600)

    await told.beat([told.duty("a", 5 * MINUTE), told.duty("slow", 12 * MINUTE, long)], timedelta(minutes=83))
    assert told.moments("a") == [each * MINUTE for each in (5, 10, 72, 77, 82)]


async def test_a_failure_is_told_once_and_tried_again() -> None:
    """The same reason is told once until it has worked again; another reason is told; the other duties go on."""
    told = Duties()
    reasons = ["disk", "disk", "disk", "key"]
    flaky = failing(4, reasons.__getitem__)
    await told.beat([told.duty("a", 2 * MINUTE), told.duty("b", MINUTE, flaky)], timedelta(minutes=10, seconds=1))
    assert told.said == [(MINUTE, "b failed: disk"), (4 * MINUTE, "b failed: key")]
    assert len(told.moments("a")) == 5
    assert len(told.moments("b")) == 10


async def test_a_failure_after_a_success_is_told_again() -> None:
    """What worked in between is a new failure."""
    told = Duties()
    turns = iter([True, False, True, True, False, True])

    async def now_and_then() -> None:
        if next(turns):
            raise RecordUnavailable("disk")

    await told.beat([told.duty("b", MINUTE, now_and_then)], timedelta(minutes=6, seconds=1))
    assert [at for at, _ in told.said] == [MINUTE, 3 * MINUTE, 6 * MINUTE]


async def test_what_is_rare_is_tried_again_soon() -> None:
    """A duty of once a day that fails does not wait for a day."""
    told = Duties()
    await told.beat([told.duty("rare", timedelta(days=1), failing(2))], timedelta(days=3))
    day = timedelta(days=1)
    assert told.moments("rare") == [day, day + RETRY, day + 2 * RETRY, 2 * day + 2 * RETRY]


async def test_it_never_dies_silently() -> None:
    """A bug in a duty ends the loop, with its traceback for whoever waits, and a sentence for whoever does not."""
    told = Duties()

    async def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await beat([told.duty("a", MINUTE), told.duty("b", 3 * MINUTE, bug)], told.clock, told.tell)
    ((at, sentence),) = told.said
    assert (at, "no heartbeat is logged any more" in sentence) == (3 * MINUTE, True)


async def test_cancelling_it_in_the_middle_of_a_duty_says_nothing() -> None:
    """An orderly end is no alarm, and the duty that was under way is cancelled with it."""
    told, begun, ended = Duties(), asyncio.Event(), []

    async def long() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(beat([told.duty("a", MINUTE, long)], told.clock, told.tell))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (told.said, ended) == ([], [True])


# On a real record.


async def logged(record: StoreRecord, kind: EntryKind) -> list[datetime]:
    """When entries of a kind were logged."""
    query = select(log_entries.c.entry, log_entries.c.body).order_by(log_entries.c.entry)
    rows = await record.database.read(lambda connection: connection.execute(query).all())
    return [entry.at for row in rows if (entry := decode(row.body, row.entry)).kind is kind]


async def test_a_record_beats_and_forgets(settings: RecordSettings, clock: VirtualClock) -> None:
    """A heartbeat each interval, forgetting at the start and once a day, and whatever else is asked for."""
    where = replace(settings, heartbeat_seconds=3600, retention=Retention(observations=2, reports=2))
    record = await open_record(where, clock)
    for name in ("7", "8"):
        await record.reading(reading(clock.now(), local=name, broker=name, state=b"whole"))
        clock.advance(60)
    others: list[datetime] = []
    said: list[str] = []

    async def attest() -> None:
        others.append(clock.now())

    async def tell(sentence: str) -> None:
        said.append(sentence)

    more = Duty("attesting", timedelta(hours=12), attest)
    start = clock.now()
    what = (*duties(record, where, clock), more)
    await run_for(lambda stop: beat((*what, stop), clock, tell), timedelta(days=3, minutes=1))
    beats, erasures = await logged(record, EntryKind.HEARTBEAT), await logged(record, EntryKind.ERASE)
    await record.close()
    assert beats == [start + timedelta(hours=number) for number in range(1, 73)]
    assert erasures == [start + timedelta(days=2)]
    assert others == [start + timedelta(hours=12 * number) for number in range(1, 7)]
    assert said == []


async def test_a_record_that_fails_is_told_of_once(settings: RecordSettings, clock: VirtualClock) -> None:
    """With the database away a person hears of each duty once, and the loop goes on."""
    record = await open_record(settings, clock)
    await record.close()
    said: list[str] = []

    async def tell(sentence: str) -> None:
        said.append(sentence)

    what = duties(record, settings, clock)
    await run_for(lambda stop: beat((*what, stop), clock, tell), timedelta(days=2))
    assert len(said) == 2
    assert sum("erasing" in each for each in said) == sum("heartbeat" in each for each in said) == 1
    assert all(each.endswith("was closed") for each in said)


async def test_the_heartbeat_of_a_repaired_record_goes_on(settings: RecordSettings, clock: VirtualClock) -> None:
    """A duty is tried again at its interval, and what it logs then has no trace of the failures."""
    record = await open_record(settings, clock)
    beating, _ = duties(record, settings, clock)
    broken = failing(3)
    said: list[str] = []

    async def tell(sentence: str) -> None:
        said.append(sentence)

    async def run() -> None:
        await broken()
        await beating.run()

    start = clock.now()
    await run_for(lambda stop: beat((replace(beating, run=run), stop), clock, tell), timedelta(seconds=300 * 5 + 1))
    beats = await logged(record, EntryKind.HEARTBEAT)
    await record.close()
    assert beats == [start + timedelta(seconds=300 * number) for number in (4, 5)]
    assert said == ["the heartbeat of the log failed: no"]
