"""Rules 5 and 6: orders go by what the broker says of them, and fills alone book nothing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.decide.building import (
    OLD,
    Side,
    actions,
    booked,
    cash,
    decided,
    every,
    fill,
    moment,
    order,
    pos,
    reading,
    row,
    side,
    told,
    verdict,
)
from tieout.decide import Policy, Rule, attempted
from tieout.live.road import State, reconcile_observation
from tieout.model.case import Approved
from tieout.model.changes import CancelOrder, UpdateOrder
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import Lookup, Observation, Order, OrderStatus, SideFailure

S = ReconciliationStrategy
NONE_SUCH = Lookup("b-c", "c")


def last(local: Side, broker: Side, policy: Policy | None = None) -> ReconciliationReport:
    """The report of the second of two readings of the same sides."""
    return told(every(30, 2, local, broker), policy)[-1]


@pytest.mark.parametrize("status", ["cancelled", "expired", "rejected"])
def test_a_missed_end_is_updated(status: OrderStatus) -> None:
    """An order that ended unnoticed is brought to the broker's record of it, in silence."""
    report = last(side(order("c")), side(order("c", status)))
    assert verdict(report, "order") == ("MISSED_UPDATE", "MINOR", "SYNC_TO_BROKER")
    assert actions(report) == ["update_order planned"]


def filled(status: OrderStatus, quantity: str, listed: str) -> tuple[Side, Side]:
    """An open order that the broker filled in part or whole, and the fills that it lists."""
    local = side(pos("X", "100"), cash("90000"), order("c"))
    stated = order("c", status, filled=quantity)
    amount, paid = 100 + Decimal(quantity), 90000 - 100 * Decimal(quantity)
    fills = [fill("f", "buy", listed, client_order_id="c")] if listed != "0" else []
    return local, side(pos("X", str(amount)), cash(str(paid)), stated, *fills)


@pytest.mark.parametrize(("status", "quantity"), [("filled", "10"), ("partially_filled", "4")])
def test_what_the_fill_brings_is_not_updated_again(status: OrderStatus, quantity: str) -> None:
    """Booking the fill brings the order along: the fill is the only booking."""
    report = last(*filled(status, quantity, quantity))
    assert verdict(report, "order")[::2] == ("MISSED_UPDATE", "SYNC_TO_BROKER")
    assert actions(report) == ["book_fill planned"]


@pytest.mark.parametrize("status", ["cancelled", "expired"])
def test_the_end_of_a_partly_filled_order_is_updated_besides(status: OrderStatus) -> None:
    """The fill does not bring the cancellation: both are booked."""
    assert booked(last(*filled(status, "4", "4"))) == ["book_fill", "update_order"]


def test_fills_that_do_not_cover_an_order_leave_it_to_be_updated() -> None:
    """The broker lists 6 of 10: where the fill is booked, the order is updated besides."""
    local = side(pos("X", "100"), cash("90000"), order("c"))
    broker = side(
        pos("X", "106"), cash("89400"), order("c", "filled", filled="10"), fill("f", "buy", "6", client_order_id="c")
    )
    assert booked(last(local, broker)) == ["book_fill", "update_order"]


def test_an_order_waits_for_the_fills_behind_it() -> None:
    """While the fill's case awaits approval, or halts, the order is not updated over it."""
    local, broker = filled("filled", "10", "10")
    asked = Policy(rules=(Rule(domain=("position",), strategy=S.SYNC_TO_BROKER, approval=True),))
    halted = Policy(rules=(Rule(domain=("position",), strategy=S.HALT_AND_ALERT),))
    assert actions(last(local, broker, asked)) == ["book_fill awaiting_approval"]
    assert booked(last(local, broker, halted)) == []


def test_changed_terms_are_updated() -> None:
    """Another limit price is the broker's word; another side is nobody's, and only told."""
    report = last(side(order("c")), side(order("c", limit_price=Decimal(103))))
    assert verdict(report, "order") == ("MISSED_UPDATE", "MODERATE", "SYNC_TO_BROKER")
    assert booked(report) == ["update_order"]
    turned = last(side(order("c")), side(order("c", side="sell")))
    assert verdict(turned, "order") == ("UNKNOWN", "CRITICAL", "WARN_ONLY")
    assert actions(turned) == ["alert planned"]


def test_a_lost_submission_is_adopted_and_told() -> None:
    """A live order with an id that local gave up on is taken back."""
    report = last(side(order("c", "cancelled")), side(order("c")))
    assert verdict(report, "order") == ("LOST_SUBMISSION", "MODERATE", "SYNC_TO_BROKER")
    assert actions(report) == ["adopt_order planned", "alert planned"]


