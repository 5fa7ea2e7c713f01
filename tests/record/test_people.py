"""What people say is kept, counts in the next reading, and is refused in a sentence where it cannot count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from tests.live.recorded import RecordedDesk
from tests.live.test_reconciler import actions
from tieout.brokers.base import OrderRequest
from tieout.clock import Clock
from tieout.decide import Policy
from tieout.errors import RecordUnavailable, WordRefused
from tieout.live.gate import Gate
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.discrepancy import ActionKind, ActionStatus, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.record.opening import open_record
from tieout.record.people import People
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import approvals, breaks, payloads

S = ReconciliationStrategy
WHY = "I saw 12.5 more of it on the phone"


class Floor(RecordedDesk):
    """A recorded desk with a gate, and a service beside which people speak through another opening of the same record."""

    def __init__(self, settings: RecordSettings, policy: Policy | None = None) -> None:
        super().__init__(settings, policy=policy)
        self.gate = Gate()

    async def start(self, clock: Clock | None = None) -> StoreRecord:
        """Begin anew."""
        record = await super().start(clock)
        self.gate = Gate()
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy, gate=self.gate)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=record, alarm=self)
        return record

    async def strange(self, quantity: int = 40) -> ReconciliationReport:
        """Somebody else buys, and the account halts."""
        self.world.trade("main", "AAPL", "buy", Decimal(quantity), Decimal(190))
        await self.read()
        return await self.read()

    def may_buy(self) -> bool:
        """Whether an opening order passes the gate."""
        self.gate.open()
        order = OrderRequest(client_order_id="own-9", asset="AAPL", side="buy", quantity=Decimal(1))
        return self.gate.refusal(order, local=Decimal(100), broker=Decimal(100), enforced=True) is None


@dataclass
class House:
    """The floor and the people, who have a connection of their own."""

    floor: Floor
    people: People
    other: StoreRecord


def position(report: ReconciliationReport) -> str:
    """The position's break."""
    return next(row.discrepancy_id for row in report.discrepancies if row.domain == "position")


@pytest.fixture
async def house(settings: RecordSettings) -> AsyncIterator[House]:
    """A floor that was read once, and people."""
    async for each in housing(settings, Policy()):
        yield each


async def housing(settings: RecordSettings, policy: Policy) -> AsyncIterator[House]:
    floor = Floor(settings, policy)
    await floor.start()
    await floor.read()
    other = await open_record(settings, floor.clock)
    yield House(floor, People(other, floor.clock), other)
    await other.close()
    assert floor.record is not None
    await floor.record.close()


async def refusal(attempt: object) -> str:
    """Why it was refused."""
    with pytest.raises(WordRefused) as caught:
        await attempt  # type: ignore[misc]
    return caught.value.why


async def words(house: House) -> int:
    """How many words were kept."""
    return len(await house.other.database.read(lambda connection: connection.execute(select(approvals)).all()))


async def test_an_approved_plan_is_carried_out_by_the_next_reading(house: House) -> None:
    """Approved by the begin of an id: the books equal the broker after the next reading, and the halt stands on."""
    floor = house.floor
    report = await floor.strange()
    before = await floor.held()
    said = await house.people.approve(position(report)[:8], actor="ann", why=WHY)
    assert said.plan is not None
    assert [action.action for action in said.plan.actions] == [ActionKind.BOOK_FILL]
    assert said.plan.until == report.started_at - timedelta(seconds=30) + timedelta(days=1)
    assert {row.domain for row in said.breaks} == {"position", "balance"}
    assert [halt.reason for halt in said.halts] == ["somebody_else"]
    assert (said.word.at, said.word.plan, said.discrepancies) == (floor.clock.now(), said.plan.plan, ())
    assert await floor.held() == before
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.DONE]
    assert await floor.held() == floor.stated()
    assert not floor.may_buy()


