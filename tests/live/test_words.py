"""What people say counts from the next reading on, once, and after a restart as before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.live.recorded import RecordedDesk
from tests.live.test_reconciler import actions
from tests.scenarios.desk import StuckBooks
from tieout.brokers.base import OrderRequest
from tieout.decide import Policy
from tieout.errors import RecordUnavailable
from tieout.live.gate import Gate
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.discrepancy import ActionKind, ActionStatus, ReconciliationStrategy
from tieout.model.notice import NoticeKind
from tieout.model.report import ReconciliationReport
from tieout.model.word import Verdict, Word
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

S = ReconciliationStrategy


class Floor(RecordedDesk):
    """A recorded desk with a gate, and people who say something."""

    def __init__(self, settings: RecordSettings, *, policy: Policy | None = None) -> None:
        super().__init__(settings, policy=policy)
        self.gate, self.words = Gate(), 0

    async def start(self, clock: object = None) -> None:  # type: ignore[override]
        """Begin anew, with a gate that has forgotten everything."""
        if self.record is not None:
            await self.record.close()
        self.record = await open_record(self.settings, self.clock)
        self.gate = Gate()
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy, gate=self.gate)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.record, alarm=self)

    async def say(
        self,
        verdict: Verdict,
        subject: str = "main",
        *,
        actor: str = "ann",
        strategy: S | None = None,
        plan: str | None = None,
        until: datetime | None = None,
    ) -> None:
        """A person's word."""
        self.words += 1
        word = Word(
            id=f"w{self.words}", account="main", subject=subject, verdict=verdict, actor=actor, text="because",
            strategy=strategy, plan=plan, until=until,
        )  # fmt: skip
        await self.reconciler.say(word)

    def waiting(self) -> str:
        """The plan that waits."""
        (plan,) = self.reconciler.plans["main"]
        return plan.fingerprint

    def may_buy(self) -> bool:
        """Whether an opening order passes the gate."""
        self.gate.open()
        order = OrderRequest(client_order_id="own-9", asset="AAPL", side="buy", quantity=Decimal(1))
        return self.gate.refusal(order, local=Decimal(100), broker=Decimal(100), enforced=True) is None

    def trade_by_hand(self, quantity: int) -> None:
        """Somebody buys without telling the books."""
        self.world.trade("main", "AAPL", "buy", Decimal(quantity), Decimal(190))


