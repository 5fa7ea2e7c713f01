"""Corrections of books that are kept elsewhere: asked for once, never with a number of yesterday, never twice at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar, cast

import msgspec
import pytest

from tieout.act import Effect, apply, recover, withdraw
from tieout.books.corrections import CorrectionState
from tieout.books.pushed import PushedBooks
from tieout.brokers.base import BrokerAdapter
from tieout.clock import VirtualClock
from tieout.errors import AccountTaken, BookError, RecordUnavailable
from tieout.model.case import Approved
from tieout.model.changes import BookFill, SetPosition
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.intent import Ended, Intent
from tieout.model.snapshot import Balance, Fill, Position, Snapshot

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOBODY = cast(BrokerAdapter, None)  # what is booked asks no broker
T = TypeVar("T")


class Shelf:
    """A shelf in memory."""

    def __init__(self) -> None:
        self.raw: bytes | None = None

    async def content(self, account: str) -> bytes | None:
        """What is kept."""
        return self.raw

    async def change(self, account: str, change: Callable[[bytes | None], tuple[bytes | None, T]]) -> T:
        """Keep something."""
        after, result = change(self.raw)
        self.raw = self.raw if after is None else after
        return result


class Journal:
    """A journal that remembers, and fails or dies where it is told to."""

    def __init__(self, fails: bool = False, taken: bool = False) -> None:
        self.taken = taken
        self.fails, self.open, self.ended = fails, dict[str, Intent](), list[Ended]()

    async def intend(self, intent: Intent) -> None:
        """Keep an intent, once."""
        if self.fails:
            raise RecordUnavailable("the disk is away")
        assert intent.id not in self.open, "intended before"
        self.open[intent.id] = intent

    async def confirm(self, account: str) -> None:
        """Nobody else acts, unless it is told so."""
        if self.taken:
            raise AccountTaken("another process reconciles main")

    async def conclude(self, intent: Intent, ended: Ended, why: str | None) -> None:
        """Keep its end."""
        self.ended.append(ended)


class Desk:
    """Books that are pushed, with a clock."""

    def __init__(self) -> None:
        self.clock, self.shelf, self.journal = VirtualClock(START), Shelf(), Journal()
        self.readings = 0
        self.books = PushedBooks("main", self.shelf, self.clock, correction_seconds=60)

    async def hold(self, amount: str) -> None:
        """Push books that hold so much."""
        self.clock.advance(1)
        held = Snapshot(
            schema="tieout.snapshot/1", account="main", source="local", as_of=self.clock.now(),
            positions=(Position("BTC/USD", Decimal(amount)),), balances=(Balance("USD", Decimal(1)),), orders=(), fills=(),
            activities=(),
        )  # fmt: skip
        await self.books.put(held)

    async def act(self, *plans: Approved) -> tuple[Effect, ...]:
        """One reading that wants just these."""
        await withdraw(plans, self.books, "main")
        self.readings += 1
        told = f"r{self.readings}"
        return await apply(plans, account="main", report_id=told, books=self.books, broker=NOBODY, journal=self.journal)

    async def waiting(self) -> list[str]:
        """What is listed to be fetched, by the reason it bears."""
        return [each.reason for each in await self.books.corrections()]


def setting(amount: str, fingerprint: str = "one", reason: str = "unexplained") -> Approved:
    """A plan that sets the position."""
    change = SetPosition("BTC/USD", "net", Decimal(amount), reason)
    return Approved(fingerprint, ("b",), ReconciliationStrategy.SYNC_TO_BROKER, (change,), reason)


@pytest.fixture
async def desk() -> Desk:
    """Books that hold 2."""
    made = Desk()
    await made.hold("2")
    return made


async def test_the_same_plan_is_handed_over_once(desk: Desk) -> None:
    """However many readings want it, also after a start that remembers nothing but the shelf."""
    for _ in range(3):
        (effect,) = await desk.act(setting("3"))
        assert effect.ended is Ended.HANDED
        desk.books = PushedBooks("main", desk.shelf, desk.clock, correction_seconds=60)
    assert len(await desk.books.corrections()) == len(desk.journal.open) == 1


async def test_a_number_of_yesterday_is_not_left_to_be_booked(desk: Desk) -> None:
    """Both sides trade on and still differ by as much: what was to be set is withdrawn, and the right number asked for."""
    await desk.act(setting("3"))
    (old,) = await desk.books.corrections()
    assert old.held == (Decimal(2),)
    await desk.hold("5")
    await desk.act(setting("6"))
    (new,) = await desk.books.corrections()
    assert (new.changes[0].amount, new.held) == (Decimal(6), (Decimal(5),))  # type: ignore[union-attr]
    with pytest.raises(BookError, match="withdrawn"):
        await desk.books.acknowledge(old.id, by="engine")


async def test_a_case_that_changes_all_the_time_is_given_up_too(desk: Desk) -> None:
    """Its time counts from when it was first asked for, not from its last number."""
    for amount in range(2, 5):
        await desk.hold(str(amount))
        (effect,) = await desk.act(setting(str(amount + 1)))
        desk.clock.advance(30)
    assert effect.ended is Ended.HANDED
    (effect,) = await desk.act(setting("5"))
    assert (effect.ended, desk.journal.ended[-1]) == (Ended.FAILED, Ended.FAILED)
    assert effect.why is not None and effect.why.endswith("nobody took it in time")


async def test_nothing_new_is_asked_for_beside_what_was_taken(desk: Desk) -> None:
    """It may book a part of the same; once it shows, or its time is over, the next one is handed over."""
    await desk.act(setting("3"))
    (first,) = await desk.books.corrections()
    await desk.books.acknowledge(first.id, by="engine")
    (effect,) = await desk.act(setting("9", "two", "another"))
    assert effect.why is not None and "which was taken" in effect.why
    assert await desk.waiting() == ["unexplained"]
    await desk.hold("3")
    await desk.act(setting("9", "two", "another"))
    assert await desk.waiting() == ["another"]
    every = await desk.books.corrections(ended=True)
    assert [each.state for each in every] == [CorrectionState.APPLIED, CorrectionState.WAITS]


async def test_what_no_reading_wants_is_taken_back_and_asked_for_again(desk: Desk) -> None:
    """Withdrawn where the break is gone, and waiting again where it is back, under the same id and an intent of its own."""
    await desk.act(setting("3"))
    (first,) = await desk.books.corrections()
    for turn in range(2, 5):
        await desk.act()
        assert await desk.waiting() == []
        (effect,) = await desk.act(setting("3"))
        assert (effect.ended, effect.handed) == (Ended.HANDED, first.id)
        assert [each.id for each in await desk.books.corrections()] == [first.id]
        assert len(desk.journal.open) == len(desk.journal.ended) == turn


async def test_asking_again_is_an_act_as_the_first_time(desk: Desk) -> None:
    """Where its intent cannot be kept, or another process has the account by now, what was taken back stays so."""
    await desk.act(setting("3"))
    await desk.act()
    for broken in (Journal(fails=True), Journal(taken=True)):
        desk.journal = broken
        (effect,) = await desk.act(setting("3"))
        assert (effect.ended, effect.why) == (None, "no_audit")
        assert await desk.waiting() == []
    (intent,) = broken.open.values()
    desk.journal = Journal()
    (ended,) = await recover([intent], desk.books, NOBODY, desk.journal)
    assert ended.ended is Ended.UNDONE


async def test_time_in_which_it_was_not_wanted_does_not_count(desk: Desk) -> None:
    """After an outage longer than its patience it waits on; what it waited in all is counted, and told as it is."""
    await desk.act(setting("3"))
    desk.clock.advance(40)
    await desk.act()  # the venue is away
    desk.clock.advance(3600)
    await desk.hold("2")
    await desk.act(setting("3"))
    desk.clock.advance(10)
    (effect,) = await desk.act(setting("3"))
    assert (effect.ended, effect.why) == (Ended.HANDED, "it has waited for 50 seconds, and nobody took it yet")
    desk.clock.advance(20)
    (effect,) = await desk.act(setting("3"))
    assert (effect.ended, effect.why) == (Ended.FAILED, "it has waited for 70 seconds, and nobody took it in time")


async def test_what_waits_for_another_was_not_handed_over(desk: Desk) -> None:
    """It has no id there, and a crash before it was handed over is read back as that, whatever else was taken."""
    await desk.act(setting("3"))
    (first,) = await desk.books.corrections()
    await desk.books.acknowledge(first.id, by="engine")
    (effect,) = await desk.act(setting("9", "two", "another"))
    assert (effect.ended, effect.handed) == (Ended.HANDED, None)
    (intent,) = desk.journal.open.values()
    never = msgspec.structs.replace(intent, id="another", plan=setting("9", "two", "another"))
    assert [each.ended for each in await recover([never], desk.books, NOBODY, desk.journal)] == [Ended.UNDONE]


async def test_without_a_record_nothing_is_asked_for(desk: Desk) -> None:
    """No audit, no action: an intent that cannot be kept hands nothing over."""
    desk.journal = Journal(fails=True)
    (effect,) = await desk.act(setting("3"))
    assert (effect.ended, effect.why) == (None, "no_audit")
    assert await desk.waiting() == []


async def test_after_a_crash_it_is_read_back_whether_it_was_handed_over(desk: Desk) -> None:
    """An intent without an end: not handed over is undone and may be tried again, handed over is not done twice."""
    await desk.act(setting("3"))
    (intent,) = desk.journal.open.values()
    assert [each.ended for each in await recover([intent], desk.books, NOBODY, desk.journal)] == [Ended.HANDED]
    desk.shelf.raw = None
    await desk.hold("2")
    assert [each.ended for each in await recover([intent], desk.books, NOBODY, desk.journal)] == [Ended.UNDONE]


async def test_acknowledging_is_not_applying(desk: Desk) -> None:
    """Said again it changes nothing; books that came since and do not show it are named; refused it has failed."""
    fill = Fill("F1", "BTC/USD", "buy", Decimal(1), Decimal(5), START)
    plan = Approved("three", ("b",), ReconciliationStrategy.SYNC_TO_BROKER, (BookFill(fill),), "heals_itself")
    await desk.act(plan)
    (asked,) = await desk.books.corrections()
    for _ in range(2):
        assert (await desk.books.acknowledge(asked.id, by="engine")).state is CorrectionState.ACKNOWLEDGED
    await desk.hold("3")  # the position alone, and no record of the fill
    (effect,) = await desk.act(plan)
    assert effect.why is not None and "not applied: the books that came since do not show it" in effect.why
    await desk.books.acknowledge(asked.id, by="engine", refused="we closed the day")
    (effect,) = await desk.act(plan)
    assert effect.ended is Ended.FAILED
    with pytest.raises(BookError):
        await desk.books.acknowledge(asked.id, by="engine")
