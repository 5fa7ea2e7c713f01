"""What becomes of one act: done or not, said or not; what speaks against it by then; and a record that fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta, timezone

import pytest
from msgspec.structs import replace

from tests.act.desk import START, Desk, MortalBooks, MortalBroker
from tieout.act import Effect, Unrecorded, apply, read_back
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
from tieout.model.snapshot import Activity, Fill, Order, Snapshot


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


class RefusingBooks(OddBooks):
    """Books that refuse every booking."""

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Refuse.

        Raises:
            BookError: Always.
        """
        raise BookError("fill", "the books are closed for the day")


class DroppedLine(MortalBroker):
    """A broker whose line breaks while it is asked for a cancel, which lands."""

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask, and hear no more.

        Raises:
            OutcomeUnknown: Always.
        """
        self.faults.inject(FaultRule(fault=Fault.TIMEOUT, calls=frozenset(("get_order",)), times=None))
        self.faults.inject(FaultRule(fault=Fault.LOST_REPLY, calls=frozenset(("cancel_order",))))
        return await super().cancel_order(broker_order_id=broker_order_id, client_order_id=client_order_id)


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
    desk.broker = DroppedLine(desk.world, "main")
    unread = (Ended.UNKNOWN, "simulated:main could not be read (timeout)")
    assert ends(await desk.act(plans)) == [unread, (None, "outcome_unknown")]
    assert ends(await desk.recover()) == [unread]
    desk.broker.faults.clear()
    assert len(await desk.broker.get_open_orders()) == 1
    assert ends(await desk.recover()) == [(Ended.DONE, None)]
    assert desk.journal.unfinished() == []


async def test_an_order_whose_status_the_venue_does_not_know_is_no_end() -> None:
    """A status unknown proves nothing; an order that the venue knows no more is one that ended."""
    desk, plans = await strangers()
    desk.journal.keeps.add("intend")
    await desk.act(plans)
    (intent,) = desk.journal.unfinished()
    (order,) = await desk.broker.get_open_orders()
    for stated, ended in ((replace(order, status="unknown"), Ended.UNKNOWN), (None, Ended.DONE), (order, Ended.UNDONE)):
        assert (await read_back(intent, desk.books, Stating(desk.world, "main").which(stated)))[0] is ended


class Stating(MortalBroker):
    """A broker that states one thing of every order."""

    said: Order | None = None

    def which(self, order: Order | None) -> Stating:
        """This broker, with what it states."""
        self.said = order
        return self

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """What it states."""
        return self.said


async def test_books_that_refuse_leave_a_failed_end() -> None:
    """A refusal is an end of its own, with the books' reason, and is not tried again."""
    desk, _, plans = await missed(RefusingBooks)
    assert ends(await desk.act(plans)) == [(Ended.FAILED, "the books are closed for the day")]
    assert desk.journal.unfinished() == [] and await desk.amount() == 10
    assert [await desk.reconcile() for _ in range(2)] == [0, 0]


# --- every kind of change, read back


AT = START - timedelta(minutes=1)
EXTRA = Fill("extra", "X", "buy", dec("1"), dec("100"), AT, quote="USD")
FEE = Activity("fee", "fee", AT, currency="USD", amount=dec("-3"))
ADRIFT = Order(asset="X", side="buy", quantity=dec("1"), status="open", client_order_id="own-adrift", filled=dec("0"))

CHANGES: list[tuple[str, tuple[Change, ...]]] = [
    ("book a fill", (BookFill(EXTRA),)),
    ("take a fill back", (ReverseFill(replace(EXTRA, fill_id="known")),)),
    ("correct a fill", (ReverseFill(replace(EXTRA, fill_id="known")),
                        BookFill(replace(EXTRA, fill_id="known", fee=dec("1"), fee_currency="USD")))),
    ("book an activity", (BookActivity(FEE),)),
    ("take an activity back", (ReverseActivity(replace(FEE, activity_id="known")),)),
    ("end an order", (UpdateOrder(replace(ADRIFT, client_order_id="own-known", status="cancelled")),)),
    ("adopt an order", (AdoptOrder(ADRIFT),)),
    ("set a position", (SetPosition("X", "net", dec("7"), "test"),)),
    ("set a new position", (SetPosition("Z", "net", dec("7"), "test"),)),
    ("set a balance", (SetBalance("USD", dec("7"), "test"),)),
]  # fmt: skip
each_change = pytest.mark.parametrize("changes", [rows for _, rows in CHANGES], ids=[name for name, _ in CHANGES])


async def known() -> Desk:
    """A desk whose books hold a fill, an activity and an order more than the venue does."""
    desk = Desk()
    desk.books.book_fill(replace(EXTRA, fill_id="known"), reason="test")
    desk.books.book_activity(replace(FEE, activity_id="known"), reason="test")
    desk.books.orders.register(replace(ADRIFT, client_order_id="own-known"))
    return desk


