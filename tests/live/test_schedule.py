"""The schedule: what calls for a reconciliation, one at a time, and what becomes of those that fail or hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.live.virtual import START, Listening, LoopClock, SlowReconciler, virtual, virtually
from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import SystemClock
from tieout.decide import Policy
from tieout.errors import ReconciliationError
from tieout.live.gate import Gate
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.schedule import Cadence, Schedule
from tieout.live.timer import SchedulerTimer, phase
from tieout.live.watch import Trouble
from tieout.model.changes import Change
from tieout.model.halt import Halt
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Balance, Fill, Position
from tieout.observe.reading import Reach

FIVE = ("a", "b", "c", "d", "e")
QUICK = Cadence(event_gap_seconds=0)
HALT = Halt(id="h", asset=None, reason="unexplained", since=START)


def account(name: str) -> Account:
    """An account whose sides nobody asks: the reconcilers here make up what they read."""
    world = World(SystemClock(), seed=1)
    world.add_account(name)
    return Account(name=name, local=EngineBooks(name, SystemClock()), broker=SimulatedBroker(world, name))


class Table:
    """A schedule over a slow reconciler in virtual time."""

    def __init__(
        self,
        clock: LoopClock,
        *names: str,
        cadence: Cadence = QUICK,
        own: Mapping[str, Cadence] | None = None,
        reconciler: SlowReconciler | None = None,
        beginning: asyncio.Semaphore | None = None,
    ) -> None:
        self.clock = clock
        self.reconciler = reconciler or SlowReconciler(clock)
        self.alarm = Listening(clock)
        self.timer = SchedulerTimer()
        accounts = {name: account(name) for name in names or ("main",)}
        self.schedule = Schedule(
            self.reconciler,
            accounts,
            cadence,
            own=own,
            clock=clock,
            alarm=self.alarm,
            timer=self.timer,
            beginning=beginning,
        )

    async def passes(self, seconds: float) -> None:
        """Time passes."""
        await self.clock.sleep(seconds)


class LeavingReconciler(SlowReconciler):
    """A reconciler that lets accounts go, as a roster does."""

    gone: frozenset[str] = frozenset()

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Words of those that it has."""
        if self.gone & set(accounts):
            raise KeyError(accounts)
        return await super().listen(accounts)


# What calls for a reconciliation


@virtual
async def test_a_start_reconciles_every_account_once_side_by_side(clock: LoopClock) -> None:
    """Five accounts are reconciled with trigger `startup` in the time of one, and their reports come back."""
    table = Table(clock, *FIVE)
    reports = await table.schedule.start()
    assert clock.passed() == 2
    assert {name: report.trigger for name, report in reports.items()} == dict.fromkeys(FIVE, "startup")
    assert (table.reconciler.most_together, len(table.reconciler.runs)) == (5, 5)
    await table.schedule.stop()


@virtual
async def test_a_start_of_many_begins_a_few_at_a_time(clock: LoopClock) -> None:
    """Of five accounts two begin at once, the others as these end; and a slow one keeps its place for a second alone."""
    quick = dict.fromkeys(FIVE, 0.2)
    reconciler = SlowReconciler(clock, reads={**quick, "a": 30}, acts=quick)
    table = Table(clock, *FIVE, reconciler=reconciler, beginning=asyncio.Semaphore(2))
    reports = await table.schedule.start()
    assert {name: round(reconciler.begins(name)[0], 1) for name in FIVE} == {"a": 0, "b": 0, "c": 0.4, "d": 0.8, "e": 1}
    assert set(reports) == set(FIVE)
    await table.schedule.stop()


@virtual
async def test_each_account_runs_at_its_interval_and_phase(clock: LoopClock) -> None:
    """For 8 hours APScheduler calls for each account every 300 s, at its own phase, and for one that says so every 60 s."""
    table = Table(clock, "main", "other", "often", own={"often": Cadence(reconciliation_interval=60)})
    await table.schedule.start()
    await table.passes(8 * 3600)
    for name, interval, runs in (("main", 300, 96), ("other", 300, 96), ("often", 60, 480)):
        begins = table.reconciler.begins(name)[1:]
        offset = (START - phase(name, interval)).timestamp() % interval
        assert abs(len(begins) - runs) <= 1
        assert {round((began + offset) % interval, 2) for began in begins} <= {0, interval}
    assert set(table.reconciler.triggers()[1:]) == {"schedule"}
    assert phase("main", 300) != phase("other", 300)
    assert not table.alarm.said
    await table.schedule.stop()