async def test_what_is_said_shows_amounts_only_where_they_are_asked_for(house: House) -> None:
    """The answer names records; with `amounts` it holds the differences, too; the text is stored as ciphertext."""
    report = await house.floor.strange()
    said = await house.people.comment(position(report), actor="ann", why=WHY)
    plain = await house.people.reject(position(report), actor="ann", why=WHY)
    assert "40" not in repr(plain.plan)
    full = await house.people.approve(position(report), actor="ben", why=WHY, amounts=True)
    assert [row.difference for row in full.discrepancies if row.domain == "position"] == [Decimal(40)]
    assert (said.discrepancies, plain.discrepancies) == ((), ())
    sealed = await house.other.database.read(lambda c: c.execute(select(payloads.c.sealed)).scalars().all())
    rows = await house.other.database.read(lambda c: c.execute(select(approvals)).all())
    assert "12.5" not in repr(rows)
    assert not any(b"12.5" in each for each in sealed if each is not None)


async def test_a_rejected_plan_is_skipped_until_somebody_approves_it(house: House) -> None:
    """Rejected: nothing is booked and nobody is asked again; another may still say yes, and then it is booked."""
    floor = house.floor
    report = await floor.strange()
    name, before = position(report), await floor.held()
    await house.people.reject(name, actor="ann", why=WHY)
    assert "rejected it" in await refusal(house.people.reject(name, actor="ben", why=WHY))
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.SKIPPED]
    assert await floor.held() == before
    assert "was rejected already" in await refusal(house.people.reject(name, actor="ben", why=WHY))
    await house.people.approve(name, actor="ben", why=WHY)
    await floor.read()
    assert await floor.held() == floor.stated()


async def test_an_approval_is_withdrawn_before_it_is_heard(house: House) -> None:
    """Approved and then rejected before the next reading: nothing is booked."""
    report = await house.floor.strange()
    before = await house.floor.held()
    await house.people.approve(position(report), actor="ann", why=WHY)
    await house.people.reject(position(report), actor="ann", why="too fast")
    report = await house.floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.SKIPPED]
    assert await house.floor.held() == before


async def test_two_people_approve_at_once_and_one_counts(house: House) -> None:
    """However many approve the same plan at the same moment, one word is kept: nothing is let go ahead a second time."""
    report = await house.floor.strange()
    attempts = [house.people.approve(position(report), actor=f"p{number}", why=WHY) for number in range(4)]
    ended = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [each for each in ended if isinstance(each, WordRefused)]
    assert (len(refused), await words(house)) == (3, 1)
    assert all("approved it" in each.why for each in refused)
    entries = len(house.floor.books.ledger.entries)
    for _ in range(3):
        await house.floor.read()
    assert await house.floor.held() == house.floor.stated()
    assert len(house.floor.books.ledger.entries) == entries + 1


async def test_saying_it_again_after_a_lost_answer_changes_nothing(house: House) -> None:
    """With the same name given once, a word is kept once and acknowledged twice, also after it was heard."""
    report = await house.floor.strange()
    first = await house.people.approve(position(report), actor="ann", why=WHY, once="u-1")
    again = await house.people.approve(position(report), actor="ann", why=WHY, once="u-1")
    await house.floor.read()
    later = await house.people.approve(position(report), actor="ann", why=WHY, once="u-1")
    assert [first.again, again.again, later.again] == [False, True, True]
    assert (first.word.entry, first.word.id) == (again.word.entry, "u-1")
    assert await words(house) == 1


async def test_a_word_about_what_changes_while_it_is_kept_is_looked_up_anew(house: House) -> None:
    """A reading between looking and keeping shows another plan: that one is approved, answered with, and carried out."""
    floor = house.floor
    report = await floor.strange()
    old = (await house.people.reject(position(report), actor="ann", why=WHY)).word.plan
    permit = house.other.permit
    asked: list[ReconciliationReport] = []

    async def meanwhile() -> None:
        if not asked:
            asked.append(await floor.strange(5))
        await permit()

    house.other.permit = meanwhile  # type: ignore[method-assign]
    said = await house.people.approve(position(report), actor="ben", why=WHY, amounts=True)
    assert said.word.plan not in (None, old)
    assert Decimal(45) in [row.difference for row in said.discrepancies]
    assert await words(house) == 2
    await floor.read()
    assert await floor.held() == floor.stated()