@each_change
async def test_each_kind_of_change_reads_back_as_done_or_undone(changes: tuple[Change, ...]) -> None:
    """Where the end could not be kept it reads back DONE; where the act never came, UNDONE, whatever the market did since."""
    for refused, ended in (("conclude", Ended.DONE), ("intend", Ended.UNDONE)):
        desk = await known()
        # The intent is kept, and the journal fails all the same: it is not acted on.
        (desk.journal.keeps if refused == "intend" else desk.journal.refuses).add(refused)
        await desk.act([plan(*changes)])
        desk.journal.keeps.clear()
        desk.journal.refuses.clear()
        desk.clock.advance(60)
        desk.books.set_prices({"X": dec("101")}, usd={"EUR": dec("1.1")})
        before = await desk.held()
        (effect,) = await desk.recover()
        assert effect.ended is ended
        assert await desk.held() == before, "recovery only looks"


@each_change
async def test_each_kind_of_change_is_made_once(changes: tuple[Change, ...]) -> None:
    """Carried out, it is done; the same plan again finds the books moved, begins no intent and changes nothing."""
    desk = await known()
    assert ends(await desk.act([plan(*changes)])) == [(Ended.DONE, None)]
    after, again = await desk.held(), plan(*changes, fingerprint="q")
    if len(changes) == 1:  # a corrected fill may be corrected again: by its identity it stands
        assert ends(await desk.act([again])) == [(None, "books_moved")]
        assert (await desk.held(), len(desk.journal.intents)) == (after, 1)


async def test_the_same_row_in_another_spelling_is_the_same_row() -> None:
    """Books that come back from a disk with 1.00 for 1, and another offset of the same moment, are as they were."""
    desk = await known()
    desk.journal.keeps.add("intend")
    await desk.act([plan(ReverseFill(replace(EXTRA, fill_id="known")))])
    said = await desk.books.read()
    elsewhere = timezone(timedelta(hours=9))
    fills = [replace(fill, quantity=fill.quantity.quantize(dec("0.00")), at=fill.at.astimezone(elsewhere))
             for fill in said.fills or ()]  # fmt: skip
    desk.open_books(replace(said, fills=tuple(fills)))
    desk.journal.keeps.clear()
    assert ends(await desk.recover()) == [(Ended.UNDONE, "the books are as they were")]


async def test_books_that_no_longer_list_what_was_touched_tell_nothing() -> None:
    """What became of an intent is unknown while the list it changes is not to be had, and shows once it is."""
    desk = await known()
    desk.journal.refuses.add("conclude")
    await desk.act([plan(BookFill(EXTRA))])
    desk.journal.refuses.clear()
    said = await desk.books.read()
    desk.open_books(replace(said, coverage={"fills": "partial"}))
    assert ends(await desk.recover()) == [(Ended.UNKNOWN, "local does not list what it changes")]
    desk.open_books(said)
    assert ends(await desk.recover()) == [(Ended.DONE, None)]


# --- what speaks against a plan by now


async def test_one_trade_id_on_two_orders_is_two_fills() -> None:
    """The fill of another order stands under the same id: this one is booked besides."""
    desk = Desk()
    desk.books.book_fill(replace(EXTRA, broker_order_id="b-1"), reason="test")
    effects = await desk.act([plan(BookFill(replace(EXTRA, broker_order_id="b-2")))])
    assert (ends(effects), await desk.amount()) == ([(Ended.DONE, None)], dec(12))


async def test_a_fill_that_arrived_in_between_is_not_booked_twice() -> None:
    """The engine booked it itself between the question and the act: the plan is refused, and no intent begun."""
    desk, books, plans = await missed()
    (change,) = plans[0].changes
    assert isinstance(change, BookFill)
    books.book_fill(change.fill, reason="the engine's own")
    assert ends(await desk.act(plans)) == [(None, "books_moved")]
    assert (await desk.amount(), len(desk.journal.intents)) == (dec(12), 0)


async def test_a_number_is_not_set_over_a_row_that_moved() -> None:
    """It was decided on 10 X; the engine traded since: the number is not set, and the trade stays."""
    desk = await known()
    observed = await desk.books.read()
    wanted = plan(SetPosition("X", "net", dec("7"), "test"))
    desk.books.book_fill(EXTRA, reason="the engine's own")
    (effect,) = await apply(
        [wanted], account="main", report_id="r", books=desk.books, broker=desk.broker, journal=desk.journal,
        observed=observed,
    )  # fmt: skip
    assert (effect.ended, effect.why, await desk.amount()) == (None, "books_moved", dec(12))


@pytest.mark.parametrize("heard", ["end", "fill"])
async def test_an_order_does_not_fall_back_behind_what_local_heard_since(heard: str) -> None:
    """The broker's older word of an order is not written over the end, or the fill, that the engine heard in between."""
    desk = await known()
    observed = await desk.books.read()
    behind = plan(UpdateOrder(replace(ADRIFT, client_order_id="own-known", limit_price=dec("2"))))
    if heard == "end":
        desk.books.orders.advance("cancelled", desk.clock.now(), client_order_id="own-known")
    else:
        part = replace(EXTRA, quantity=dec("0.4"), client_order_id="own-known")
        desk.books.book_fill(part, reason="the engine's own")
    before = await desk.held()
    (effect,) = await apply(
        [behind], account="main", report_id="r", books=desk.books, broker=desk.broker, journal=desk.journal,
        observed=observed,
    )  # fmt: skip
    assert (effect.why, await desk.held()) == ("books_moved", before)


