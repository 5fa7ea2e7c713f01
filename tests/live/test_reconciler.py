"""The road end to end: a simulated broker, real books, and what changed in them. Outcomes, not calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy, Rule
from tieout.errors import BookError, SourceIncomplete
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import Change
from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Order, Snapshot

START = datetime(2026, 11, 20, 14, tzinfo=UTC)


class Desk:
    """One account: a world with 100 AAPL and 50,000 USD, books that adopted it, and a reconciler."""

    def __init__(self, *, policy: Policy | None = None, adopted: bool = True) -> None:
        self.clock = VirtualClock(START)
        self.world = World(self.clock, seed=3)
        self.world.add_account("main")
        self.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
        self.world.office.pay("main", "deposit", "USD", Decimal(69_000))
        self.world.set_price("AAPL", Decimal(190))
        self.world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
        self.clock.advance(60)
        self.broker = SimulatedBroker(self.world, "main")
        self.books = EngineBooks.opened_from(self.world.snapshot("main"), self.clock) if adopted else self._empty()
        account = Account(name="main", local=self.books, broker=self.broker, policy=policy or Policy())
        self.reconciler = PositionReconciler({"main": account}, self.clock)

    def _empty(self) -> EngineBooks:
        return EngineBooks("main", self.clock)

    async def read(self, seconds: int = 30) -> ReconciliationReport:
        """One reconciliation after a while."""
        self.clock.advance(seconds)
        return await self.reconciler.reconcile("main")

    async def held(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """What the books hold: positions and cash."""
        seen = await self.books.read()
        return {r.asset: r.amount for r in seen.positions or ()}, {r.currency: r.total for r in seen.balances or ()}

    def stated(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """What the broker truly holds."""
        seen = self.world.snapshot("main")
        return {r.asset: r.amount for r in seen.positions or ()}, {r.currency: r.total for r in seen.balances or ()}


def actions(report: ReconciliationReport, kind: ActionKind) -> list[ActionStatus]:
    return [action.status for action in report.actions if action.action is kind]


async def test_sides_that_agree_match() -> None:
    """Nothing differs: the report matches, and nothing is done."""
    report = await Desk().read()
    assert (report.status, report.severity, report.discrepancies, report.actions) == ("matched", None, (), ())


async def test_a_missed_fill_is_booked_once_and_the_next_reading_verifies_it() -> None:
    """SYNC_TO_BROKER books the broker's record, with its fee and cost; the next reading finds nothing left."""
    desk = Desk()
    desk.books.orders.register(
        Order(asset="AAPL", side="buy", quantity=Decimal(3), status="open", client_order_id="c-1", updated_at=START)
    )
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(191), client_order_id="c-1")
    report = await desk.read()
    position = next(row for row in report.discrepancies if row.domain == "position")
    assert (position.cause.code, position.difference, position.confirmed) == (CauseCode.MISSED_FILL, Decimal(3), True)
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.DONE]
    assert await desk.held() == desk.stated()
    assert (await desk.read()).status == "matched"
    fills = [entry for entry in desk.books.ledger.entries if entry.reason == "heals_itself"]
    assert len(fills) == 1


async def test_an_external_trade_above_five_percent_halts_and_books_nothing() -> None:
    """HALT_AND_ALERT: the halt is in the report, the cure awaits approval, and the books are as they were."""
    desk = Desk()
    before = await desk.held()
    desk.world.trade("main", "AAPL", "sell", Decimal(20), Decimal(190))
    for _ in range(3):
        report = await desk.read()
        assert actions(report, ActionKind.HALT) == [ActionStatus.PLANNED]
        assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]
        assert await desk.held() == before


async def test_warn_only_leaves_the_books_alone() -> None:
    """WARN_ONLY alerts and changes nothing."""
    desk = Desk(policy=Policy(rules=(Rule(strategy=ReconciliationStrategy.WARN_ONLY),)))
    before = await desk.held()
    desk.world.office.pay("main", "deposit", "USD", Decimal(900))
    report = await desk.read()
    assert actions(report, ActionKind.ALERT) == [ActionStatus.PLANNED]
    assert await desk.held() == before


async def test_sync_to_local_waits_for_a_person_and_sends_nothing() -> None:
    """A rule that names SYNC_TO_LOCAL without a word on approval: the broker sees no order, the books stay."""
    rule = Rule(strategy=ReconciliationStrategy.SYNC_TO_LOCAL, domain=("position",))
    desk = Desk(policy=Policy(rules=(rule,)))
    before = await desk.held()
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(190))
    report = await desk.read()
    assert report.status == "discrepancies"
    assert not desk.world.submits_seen("main")
    assert await desk.held() == before


