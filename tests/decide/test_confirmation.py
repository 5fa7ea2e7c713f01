"""Rule 1: what may be acted on, and the identity that a break keeps."""

from __future__ import annotations

from decimal import Decimal

from tests.decide.building import (
    DOWN,
    OLD,
    actions,
    booked,
    cash,
    decided,
    every,
    fill,
    moved,
    order,
    pos,
    reading,
    row,
    side,
    told,
    verdict,
)
from tieout.decide import Policy
from tieout.live.road import State, reconcile_observation
from tieout.model.settings import Settings
from tieout.model.snapshot import Activity

LOCAL, BROKER = side(pos("X", "100")), side(pos("X", "103"))


def confirmed(reports: list) -> list[bool]:  # type: ignore[type-arg]
    """Whether each reading's only discrepancy is confirmed."""
    return [report.discrepancies[0].confirmed for report in reports if report.discrepancies]


def test_two_readings_in_a_row_confirm() -> None:
    """A break without a record is confirmed by the second reading, and until then the only action is to wait."""
    first, second = told(every(30, 2, LOCAL, BROKER))
    assert (row(first, "position").confirmed, actions(first)) == (False, ["wait planned"])
    assert (row(second, "position").confirmed, actions(second)) == (True, ["set_position awaiting_approval"])


def test_readings_within_the_settle_window_do_not_confirm() -> None:
    """Two readings one second apart are one look; the third, two seconds after the first, confirms."""
    assert confirmed(told(every(1, 3, LOCAL, BROKER))) == [False, False, True]


def test_a_venue_that_settles_late_is_given_its_time() -> None:
    """With a settle window of 40 seconds, readings 30 seconds apart confirm with the third."""
    settings = Settings(settle_seconds=Decimal(40))
    assert confirmed(told(every(30, 3, LOCAL, BROKER), settings=settings)) == [False, False, True]


def test_another_difference_starts_over() -> None:
    """A break that moves between readings is not confirmed before it stands still; it keeps its identity."""
    history = [reading(30 * n, LOCAL, side(pos("X", amount))) for n, amount in enumerate(("103", "104", "104"))]
    reports = told(history)
    assert confirmed(reports) == [False, False, True]
    assert len({row(report, "position").discrepancy_id for report in reports}) == 1


def test_a_side_that_was_not_read_neither_counts_nor_breaks_the_row() -> None:
    """A timeout between two readings leaves the row as it was, and the break its identity."""
    history = [reading(0, LOCAL, BROKER), reading(30, LOCAL, DOWN), reading(60, LOCAL, BROKER)]
    first, outage, last = told(history)
    assert (outage.status, outage.discrepancies) == ("incomplete", ())
    assert row(last, "position").confirmed
    assert row(last, "position").discrepancy_id == row(first, "position").discrepancy_id


def test_a_partial_section_neither_counts_nor_breaks_the_row() -> None:
    """A row seen in a partial section is reported, and confirmed only by two complete ones."""
    part = side(pos("X", "103"), coverage={"positions": "partial"})
    reports = told([reading(30 * n, LOCAL, broker) for n, broker in enumerate((part, part, BROKER, part, BROKER))])
    assert confirmed(reports) == [False, False, False, False, True]
    assert len({row(report, "position").discrepancy_id for report in reports}) == 1


def test_another_difference_in_a_partial_section_is_not_confirmed_by_older_ones() -> None:
    """What a partial section shows otherwise is neither confirmed nor does it undo what complete ones confirmed."""
    part = side(pos("X", "108"), coverage={"positions": "partial"})
    reports = told([reading(30 * n, LOCAL, broker) for n, broker in enumerate((BROKER, BROKER, part, BROKER))])
    assert confirmed(reports) == [False, True, False, True]
    assert booked(reports[2]) == []


def test_an_absent_row_of_a_partial_section_keeps_its_break() -> None:
    """A partial answer without the row reports nothing of it, and the break stands on as it was."""
    part = side(coverage={"positions": "partial"})
    first, middle, last = told([reading(30 * n, LOCAL, broker) for n, broker in enumerate((BROKER, part, BROKER))])
    assert middle.discrepancies == ()
    assert row(last, "position").discrepancy_id == row(first, "position").discrepancy_id
    assert row(last, "position").confirmed


