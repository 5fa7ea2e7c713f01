"""Attacks on acting, recording and starting anew: nothing is acted on twice, and a start judges as the process would have."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from tests.live.failing_record import FailingRecord, How
from tests.live.feeding import Silent
from tests.live.recorded import RecordedDesk
from tests.proving import PROVE, sample
from tests.record import postgres
from tests.record.conftest import START
from tests.record.test_recording import missed_fill
from tests.record.test_replaying import judged
from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.errors import OutcomeUnknown, RecordUnavailable, SourceUnreachable
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import Change
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Snapshot
from tieout.record import keys, opening, restoring
from tieout.record.entry import Draft, EntryKind
from tieout.record.guarding import KIND
from tieout.record.log import read_head
from tieout.record.opening import open_record
from tieout.record.patient import PatientRecord
from tieout.record.recorder import StoreRecord
from tieout.record.rows import upsert
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import attestations
from tieout.record.tlog.note import COSIGNATURE, Signer, generate_key
from tieout.record.writer import Unit


@pytest.fixture
def settings(tmp_path: Path) -> RecordSettings:
    """A record of its own, its keys made."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))


class FailingDesk(RecordedDesk):
    """A desk whose record fails when it is told to."""

    failing: FailingRecord

    def __init__(self, settings: RecordSettings) -> None:
        super().__init__(settings)
        books = DoubtfulBooks.opened_from(self.world.snapshot("main"), self.clock)
        assert isinstance(books, DoubtfulBooks)
        self.books: DoubtfulBooks = books

    def booked(self) -> int:
        """How often a cure was booked."""
        return sum(1 for entry in self.books.ledger.entries if entry.reason == "heals_itself")

    async def begin(self) -> FailingRecord:
        """A start of its process."""
        if self.record is not None:
            await self.record.close()
        self.record = await open_record(self.settings, self.clock)
        self.failing = FailingRecord(self.record)
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.failing, alarm=self)
        return self.failing

    async def end(self) -> None:
        """Close its record."""
        assert self.record is not None
        await self.record.close()

    async def all_same(self) -> list[bool]:
        """Of each reading in the record, whether it is judged again as it was."""
        assert self.record is not None
        return [one.same for one in await judged(self.record, "main")]


def rows(report: ReconciliationReport) -> list[tuple[object, ...]]:
    """What a report found and plans, without the name of the report."""
    found = [(row.discrepancy_id, row.strategy, row.confirmed) for row in report.discrepancies]
    return [*found, *((action.action, action.status, dict(action.detail)) for action in report.actions)]


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """One PostgreSQL for all tests of this process."""
    with postgres.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind without a row."""
    if request.param == "postgres":
        running: postgres.Server = request.getfixturevalue("server")
        return running.made()
    return str(tmp_path / "tieout.db")


class DoubtfulBooks(EngineBooks):
    """Books of which a booking may be lost on the way, or break off; nobody can read them for `dark` times then."""

    loses = False
    breaks_off: str | None = None
    dark = 0

    async def read(self) -> Snapshot:
        """What they say, where they answer."""
        if self.dark:
            self.dark -= 1
            raise SourceUnreachable("local", "account", "no answer")
        return await super().read()

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book, or lose it."""
        if self.loses:
            self.loses, self.dark = False, 2
            raise OutcomeUnknown("booking", "no answer")
        broken, self.breaks_off = self.breaks_off, None
        if broken == "before":
            raise asyncio.CancelledError
        await super().apply(changes, reason=reason)
        if broken == "after":
            raise asyncio.CancelledError


async def test_a_reading_that_was_not_kept_leaves_a_record_that_can_still_be_judged_again(
    settings: RecordSettings,
) -> None:
    """One reading fails to be recorded; those after it, and those after later starts on that day, repeat to the byte."""
    desk = FailingDesk(settings)
    failing = await desk.begin()
    missed_fill(desk)
    for number in range(4):
        if number == 2:
            failing.fail_next("reading", "refused")
        await desk.read()
    for _ in range(2):
        await desk.begin()
        desk.world.trade("main", "AAPL", "sell", Decimal(1), Decimal(190))
        await desk.read()
        await desk.read()
    assert await desk.all_same() == [True] * 7
    await desk.end()


async def desks(tmp_path: Path) -> tuple[FailingDesk, FailingDesk]:
    """Two desks to which the same happens."""
    found = []
    for name in ("steady", "restless"):
        folder = tmp_path / name
        folder.mkdir()
        keys.create(folder / "keys", "tieout-test")
        found.append(FailingDesk(RecordSettings(store=str(folder / "t.db"), keys=str(folder / "keys"))))
        await found[-1].begin()
    return found[0], found[1]


