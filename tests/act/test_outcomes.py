"""What becomes of one act: done or not, said or not; what speaks against it by then; and a record that fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tests.act.desk import Desk, MortalBooks
from tieout.act import Effect, Unrecorded, apply, read_back, recover
from tieout.books import EngineBooks
from tieout.brokers.simulated import Fault, FaultRule
from tieout.errors import BookError, OutcomeUnknown, RecordUnavailable, SourceTimeout
from tieout.model.amounts import dec
from tieout.model.case import Approved
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    CancelOrder,
    Change,
    Remedy,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.intent import Ended
from tieout.model.snapshot import Snapshot


class OddBooks(MortalBooks):
    """Books that book or do not, and answer or do not; and that can be shut."""

    books_it, answers, readable = True, True, True

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book if they do, and then answer if they do.

        Raises:
            OutcomeUnknown: They do not answer.
        """
        if self.books_it:
            await super().apply(changes, reason=reason)
        if not self.answers:
            raise OutcomeUnknown("booking", "the connection broke")

    async def read(self) -> Snapshot:
        """What they hold.

        Raises:
            SourceTimeout: They are shut.
        """
        if not self.readable:
            raise SourceTimeout("local", "books", "no answer")
        return await super().read()


async def missed(kind: type[OddBooks] = OddBooks) -> tuple[Desk, OddBooks, list[Approved]]:
    """A desk that missed a fill of X, and the plan to book it."""
    desk = Desk()
    books = kind.opened_from(desk.world.snapshot("main"), desk.clock)
    assert isinstance(books, OddBooks)
    desk.books = books
    desk.miss("X")
    return desk, books, await desk.plans()


async def strangers(*names: str) -> tuple[Desk, list[Approved]]:
    """A desk at whose venue a stranger's orders rest, and the plans to cancel them."""
    desk = Desk()
    for name in names or ("by-hand",):
        await desk.rest(name)
    return desk, await desk.plans()


def plan(*changes: Remedy, fingerprint: str = "p") -> Approved:
    """A plan of just these changes."""
    return Approved(fingerprint, ("b",), ReconciliationStrategy.SYNC_TO_BROKER, changes, "test")


def ends(effects: Sequence[Effect]) -> list[tuple[Ended | None, str | None]]:
    """How each plan ended."""
    return [(effect.ended, effect.why) for effect in effects]


# --- did it happen, and did it say so


@pytest.mark.parametrize(
    ("books_it", "answers", "ended"),
    [(True, True, Ended.DONE), (True, False, Ended.DONE), (False, False, Ended.UNDONE), (False, True, Ended.DONE)],
)
async def test_a_booking_ends_as_what_became_of_it(books_it: bool, answers: bool, ended: Ended) -> None:
    """A lost answer is read back from the books; an answer is taken at its word, which the next reading checks."""
    desk, books, plans = await missed()
    books.books_it, books.answers = books_it, answers
    (effect,) = await desk.act(plans)
    assert effect.ended is ended
    assert await desk.amount() == (12 if books_it else 10)
    assert desk.journal.ends == {next(iter(desk.journal.intents)): [ended]}


@pytest.mark.parametrize(
    ("fault", "ended", "live"),
    [
        (None, Ended.DONE, 0), (Fault.LOST_REPLY, Ended.DONE, 0), (Fault.LOST_REQUEST, Ended.UNDONE, 1),
        (Fault.CANCEL_LOST, Ended.DONE, 1), (Fault.REFUSED, Ended.FAILED, 1),
    ],
)  # fmt: skip
async def test_a_cancel_ends_as_what_became_of_it(fault: Fault | None, ended: Ended, live: int) -> None:
    """A lost answer is read back from the venue; what it acknowledged and did not do, the next reading shows."""
    desk, plans = await strangers()
    if fault is not None:
        desk.broker.faults.inject(FaultRule(fault=fault, calls=frozenset(("cancel_order",))))
    (effect,) = await desk.act(plans)
    assert (effect.ended, len(await desk.broker.get_open_orders())) == (ended, live)
    assert desk.journal.unfinished() == []


async def test_what_never_happened_is_tried_again_under_another_name() -> None:
    """A cancel that never arrived is decided anew: the second intent has its own id, and its end is done."""
    desk, plans = await strangers()
    desk.broker.faults.inject(FaultRule(fault=Fault.LOST_REQUEST, calls=frozenset(("cancel_order",))))
    await desk.act(plans)
    assert await desk.reconcile() == 1
    assert [one[-1] for one in desk.journal.ends.values()] == [Ended.UNDONE, Ended.DONE]
    assert {len(name) for name in desk.journal.intents} == {40}
    assert await desk.broker.get_open_orders() == ()


async def test_a_cancel_that_did_not_help_is_not_tried_again() -> None:
    """The venue acknowledged, and the order stays: the next readings halt instead of asking once more."""
    desk, plans = await strangers()
    desk.broker.faults.inject(FaultRule(fault=Fault.CANCEL_LOST, calls=frozenset(("cancel_order",)), times=None))
    await desk.act(plans)
    assert [await desk.reconcile() for _ in range(3)] == [0, 0, 0]
    assert len(desk.journal.intents) == 1


async def test_after_an_unknown_end_nothing_more_is_done() -> None:
    """Neither the answer nor the order can be had: the other plans are left alone until the order can be read again."""
    desk, plans = await strangers("by-hand-1", "by-hand-2")
    lost = FaultRule(fault=Fault.LOST_REPLY, calls=frozenset(("cancel_order",)))
    desk.broker.faults.inject(lost)
    # The first look before the act is answered, the look back is not.
    shut = ShutAfter(desk, looks=1)
    first, second = await apply(
        plans, account="main", report_id="r", books=desk.books, broker=shut, journal=desk.journal
    )
    assert (first.ended, first.why) == (Ended.UNKNOWN, "simulated:main could not be read (timeout)")
    assert (second.ended, second.why) == (None, "outcome_unknown")
    assert len(await desk.broker.get_open_orders()) == 1
    assert ends(await recover(desk.journal.unfinished(), desk.books, shut, desk.journal)) == ends([first])
    assert ends(await desk.recover()) == [(Ended.DONE, None)]


class ShutAfter(type(Desk().broker)):  # type: ignore[misc]
    """A broker that answers about orders so often, and then no more."""


async def test_books_that_refuse_leave_a_failed_end() -> None:
    """A refusal is an end of its own, with the books' reason and without an amount."""
    desk, _, plans = await missed(RefusingBooks)
    assert ends(await desk.act(plans)) == [(Ended.FAILED, "the books are closed for the day")]
    assert desk.journal.unfinished() == [] and await desk.amount() == 10


class RefusingBooks(OddBooks):
    """Books that refuse every booking."""

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Refuse.

        Raises:
            BookError: Always.
        """
        raise BookError("fill", "the books are closed for the day")
