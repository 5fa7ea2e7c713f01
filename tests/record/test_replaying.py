"""What the store holds, judged again: the live verdicts to the byte, over generated histories, on both databases."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from tests.proving import PROVE
from tests.record.conftest import START
from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Fault, FaultPlan, FaultRule, Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy, Rule
from tieout.live.configuration import Configuration
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.replaying import Judged, judge_stored
from tieout.model.changes import KIND_OF_CHANGE
from tieout.model.codec import encode
from tieout.model.discrepancy import ActionStatus, ReconciliationStrategy
from tieout.model.report import Action, ReconciliationReport
from tieout.model.snapshot import Order, Snapshot
from tieout.record import keys
from tieout.record.history import Wanted, fates_of_report, list_reports, read_report, with_outcomes
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.restoring import configuration_of
from tieout.record.settings import RecordSettings
from tieout.record.stretches import account_names, read_stretch

CARRIED_OUT = frozenset(KIND_OF_CHANGE.values())
NAMES = ("main", "second")
POLICIES = (
    Policy(),
    Policy(rules=(Rule(strategy=ReconciliationStrategy.WARN_ONLY),)),
    Policy(rules=(Rule(strategy=ReconciliationStrategy.SYNC_TO_BROKER, cause=("EXTERNAL_TRADE",)),)),
    Policy(changes_per_hour=1),
)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class House:
    """Two accounts at a simulated venue, where things happen by a seed, and a reconciler that is restarted now and then."""

    def __init__(self, settings: RecordSettings, seed: int) -> None:
        self.rng, self.clock, self.settings = random.Random(seed), VirtualClock(START), settings
        self.world = World(self.clock, seed=seed)
        self.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
        self.world.set_price("AAPL", Decimal(190))
        for name in NAMES:
            self.world.add_account(name)
            self.world.office.pay(name, "deposit", "USD", Decimal(69_000))
            self.world.trade(name, "AAPL", "buy", Decimal(100), Decimal(190))
        self.clock.advance(60)
        self.faults = {name: FaultPlan(self.rng) for name in NAMES}
        self.brokers = {name: SimulatedBroker(self.world, name, faults=self.faults[name]) for name in NAMES}
        self.books = {name: EngineBooks.opened_from(self.world.snapshot(name), self.clock) for name in NAMES}
        self.policy = POLICIES[-1 - seed % len(POLICIES)]
        self.reports: dict[str, list[ReconciliationReport]] = {name: [] for name in NAMES}
        self.saved: dict[str, Snapshot] = {}
        self.looks = self.restarts = self.number = 0

    async def start(self, before: StoreRecord | None = None) -> StoreRecord:
        """A start of the process, sometimes under another policy."""
        if before is not None:
            await before.close()
            self.restarts += 1
            self.policy = self.rng.choice(POLICIES)
            # An engine that falls back on what it last saved has lost what was booked since: the same case stands again.
            for name, saved in self.saved.items():
                self.books[name] = EngineBooks.opened_from(saved, self.clock)
        record = await open_record(self.settings, self.clock)
        accounts = {
            name: Account(name=name, local=self.books[name], broker=self.brokers[name], policy=self.policy)
            for name in NAMES
        }
        self.reconciler = PositionReconciler(accounts, self.clock, record=record)
        return record

    async def live(self, readings: int) -> None:
        """So many readings, with whatever happens between them."""
        record, acted, name = await self.start(), False, NAMES[0]
        for number in range(readings):
            name = name if acted else self.rng.choice(NAMES)  # whose books fell back is read next
            self.rng.choice((self._nothing, self._missed_fill, self._by_hand, self._paid, self._fault))(name)
            self.clock.advance(self.rng.choice((1, 5, 30, 90)))
            if number in (readings // 3, 2 * readings // 3) or self.rng.random() < (0.6 if acted else 0.1):
                record = await self.start(record)
            if self.rng.random() < 0.2:
                look = self.rng.choice((self.reconciler.reconcile_positions, self.reconciler.reconcile_cash))
                await look(name)
                self.looks += 1
            self.saved = {name: await self.books[name].read()}
            report = await self.reconciler.reconcile(name, trigger="schedule")
            acted = any(action.status is ActionStatus.DONE for action in report.actions)
            self.reports[name].append(report)
        await record.close()

    def _nothing(self, name: str) -> None:
        """A quiet while."""
        self.number += 1

    def _missed_fill(self, name: str) -> None:
        """An order of the books' own is filled, and they do not hear of it."""
        self.number += 1
        sent, quantity = f"c-{self.number}", Decimal(self.rng.randint(1, 4))
        order = Order(
            asset="AAPL", side="buy", quantity=quantity, status="open", client_order_id=sent,
            updated_at=self.clock.now(),
        )  # fmt: skip
        self.books[name].orders.register(order)
        self.world.trade(name, "AAPL", "buy", quantity, Decimal(191), client_order_id=sent)

    def _by_hand(self, name: str) -> None:
        """Somebody trades the account outside the books."""
        self.world.trade(name, "AAPL", "sell", Decimal(self.rng.choice((1, 2, 9))), Decimal(190))

    def _paid(self, name: str) -> None:
        """Cash arrives that the books do not know of."""
        kind = self.rng.choice(("dividend", "deposit", "fee"))
        amount = Decimal(self.rng.randint(1, 90_000)) / 100
        self.world.office.pay(name, kind, "USD", -amount if kind == "fee" else amount)  # type: ignore[arg-type]

    def _fault(self, name: str) -> None:
        """The venue does not answer, or lies, once."""
        fault = self.rng.choice((Fault.TIMEOUT, Fault.EMPTY, Fault.DROPPED, Fault.PARTIAL, Fault.MALFORMED))
        self.faults[name].inject(FaultRule(fault=fault))


