"""What is done, once, to real books against a venue that fails and lies: the reconciler's own harm, and its absence."""

from __future__ import annotations

import asyncio

import pytest

from tests.scenarios.desk import DeafToSome, Desk, RefusingBooks, SlowBooks, StuckBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault
from tieout.live.reconciler import PositionReconciler
from tieout.model.amounts import dec
from tieout.model.discrepancy import ActionKind
from tieout.model.report import ReconciliationReport


def kinds(report: ReconciliationReport) -> list[str]:
    """The actions of a report."""
    return [action.action for action in report.actions]


async def test_a_missed_fill_is_booked_and_the_next_reading_matches() -> None:
    """The reconciler starts, reads real books, books the record and looks again (X1, X3, X5)."""
    desk = Desk()
    desk.miss("5")
    report = await desk.read()
    (row,) = [row for row in report.discrepancies if row.domain == "position"]
    assert (row.local_amount, row.broker_amount, row.strategy) == (dec(100), dec(105), "SYNC_TO_BROKER")
    assert [(action.action, action.status) for action in report.actions] == [("book_fill", "done")]
    assert (await desk.amount(), (await desk.read()).status) == (dec(105), "matched")


async def test_a_second_gap_is_booked_alone_and_a_restart_books_nothing() -> None:
    """Each fill is booked once, also by a new process without any memory over the same books (class 12, X4)."""
    desk = Desk()
    for _ in range(2):
        desk.miss("5")
        assert kinds(await desk.read()) == ["book_fill"]
    entries = len(desk.books["main"].ledger.entries)
    desk.reconciler = desk.restarted()
    assert [(await desk.read()).status for _ in range(3)] == ["matched"] * 3
    assert len(desk.books["main"].ledger.entries) == entries


async def test_accounts_at_one_venue_are_reconciled_each_by_itself() -> None:
    """Opposite gaps in two accounts are both seen and both booked, each from its own account's fill (class 13)."""
    desk = Desk("a", "b")
    desk.miss("5", "a")
    desk.world.trade("b", "X", "sell", dec("5"), dec("100"), client_order_id="own-b")
    reports = {name: await desk.read(name) for name in ("a", "b")}
    assert {name: kinds(report) for name, report in reports.items()} == {"a": ["book_fill"], "b": ["book_fill"]}
    assert (await desk.amount("a"), await desk.amount("b")) == (dec(105), dec(95))


async def test_a_broker_that_is_down_for_one_account_is_not_down_for_the_others() -> None:
    """One account's failing reads leave the other's reconciliation whole (class 13, 23)."""
    desk = Desk("a", "b")
    desk.trouble(Fault.UNAVAILABLE, name="a")
    desk.miss("5", "b")
    assert (await desk.read("a")).status == "incomplete"
    assert kinds(await desk.read("b")) == ["book_fill"]


@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.UNAVAILABLE, Fault.THROTTLED, Fault.REFUSED, Fault.MALFORMED])
async def test_a_venue_that_does_not_answer_at_the_start_is_waited_for(fault: Fault) -> None:
    """A broker that fails at startup gives incomplete readings and no booking; once it answers, work goes on (class 36)."""
    desk = Desk()
    desk.miss("5")
    desk.trouble(fault)
    report = await desk.read()
    assert (report.status, report.discrepancies, kinds(report)) == ("incomplete", (), ["alert"])
    assert await desk.amount() == 100
    desk.calm()
    assert kinds(await desk.read()) == ["book_fill"]


async def test_an_account_nobody_configured_is_an_error_and_no_match() -> None:
    """Without accounts there is nothing to report: asking for one is a mistake that says so (class 36)."""
    with pytest.raises(KeyError):
        await PositionReconciler({}).reconcile("main")


async def test_positions_that_fail_to_be_read_are_not_flattened() -> None:
    """A failing position query leaves the books alone, and what else was read is still compared (class 36, P17)."""
    desk = Desk()
    desk.trouble(Fault.UNAVAILABLE, "get_positions")
    for _ in range(3):
        report = await desk.read()
        assert (report.status, report.coverage["positions"]) == ("incomplete", "failed")
        assert (report.coverage["balances"], report.discrepancies) == ("compared", ())
    assert await desk.amount() == 100


async def test_an_adapter_that_turns_errors_into_empty_lists_is_not_believed() -> None:
    """An empty list of positions, without a fill to show for it, is in doubt: the books keep what they hold (P17, X12)."""
    desk = Desk()
    assert (await desk.read()).status == "matched"
    desk.trouble(Fault.EMPTY, "get_positions")
    for _ in range(6):
        (row,) = (await desk.read()).discrepancies
        assert row.cause.code == "PARTIAL_RESPONSE"
    assert await desk.amount() == 100
    desk.calm()
    assert (await desk.read()).status == "matched"