@pytest.fixture
def settings(tmp_path: Path) -> RecordSettings:
    """A record's settings, its keys made."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))


@pytest.fixture
async def floor(settings: RecordSettings) -> Floor:
    desk = Floor(settings)
    await desk.start()
    return desk


def kinds(report: ReconciliationReport) -> list[NoticeKind]:
    return [notice.kind for notice in report.notices]


async def halted_by_a_stranger(floor: Floor) -> ReconciliationReport:
    floor.trade_by_hand(40)
    await floor.read()
    report = await floor.read()
    assert [halt.reason for halt in report.halts] == ["somebody_else"]
    return report


async def test_a_halt_shuts_the_gate_and_an_approved_cure_is_booked(floor: Floor) -> None:
    """A big trade by a stranger halts; a person approves its booking: the books equal the broker; the halt stands on."""
    await floor.read()
    assert floor.may_buy()
    report = await halted_by_a_stranger(floor)
    assert not floor.may_buy()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]
    await floor.say(Verdict.APPROVE, plan=floor.waiting())
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.DONE]
    assert await floor.held() == floor.stated()
    report = await floor.read()
    assert (report.status, len(report.halts), floor.may_buy()) == ("matched", 1, False)
    await floor.say(Verdict.RESUME)
    report = await floor.read()
    assert (report.halts, floor.may_buy(), kinds(report)) == ((), True, [NoticeKind.LIFTED])


async def test_an_approval_is_used_once_across_a_restart(floor: Floor) -> None:
    """Approved, and the process dies before the next reading: after the restart it is booked, and once."""
    await halted_by_a_stranger(floor)
    await floor.say(Verdict.APPROVE, plan=floor.waiting())
    await floor.start()
    assert await floor.reconciler.listen(["main"]) == set()  # nothing was restored yet
    await floor.read()
    assert await floor.held() == floor.stated()
    entries = len(floor.books.ledger.entries)
    await floor.start()
    assert (await floor.read()).status == "matched"
    assert len(floor.books.ledger.entries) == entries


async def test_an_approval_of_other_evidence_does_not_count(floor: Floor) -> None:
    """Another trade came in since: what was approved is not what would be booked, and nothing is."""
    await halted_by_a_stranger(floor)
    approved = floor.waiting()
    floor.trade_by_hand(1)
    await floor.say(Verdict.APPROVE, plan=approved)
    report = await floor.read()
    assert ActionStatus.DONE not in actions(report, ActionKind.BOOK_FILL)
    assert floor.waiting() != approved
    assert (await floor.held())[0] == {"AAPL": Decimal(100)}


async def test_an_approval_lapses(settings: RecordSettings) -> None:
    """Given, and not carried out in its time, for the service was down: it does not count any more."""
    floor = Floor(settings, policy=Policy(approval_seconds=600))
    await floor.start()
    await halted_by_a_stranger(floor)
    await floor.say(Verdict.APPROVE, plan=floor.waiting())
    report = await floor.read(601)
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]
    assert (await floor.held())[0] == {"AAPL": Decimal(100)}


async def test_what_waits_says_until_when(floor: Floor) -> None:
    """An action that waits names the end of its wait."""
    report = await halted_by_a_stranger(floor)
    waiting = next(action for action in report.actions if action.action is ActionKind.BOOK_FILL)
    first = report.started_at - timedelta(seconds=30)
    assert datetime.fromisoformat(waiting.detail["expires_at"]) - first == timedelta(days=1)


async def test_a_rejected_plan_is_not_asked_again(floor: Floor) -> None:
    """Rejected: the action is skipped in every later reading, and the books stay."""
    await halted_by_a_stranger(floor)
    await floor.say(Verdict.REJECT, plan=floor.waiting())
    for _ in range(2):
        report = await floor.read()
        assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.SKIPPED]
    await floor.start()
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.SKIPPED]


async def test_a_resumed_break_halts_again_only_when_it_changes(floor: Floor) -> None:
    """A person lets trading go on over a break that stands: unchanged it warns, also after a restart; changed it halts."""
    await halted_by_a_stranger(floor)
    await floor.say(Verdict.RESUME)
    report = await floor.read()
    assert (report.halts, floor.may_buy()) == ((), True)
    await floor.start()
    report = await floor.read()
    assert (report.halts, floor.may_buy()) == ((), True)
    assert {row.strategy for row in report.discrepancies if row.domain == "position"} == {S.WARN_ONLY}
    floor.trade_by_hand(1)
    await floor.read()
    report = await floor.read()
    assert (len(report.halts), floor.may_buy()) == (1, False)


async def test_a_halt_survives_a_restart(floor: Floor) -> None:
    """The first reading after a start says that it stands, before any new order could pass."""
    first = await halted_by_a_stranger(floor)
    await floor.start()
    report = await floor.read()
    assert [halt.id for halt in report.halts] == [halt.id for halt in first.halts]
    assert not floor.may_buy()


async def test_somebody_halts_and_somebody_resumes(floor: Floor) -> None:
    """A halt by hand shuts the gate at once, survives a restart, and ends with a person's word."""
    await floor.read()
    await floor.say(Verdict.HALT)
    assert not floor.may_buy()
    report = await floor.read()
    assert ([halt.by for halt in report.halts], kinds(report)) == (["ann"], [NoticeKind.OPENED])
    await floor.start()
    await floor.read()
    assert not floor.may_buy()
    await floor.say(Verdict.RESUME, actor="ben")
    assert not floor.may_buy()
    assert (await floor.read()).halts == ()
    assert floor.may_buy()