async def test_a_word_that_cannot_count_any_more_is_refused_while_it_is_kept(house: House) -> None:
    """Somebody else approved between looking and keeping: the second is told so, and nothing of it is kept."""
    report = await house.floor.strange()
    permit, first = house.other.permit, People(house.floor.record, house.floor.clock)  # type: ignore[arg-type]

    async def meanwhile() -> None:
        house.other.permit = permit  # type: ignore[method-assign]
        await first.approve(position(report), actor="ann", why=WHY)

    house.other.permit = meanwhile  # type: ignore[method-assign]
    assert "ann approved it" in await refusal(house.people.approve(position(report), actor="ben", why=WHY))
    assert await words(house) == 1


async def test_an_expired_request_is_refused(house: House) -> None:
    """Nobody read the account for more than a day: what waited has expired, and nothing is kept."""
    report = await house.floor.strange()
    house.floor.clock.advance(86400)
    assert "expired" in await refusal(house.people.approve(position(report), actor="ann", why=WHY))
    assert await words(house) == 0


async def test_a_known_break_stops_neither_trade_nor_sleep_until_its_date(house: House) -> None:
    """Accepted until a date: after a resume no halt and no action, until the date comes."""
    floor = house.floor
    report = await floor.strange()
    until = floor.clock.now() + timedelta(hours=2)
    for row in report.discrepancies:
        said = await house.people.accept(row.discrepancy_id, until=until, actor="ann", why=WHY)
        assert (said.word.until, len(said.halts)) == (until, 1)
    await house.people.resume("main", actor="ann", why=WHY)
    report = await floor.read()
    assert (report.actions, report.halts, floor.may_buy()) == ((), (), True)
    report = await floor.read(7200)
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]


async def test_a_break_is_resolved_by_another_strategy(house: House) -> None:
    """SYNC_TO_BROKER instead of the halt: the next reading books it, and the one after that matches."""
    report = await house.floor.strange()
    await house.people.resolve(position(report), strategy=S.SYNC_TO_BROKER, actor="ann", why=WHY)
    await house.floor.read()
    assert await house.floor.held() == house.floor.stated()
    assert (await house.floor.read()).status == "matched"
    assert "closed at" in await refusal(house.people.approve(position(report), actor="ann", why=WHY))
    said = await house.people.comment(position(report), actor="ann", why="an afterthought")
    assert said.word.subject == position(report)


async def test_four_eyes(settings: RecordSettings) -> None:
    """Who asked for it cannot approve it, however he writes his name; somebody else can."""
    async for house in housing(settings, Policy(four_eyes=True)):
        floor = house.floor
        report = await floor.strange()
        before = await floor.held()
        await house.people.resolve(position(report), strategy=S.SYNC_TO_BROKER, actor="ann", why=WHY)
        await floor.read()
        for name in ("ann", "Ann "):
            why = await refusal(house.people.approve(position(report), actor=name, why=WHY))
            assert "somebody else has to approve it" in why
        assert await floor.held() == before
        await house.people.approve(position(report), actor="ben", why=WHY)
        await floor.read()
        assert await floor.held() == floor.stated()


async def test_a_halt_and_a_resume_from_outside(house: House) -> None:
    """A halt shuts the gate with the next reading, survives a restart, and a resume opens it again."""
    floor = house.floor
    assert floor.may_buy()
    said = await house.people.halt("main", actor="ann", why=WHY)
    assert said.word.subject == "main"
    await floor.read()
    assert not floor.may_buy()
    await floor.start()
    await floor.read()
    assert not floor.may_buy()
    said = await house.people.resume("main", actor="ben", why=WHY)
    assert [(halt.reason, halt.by) for halt in said.halts] == [("by_hand", "ann")]
    assert "nothing of main is halted" in await refusal(house.people.resume("main", actor="ben", why=WHY))
    await floor.read()
    assert floor.may_buy()