def test_an_own_order_of_an_earlier_reading_is_known_again() -> None:
    """Local listed the order once and forgot it: its id is remembered."""
    history = [reading(0, side(order("c")), side(order("c"))), *every(30, 2, side(), side(order("c")), start=30)]
    assert verdict(told(history)[-1], "order")[0] == "LOST_SUBMISSION"


def test_a_strangers_order_is_only_told() -> None:
    """An order that local never sent gets a warning and an alert; cancelling it is a setting, and asks first."""
    local, broker = side(cash("5")), side(cash("5"), order("theirs"))
    report = last(local, broker)
    assert verdict(report, "order") == ("EXTERNAL_ORDER", "MODERATE", "WARN_ONLY")
    assert actions(report) == ["alert planned"]
    cancel = Policy(rules=(Rule(cause=("EXTERNAL_ORDER",), strategy=S.SYNC_TO_LOCAL),))
    assert actions(last(local, broker, cancel)) == ["cancel_order awaiting_approval"]


FREE = Policy(rules=(Rule(cause=("EXTERNAL_ORDER",), strategy=S.SYNC_TO_LOCAL, approval=False),))
THEIRS = order("theirs")


def cancels(
    policy: Policy, *orders: Order, readings: int = 2, acted: bool = False
) -> list[tuple[ReconciliationReport, list[str]]]:
    """Readings of a venue with strangers' orders: each report, and the orders whose cancel is approved in it."""
    state, seen = State(), []
    for observation in every(30, readings, side(cash("5")), side(cash("5"), *orders)):
        outcome = reconcile_observation(observation, state, Settings(), policy, trigger="schedule")
        approved = [plan for plan in outcome.decided.plans if isinstance(plan, Approved)]
        state = replace(outcome.state, history=attempted(outcome.state.history, approved if acted else ()))
        seen.append((outcome.report, [plan.cancel.order.name for plan in approved if plan.cancel is not None]))
    return seen


def test_a_rule_may_cancel_a_strangers_order_without_asking() -> None:
    """Once it has stood for the settle window, the plan holds the broker's own record of it, and the report says so."""
    young = order("theirs", created_at=moment(0), updated_at=moment(0))
    (report, approved), *_ = cancels(FREE, young)
    assert (actions(report), approved) == (["wait planned"], [])
    (report, approved), *_ = cancels(FREE, THEIRS)
    assert (actions(report), approved) == (["cancel_order planned"], ["theirs"])
    (action,) = report.actions
    assert action.detail == {"client_order_id": "theirs", "broker_order_id": "b-theirs", "reason": "own_rule"}
    (found,) = decided(every(30, 2, side(cash("5")), side(cash("5"), THEIRS)), FREE)[-1][1].plans
    assert isinstance(found, Approved) and found.changes == (CancelOrder(THEIRS),) and found.bookings == ()


def test_a_cancel_is_tried_once() -> None:
    """It was acted on and the order stands: the next reading halts, and no second cancel is planned."""
    seen = cancels(FREE, THEIRS, readings=4, acted=True)
    assert [approved for _, approved in seen] == [["theirs"], [], [], []]
    for report, _ in seen[1:]:
        assert {action.detail["reason"] for action in report.actions} == {"did_not_converge"}
        assert {"halt planned", "alert planned"} <= set(actions(report))


def test_cancels_count_towards_the_limit() -> None:
    """Two changes an hour: of three orders the third halts."""
    limited = Policy(rules=FREE.rules, changes_per_hour=2)
    report, approved = cancels(limited, *(order(f"theirs-{n}") for n in range(3)))[-1]
    assert len(approved) == 2
    assert [action.detail["reason"] for action in report.actions if action.action == "halt"] == ["too_many_changes"]


def test_nothing_but_a_strangers_order_is_cancelled_without_asking() -> None:
    """A rule that syncs everything to local does not cancel an order that local may have sent, and nobody can let it."""
    free = Policy(rules=(Rule(strategy=S.SYNC_TO_LOCAL, approval=False),))
    report, result = decided(every(30, 2, side(order("c", "cancelled")), side(order("c"))), free)[-1]
    assert actions(report) == ["alert planned", "cancel_order skipped"]
    assert {action.detail["reason"] for action in report.actions} == {"own_order"}
    assert result.plans == ()