async def test_a_halt_said_here_is_lifted_from_elsewhere(floor: Floor) -> None:
    """The gate that a halt shut ahead opens once it is resumed, though another process says so; not before it is heard."""
    await floor.read()
    await floor.say(Verdict.HALT)
    await floor.read()
    assert not floor.may_buy()
    word = Word(id="elsewhere", account="main", subject="main", verdict=Verdict.RESUME, actor="ben", text="looked")
    assert floor.record is not None
    await floor.record.say(word)
    assert not floor.may_buy()
    await floor.read()
    assert floor.may_buy()


async def test_a_halt_that_cannot_be_kept_stands_while_this_process_lives(floor: Floor) -> None:
    """The record is away when a halt is said: no reading opens the gate again, for none can have heard it."""
    await floor.read()
    assert floor.record is not None
    say = floor.record.say

    async def away(word: Word) -> None:
        raise RecordUnavailable("away")

    floor.record.say = away  # type: ignore[method-assign,assignment]
    with pytest.raises(RecordUnavailable):
        await floor.say(Verdict.HALT)
    floor.record.say = say  # type: ignore[method-assign]
    for _ in range(2):
        await floor.read()
    assert not floor.may_buy()


async def test_a_halt_of_one_asset_leaves_the_others_alone(floor: Floor) -> None:
    """Halted by hand for one asset: another may be traded."""
    await floor.read()
    await floor.say(Verdict.HALT, "MSFT")
    await floor.read()
    assert floor.may_buy()
    await floor.say(Verdict.HALT, "AAPL")
    await floor.read()
    assert not floor.may_buy()
    await floor.say(Verdict.RESUME, "AAPL")
    report = await floor.read()
    assert [halt.asset for halt in report.halts] == ["MSFT"]
    assert floor.may_buy()


async def test_the_policy_may_halt_the_asset_alone(settings: RecordSettings) -> None:
    """halt_scope = "asset": a break of one asset's position stops that asset; one of cash as well stops the account."""
    floor = Floor(settings, policy=Policy(halt_scope="asset"))
    await floor.start()
    report = await halted_by_a_stranger(floor)
    assert [halt.asset for halt in report.halts] == [None]  # the trade moved cash, too


async def test_a_known_break_is_left_alone_until_it_grows_or_its_date_comes(floor: Floor) -> None:
    """Accepted as known: no halt, no alert, no plan; more of it, or the date, and it counts again."""
    report = await halted_by_a_stranger(floor)
    until = floor.clock.now() + timedelta(hours=2)
    for row in report.discrepancies:
        await floor.say(Verdict.KNOWN, row.discrepancy_id, until=until)
    await floor.say(Verdict.RESUME)
    report = await floor.read()
    assert (report.actions, report.halts, floor.may_buy()) == ((), (), True)
    await floor.start()
    assert (await floor.read()).actions == ()
    report = await floor.read(7200)
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]


async def test_a_break_is_resolved_by_another_strategy(floor: Floor) -> None:
    """A halting break is resolved by SYNC_TO_BROKER: booked in the next reading, and the next shows it gone."""
    report = await halted_by_a_stranger(floor)
    position = next(row for row in report.discrepancies if row.domain == "position")
    await floor.say(Verdict.RESOLVE, position.discrepancy_id, strategy=S.SYNC_TO_BROKER)
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.DONE]
    assert (await floor.read()).status == "matched"
    assert await floor.held() == floor.stated()


async def test_four_eyes_see_more_than_two(settings: RecordSettings) -> None:
    """Where two people are asked for, what one wants resolved otherwise waits for the other; he cannot approve himself."""
    floor = Floor(settings, policy=Policy(four_eyes=True))
    await floor.start()
    report = await halted_by_a_stranger(floor)
    position = next(row for row in report.discrepancies if row.domain == "position")
    await floor.say(Verdict.RESOLVE, position.discrepancy_id, strategy=S.SYNC_TO_BROKER)
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]
    await floor.say(Verdict.APPROVE, plan=floor.waiting(), actor="ann")
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]
    await floor.say(Verdict.APPROVE, plan=floor.waiting(), actor="ben")
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.DONE]