async def test_a_halt_of_one_asset(house: House) -> None:
    """One asset is stopped and resumed by its name; a name that was never seen is kept with a doubt."""
    floor = house.floor
    assert (await house.people.halt("main", asset="AAPL", actor="ann", why=WHY)).doubts == ()
    await floor.read()
    assert not floor.may_buy()
    assert "halted are AAPL" in await refusal(house.people.resume("main", asset="MSFT", actor="ann", why=WHY))
    await house.people.resume("main", asset="AAPL", actor="ann", why=WHY)
    await floor.read()
    assert floor.may_buy()
    assert "AAPL" in (await house.people.halt("main", asset="APPL", actor="ann", why=WHY)).doubts[0]
    await house.people.halt("main", actor="ann", why=WHY)
    assert "all of it is halted" in await refusal(house.people.resume("main", asset="AAPL", actor="ann", why=WHY))


async def test_a_resume_tells_what_stands(house: House) -> None:
    """The halts that it lifts and the breaks that stand; unchanged these do not halt again, and changed they do."""
    floor = house.floor
    report = await floor.strange()
    shown = await house.people.lifting("main")
    assert await words(house) == 0
    said = await house.people.resume("main", actor="ann", why=WHY, shown=shown.halts)
    assert {row.discrepancy_id for row in said.breaks} == {row.discrepancy_id for row in report.discrepancies}
    assert [halt.reason for halt in said.halts] == ["somebody_else"]
    report = await floor.read()
    assert (report.halts, floor.may_buy()) == ((), True)
    await floor.strange(1)
    assert not floor.may_buy()


async def test_a_resume_lifts_no_halt_that_was_not_shown(house: House) -> None:
    """What is halted changed between showing and saying: refused. Between saying and hearing: the halt stands."""
    floor = house.floor
    await house.people.halt("main", asset="AAPL", actor="ann", why=WHY)
    await floor.read()
    shown = await house.people.lifting("main")
    await floor.strange()
    attempt = house.people.resume("main", actor="ann", why=WHY, shown=shown.halts)
    assert "has changed since it was shown" in await refusal(attempt)
    # Said while a reading is under way that sets another halt: the word was drawn before, and is kept before it.
    early = replace(shown.word, id="late", subject="main")
    await house.other.say(early)
    await floor.read()
    assert not floor.may_buy()


async def test_a_halt_by_hand_is_the_same_once_it_is_heard(house: House) -> None:
    """Shown before the reading that hears it and lifted after that: it is still the one that was shown."""
    await house.people.halt("main", asset="AAPL", actor="ann", why=WHY)
    shown = await house.people.lifting("main")
    await house.floor.read()
    said = await house.people.resume("main", actor="bob", why=WHY, shown=shown.halts)
    assert [halt.by for halt in said.halts] == ["ann"]
    assert (await house.floor.read()).halts == ()


async def test_refusals_without_a_look(house: House) -> None:
    """No reason, no name, an end in the past or without a zone, an id too short or of nothing, an unknown account."""
    people, now = house.people, house.floor.clock.now()
    report = await house.floor.strange()
    name = position(report)
    assert "a reason is missing" in await refusal(people.approve(name, actor="ann", why=" \n"))
    assert "not a name" in await refusal(people.approve(name, actor=" ", why=WHY))
    assert "not a name" in await refusal(people.halt("main", asset="A\0", actor="ann", why=WHY))
    assert "has passed" in await refusal(people.accept(name, until=now, actor="ann", why=WHY))
    naive = (now + timedelta(days=1)).replace(tzinfo=None)
    assert "time zone" in await refusal(people.accept(name, until=naive, actor="ann", why=WHY))
    assert "too short" in await refusal(people.comment(name[:5], actor="ann", why=WHY))
    assert "no break has an id" in await refusal(people.comment("%%%%%%", actor="ann", why=WHY))
    assert "it knows main" in await refusal(people.halt("mian", actor="ann", why=WHY))
    assert "it knows main" in await refusal(people.resume("mian", actor="ann", why=WHY))
    assert await words(house) == 0


async def test_a_begin_that_fits_two_breaks_is_refused(house: House) -> None:
    """Two ids that begin alike: more of it is asked for, and nothing is kept."""
    report = await house.floor.strange()
    first, second = (row.discrepancy_id for row in report.discrepancies)
    twin = first[:10] + second[10:]
    await house.other.database.write(lambda c: c.execute(update(breaks).where(breaks.c.id == second).values(id=twin)))
    assert "several breaks" in await refusal(house.people.comment(first[:10], actor="ann", why=WHY))
    assert await words(house) == 0
    assert (await house.people.comment(first[:11], actor="ann", why=WHY)).word.subject == first