async def test_an_order_that_turned_out_to_be_our_own_is_not_cancelled() -> None:
    """Local registered it between the question and the act: it stays."""
    desk, plans = await strangers()
    (order,) = await desk.broker.get_open_orders()
    desk.books.orders.register(replace(order, broker_order_id=None))
    assert ends(await desk.act(plans)) == [(None, "own_order")]
    assert len(await desk.broker.get_open_orders()) == 1


async def test_an_order_that_ended_meanwhile_is_not_asked_to_end() -> None:
    """Nothing is sent, and no intent begun, for an order that the venue ended or knows no more."""
    desk, plans = await strangers()
    (order,) = await desk.broker.get_open_orders()
    never = replace(order, broker_order_id="none", client_order_id="none-such")
    desk.world.end("main", order.broker_order_id or "")
    assert ends(await desk.act([*plans, plan(CancelOrder(never))])) == [(None, "order_not_live")] * 2
    assert desk.journal.intents == {}


async def test_what_cannot_be_looked_at_is_not_acted_on() -> None:
    """Books that do not answer, or do not list fills, are not written to: a crash could not be told from success."""
    desk, books, plans = await missed()
    books.readable = False
    assert ends(await desk.act(plans)) == [(None, "not_read: local (timeout)")]
    desk, cancels = await strangers()
    desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, calls=frozenset(("get_order",))))
    assert ends(await desk.act(cancels)) == [(None, "not_read: simulated:main (unavailable)")]
    desk.open_books(replace(desk.world.snapshot("main"), orders=None))
    for effect in await desk.act([plan(AdoptOrder(ADRIFT)), *cancels]):
        assert effect.ended is None and "local does not list" in (effect.why or "")
    assert desk.journal.intents == {} and len(await desk.broker.get_open_orders()) == 1


# --- a record that fails


@pytest.mark.parametrize("kept", [True, False])
async def test_an_intent_that_may_not_be_kept_is_not_acted_on_nor_anything_after_it(kept: bool) -> None:
    """Whether the record kept it or not: nothing is booked, nothing is cancelled, and what it kept reads back UNDONE."""
    desk, plans = await strangers("by-hand-1", "by-hand-2")
    desk.miss("X")
    plans += await desk.plans()
    (desk.journal.keeps if kept else desk.journal.refuses).add("intend")
    assert set(ends(await desk.act(plans))) == {(None, "no_audit")}
    assert (await desk.amount(), len(await desk.broker.get_open_orders())) == (dec(10), 2)
    desk.journal.keeps.clear()
    assert ends(await desk.recover()) == ([(Ended.UNDONE, "the order is live")] if kept else [])


@pytest.mark.parametrize("kept", [True, False])
async def test_an_end_that_may_not_be_kept_stops_what_comes_after(kept: bool) -> None:
    """The first is done and says so; the second is not begun; what the record missed is read back."""
    desk, plans = await strangers("by-hand-1", "by-hand-2")
    (desk.journal.keeps if kept else desk.journal.refuses).add("conclude")
    assert ends(await desk.act(plans)) == [(Ended.DONE, None), (None, "no_audit")]
    assert (len(await desk.broker.get_open_orders()), len(desk.journal.intents)) == (1, 1)
    if not kept:
        with pytest.raises(RecordUnavailable):
            await desk.recover()
    desk.journal.keeps.clear()
    desk.journal.refuses.clear()
    assert ends(await desk.recover()) == ([] if kept else [(Ended.DONE, None)])
    assert desk.journal.unfinished() == []


async def test_without_a_record_it_acts_all_the_same() -> None:
    """That is the embedder's choice: what was approved is booked, and nothing is kept of it."""
    desk, _, plans = await missed()
    effects = await apply(
        plans, account="main", report_id="r", books=desk.books, broker=desk.broker, journal=Unrecorded()
    )
    assert (ends(effects), await desk.amount()) == ([(Ended.DONE, None)], dec(12))


async def test_an_intent_is_named_by_its_account_its_evidence_and_its_attempt() -> None:
    """The same gives the same name in any process; another account, plan or attempt gives another."""

    async def name(account: str, fingerprint: str, attempt: int) -> str:
        desk = await known()
        await apply(
            [plan(BookFill(EXTRA), fingerprint=fingerprint)], account=account, report_id="r", books=desk.books,
            broker=desk.broker, journal=desk.journal, attempts={fingerprint: attempt},
        )  # fmt: skip
        return next(iter(desk.journal.intents))

    assert await name("a", "p", 0) == await name("a", "p", 0)
    assert (
        len({await name("a", "p", 0), await name("b", "p", 0), await name("a", "q", 0), await name("a", "p", 1)}) == 4
    )