@pytest.mark.prove
@pytest.mark.parametrize(("restart", "at_once"), sample(list(product(range(1, 6), [1, 2, 200])), 4))
async def test_a_booking_of_which_nobody_knew_for_long_is_judged_alike_after_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restart: int, at_once: int
) -> None:
    """Lost, not to be read back, then found not to have happened: started anew before any reading, it goes on the same."""
    both = await desks(tmp_path)
    for desk in both:
        missed_fill(desk)
        desk.books.loses = True
    for number in range(6):
        if number == restart:
            await both[1].begin()
        steady, restless = await both[0].read(), await both[1].read()
        assert rows(steady) == rows(restless), number
    monkeypatch.setattr(restoring, "AT_ONCE", at_once)
    for desk in both:
        assert all(await desk.all_same())
        await desk.end()


async def whole_day(desk: FailingDesk) -> list[ReconciliationReport]:
    """A missed fill, a trade by hand that halts, a payment, and quiet readings."""
    reports = [await desk.read()]
    missed_fill(desk)
    reports += [await desk.read(), await desk.read()]
    desk.world.office.pay("main", "dividend", "USD", Decimal(300))
    reports += [await desk.read(), await desk.read()]
    return reports


HOWS: tuple[How, ...] = ("refused", "answer lost")


@pytest.mark.prove
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("how", HOWS)
async def test_whichever_call_of_the_record_fails_it_recovers_by_itself(tmp_path: Path, how: How, times: int) -> None:
    """Each call in turn fails once, or twice in a row: the books end as the broker's truth, each thing booked once."""
    step = 1 if PROVE else 13
    number, calls = 0 if PROVE else 2 * times + HOWS.index(how), 99
    while number < calls:
        folder = tmp_path / str(number)
        folder.mkdir()
        both = await desks(folder)
        for desk in both:
            desk.failing.fails = dict.fromkeys(range(number, number + times), how)
            await whole_day(desk)
            for _ in range(3):
                last = await desk.read()
            assert last.status == "matched", (number, desk.failing.calls[number])
            assert await desk.held() == desk.stated()
            assert desk.booked() == 2, (number, desk.failing.calls[number])
        calls = len(both[0].failing.calls)
        steady, restless = both
        name = steady.failing.calls[number]
        for desk in both:
            missed_again(desk)
        await restless.begin()
        for _ in range(2):
            assert rows(await steady.read()) == rows(await restless.read()), (number, name)
        for desk in both:
            assert all(await desk.all_same()), (number, name)
            await desk.end()
        number += step
    assert number > 25


def missed_again(desk: FailingDesk) -> None:
    """Somebody trades by hand: two readings have to agree on it."""
    desk.world.trade("main", "AAPL", "sell", Decimal(7), Decimal(190))


@pytest.mark.prove
async def test_wherever_a_reconciliation_is_cancelled_it_recovers_by_itself(tmp_path: Path) -> None:
    """Cancelled at each call of the record in turn: nothing is booked twice, and the next readings go on without a start."""
    number, step = 0, 1 if PROVE else 4
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        desk = (await desks(folder))[0]
        desk.failing.fails = {number: "cancelled"}
        try:
            await whole_day(desk)
            await desk.end()
            break
        except asyncio.CancelledError:
            assert len(desk.failing.calls) == number + 1
        desk.world.office.pay("main", "dividend", "USD", Decimal(200))
        for _ in range(4):
            last = await desk.read()
        name = desk.failing.calls[number]
        assert last.status == "matched", (number, name, desk.said)
        assert await desk.held() == desk.stated()
        assert all(await desk.all_same()), (number, name)
        await desk.end()
        number += step
    assert number >= 20


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_booking_that_is_cancelled_is_looked_up_by_the_next_reading(
    settings: RecordSettings, moment: str
) -> None:
    """Cancelled inside the books: the next reconciliation of the same process finds out, and nothing is booked twice."""
    desk = FailingDesk(settings)
    await desk.begin()
    await desk.read()
    missed_fill(desk)
    desk.books.breaks_off = moment
    with pytest.raises(asyncio.CancelledError):
        await desk.read()
    for _ in range(3):
        last = await desk.read()
    assert last.status == "matched"
    assert desk.booked() == 1 and desk.said == []
    assert all(await desk.all_same())
    await desk.end()


class WallClock(VirtualClock):
    """A clock whose wall time may be set back; monotonic time goes on."""

    back = timedelta()

    def now(self) -> datetime:
        """The wall's time."""
        return super().now() - self.back