async def test_nothing_waits_where_nothing_can_be_approved(house: House) -> None:
    """Before a break is confirmed, and once its cure was carried out, there is nothing to approve."""
    floor = house.floor
    floor.world.trade("main", "AAPL", "buy", Decimal(40), Decimal(190))
    report = await floor.read(1)
    why = await refusal(house.people.approve(position(report), actor="ann", why=WHY))
    assert "not confirmed yet, or in doubt" in why
    assert "is in doubt" in await refusal(
        house.people.resolve(position(report), strategy=S.SYNC_TO_BROKER, actor="ann", why=WHY)
    )
    report = await floor.read()
    await house.people.approve(position(report), actor="ann", why=WHY)
    await floor.read()
    assert "nothing waits" in await refusal(house.people.approve(position(report), actor="ben", why=WHY))


async def test_in_shadow_mode_nobody_believes_that_trading_was_stopped(settings: RecordSettings) -> None:
    """Tieout only watches: a halt is refused and says so, for it would stop nothing."""
    async for house in housing(settings, Policy(mode="shadow")):
        why = await refusal(house.people.halt("main", actor="ann", why=WHY))
        assert "stops no trading" in why
        report = await house.floor.strange()
        said = await house.people.approve(position(report), actor="ann", why=WHY)
        assert "shadow mode" in said.doubts[0]


async def test_a_halt_is_said_to_this_process_first(house: House) -> None:
    """Where the account trades here, the gate shuts before anything is kept."""
    floor = house.floor
    assert floor.record is not None
    people = People(floor.record, floor.clock, tell=floor.reconciler.say)
    assert floor.may_buy()
    said = await people.halt("main", actor="ann", why=WHY)
    assert (floor.may_buy(), said.word.entry is not None) == (False, True)


async def test_what_cannot_be_kept_does_not_count(house: House) -> None:
    """The record is away: the word fails, loudly."""
    report = await house.floor.strange()
    await house.other.close()
    with pytest.raises(RecordUnavailable):
        await house.people.approve(position(report), actor="ann", why=WHY)
    report = await house.floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.AWAITING_APPROVAL]


async def test_an_answer_is_to_the_plan_that_was_shown(house: House) -> None:
    """Where another plan waits by the time that it is said, neither yes nor no counts."""
    report = await house.floor.strange()
    name = position(report)
    for say in (house.people.approve, house.people.reject):
        assert "has changed since it was shown" in await refusal(say(name, actor="ann", why=WHY, plan="0" * 20))
    shown = (await house.people.approve(name, actor="ann", why=WHY)).plan
    assert shown is not None
    said = await house.people.reject(name, actor="ann", why=WHY, plan=shown.plan)
    assert said.plan == shown


async def test_a_key_is_for_one_word_to_the_letter(house: House) -> None:
    """The same key with another assignee, another date or another plan is refused, and not told as done."""
    report = await house.floor.strange()
    name, people, day = position(report), house.people, house.floor.clock.now() + timedelta(days=1)
    await people.assign(name, to="ben", actor="ann", why=WHY, once="k1")
    await people.accept(name, until=day, actor="ann", why=WHY, once="k2")
    approved = await people.approve(name, actor="ann", why=WHY, once="k3")
    other = "something else was said under that key"
    assert other in await refusal(people.assign(name, to="eve", actor="ann", why=WHY, once="k1"))
    later = day + timedelta(days=7)
    assert other in await refusal(people.accept(name, until=later, actor="ann", why=WHY, once="k2"))
    assert other in await refusal(people.approve(name, actor="ann", why=WHY, once="k3", plan="not that one"))
    assert (await people.assign(name, to="ben", actor="ann", why=WHY, once="k1")).again
    assert (await people.accept(name, until=day, actor="ann", why=WHY, once="k2")).again
    assert (await people.approve(name, actor="ann", why=WHY, once="k3", plan=approved.word.plan)).again
    assert await words(house) == 3