def test_an_order_filled_locally_is_never_adopted() -> None:
    """While its fills stand in a list the broker's live order is stale, and afterwards unknown."""
    done = order("c", "filled", filled="10")
    whole = fill("f", "buy", "10", client_order_id="c")
    report = last(side(done, whole), side(order("c"), whole))
    assert verdict(report, "order")[::2] == ("STALE_BROKER", "WARN_ONLY")
    assert booked(report) == []
    assert verdict(last(side(done), side(order("c"))), "order")[::2] == ("UNKNOWN", "WARN_ONLY")


def test_no_rule_ends_or_adopts_what_is_not_proven() -> None:
    """A rule that syncs everything neither ends an order that is merely absent, nor adopts one that local has as filled."""
    free = Policy(rules=(Rule(strategy=S.SYNC_TO_BROKER),))
    assert booked(last(side(order("c")), side(), free)) == []
    assert booked(last(side(order("c", "filled", filled="10")), side(order("c")), free)) == []


# --- an order that only local knows


LONELY = side(pos("X", "5"), cash("1000"), order("c"))
ABSENT = side(pos("X", "5"), cash("1000"))


def asked(
    *answers: Sequence[Lookup], every_s: float = 30, local: Side = LONELY, broker: Side = ABSENT
) -> list[Observation]:
    """Readings in which the order is absent at the broker, each with what lookups answered."""
    return [reading(every_s * n, local, broker, lookups=given) for n, given in enumerate(answers)]


def lost(history: Sequence[Observation]) -> bool:
    """Whether the last reading takes the order for gone."""
    report = told(history)[-1]
    found = row(report, "order")
    gone = actions(report) == ["alert planned", "update_order planned"]
    assert (found.strategy == "SYNC_TO_BROKER") is gone
    assert found.cause.code == "UNKNOWN"
    assert not gone or found.confirmed
    return gone


def test_an_order_that_nobody_looked_up_is_only_told() -> None:
    """Absence from a list of open orders is not an end."""
    report = told(asked((), (), ()))[-1]
    assert verdict(report, "order") == ("UNKNOWN", "MODERATE", "WARN_ONLY")
    assert actions(report) == ["alert planned"]


def test_three_answers_over_a_minute_end_an_order() -> None:
    """Three times no such order, sixty seconds from first to last: it is rejected, with an alert."""
    assert lost(asked((NONE_SUCH,), (NONE_SUCH,), (NONE_SUCH,)))
    assert not lost(asked((NONE_SUCH,), (), (NONE_SUCH,)))
    assert not lost(asked((NONE_SUCH,), (NONE_SUCH,), (NONE_SUCH,), every_s=29.9))


@pytest.mark.parametrize(("done", "status"), [("0", "rejected"), ("4", "cancelled")])
def test_what_was_filled_stays_filled(done: str, status: str) -> None:
    """A lost order is cancelled if anything was filled, else rejected."""
    local = side(pos("X", "5"), cash("1000"), order("c", "partially_filled" if done != "0" else "open", filled=done))
    report = told(asked(*[(NONE_SUCH,)] * 3, local=local))[-1]
    (update,) = [one for one in report.actions if one.action == "update_order"]
    assert update.detail["status"] == status


def test_a_fill_found_at_the_broker_makes_a_lost_order_cancelled() -> None:
    """The fill of it that local missed is booked, and the order ends cancelled with that quantity."""
    known = fill("g", "buy", "5", at=OLD - 60)
    local = side(pos("X", "5"), cash("1000"), order("c"), known)
    broker = side(pos("X", "9"), cash("600"), known, fill("f", "buy", "4", client_order_id="c"))
    _, result = decided(asked(*[(NONE_SUCH,)] * 3, local=local, broker=broker))[-1]
    changes = [change for plan in result.plans if isinstance(plan, Approved) for change in plan.changes]
    (update,) = [change for change in changes if isinstance(change, UpdateOrder)]
    assert (update.order.status, update.order.filled) == ("cancelled", Decimal(4))


def test_an_error_never_counts() -> None:
    """A lookup that failed proves nothing, and does not undo what was proven."""
    failed = Lookup("b-c", "c", error=SideFailure.TIMEOUT)
    assert not lost(asked((NONE_SUCH,), (failed,), (NONE_SUCH,)))
    assert lost(asked((NONE_SUCH,), (failed,), (NONE_SUCH,), (NONE_SUCH,)))


def test_answers_count_by_either_id() -> None:
    """An order was asked for by the broker's id, by its own, and by both: that is three times."""
    assert lost(asked((Lookup("b-c", None),), (Lookup(None, "c"),), (NONE_SUCH,)))