async def test_a_clock_that_was_set_back_does_not_keep_the_record_from_being_opened_again() -> None:
    """Some seconds after a failure it is tried again, whatever the wall clock says."""
    clock, tried = WallClock(START), 0

    async def fail() -> StoreRecord:
        nonlocal tried
        tried += 1
        raise RecordUnavailable("the database is away")

    record = PatientRecord(fail, clock)
    for _ in range(3):
        with pytest.raises(RecordUnavailable):
            await record.permit()
        clock.back += timedelta(hours=1)
        clock.advance(10)
    assert tried == 3


async def test_a_unit_that_breaks_the_writer_leaves_nobody_waiting(settings: RecordSettings) -> None:
    """A bug in one unit's rows ends the writing of that batch; who queued up is told, and what comes later is written."""
    record = await open_record(settings, VirtualClock(START))
    second: list[asyncio.Task[tuple[int, ...]]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    asked, queued = asyncio.Event(), threading.Event()

    def rows(connection: Connection, entries: Sequence[int]) -> None:
        loop.call_soon_threadsafe(asked.set)
        queued.wait(5)
        raise ZeroDivisionError

    async def queue_up() -> None:
        await asked.wait()
        second.append(asyncio.create_task(record.write(Unit((Draft(event="good", kind=EntryKind.HEARTBEAT),)))))
        loop.call_soon(queued.set)

    waiting = asyncio.create_task(queue_up())
    with pytest.raises(RecordUnavailable, match="a fault inside"):
        await record.write(Unit((Draft(event="bad", kind=EntryKind.HEARTBEAT),), rows))
    await waiting
    with pytest.raises(RecordUnavailable, match="a fault inside"):
        await asyncio.wait_for(second[0], 5)
    assert await record.write(Unit((Draft(event="good", kind=EntryKind.HEARTBEAT),))) == (0,)
    await record.close()


NAMES = ("Käse 日本語 🧀", "x" * 255, "a" * 100 + " " + "é" * 100, "'; DROP TABLE accounts; --", "__main__.\n")


@pytest.mark.parametrize("name", NAMES)
async def test_an_account_and_assets_of_any_name(where: str, tmp_path: Path, name: str) -> None:
    """Adopted, read, cured and started anew under names of any script and length, on both databases."""
    keys.create(tmp_path / "keys", "tieout-test")
    settings = RecordSettings(store=where, keys=str(tmp_path / "keys"))
    clock = VirtualClock(START)
    world = World(clock, seed=1)
    world.add_account(name)
    world.add_instrument(Instrument(asset=name, kind="cash", currency="USD"))
    world.set_price(name, Decimal(10))
    world.office.pay(name, "deposit", "USD", Decimal(69_000))
    world.trade(name, name, "buy", Decimal(100), Decimal(10))
    clock.advance(60)
    books, broker = EngineBooks(name, clock), SimulatedBroker(world, name)
    for number in range(3):
        record = await open_record(settings, clock)
        account = Account(name=name, local=books, broker=broker)
        reconciler = PositionReconciler({name: account}, clock, record=record, alarm=Silent())
        if number == 0:
            await reconciler.adopt(name, why="the first start")
        if number == 1:
            world.office.pay(name, "dividend", "USD", Decimal(300))
        clock.advance(30)
        report = await reconciler.reconcile(name)
        assert "Nothing was acted on" not in " ".join(report.summary.warnings)
        assert report.status == ("discrepancies" if number == 1 else "matched")
        assert all(one.same for one in await judged(record, name))
        await record.close()


async def test_an_account_is_kept_under_one_name(settings: RecordSettings) -> None:
    """An account that is given under another name than its own is refused at once, for its record would be two."""
    desk = FailingDesk(settings)
    account = Account(name="second", local=desk.books, broker=desk.broker)
    with pytest.raises(AssertionError, match="its own name"):
        PositionReconciler({"main": account}, desk.clock)


@pytest.mark.prove
async def test_a_thousand_breaks_in_one_reading(where: str, tmp_path: Path) -> None:
    """They are kept, restored, judged again the same, and closed at once."""
    keys.create(tmp_path / "keys", "tieout-test")
    settings = RecordSettings(store=where, keys=str(tmp_path / "keys"))
    desk = FailingDesk(settings)
    await desk.begin()
    await desk.read()
    holdings = [f"A{number}" for number in range(1500 if PROVE else 300)]
    for name in holdings:
        desk.world.add_instrument(Instrument(asset=name, kind="cash", currency="USD"))
        desk.world.set_price(name, Decimal(1))
        desk.world.trade("main", name, "buy", Decimal(1), Decimal(1))
    report = await desk.read()
    assert len(report.discrepancies) >= len(holdings)
    await desk.begin()
    again = await desk.read()
    assert {row.discrepancy_id for row in again.discrepancies} == {row.discrepancy_id for row in report.discrepancies}
    books = DoubtfulBooks.opened_from(desk.world.snapshot("main"), desk.clock)
    assert isinstance(books, DoubtfulBooks)
    desk.books = books
    await desk.begin()
    assert (await desk.read()).status == "matched"
    assert desk.said == []
    assert all(await desk.all_same())
    await desk.end()


async def test_two_processes_with_one_account_book_everything_once(settings: RecordSettings) -> None:
    """Both read, decide and act at once, over and over: each thing is booked once, and the books are the broker's truth."""
    desk = FailingDesk(settings)
    records = [await open_record(settings, desk.clock) for _ in range(2)]
    account = Account(name="main", local=desk.books, broker=desk.broker)
    both = [PositionReconciler({"main": account}, desk.clock, record=record, alarm=desk) for record in records]
    await asyncio.gather(*(each.reconcile("main") for each in both))
    for number in range(4):
        desk.clock.advance(30)
        desk.world.office.pay("main", "dividend", "USD", Decimal(300 + number))
        for _ in range(3):
            desk.clock.advance(30)
            await asyncio.gather(*(each.reconcile("main") for each in both))
    for each in both:
        desk.clock.advance(30)
        last = await each.reconcile("main")
    assert last.status == "matched", desk.said
    assert await desk.held() == desk.stated()
    assert desk.booked() == 4
    for record in records:
        assert not await record.unfinished("main")
        await record.close()


ODD = ("Z" * 3000, "NUL\0NUL")


@pytest.mark.parametrize("asset", ODD, ids=["long", "nul"])
async def test_an_odd_asset_at_the_broker_does_not_stop_the_record(where: str, tmp_path: Path, asset: str) -> None:
    """Whoever sends the account a coin of an odd name cannot keep its readings from being recorded."""
    keys.create(tmp_path / "keys", "tieout-test")
    desk = FailingDesk(RecordSettings(store=where, keys=str(tmp_path / "keys")))
    await desk.begin()
    await desk.read()
    desk.world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD"))
    desk.world.set_price(asset, Decimal(1))
    desk.world.trade("main", asset, "buy", Decimal(1), Decimal(1))
    await desk.read()
    await desk.read()
    assert desk.said == []
    assert all(await desk.all_same())
    await desk.end()


async def test_cancelled_after_any_while_nothing_is_booked_twice_or_left_open(settings: RecordSettings) -> None:
    """A reconciliation is cancelled after more and more steps of the loop; the next ones book what is left, once."""
    desk = FailingDesk(settings)
    failing = await desk.begin()
    await desk.read()
    broken_off = 0
    for number in range(40):
        desk.world.office.pay("main", "dividend", "USD", Decimal(300 + number))
        desk.clock.advance(30)
        task = asyncio.create_task(desk.reconciler.reconcile("main"))
        while len(failing.calls) and not task.done():
            for _ in range(number * 3):
                await asyncio.sleep(0)
            broken_off += task.cancel()
            await asyncio.wait([task])
        for _ in range(4):
            desk.clock.advance(300)
            last = await desk.read()
        assert last.status == "matched", (number, desk.said)
        assert desk.booked() == number + 1
        assert not await failing.unfinished("main")
    assert broken_off > 10
    assert await desk.held() == desk.stated()
    assert all(await desk.all_same())
    await desk.end()


async def test_a_record_is_opened_while_another_process_writes(
    settings: RecordSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process adds between the looks at the log and at the head besides it is no log that was cut."""
    clock = VirtualClock(START)
    other = await open_record(settings, clock)
    look = opening._begun

    async def look_and_wait(*about: Any) -> opening.Opened:
        found = await look(*about)
        clock.advance(1)
        await other.heartbeat()
        return found

    monkeypatch.setattr(opening, "_begun", look_and_wait)
    record = await open_record(settings, clock)
    await record.heartbeat()
    assert (await record.database.read(read_head)).size == 2
    await record.close()
    await other.close()


async def test_a_clock_that_was_set_back_does_not_stretch_the_patience_with_witnesses(settings: RecordSettings) -> None:
    """Where no witness answers, what one signed at a time that is yet to come allows no acting."""
    known = replace(
        settings,
        witnesses={Signer(generate_key("witness.test", bytes(32)), kind=COSIGNATURE).vkey: "http://127.0.0.1:9"},
    )
    clock = WallClock(START)
    record = await open_record(known, clock)
    await record.heartbeat()
    row: dict[str, object] = {"size": 1, "kind": KIND, "name": "witness.test", "at": clock.now(), "body": b""}
    await record.database.write(lambda connection: upsert(connection, attestations, [row], ["size", "kind", "name"]))
    await record.permit()
    clock.back = timedelta(days=1)
    with pytest.raises(RecordUnavailable, match="no witness has cosigned"):
        await record.permit()
    await record.close()