async def test_alerts_are_said_once_again_when_they_grow_hourly_and_at_the_end(floor: Floor) -> None:
    """One notice when it opens, none while it stands, one when it grows by a tenth, one an hour later, one when it closes."""
    floor.trade_by_hand(40)
    said = [kinds(await floor.read()) for _ in range(4)]
    assert [kind for each in said for kind in each] == [NoticeKind.OPENED]
    floor.trade_by_hand(3)
    said = [kinds(await floor.read()) for _ in range(3)]
    assert [kind for each in said for kind in each] == []
    floor.trade_by_hand(3)
    said = [kinds(await floor.read()) for _ in range(3)]
    assert [kind for each in said for kind in each] == [NoticeKind.GROWN]
    await floor.start()
    said = [kinds(await floor.read(1200)) for _ in range(4)]
    assert [kind for each in said for kind in each] == [NoticeKind.STANDING]
    await floor.say(Verdict.APPROVE, plan=floor.waiting())
    await floor.read()
    assert kinds(await floor.read()) == [NoticeKind.CLOSED]


async def test_shadow_decides_everything_and_acts_on_nothing(settings: RecordSettings) -> None:
    """In shadow mode a missed fill is not booked, a halt shuts no gate, and nobody is told; the report says what would be."""
    floor = Floor(settings, policy=Policy(mode="shadow"))
    await floor.start()
    floor.trade_by_hand(40)
    await floor.read()
    report = await floor.read()
    assert {action.status for action in report.actions} == {ActionStatus.SKIPPED, ActionStatus.AWAITING_APPROVAL}
    assert (report.halts, report.notices, floor.may_buy()) == ((), (), True)
    assert (await floor.held())[0] == {"AAPL": Decimal(100)}


async def test_a_dry_run_leaves_no_trace_in_what_follows(floor: Floor) -> None:
    """A dry run says what would be done, does nothing, and the next reading decides as if it had not been."""
    floor.trade_by_hand(2)
    floor.clock.advance(30)
    report = await floor.reconciler.reconcile("main", dry_run=True)
    assert {action.status for action in report.actions} <= {ActionStatus.SKIPPED, ActionStatus.AWAITING_APPROVAL}
    assert (await floor.held())[0] == {"AAPL": Decimal(100)}
    assert kinds(await floor.read()) == [NoticeKind.OPENED]


async def test_dry_runs_in_a_row_confirm_each_other(floor: Floor) -> None:
    """The second dry run says what would be done after two readings; the books and the next reading know nothing of both."""
    floor.trade_by_hand(40)
    floor.clock.advance(30)
    await floor.reconciler.reconcile("main", dry_run=True)
    floor.clock.advance(30)
    report = await floor.reconciler.reconcile("main", dry_run=True)
    assert actions(report, ActionKind.HALT) == [ActionStatus.SKIPPED]
    assert floor.may_buy()
    assert kinds(await floor.read()) == [NoticeKind.OPENED]


async def test_a_halt_stands_when_shadow_mode_ends(floor: Floor) -> None:
    """Halted, switched to shadow and back: the halt was never lifted by anybody, and stands."""
    await halted_by_a_stranger(floor)
    floor.policy = Policy(mode="shadow")
    await floor.start()
    await floor.read()
    floor.policy = Policy()
    await floor.start()
    report = await floor.read()
    assert (len(report.halts), floor.may_buy()) == (1, False)


async def test_an_approval_is_leave_for_one_attempt(settings: RecordSettings) -> None:
    """Approved, and the books forget the booking: it is asked for anew, and not done again until somebody approves again."""
    floor = Floor(settings)
    floor.books = StuckBooks.opened_from(floor.world.snapshot("main"), floor.clock)
    await floor.start()
    await halted_by_a_stranger(floor)
    for times in (1, 2):
        await floor.say(Verdict.APPROVE, plan=floor.waiting())
        for _ in range(3):
            report = await floor.read()
            assert floor.reconciler.plans["main"]
        assert isinstance(floor.books, StuckBooks)
        assert floor.books.asked == times
        assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]
        assert report.summary.warnings == ()