def test_an_order_that_was_listed_in_between_starts_over() -> None:
    """An order that showed itself was not gone."""
    history = asked((NONE_SUCH,), (NONE_SUCH,))
    history += [reading(60, LONELY, side(pos("X", "5"), cash("1000"), order("c")))]
    history += [reading(90, LONELY, ABSENT, lookups=(NONE_SUCH,))]
    assert not lost(history)


def test_an_answer_with_an_order_is_the_brokers_record() -> None:
    """The looked-up order was cancelled: that is a missed update."""
    report = told(asked((Lookup("b-c", "c", order=order("c", "cancelled")),)))[-1]
    assert verdict(report, "order") == ("MISSED_UPDATE", "MINOR", "SYNC_TO_BROKER")
    assert booked(report) == ["update_order"]


@pytest.mark.parametrize("broker", [
    side(pos("X", "15"), cash("1000")),
    side(cash("1000"), positions=None, coverage={"positions": "failed"}),
    side(pos("X", "5"), cash("1000"), coverage={"positions": "partial"}),
    side(pos("X", "5"), cash("1000"), coverage={"orders": "partial"}),
    side(pos("X", "5"), cash("1000", locked="1000")),
    side(pos("X", "5"), balances=None, coverage={"balances": "failed"}),
])  # fmt: skip
def test_what_hides_a_fill_keeps_an_order_alive(broker: Side) -> None:
    """No order is taken for gone while a position or locked funds changed unexplained, or were not read whole."""
    found = [one for one in told(asked(*[(NONE_SUCH,)] * 4, broker=broker))[-1].discrepancies if one.domain == "order"]
    assert not [one for one in found if one.strategy == "SYNC_TO_BROKER"]


def test_coins_that_came_keep_the_order_of_a_pair_alive() -> None:
    """For a pair without position rows the coins are its position: unexplained ones may be its fill."""
    spot = order("c", asset="SOL/USDT")
    local = side(cash("1000", "USDT", usd="1"), cash("5", "SOL", usd="100"), spot)
    broker = side(cash("1000", "USDT", usd="1"), cash("15", "SOL", usd="100"))
    same = side(cash("1000", "USDT", usd="1"), cash("5", "SOL", usd="100"))
    assert not lost(asked(*[(NONE_SUCH,)] * 3, local=local, broker=broker))
    assert lost(asked(*[(NONE_SUCH,)] * 3, local=local, broker=same))


def test_a_lost_order_that_shows_up_later_is_a_lost_submission() -> None:
    """Local ended it as told; the broker lists it live after all: it is adopted."""
    ended = side(pos("X", "5"), cash("1000"), order("c", "rejected"))
    back = side(pos("X", "5"), cash("1000"), order("c"))
    history = [*asked(*[(NONE_SUCH,)] * 3), reading(90, ended, ABSENT), *every(30, 2, ended, back, start=120)]
    report = told(history)[-1]
    assert verdict(report, "order") == ("LOST_SUBMISSION", "MODERATE", "SYNC_TO_BROKER")


# --- fills alone


def numbered(name: str) -> Side:
    """Books with two fills, numbered in their own way."""
    fills = [fill(f"{name}{n}", "buy", "1", at=OLD + n) for n in range(2)]
    return side(pos("X", "2"), *fills, fills_since=moment(OLD - 1))


def test_fills_alone_book_nothing() -> None:
    """Positions and cash agree: a fill that only one side lists is told, once a fill, and nothing is booked."""
    known = fill("k", "buy", "1", at=OLD - 1)
    local = side(pos("X", "2"), known, fills_since=moment(OLD - 2))
    report = last(local, side(pos("X", "2"), known, fill("f", "buy", "1"), fill("h", "sell", "1")))
    assert {(one.domain, str(one.severity), str(one.strategy)) for one in report.discrepancies} == {
        ("fill", "MINOR", "WARN_ONLY")
    }
    assert [one.action for one in report.actions] == ["alert", "alert"]


def test_books_that_number_for_themselves_are_told_of_once() -> None:
    """No id of local's is known to the broker: one alert names all the fills."""
    report = last(numbered("local-"), numbered("broker-"))
    assert len(report.discrepancies) == 4
    assert [(one.action, len(one.discrepancy_ids)) for one in report.actions] == [("alert", 4)]
    assert report.actions[0].detail == {"reason": "fill_ids_are_local"}


def test_order_of_both_sides_agree_says_nothing() -> None:
    """The same orders and fills on both sides are no discrepancy."""
    both: list[Order] = [order("c"), order("d", "filled", filled="10")]
    assert last(side(*both), side(*both)).status == "matched"