@virtual
async def test_events_call_for_a_reconciliation(clock: LoopClock) -> None:
    """After a reconnect, another strategy and a large fill the account is reconciled at once; a small fill calls for none."""
    table = Table(clock, cadence=Cadence(event_gap_seconds=0, large_fill_usd=Decimal(1000), large_fill_percent=None))
    await table.schedule.start()

    def fill(quantity: int) -> Fill:
        return Fill("f", "AAPL", "buy", Decimal(quantity), Decimal(190), START, quote="USD", settlement="cash")

    calls: list[tuple[Callable[[], None], int]] = [
        (lambda: table.schedule.on_reconnect("main"), 2),
        (lambda: table.schedule.on_strategy_change("main"), 3),
        (lambda: table.schedule.on_fill("main", fill(5)), 3),
        (lambda: table.schedule.on_fill("main", fill(6)), 4),
    ]
    for call, runs in calls:
        now = clock.passed()
        call()
        await table.passes(4)
        assert len(table.reconciler.runs) == runs
        assert all(began <= now for began in table.reconciler.begins())
    assert table.reconciler.triggers() == ["startup", "event", "event", "event"]
    await table.schedule.stop()


@virtual
async def test_a_request_returns_the_report(clock: LoopClock) -> None:
    """On demand: the report of a reconciliation that began after the request."""
    table = Table(clock)
    await table.schedule.start()
    asked = clock.now()
    report = await table.schedule.request("main")
    assert (report.trigger, report.finished_at - asked) == ("manual", timedelta(seconds=2))
    with pytest.raises(ReconciliationError, match="not watched"):
        await table.schedule.request("nobody's")
    await table.schedule.stop()


@virtual
async def test_words_of_people_are_heard_soon_and_those_that_are_not_are_asked_for_less_often(clock: LoopClock) -> None:
    """A word that waits is heard within seconds; words that no reconciliation hears do not wear out the broker."""
    table = Table(clock)
    await table.schedule.start()
    table.reconciler.words["main"] = 1
    await table.passes(8)
    assert (table.reconciler.triggers(), table.reconciler.words["main"]) == (["startup", "event"], 0)
    table.reconciler.words["main"] = 10**6
    before = table.reconciler.triggers().count("event")
    await table.passes(3600)
    assert 10 < table.reconciler.triggers().count("event") - before < 25
    await table.schedule.stop()


@virtual
async def test_words_of_all_accounts_are_looked_for_at_once(clock: LoopClock) -> None:
    """However many accounts there are, the record is asked once in five seconds, and of one that left no more."""
    table = Table(clock, *FIVE)
    await table.schedule.start()
    await table.passes(61)
    assert table.reconciler.listened == 12
    table.reconciler.words.update({"b": 1, "d": 1})
    await table.schedule.drop("d")
    await table.passes(6)
    heard = {run.account for run in table.reconciler.runs if run.trigger == "event"}
    assert (heard, table.reconciler.words["d"]) == ({"b"}, 1)
    await table.schedule.stop()


@virtual
async def test_a_record_that_cannot_be_listened_to_is_told_once(clock: LoopClock) -> None:
    """Where words cannot be heard a person is told, the schedule goes on, and listening again is told, too."""
    table = Table(clock)
    await table.schedule.start()
    table.reconciler.deaf = OSError("secret 42")
    await table.passes(700)
    assert len(table.reconciler.runs) >= 3
    table.reconciler.deaf = None
    await table.passes(10)
    first, last = table.alarm.sentences
    assert first.startswith("main: words of people cannot be heard: OSError at ") and "42" not in first
    assert last == "main: words of people are heard again"
    await table.schedule.stop()


# Never two at once