def test_a_break_that_closed_and_came_back_is_a_new_one() -> None:
    """A complete reading without the break closes it."""
    history = [reading(30 * n, LOCAL, broker) for n, broker in enumerate((BROKER, LOCAL, BROKER))]
    first, gone, last = told(history)
    assert gone.status == "matched"
    assert row(last, "position").discrepancy_id != row(first, "position").discrepancy_id
    assert not row(last, "position").confirmed


def test_old_records_that_explain_everything_confirm_at_once() -> None:
    """A dividend an hour old is booked in the first reading that shows it."""
    local, broker = side(cash("10000")), side(cash("10200"), moved("d", "dividend", "200"))
    assert booked(told(every(30, 1, local, broker))[0]) == ["book_activity"]


def test_young_records_are_in_flight() -> None:
    """A dividend one second old gets no verdict, no alert and no action but to wait."""
    local, broker = side(cash("10000")), side(cash("10200"), moved("d", "dividend", "200", at=-1))
    report = told(every(30, 1, local, broker))[0]
    assert verdict(report, "balance") == ("IN_FLIGHT", "MODERATE", "WARN_ONLY")
    assert (row(report, "balance").confirmed, actions(report)) == (False, ["wait planned"])


def test_a_split_takes_two_readings() -> None:
    """A split explains everything, and still has to be seen twice."""
    split = Activity("s", "split", moved("t", "fee", "1").at, asset="X", ratio="4")
    local, broker = side(pos("X", "100")), side(pos("X", "400"), split)
    first, second = told(every(30, 2, local, broker))
    assert (actions(first), booked(second)) == (["wait planned"], ["book_activity"])
    assert verdict(second, "position") == ("SPLIT", "CRITICAL", "SYNC_TO_BROKER")


def test_a_phantom_takes_two_readings() -> None:
    """A fill that the broker's list vouches not to know is reversed only after two readings."""
    known = fill("g", "buy", "1", client_order_id="c-1", at=OLD - 60)
    local = side(pos("X", "103"), known, fill("f", "buy", "3", client_order_id="c-1"))
    broker = side(pos("X", "100"), known)
    first, second = told(every(30, 2, local, broker))
    assert (actions(first), booked(second)) == (["wait planned"], ["reverse_fill"])
    assert verdict(second, "position") == ("PHANTOM_FILL", "MODERATE", "SYNC_TO_BROKER")


def test_an_old_order_record_confirms_at_once() -> None:
    """A missed end of an order is updated in the first reading, an order without times in the second."""
    dated = told(every(30, 1, side(order("c")), side(order("c", "cancelled"))))
    assert booked(dated[0]) == ["update_order"]
    bare = order("c", "cancelled", created_at=None, updated_at=None)
    first, second = told(every(30, 2, side(order("c", created_at=None, updated_at=None)), side(bare)))
    assert (booked(first), booked(second)) == ([], ["update_order"])


def test_one_comparison_takes_both_sides_as_settled() -> None:
    """`compare` confirms at once what is not in flight."""
    one = reading(0, LOCAL, BROKER)
    outcome = reconcile_observation(one, State(), Settings(), Policy(), trigger="manual", settled=True)
    assert row(outcome.report, "position").confirmed
    young = reading(0, side(cash("10000")), side(cash("10200"), moved("d", "dividend", "200", at=-1)))
    outcome = reconcile_observation(young, State(), Settings(), Policy(), trigger="manual", settled=True)
    assert not row(outcome.report, "balance").confirmed


def test_accounts_in_one_history_do_not_confirm_each_other() -> None:
    """Two accounts with the same break are followed apart, under two identities."""
    history = [reading(10 * n, LOCAL, BROKER, account=name) for n, name in enumerate(("a", "b", "a", "b"))]
    reports = told(history)
    assert confirmed(reports) == [False, False, True, True]
    assert len({row(report, "position").discrepancy_id for report in reports}) == 2


def test_every_plan_says_what_it_is_about() -> None:
    """A plan bears the identities of its breaks; a new break of the same kind makes another plan."""
    local, broker = side(cash("10000")), side(cash("10200"), moved("d", "dividend", "200"))
    history = [reading(30 * n, local, one) for n, one in enumerate((broker, broker, local, broker))]
    plans = [plan.fingerprint for _, result in decided(history) for plan in result.plans]
    assert plans[0] == plans[1] != plans[2]