async def test_lookups_that_fail_leave_a_live_order_live() -> None:
    """Every query for the order raises: after many readings it is still open in the books (class 23, P3b)."""
    desk = Desk()
    desk.send_nowhere("own-1")
    desk.trouble(Fault.UNAVAILABLE, "get_order")
    for _ in range(8):
        report = await desk.read()
    assert [row.discrepancy_type for row in report.discrepancies] == ["ORPHANED_LOCAL"]
    found = desk.books["main"].orders.find(client_order_id="own-1")
    assert found is not None and found.live


async def test_a_dozen_lost_orders_all_end_though_few_are_asked_for_at_a_time() -> None:
    """More lost orders than one reading looks up all come to their end in later readings (class 22)."""
    desk = Desk()
    for number in range(12):
        desk.send_nowhere(f"own-{number}")
    for _ in range(12):
        report = await desk.read()
    assert report.status == "matched"
    assert {order.status for order in desk.books["main"].orders.orders if order.limit_price == 50} == {"rejected"}


async def test_orders_nobody_answers_about_do_not_keep_the_others_from_being_asked_for() -> None:
    """Ten orders whose lookups always fail do not hide an eleventh that is lost: it comes to its end (class 22, 23)."""
    desk = Desk()
    desk.brokers["main"] = DeafToSome(desk.world, "main")
    desk.reconciler = desk.restarted()
    for number in range(10):
        desk.send_nowhere(f"own-old-{number}")
    desk.clock.advance(60)
    desk.send_nowhere("own-new")
    for _ in range(12):
        await desk.read()
    found = desk.books["main"].orders.find(client_order_id="own-new")
    assert found is not None and found.status == "rejected"


async def test_a_submission_whose_reply_was_lost_is_adopted_and_never_sent_again() -> None:
    """An order the books gave up on and the venue took is taken back; the venue saw one submission (class 24)."""
    desk = Desk()
    desk.send_nowhere("own-1")
    desk.books["main"].orders.advance(client_order_id="own-1", status="rejected", at=desk.clock.now())
    request = OrderRequest(client_order_id="own-1", asset="X", side="buy", quantity=dec("1"), limit_price=dec("50"))
    await desk.brokers["main"].submit_order(request)
    report = await desk.read()
    assert "adopt_order" in kinds(report)
    found = desk.books["main"].orders.find(client_order_id="own-1")
    assert found is not None and found.live
    assert desk.world.submits_seen("main") == {"own-1": 1}


async def test_a_cure_that_did_not_help_is_not_tried_again() -> None:
    """Booked, and the difference still stands: the second reading halts instead of booking once more (class 26, X14)."""
    desk = Desk(kind=StuckBooks)
    stuck = desk.books["main"]
    assert isinstance(stuck, StuckBooks)
    desk.miss("5")
    await desk.read()
    reports = [await desk.read() for _ in range(3)]
    assert all(ActionKind.HALT in kinds(report) for report in reports)
    assert {action.detail["reason"] for action in reports[0].actions} == {"did_not_converge"}
    assert stuck.asked == 1


async def test_books_that_refuse_a_booking_are_heard() -> None:
    """A refused booking is a failed action with its reason in the report, not a swallowed exception (X2)."""
    desk = Desk(kind=RefusingBooks)
    desk.miss("5")
    (action,) = (await desk.read()).actions
    assert (action.action, action.status) == ("book_fill", "failed")
    assert action.detail["failure"] == "the books are closed for the day"


async def test_a_critical_position_at_the_broker_halts_in_the_report() -> None:
    """A large trade by somebody else ends in a halt that is a value: the loop goes on, the halt stands (X2, X6)."""
    desk = Desk()
    desk.world.trade("main", "X", "buy", dec("500"), dec("100"), client_order_id="by-hand")
    reports = [await desk.read() for _ in range(3)]
    assert all({"halt", "alert"} <= set(kinds(report)) for report in reports)
    assert await desk.amount() == 100


async def test_reconciliations_of_one_account_take_turns() -> None:
    """Two at once, over books that are slow to read, book a missed fill once between them (X14)."""
    desk = Desk(kind=SlowBooks)
    desk.miss("5")
    desk.clock.advance(30)
    reports = await asyncio.gather(*(desk.reconciler.reconcile("main") for _ in range(2)))
    assert [kinds(report) for report in reports] == [["book_fill"], []]
    assert (await desk.amount(), reports[1].status) == (dec(105), "matched")


async def test_nothing_is_ever_sent_to_the_venue_to_make_it_agree() -> None:
    """Through missed fills, strangers' trades and lost orders, not one order is submitted or cancelled (class 8, X5)."""
    desk = Desk()
    desk.send_nowhere("own-1")
    desk.world.trade("main", "X", "sell", dec("3"), dec("100"))
    desk.miss("5")
    for _ in range(5):
        await desk.read()
    assert desk.world.submits_seen("main") == {}