@virtual
async def test_what_is_asked_for_meanwhile_is_one_more(clock: LoopClock) -> None:
    """Ten requests and events during a reconciliation are answered by exactly one that follows it."""
    table = Table(clock)
    await table.schedule.start()
    table.schedule.on_reconnect("main")
    await table.passes(0.5)
    for _ in range(5):
        table.schedule.on_strategy_change("main")
    answers = await asyncio.gather(*(table.schedule.request("main") for _ in range(5)))
    assert table.reconciler.triggers() == ["startup", "event", "manual"]
    assert table.reconciler.begins() == [0, 2, 4]
    assert len({id(answer) for answer in answers}) == 1
    await table.schedule.stop()


ARRIVALS = st.lists(
    st.tuples(st.sampled_from(FIVE[:3]), st.integers(0, 120), st.sampled_from(("event", "manual", "cancelled"))),
    max_size=40,
)


@given(arrivals=ARRIVALS, gap=st.integers(0, 7), reads=st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_never_two_at_once_and_no_answer_from_before_the_question(
    arrivals: list[tuple[str, int, str]], gap: int, reads: int
) -> None:
    """Whatever comes when: one run of an account at a time, and every answer is of a run that began after its question."""

    async def scenario(clock: LoopClock) -> None:
        reconciler = SlowReconciler(clock, reads={"a": reads / 4, "b": 0, "c": 3.25})
        cadence = Cadence(reconciliation_interval=20, event_gap_seconds=gap, large_fill_percent=None)
        table = Table(clock, *FIVE[:3], cadence=cadence, reconciler=reconciler)
        answered: dict[str, list[tuple[float, float]]] = {name: [] for name in FIVE[:3]}

        async def arrive(name: str, at: int, kind: str) -> None:
            await clock.sleep(at / 4)
            if kind == "event":
                table.schedule.on_reconnect(name)
                return
            asked = clock.passed()
            async with asyncio.timeout(0.4 if kind == "cancelled" else None):
                await table.schedule.request(name)
                answered[name].append((asked, clock.passed()))

        starting = asyncio.create_task(table.schedule.start())
        results = await asyncio.gather(*(arrive(*each) for each in arrivals), return_exceptions=True)
        assert all(result is None or isinstance(result, TimeoutError) for result in results)
        await starting
        await clock.sleep(15 + gap)
        await table.schedule.stop()
        assert reconciler.most_of_one == 1
        assert all(run.broken_off_while is None for run in reconciler.runs)
        for name, times in answered.items():
            for asked, got in times:
                (run,) = [run for run in reconciler.of(name) if run.ended == got]
                assert run.began >= asked
        for name, at, _ in arrivals:
            assert any(began >= at / 4 for began in reconciler.begins(name)), "asked for, and never reconciled after it"

    virtually(scenario)


@virtual
async def test_a_slow_account_does_not_hold_up_others(clock: LoopClock) -> None:
    """While one account takes five minutes, four others are started, scheduled and answered as if it were not there."""
    table = Table(clock, *FIVE, cadence=Cadence(timeout_seconds=900), reconciler=SlowReconciler(clock, acts={"a": 700}))
    starting = asyncio.create_task(table.schedule.start())
    await table.passes(3)
    await table.schedule.request("b")
    assert clock.passed() == 5
    await table.passes(600)
    for name in FIVE[1:]:
        assert len([run for run in table.reconciler.of(name) if run.trigger == "schedule"]) == 2
    await starting
    await table.schedule.stop()


@virtual
async def test_a_storm_of_events_leaves_the_broker_in_peace_and_nobody_else_waits(clock: LoopClock) -> None:
    """A connection that flaps each second is followed by a run at most each gap; somebody who asks is answered at once."""
    table = Table(clock, cadence=Cadence(event_gap_seconds=10))
    await table.schedule.start()
    for _ in range(60):
        table.schedule.on_reconnect("main")
        await table.passes(1)
    assert table.reconciler.begins() == [0, 12, 24, 36, 48, 60]
    await table.passes(4)
    asked = clock.passed()
    await table.schedule.request("main")
    assert clock.passed() == asked + 2
    await table.schedule.stop()


# Reading again


@virtual
async def test_unconfirmed_breaks_are_read_again_a_few_times(clock: LoopClock) -> None:
    """After a report that waits the account is read again once the settle window is over, three times in a row at most."""
    table = Table(clock)
    table.reconciler.endings = [("discrepancies", True), ("discrepancies", False)]
    await table.schedule.start()
    await table.passes(60)
    assert table.reconciler.begins() == [0, 4.1]
    table.reconciler.endings = [("discrepancies", True)] * 9
    await table.schedule.request("main")
    await table.passes(30)
    assert len(table.reconciler.runs) == 2 + 1 + 3
    await table.schedule.stop()


@virtual
async def test_what_an_event_told_of_and_could_not_be_read_is_read_again_soon(clock: LoopClock) -> None:
    """A reading for an event that stayed incomplete is repeated, later each time, until one is whole; no other one is."""
    table = Table(clock, cadence=Cadence(event_gap_seconds=5))
    await table.schedule.start()
    table.reconciler.endings = [("incomplete", False), ("failed", False), ("matched", False), ("incomplete", False)]
    await table.passes(8)
    table.schedule.on_reconnect("main")
    await table.passes(60)
    assert table.reconciler.begins() == [0, 10, 17, 29]
    assert table.reconciler.triggers()[1:] == ["event"] * 3
    await table.schedule.request("main")
    await table.passes(60)
    assert len(table.reconciler.runs) == 5
    await table.schedule.stop()


@virtual
async def test_a_reading_again_confirms_a_break_without_waiting_for_the_interval(clock: LoopClock) -> None:
    """On live sides: an unexplained difference is seen at the start and confirmed seconds later, by two readings in a row."""
    world = World(clock, seed=3)
    world.add_account("main")
    world.office.pay("main", "deposit", "USD", Decimal(50_000))
    held = Balance("USD", Decimal(50_900), Decimal(50_900), Decimal(0), Decimal(1))
    books = EngineBooks.opened_from(replace(world.snapshot("main"), balances=(held,)), clock)
    await clock.sleep(60)
    main = Account(name="main", local=books, broker=SimulatedBroker(world, "main"), policy=Policy())
    reports: list[ReconciliationReport] = []

    async def keep(report: ReconciliationReport) -> None:
        reports.append(report)

    reconciler = PositionReconciler({"main": main}, clock, reported=keep)
    schedule = Schedule(reconciler, {"main": main}, clock=clock, alarm=Listening(clock))
    first = (await schedule.start())["main"]
    assert [row.confirmed for row in first.discrepancies] == [False]
    await clock.sleep(5)
    assert [[row.confirmed for row in report.discrepancies] for report in reports] == [[False], [True]]
    assert (reports[1].finished_at - first.finished_at).total_seconds() < 3
    await schedule.stop()


# What fails, hangs or is stopped


@virtual
async def test_a_bug_ends_one_run_and_never_the_schedule(clock: LoopClock) -> None:
    """A run that raises is told at once, without the text of the error; the next is on time, and being well again is told."""
    table = Table(clock)
    await table.schedule.start()
    table.reconciler.endings = [(ZeroDivisionError("1000 USD"), False), (ZeroDivisionError("1000 USD"), False)]
    with pytest.raises(ReconciliationError, match="main was not reconciled: ZeroDivisionError at "):
        await table.schedule.request("main")
    await table.passes(700)
    broken, well = table.alarm.sentences
    assert broken.startswith("main: a reconciliation did not come to its end: ZeroDivisionError at ")
    assert "1000" not in broken
    assert well == "main: reconciliations come to their end again"
    assert table.reconciler.triggers() == ["startup", "manual", "schedule", "schedule"]
    await table.schedule.stop()


@virtual
async def test_a_run_that_only_reads_is_broken_off_in_time(clock: LoopClock) -> None:
    """A read that hangs ends with the deadline, is told once, and the next run is on time."""
    table = Table(clock, reconciler=SlowReconciler(clock, reads={"main": 10**6}))
    assert await table.schedule.start() == {}
    assert clock.passed() == 120
    table.reconciler.reads.clear()
    await table.passes(300)
    assert [run.broken_off_while for run in table.reconciler.runs] == ["reading", None]
    assert table.alarm.sentences == [
        "main: a reconciliation took longer than 120 s and was broken off before it acted",
        "main: reconciliations end in time again",
    ]
    await table.schedule.stop()


@virtual
async def test_a_run_that_acts_is_never_broken_off(clock: LoopClock) -> None:
    """Past its deadline a run that acts is told of and goes on to its end, and who asked gets its report."""
    table = Table(clock, reconciler=SlowReconciler(clock, acts={"main": 500}))
    assert (await table.schedule.start())["main"].trigger == "startup"
    assert clock.passed() == 501
    assert [run.broken_off_while for run in table.reconciler.runs] == [None]
    assert table.alarm.said[0] == (
        120.0,
        "main: a reconciliation took longer than 120 s and may be acting, and is left to finish",
    )
    await table.schedule.stop()


@pytest.mark.parametrize("stopping", [False, True])
def test_a_booking_under_way_on_live_books_is_never_broken_off(stopping: bool) -> None:
    """Books that take ten minutes for a booking: neither the deadline nor stopping ends it, and it is booked once."""

    async def scenario(clock: LoopClock) -> None:
        begun: list[float] = []

        class SlowBooks(EngineBooks):
            async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
                begun.append(clock.passed())
                await clock.sleep(600)
                await super().apply(changes, reason=reason)

        world = World(clock, seed=3)
        world.add_account("main")
        world.office.pay("main", "deposit", "USD", Decimal(1000))
        books = SlowBooks.opened_from(world.snapshot("main"), clock)
        await clock.sleep(60)
        world.office.pay("main", "interest", "USD", Decimal(25))
        await clock.sleep(60)
        main = Account(name="main", local=books, broker=SimulatedBroker(world, "main"))
        schedule = Schedule(
            PositionReconciler({"main": main}, clock), {"main": main}, clock=clock, alarm=Listening(clock)
        )
        starting = asyncio.create_task(schedule.start())
        await clock.sleep(10)
        if stopping:
            await schedule.stop()
        await starting
        await schedule.stop()
        assert len(begun) == 1 and clock.passed() >= begun[0] + 600
        assert [row.total for row in (await books.read()).balances or ()] == [Decimal(1025)]
        assert len([entry for entry in books.ledger.entries if entry.reason == "heals_itself"]) == 1

    virtually(scenario)


@virtual
async def test_a_broker_that_hangs_in_a_read_is_broken_off_and_read_again(clock: LoopClock) -> None:
    """On live sides a read without a deadline of its own ends with the reconciliation's, and the next one is whole."""
    hangs = True

    class Hanging(SimulatedBroker):
        async def get_positions(self) -> tuple[Position, ...]:
            if hangs:
                await asyncio.Event().wait()
            return await super().get_positions()

    world = World(clock, seed=3)
    world.add_account("main")
    books, broker = EngineBooks.opened_from(world.snapshot("main"), clock), Hanging(world, "main")
    main = Account(name="main", local=books, broker=broker, reach=Reach(timeout_seconds=10**6))
    schedule = Schedule(PositionReconciler({"main": main}, clock), {"main": main}, clock=clock, alarm=Listening(clock))
    assert await schedule.start() == {}
    hangs = False
    assert (await schedule.request("main")).status == "matched"
    await schedule.stop()


@virtual
async def test_stopping_waits_for_what_is_under_way_and_begins_nothing(clock: LoopClock) -> None:
    """The run under way comes to its end, those who wait for the next are told, and no event or interval runs after it."""
    table = Table(clock, reconciler=SlowReconciler(clock, acts={"main": 20}))
    await table.schedule.start()
    first = asyncio.create_task(table.schedule.request("main"))
    await table.passes(5)
    second = asyncio.create_task(table.schedule.request("main"))
    await table.passes(1)
    await table.schedule.stop()
    assert (await first).trigger == "manual"
    with pytest.raises(ReconciliationError, match="the schedule is stopped"):
        await second
    stopped = len(table.reconciler.runs)
    table.schedule.on_reconnect("main")
    with pytest.raises(ReconciliationError):
        await table.schedule.request("main")
    await table.passes(3600)
    assert (stopped, len(table.reconciler.runs), table.alarm.said) == (2, 2, [])
    await table.schedule.stop()


@pytest.mark.parametrize(("reads", "acts", "broken"), [(1000, 1, "reading"), (1, 60, None)])
def test_stopping_has_a_deadline_that_no_act_is_broken_off_for(reads: int, acts: int, broken: str | None) -> None:
    """After its deadline stopping breaks a read off; an act goes on to its end, and a person is told that it was left."""

    async def scenario(clock: LoopClock) -> None:
        table = Table(clock, reconciler=SlowReconciler(clock, reads={"main": reads}, acts={"main": acts}))
        starting = asyncio.create_task(table.schedule.start())
        await table.passes(5)
        await table.schedule.stop()
        assert clock.passed() == 35
        await starting
        assert [run.broken_off_while for run in table.reconciler.runs] == [broken]
        assert len(table.alarm.said) == (broken is None)

    virtually(scenario)


@virtual
async def test_a_wall_clock_that_is_set_back_stops_nothing(clock: LoopClock) -> None:
    """APScheduler sleeps for the hours that the wall clock went back; the watch measures otherwise, tells and reconciles."""
    table = Table(clock)
    await table.schedule.start()
    await table.passes(600)
    clock.wall = timedelta(hours=-5)
    before = len(table.reconciler.runs)
    await table.passes(4 * 3600)
    assert len(table.reconciler.runs) - before >= 4 * 3600 // (720 + 60)
    assert any("no reconciliation has come to its end for" in sentence for sentence in table.alarm.sentences)
    await table.schedule.stop()


@virtual
async def test_a_machine_that_slept_reconciles_once_when_it_wakes(clock: LoopClock) -> None:
    """Runs that are hours late are neither dropped nor made up one by one: one follows, and nobody is alarmed."""
    table = Table(clock)
    await table.schedule.start()
    await table.passes(600)
    before = len(table.reconciler.runs)
    clock.wall = timedelta(hours=7, seconds=100)
    await table.passes(305)
    assert 1 <= len(table.reconciler.runs) - before <= 2
    assert not table.alarm.said
    await table.schedule.stop()


@virtual
async def test_a_job_that_the_scheduler_drops_is_told(clock: LoopClock) -> None:
    """What APScheduler says of lost runs reaches a person."""
    table = Table(clock)
    await table.schedule.start()
    table.timer._scheduler.remove_job("main")
    await table.passes(60)
    assert table.schedule.watch.troubles("main") == {Trouble.SKIPPED: "the scheduler dropped the job"}
    await table.schedule.stop()


# Halts


@virtual
async def test_a_halt_decided_in_a_job_holds_before_the_job_returns(clock: LoopClock) -> None:
    """The scheduler's job halts: while it is still running, and though it then breaks, the next order is refused."""
    table = Table(clock, reconciler=SlowReconciler(clock, acts={"main": 30}))
    gate = Gate()
    gate.open()
    order = OrderRequest(client_order_id="c", asset="AAPL", side="buy", quantity=Decimal(1))

    def refusal() -> str | None:
        return gate.refusal(order, local=Decimal(0), broker=Decimal(0), enforced=True)

    await table.schedule.start()
    assert refusal() is None
    table.reconciler.acting = lambda _: gate.follow((HALT,))
    table.reconciler.endings = [(ValueError("after the halt"), False)]
    while table.reconciler.triggers()[-1] != "schedule" or table.reconciler.runs[-1].began > clock.passed() - 1:
        await table.passes(1)
    await table.passes(1)
    assert table.reconciler.under_way["main"] == 1
    assert refusal() == "halted: unexplained; only reduce-only orders pass"
    await table.passes(60)
    assert table.reconciler.under_way["main"] == 0
    assert refusal() is not None
    await table.schedule.stop()


@virtual
async def test_a_scheduled_job_on_live_sides_halts_before_it_returns_and_though_it_breaks(clock: LoopClock) -> None:
    """Somebody sells a fifth of the position: the interval's job shuts the gate, then breaks, and it stays shut."""
    world = World(clock, seed=3)
    world.add_account("main")
    world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal(0)))
    world.office.pay("main", "deposit", "USD", Decimal(69_000))
    world.set_price("AAPL", Decimal(190))
    world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
    books = EngineBooks.opened_from(world.snapshot("main"), clock)
    gate, inside = Gate(), []
    gate.open()
    order = OrderRequest(client_order_id="c", asset="AAPL", side="buy", quantity=Decimal(1))

    def refusal() -> str | None:
        return gate.refusal(order, local=Decimal(100), broker=Decimal(80), enforced=True)

    async def look(report: ReconciliationReport) -> None:
        inside.append((report.trigger, refusal()))
        if report.halts:
            raise ValueError("a bug in the very job that halted")

    main = Account(name="main", local=books, broker=SimulatedBroker(world, "main"), gate=gate)
    reconciler = PositionReconciler({"main": main}, clock, reported=look)
    schedule = Schedule(reconciler, {"main": main}, clock=clock, alarm=(alarm := Listening(clock)))
    await schedule.start()
    assert inside == [("startup", None)]
    world.trade("main", "AAPL", "sell", Decimal(20), Decimal(190))
    await clock.sleep(310)
    refused = refusal()
    assert refused is not None and refused.startswith("halted: ")
    assert ("schedule", refused) in inside
    assert any("ValueError at " in sentence for sentence in alarm.sentences)
    await schedule.stop()
    assert refusal() == refused


