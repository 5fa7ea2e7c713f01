"""The watchman: what is overdue, broken or incomplete is told once, hourly, and once when it is well again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading

import pytest

from tests.live.virtual import Listening, LoopClock, report_of, virtual
from tieout.clock import SystemClock
from tieout.errors import RecordUnavailable
from tieout.live.alarm import LoggedAlarm
from tieout.live.watch import Trouble, Unfinished, Watch, caught

HOUR = 3600


class Called:
    """Keeps which accounts were called overdue."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, account: str) -> None:
        self.names.append(account)


def watching(clock: LoopClock, patience: int = 720) -> tuple[Watch, Listening, Called]:
    """A watch over one account."""
    alarm, called = Listening(clock), Called()
    return Watch({"main": patience}, clock, alarm, overdue=called), alarm, called


@virtual
async def test_overdue_is_told_once_hourly_and_when_it_is_over(clock: LoopClock) -> None:
    """Without any reconciliation it tells when its patience is over, then hourly; with one it says that it is well."""
    watch, alarm, called = watching(clock)
    watch.start()
    await clock.sleep(719)
    assert not alarm.said
    await clock.sleep(720 + 2 * HOUR + 100 - 719)
    watch.finished("main", report_of("main", clock.now()))
    await clock.sleep(60)
    times = [at for at, _ in alarm.said]
    assert [round(at) for at in times] == [720, 720 + HOUR, 720 + 2 * HOUR, 720 + 2 * HOUR + 100]
    assert alarm.sentences == [
        "main: no reconciliation has come to its end for 720 s",
        "main: still, after an hour or more: no reconciliation has come to its end for 720 s",
        "main: still, after an hour or more: no reconciliation has come to its end for 720 s",
        "main: reconciliations are no longer overdue",
    ]
    assert len(called.names) == 1 + (2 * HOUR + 100) // 720
    await watch.stop()


@virtual
async def test_regular_reconciliations_tell_nothing(clock: LoopClock) -> None:
    """An account that is reconciled in time is never told of, for a day."""
    watch, alarm, called = watching(clock)
    watch.start()
    for _ in range(24 * 12):
        await clock.sleep(300)
        watch.finished("main", report_of("main", clock.now(), status="discrepancies"))
    assert not alarm.said and not called.names
    await watch.stop()


@virtual
async def test_incomplete_reconciliations_are_told_when_they_repeat(clock: LoopClock) -> None:
    """One or two incomplete ones are not told, three in a row are, once; a complete one is told as its end."""
    watch, alarm, _ = watching(clock)
    watch.start()
    for status, said in (
        ("incomplete", 0), ("incomplete", 0), ("matched", 0), ("incomplete", 0), ("incomplete", 0), ("incomplete", 1),
        ("failed", 1), ("incomplete", 1), ("discrepancies", 2), ("incomplete", 2),
    ):  # fmt: skip
        watch.finished("main", report_of("main", clock.now(), status=status))  # type: ignore[arg-type]
        await clock.sleep(1)
        assert len(alarm.said) == said
    assert alarm.sentences == [
        "main: 3 reconciliations in a row were incomplete",
        "main: reconciliations are complete again",
    ]
    await watch.stop()


@virtual
async def test_an_alarm_that_hangs_or_raises_does_not_end_the_watch(
    clock: LoopClock,
) -> None:
    """An alarm that never returns, or breaks its promise and raises, costs its own sentence only, and that is logged."""
    said: list[str] = []

    class Flaky:
        async def raise_alarm(self, account: str, sentence: str) -> None:
            said.append(sentence)
            if len(said) == 1:
                await asyncio.Event().wait()
            if len(said) == 2:
                raise ValueError("token 42")

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    lines: list[str] = []
    handler = Lines()
    logging.getLogger("tieout.watch").addHandler(handler)
    watch = Watch({"main": 720}, clock, Flaky(), overdue=Called())
    watch.start()
    for trouble in (Trouble.BROKEN, Trouble.SLOW, Trouble.SKIPPED):
        watch.begin("main", trouble, trouble)
    await clock.sleep(60)
    logging.getLogger("tieout.watch").removeHandler(handler)
    assert said == ["broken", "slow", "skipped"]
    assert ["TimeoutError" in line or "ValueError" in line for line in lines] == [True, True]
    assert not any("42" in line for line in lines)
    await watch.stop()


@virtual
async def test_stopping_does_not_wait_for_an_alarm_that_swallows_its_cancellation(clock: LoopClock) -> None:
    """Whatever an alarm does, stopping comes to its end, and nothing is left running."""

    class Stubborn:
        async def raise_alarm(self, account: str, sentence: str) -> None:
            while clock.passed() < 45:
                with contextlib.suppress(asyncio.CancelledError):
                    await clock.sleep(45 - clock.passed())

    watch = Watch({"main": 720}, clock, Stubborn(), overdue=Called())
    watch.start()
    watch.begin("main", Trouble.SLOW, "slow")
    await clock.sleep(1)
    await watch.stop()
    assert clock.passed() <= 33
    await clock.sleep(30)


@virtual
async def test_of_an_account_that_was_let_go_nothing_is_kept(clock: LoopClock) -> None:
    """What still comes in of it is told to nobody, and does not stand as trouble."""
    watch, alarm, _ = watching(clock)
    watch.start()
    watch.drop("main")
    watch.begin("main", Trouble.DEAF, "too late")
    await clock.sleep(2 * HOUR)
    assert (watch.troubles("main"), alarm.said) == ({}, [])
    await watch.stop()


@virtual
async def test_what_was_not_told_yet_is_told_on_stopping(clock: LoopClock) -> None:
    """A trouble that begins in the moment of stopping reaches a person."""
    watch, alarm, _ = watching(clock)
    watch.start()
    await clock.sleep(1)
    watch.begin("main", Trouble.SLOW, "left alone")
    await watch.stop()
    assert alarm.sentences == ["main: left alone"]


async def test_what_others_wrote_into_an_error_is_not_repeated() -> None:
    """A bug is named by its class and place alone; a failure of ours, which bears no amounts, by its sentence."""

    async def bug() -> None:
        raise ValueError("api_key=42")

    async def failure() -> None:
        raise RecordUnavailable("the database is away")

    seen = await caught(bug())
    assert isinstance(seen, Unfinished)
    assert seen.why.startswith("ValueError at ") and "42" not in seen.why
    assert await caught(failure()) == Unfinished("RecordUnavailable: the database is away")


async def test_a_cancellation_is_not_caught() -> None:
    """Whoever is cancelled is cancelled: that is no bug to carry on from."""
    task = asyncio.create_task(caught(asyncio.Event().wait()))
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_troubles_are_asked_by_another_thread_while_they_come_and_go() -> None:
    """A scrape of the metrics at the moment in which a venue goes away for many accounts does not fail."""
    names, done = [f"a{number}" for number in range(300)], threading.Event()
    watch = Watch(dict.fromkeys(names, 720), SystemClock(), LoggedAlarm(), overdue=Called())

    def scrape() -> int:
        seen = 0
        while not done.is_set():
            seen += sum(len(watch.troubles(name)) for name in names[:20])
        return seen

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asked = asyncio.get_running_loop().run_in_executor(None, scrape)
        for _ in range(5):
            for trouble in Trouble:
                for name in names:
                    watch.begin(name, trouble, "away")
            for trouble in Trouble:
                for name in names:
                    watch.end(name, trouble)
    finally:
        done.set()
        sys.setswitchinterval(before)
    assert await asked > 0
    assert all(watch.troubles(name) == {} for name in names)
