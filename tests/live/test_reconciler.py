"""The road end to end: a simulated broker, real books, and what changed in them. Outcomes, not calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from tieout.books.base import LocalBooks
from tieout.books.engine_books import EngineBooks
from tieout.books.snapshot_file import SnapshotFile
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy, Rule
from tieout.errors import BookError, SourceIncomplete
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import Change
from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Balance, Order, Position, Snapshot

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


@pytest.mark.parametrize(
    ("held", "percent", "severity"),
    [
        ("99.01", "0.9900", "MINOR"),
        ("99.0001", "0.9999", "MINOR"),
        ("99", "1.0000", "MODERATE"),
        ("98.9999", "1.0001", "MODERATE"),
        ("95.0001", "4.9999", "MODERATE"),
        ("95", "5.0000", "MODERATE"),
        ("94.9999", "5.0001", "CRITICAL"),
        ("94.99", "5.0100", "CRITICAL"),
        ("105.26", "4.9971", "MODERATE"),
        ("105.27", "5.0062", "CRITICAL"),
        ("0.0001", "99.9999", "CRITICAL"),
    ],
)
async def test_severity_changes_exactly_at_its_edges(held: str, percent: str, severity: str) -> None:
    """Below 1 % of the larger side is minor, 1 to 5 % inclusive moderate, above that critical: of positions as of cash."""
    desk = Desk(policy=Policy(rules=(Rule(strategy=ReconciliationStrategy.WARN_ONLY),)))
    desk.world.office.set_usd_price("EUR", Decimal(1000))
    desk.world.office.pay("main", "deposit", "EUR", Decimal(100))
    desk.books.ledger.set_position("AAPL", "net", Decimal(held), reason="another amount")
    desk.books.ledger.set_balance("EUR", Decimal(held), reason="another amount")
    rows = (await desk.read()).discrepancies
    found = {row.domain: (str(row.percent), str(row.severity)) for row in rows}
    assert found == {"position": (percent, severity), "balance": (percent, severity)}


@pytest.mark.parametrize(
    ("off", "tolerated"),
    [("0.01", True), ("9.99", True), ("10", True), ("10.01", False), ("-10", True), ("-10.01", False)],
)
async def test_cash_is_tolerated_up_to_ten_dollars(off: str, tolerated: bool) -> None:
    """What is within tolerance stands in the report and nothing is done; a cent more is acted upon."""
    desk = Desk()
    _, cash = await desk.held()
    desk.books.ledger.set_balance("USD", cash["USD"] + Decimal(off), reason="another amount")
    await desk.read()
    report = await desk.read()
    (row,) = report.discrepancies
    assert (row.within_tolerance, str(row.severity)) == (tolerated, "MINOR")
    assert (report.status, report.actions == ()) == ("matched" if tolerated else "discrepancies", tolerated)


class OddBroker(SimulatedBroker):
    """An adapter that returns rows which no venue can have meant."""

    balances: tuple[Balance, ...] | None = None
    positions: tuple[Position, ...] | None = None

    async def get_balances(self) -> tuple[Balance, ...]:
        """The odd ones."""
        return await super().get_balances() if self.balances is None else self.balances

    async def get_positions(self) -> tuple[Position, ...]:
        """The odd ones."""
        return await super().get_positions() if self.positions is None else self.positions


def over(desk: Desk, broker: SimulatedBroker, local: LocalBooks | None = None) -> PositionReconciler:
    account = Account(name="main", local=local or desk.books, broker=broker)
    return PositionReconciler({"main": account}, desk.clock)


CASH = Balance("USD", Decimal(1))
ODD_CASH = {
    "nan": (Balance("USD", Decimal("NaN")),),
    "signalling": (Balance("USD", Decimal("sNaN")),),
    "infinite": (Balance("USD", Decimal("Infinity")),),
    "absurd digits": (Balance("USD", Decimal("1" * 80)),),
    "absurd exponent": (Balance("USD", Decimal("1E+90")),),
    "one currency twice": (CASH, Balance("USD", Decimal(2))),
    "no total": (Balance("USD", None),),  # type: ignore[arg-type]
    "a float": (Balance("USD", 1.5),),  # type: ignore[arg-type]
    "half a character": (CASH, Balance("US\ud800", Decimal(1))),
    "a locked nan": (Balance("USD", Decimal(1), locked=Decimal("NaN")),),
}


@pytest.mark.parametrize("rows", ODD_CASH.values(), ids=ODD_CASH)
async def test_what_a_broker_cannot_have_meant_is_a_failed_section_and_never_flat(rows: tuple[Balance, ...]) -> None:
    """Nothing of such an answer is believed: cash gets no verdict, nothing is booked, and positions are compared."""
    desk = Desk()
    broker = OddBroker(desk.world, "main")
    desk.reconciler, before = over(desk, broker), await desk.held()
    await desk.read()
    broker.balances = rows
    for _ in range(2):
        report = await desk.read()
        assert (report.status, report.coverage["balances"], report.discrepancies) == ("incomplete", "failed", ())
        assert report.coverage["positions"] == "compared"
        assert not actions(report, ActionKind.HALT)
    assert await desk.held() == before
    broker.balances = None
    assert (await desk.read()).status == "matched"


@pytest.mark.parametrize(
    "rows",
    [
        (Position("AAPL", Decimal("NaN")),),
        (Position("AAPL", Decimal(60)), Position("AAPL", Decimal(40))),
        (Position("AAPL", Decimal(-1), "long"),),
        (Position("AAPL", Decimal(100), multiplier=Decimal(0)),),
    ],
)
async def test_positions_a_broker_cannot_have_meant_are_not_compared(rows: tuple[Position, ...]) -> None:
    """Two rows of one asset do not overwrite each other, and a leg on the wrong side is none."""
    desk = Desk()
    broker = OddBroker(desk.world, "main")
    broker.positions, desk.reconciler = rows, over(desk, broker)
    report = await desk.read()
    assert (report.status, report.coverage["positions"], report.discrepancies) == ("incomplete", "failed", ())
    assert report.coverage["balances"] == "compared"


async def test_a_negative_zero_is_nothing() -> None:
    """It is no cash and no position: on neither side anything to compare."""
    desk = Desk()
    broker = OddBroker(desk.world, "main")
    desk.reconciler = over(desk, broker)
    broker.balances = (*await SimulatedBroker.get_balances(broker), Balance("EUR", Decimal("-0.00")))
    broker.positions = (*await SimulatedBroker.get_positions(broker), Position("MSFT", Decimal("-0")))
    assert (await desk.read()).status == "matched"


class OddBooks(EngineBooks):
    """Books of somebody else, which say what cannot be."""

    said: tuple[Balance, ...] = ()

    async def read(self) -> Snapshot:
        """The odd ones."""
        return replace(await super().read(), balances=self.said)


@pytest.mark.parametrize("rows", ODD_CASH.values(), ids=ODD_CASH)
async def test_books_that_cannot_have_meant_it_are_not_believed_either(rows: tuple[Balance, ...]) -> None:
    """Local that breaks the contract could not be read: incomplete, told, and nothing is booked on top."""
    desk = Desk()
    books = OddBooks.opened_from(desk.world.snapshot("main"), desk.clock)
    assert isinstance(books, OddBooks)
    books.said = rows
    desk.reconciler = over(desk, desk.broker, books)
    report = await desk.read()
    assert (report.status, report.discrepancies) == ("incomplete", ())
    assert actions(report, ActionKind.ALERT) == [ActionStatus.PLANNED]


BALANCES = {
    "nan": '[{"currency": "USD", "total": "NaN"}]',
    "infinite": '[{"currency": "USD", "total": "Infinity"}]',
    "absurd digits": '[{"currency": "USD", "total": "%s"}]' % ("1" * 80),
    "absurd exponent": '[{"currency": "USD", "total": "1e90"}]',
    "one currency twice": '[{"currency": "USD", "total": "1"}, {"currency": "USD", "total": "2"}]',
    "no total": '[{"currency": "USD"}]',
    "a truth": '[{"currency": "USD", "total": true}]',
    "misspelt": '[{"currency": "USD", "totl": "1"}]',
}


@pytest.mark.parametrize("rows", BALANCES.values(), ids=BALANCES)
async def test_a_file_with_balances_that_cannot_be_is_no_side(tmp_path: Path, rows: str) -> None:
    """A local file with such a row could not be read: incomplete, no discrepancy, and it is left as it is."""
    desk, path = Desk(), tmp_path / "local.json"
    head = '{"schema": "tieout.snapshot/1", "account": "main", "source": "local", "as_of": "2026-11-20T14:00:00Z"'
    path.write_text(f'{head}, "positions": [], "balances": {rows}}}', encoding="utf-8")
    before = path.read_bytes()
    desk.reconciler = over(desk, desk.broker, SnapshotFile(path, "main", desk.clock, writable=True))
    report = await desk.read()
    assert (report.status, report.discrepancies) == ("incomplete", ())
    assert path.read_bytes() == before


async def test_nothing_on_either_side_is_agreement(tmp_path: Path) -> None:
    """Empty lists, and rows of zero on one side only, are the same as no rows: the report matches."""
    desk, path = Desk(), tmp_path / "local.json"
    desk.world.add_account("empty")
    head = '{"schema": "tieout.snapshot/1", "account": "empty", "source": "local", "as_of": "2026-11-20T14:00:00Z"'
    zeros = '"positions": [{"asset": "AAPL", "amount": "0"}], "balances": [{"currency": "USD", "total": "0.00"}]'
    for rows in (
        zeros,
        '"positions": [], "balances": []',
        '"positions": [], "balances": [{"currency": "EUR", "total": "-0"}]',
    ):
        path.write_text(f"{head}, {rows}}}", encoding="utf-8")
        books, broker = SnapshotFile(path, "empty", desk.clock), SimulatedBroker(desk.world, "empty")
        both = PositionReconciler({"empty": Account(name="empty", local=books, broker=broker)}, desk.clock)
        report = await both.reconcile("empty")
        assert (report.status, report.discrepancies, report.actions) == ("matched", (), ())


async def test_a_balance_of_zero_against_some_is_missing() -> None:
    """Local has nothing left of a currency in which the broker has: critical, and its whole amount differs."""
    desk = Desk()
    desk.books.ledger.set_balance("USD", Decimal(0), reason="another amount")
    report = await desk.read()
    (row,) = report.discrepancies
    assert (str(row.discrepancy_type), str(row.severity), row.percent) == ("MISSING_LOCAL", "CRITICAL", Decimal(100))
    assert row.difference == desk.stated()[1]["USD"]


async def test_five_accounts_are_reconciled_at_once_and_none_twice() -> None:
    """Five calls for each of five accounts: all five are under way at the same time, and no account twice."""
    desk, names = Desk(), ("a", "b", "c", "d", "e")
    inside: dict[str, int] = dict.fromkeys(names, 0)
    most = {"one": 0, "all": 0}

    class Counted(EngineBooks):
        async def read(self) -> Snapshot:
            inside[self.account] += 1
            most["one"] = max(most["one"], *inside.values())
            most["all"] = max(most["all"], sum(inside.values()))
            for _ in range(5):
                await asyncio.sleep(0)
            inside[self.account] -= 1
            return await super().read()

    accounts = {}
    for name in names:
        desk.world.add_account(name)
        desk.world.office.pay(name, "deposit", "USD", Decimal(1000))
        books = Counted.opened_from(desk.world.snapshot(name), desk.clock)
        accounts[name] = Account(name=name, local=books, broker=SimulatedBroker(desk.world, name))
    desk.world.office.pay("c", "deposit", "USD", Decimal(20))
    desk.clock.advance(60)
    reconciler = PositionReconciler(accounts, desk.clock)
    reports = await asyncio.gather(*(reconciler.reconcile(name) for name in names for _ in range(5)))
    assert most == {"one": 1, "all": 5}
    assert {report.account for report in reports if report.discrepancies} == {"c"}