# The real thing


async def test_the_scheduler_itself_in_real_time() -> None:
    """On the machine's own clock and loop, an interval of one second runs a second and a third time, a second apart."""
    ran = asyncio.Event()
    main = account("main")
    began: list[int] = []
    clock = SystemClock()

    async def count(report: object) -> None:
        began.append(clock.monotonic_ns())
        if len(began) == 3:
            ran.set()

    reconciler = PositionReconciler({"main": main}, clock, reported=count)
    schedule = Schedule(reconciler, {"main": main}, Cadence(reconciliation_interval=1))
    reports = await schedule.start()
    assert reports["main"].trigger == "startup"
    async with asyncio.timeout(30):
        await ran.wait()
    await schedule.stop()
    assert began[2] - began[0] > 900_000_000


@virtual
async def test_accounts_come_and_go_while_the_first_ones_are_reconciled(clock: LoopClock) -> None:
    """A start goes on to its end, and gives the reports of those that it began with and that came to theirs."""
    table = Table(clock, "main", "other")
    starting = asyncio.create_task(table.schedule.start())
    await table.passes(0.5)  # they read
    table.schedule.put(account("new"), QUICK)
    await table.schedule.drop("other")
    assert set(await starting) == {"main", "other"}
    await table.schedule.stop()


@virtual
async def test_an_account_that_goes_while_it_is_first_reconciled_is_gone(clock: LoopClock) -> None:
    """Nobody listens to it, calls for it or tells of it any more; where it comes back changed, its new interval counts."""
    reconciler = LeavingReconciler(clock)
    table = Table(clock, reconciler=reconciler)
    await table.schedule.start()
    for _ in range(2):
        reconciler.gone = frozenset()
        table.schedule.put(account("new"), QUICK)
        await table.passes(1.5)  # it acts
        await table.schedule.drop("new")
        reconciler.gone = frozenset({"new"})
        runs = len(reconciler.of("new"))
        await table.passes(3600)
        assert len(reconciler.of("new")) == runs
    assert table.alarm.sentences == []
    reconciler.gone = frozenset()
    table.schedule.put(account("new"), QUICK)
    await table.passes(1.5)
    await table.schedule.drop("new")
    table.schedule.put(account("new"), replace(QUICK, reconciliation_interval=60))
    runs = len(reconciler.of("new"))
    await table.passes(600)
    assert len(reconciler.of("new")) - runs in (10, 11)
    await table.schedule.stop()