async def test_a_broker_that_answers_empty_is_doubted_and_nothing_is_booked() -> None:
    """No positions, without any fill: the answer is doubted, then the truth matches again."""
    desk = Desk()
    await desk.read()
    before = await desk.held()
    desk.broker.faults.inject(FaultRule(fault=Fault.EMPTY, calls=frozenset({"get_positions"}), times=2))
    for _ in range(2):
        report = await desk.read()
        assert [row.cause.code for row in report.discrepancies] == [CauseCode.PARTIAL_RESPONSE]
        assert not actions(report, ActionKind.HALT)
    assert await desk.held() == before
    assert (await desk.read()).status == "matched"


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.TIMEOUT, Fault.THROTTLED, Fault.REFUSED, Fault.MALFORMED])
async def test_an_unreadable_broker_is_incomplete_and_never_flat(fault: Fault) -> None:
    """Whatever fails, a failed reading finds no discrepancy, alerts once, and forgets nothing."""
    desk = Desk()
    await desk.read()
    desk.broker.faults.inject(FaultRule(fault=fault, times=None))
    first, second = await desk.read(), await desk.read()
    assert (first.status, first.discrepancies) == ("incomplete", ())
    assert actions(first, ActionKind.ALERT) == [ActionStatus.PLANNED]
    assert actions(second, ActionKind.ALERT) == []
    desk.broker.faults.clear()
    assert (await desk.read()).status == "matched"


async def test_one_failed_section_is_not_compared_and_the_rest_is() -> None:
    """Positions that could not be read yield no verdict; the cash beside them is still compared."""
    desk = Desk()
    desk.world.office.pay("main", "deposit", "USD", Decimal(900))
    desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, calls=frozenset({"get_positions"}), times=1))
    report = await desk.read()
    assert report.coverage["positions"] == "failed"
    assert [(row.domain, row.asset) for row in report.discrepancies] == [("balance", "USD")]


async def test_a_first_start_awaits_adoption_and_then_matches() -> None:
    """Empty books beside an account in use: nothing halts or is booked; after `adopt` both sides agree."""
    desk = Desk(adopted=False)
    for _ in range(2):
        report = await desk.read()
        assert report.status == "discrepancies"
        assert {action.status for action in report.actions} <= {ActionStatus.AWAITING_APPROVAL, ActionStatus.PLANNED}
        assert not actions(report, ActionKind.HALT)
        assert await desk.held() == ({}, {})
    await desk.reconciler.adopt("main")
    assert (await desk.read()).status == "matched"
    with pytest.raises(BookError, match="not empty"):
        await desk.reconciler.adopt("main")


async def test_nothing_is_adopted_from_a_broker_that_did_not_answer_whole() -> None:
    """A partial statement is no opening entry."""
    desk = Desk(adopted=False)
    desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, calls=frozenset({"get_balances"}), times=1))
    with pytest.raises(SourceIncomplete):
        await desk.reconciler.adopt("main")
    assert await desk.held() == ({}, {})


async def test_single_domains_look_and_do_not_touch() -> None:
    """`reconcile_positions`, `_cash` and `_orders` report their own domain and book nothing."""
    desk = Desk()
    before = await desk.held()
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(190))
    desk.clock.advance(30)
    positions = await desk.reconciler.reconcile_positions("main")
    cash = await desk.reconciler.reconcile_cash("main")
    orders = await desk.reconciler.reconcile_orders("main")
    assert {row.domain for row in positions.discrepancies} == {"position"}
    assert {row.domain for row in cash.discrepancies} == {"balance"}
    assert orders.coverage["orders"] == "compared"
    assert await desk.held() == before


class RefusingBooks(EngineBooks):
    """Books whose disk is full: they can be read, and every write fails."""

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Refuse."""
        raise BookError("books", "the disk is full")


async def test_a_cure_that_the_books_refuse_is_said_and_not_tried_again() -> None:
    """A failed booking is reported as failed; while the break stands the next reading halts instead of trying again."""
    desk = Desk()
    refusing = RefusingBooks.opened_from(desk.world.snapshot("main"), desk.clock)
    account = Account(name="main", local=refusing, broker=desk.broker)
    desk.reconciler = PositionReconciler({"main": account}, desk.clock)
    desk.world.office.pay("main", "dividend", "USD", Decimal(900))
    first, second = await desk.read(), await desk.read()
    assert actions(first, ActionKind.BOOK_ACTIVITY) == [ActionStatus.FAILED]
    assert actions(second, ActionKind.HALT) == [ActionStatus.PLANNED]
    assert actions(second, ActionKind.BOOK_ACTIVITY) == [ActionStatus.AWAITING_APPROVAL]


class SlowBooks(EngineBooks):
    """Books that count how many reconciliations are inside at once."""

    inside = 0
    most = 0

    async def read(self) -> Snapshot:
        """Read, giving way to others meanwhile."""
        SlowBooks.inside += 1
        SlowBooks.most = max(SlowBooks.most, SlowBooks.inside)
        for _ in range(5):
            await asyncio.sleep(0)
        SlowBooks.inside -= 1
        return await super().read()


async def test_one_account_is_never_reconciled_twice_at_once_and_others_do_not_wait() -> None:
    """Ten calls for one account take turns; calls for two accounts overlap."""
    desk = Desk()
    books = SlowBooks.opened_from(desk.world.snapshot("main"), desk.clock)
    alone = PositionReconciler({"main": Account(name="main", local=books, broker=desk.broker)}, desk.clock)
    SlowBooks.most = 0
    await asyncio.gather(*(alone.reconcile("main") for _ in range(10)))
    assert SlowBooks.most == 1
    both = PositionReconciler(
        {name: Account(name=name, local=books, broker=desk.broker) for name in ("a", "b")}, desk.clock
    )
    SlowBooks.most = 0
    await asyncio.gather(both.reconcile("a"), both.reconcile("b"))
    assert SlowBooks.most == 2