def as_decided(report: ReconciliationReport) -> ReconciliationReport:
    """A report as it was before anything was done about it."""
    return replace(report, actions=tuple(_as_planned(action) for action in report.actions))


def _as_planned(action: Action) -> Action:
    if action.action not in CARRIED_OUT or action.status is ActionStatus.AWAITING_APPROVAL:
        return action
    detail = {name: text for name, text in action.detail.items() if name != "failure"}
    return replace(action, status=ActionStatus.PLANNED, detail=detail)


async def judged(
    record: StoreRecord,
    name: str,
    since: datetime = LONG_AGO,
    change: Callable[[Configuration], Configuration] | None = None,
) -> list[Judged]:
    """An account's readings, judged again."""

    def read(connection: Connection) -> list[Judged]:
        stretch = read_stretch(connection, record.payloads, name, since=since)
        assert stretch is not None
        stored = partial(configuration_of, connection, record.payloads, name)
        found = list(judge_stored(stretch.readings, stretch.state, stored, first=stretch.first, change=change))
        assert len(found) == stretch.total
        return found

    return await record.database.read(read)


SEEDS = range(6 if PROVE else 1)


@pytest.mark.prove
@pytest.mark.parametrize("seed", SEEDS)
async def test_replay_from_the_store_repeats_the_live_verdicts_to_the_byte(settings: RecordSettings, seed: int) -> None:
    """Whatever happened: accounts, restarts, other policies, looks, faults and cures; from the first reading or from any."""
    house = House(settings, seed)
    await house.live(30)
    record = await open_record(settings, house.clock)
    assert await record.database.read(account_names) == NAMES
    for name in NAMES:
        live = [encode(as_decided(report)) for report in house.reports[name]]
        again = await judged(record, name)
        assert [encode(one.replayed) for one in again] == live
        assert all(one.same for one in again)
        middle = house.reports[name][len(live) // 2].started_at
        later = [encode(one.replayed) for one in await judged(record, name, middle)]
        assert later == live[len(live) - len(later) :]
    await record.close()


async def test_the_generated_histories_hold_what_they_are_to_show(tmp_path: Path) -> None:
    """Over all seeds things are done, refused, looked at and read in part, or the other tests would show nothing."""
    statuses: set[str] = set()
    ends: set[ActionStatus] = set()
    looks = 0
    for seed in {0, 1, *SEEDS}:
        folder = tmp_path / str(seed)
        folder.mkdir()
        keys.create(folder / "keys", "tieout-test")
        house = House(RecordSettings(store=str(folder / "t.db"), keys=str(folder / "keys")), seed)
        await house.live(30)
        made = [report for name in NAMES for report in house.reports[name]]
        statuses |= {report.status for report in made}
        ends |= {action.status for report in made for action in report.actions}
        looks += house.looks
        assert house.restarts >= 2
        assert all(house.reports.values())
    assert statuses == {"matched", "discrepancies", "incomplete"}
    assert {ActionStatus.DONE, ActionStatus.PLANNED, ActionStatus.AWAITING_APPROVAL} <= ends
    assert looks


@pytest.mark.prove
@pytest.mark.parametrize("seed", SEEDS[:2])
async def test_a_stored_report_says_what_became_of_its_actions(settings: RecordSettings, seed: int) -> None:
    """A report read back has the statuses that the live one had, and names the entries of intent and outcome."""
    house = House(settings, seed)
    await house.live(20)
    record = await open_record(settings, house.clock)

    def read(connection: Connection) -> Iterator[ReconciliationReport]:
        for row in list_reports(connection, Wanted()).rows:
            if not row.look:
                report = read_report(connection, record.payloads, row.entry)
                assert report is not None
                yield with_outcomes(report, fates_of_report(connection, report.report_id))

    read_back = {report.report_id: report for report in await record.database.read(lambda each: list(read(each)))}
    await record.close()
    live = [report for name in NAMES for report in house.reports[name]]
    assert set(read_back) == {report.report_id for report in live}
    for report in live:
        stored = read_back[report.report_id]
        assert [action.status for action in stored.actions] == [action.status for action in report.actions]
        done = [action for action in stored.actions if action.status is ActionStatus.DONE]
        assert all(int(action.detail["outcome_entry"]) > int(action.detail["intent_entry"]) for action in done)


async def test_another_policy_differs_and_the_readings_before_it_count(settings: RecordSettings) -> None:
    """Judged by another policy from the middle on, what stood before is confirmed already, and only the strategy changes."""
    house = House(settings, 1)
    house.policy = POLICIES[0]
    record = await house.start()
    house.world.trade("main", "AAPL", "sell", Decimal(22), Decimal(190))
    for _ in range(6):
        house.clock.advance(30)
        house.reports["main"].append(await house.reconciler.reconcile("main"))
    middle = house.clock.now() - timedelta(seconds=61)
    changed = await judged(record, "main", middle, lambda known: replace(known, policy=POLICIES[1]))
    await record.close()
    assert len(changed) == 3
    for one in changed:
        assert {row.strategy for row in one.recorded.discrepancies} == {ReconciliationStrategy.HALT_AND_ALERT}
        assert {row.strategy for row in one.replayed.discrepancies} == {ReconciliationStrategy.WARN_ONLY}
        assert [row.discrepancy_id for row in one.replayed.discrepancies] == [
            row.discrepancy_id for row in one.recorded.discrepancies
        ]
        assert all(row.confirmed for row in one.replayed.discrepancies)
