"""Rules 8 and 10: storms and oscillations halt, and empty books ask before they begin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

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
    moved,
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
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Observation

S = ReconciliationStrategy
PAID = moved("d", "dividend", "200")
SHORT, FULL = side(cash("10000")), side(cash("10200"), PAID)
STEP = Settings(assets={"X": AssetSettings(step=Decimal("0.1"))})


def halted(report: ReconciliationReport) -> list[str]:
    """Why cases are halted, by reason."""
    return sorted(one.detail["reason"] for one in report.actions if one.action == "halt")


def test_twenty_changes_an_hour_and_then_a_halt() -> None:
    """The 21st order to be updated within the hour halts; the first twenty go on."""
    local = side(*(order(f"c{n:02}") for n in range(21)))
    broker = side(*(order(f"c{n:02}", "cancelled") for n in range(21)))
    for report in told(every(30, 3, local, broker)):
        assert booked(report) == ["update_order"] * 20
        assert halted(report) == ["too_many_changes"]


def test_cases_count_once_and_lapse_after_an_hour() -> None:
    """Fifteen changes that stand for many readings are fifteen; an hour later there is room again."""
    names = [f"c{n:02}" for n in range(30)]
    local = side(*(order(name) for name in names))
    some = side(*(order(name, "cancelled" if number < 15 else "open") for number, name in enumerate(names)))
    gone = side(*(order(name, "cancelled") for name in names[:15]), *(order(name) for name in names[15:]))
    every_one = side(*(order(name, "cancelled") for name in names))
    soon = [*every(60, 5, local, some), reading(600, gone, every_one)]
    late = [*every(60, 5, local, some), reading(4000, gone, every_one)]
    assert len(booked(told(soon)[-1])) == 5
    assert len(booked(told(late)[-1])) == 15


def test_what_heals_itself_has_a_wider_limit() -> None:
    """Thirty missed fills with their thirty orders are thirty healing cases, and none too many."""
    known = fill("k", "buy", "1", at=OLD - 9)
    local: list[Any] = [cash("100000")]
    rows: list[Any] = [cash("70000")]
    for n in range(30):
        name, sent = f"A{n:02}", f"c{n}"
        local += [pos(name, "100"), order(sent, asset=name)]
        missed = fill(f"f{n}", "buy", "10", asset=name, client_order_id=sent)
        rows += [pos(name, "110"), order(sent, "filled", filled="10", asset=name), missed]
    report = told(every(30, 2, side(*local, known), side(*rows, known)))[-1]
    assert (booked(report), halted(report)) == (["book_fill"] * 30, [])
    few = told(every(30, 2, side(cash("9"), *local[1:]), side(cash("9"), *rows[1:])), Policy(heals_per_hour=0))[-1]
    assert booked(few) == []
    assert set(halted(few)) == {"too_many_changes"}


def test_a_halted_change_stays_halted_while_it_stands() -> None:
    """Room in the next hour does not restart what a limit stopped: a person does."""
    local = side(order("a"), order("b"))
    broker = side(order("a", "cancelled"), order("b", "cancelled"))
    first, later = told([reading(0, local, broker), reading(7200, local, broker)], Policy(changes_per_hour=1))
    assert (len(booked(first)), len(booked(later))) == (1, 1)
    assert halted(later) == ["too_many_changes"]


def rounded(amount: str) -> Side:
    """A broker that is off by up to a step."""
    return side(pos("X", amount, price="50"))


def test_an_asset_is_set_once_a_day() -> None:
    """The second rounding of an asset within 24 hours halts; a day later it would be set again."""
    held = rounded("10")
    for pause, expected in ((5, ["set_too_often"]), (25 * 3600, [])):
        history = [*every(30, 2, held, rounded("10.1")), *every(30, 4, held, held, start=60)]
        history += every(30, 2, held, rounded("9.95"), start=180 + pause)
        reports = told(history, settings=STEP)
        assert booked(reports[1]) == ["set_position"]
        assert halted(reports[-1]) == expected
        assert booked(reports[-1]) == ([] if expected else ["set_position"])


def test_a_correction_that_comes_back_halts_for_as_long_as_it_stands() -> None:
    """A dividend booked and gone from the books again within three readings is not booked a second time, ever."""
    history = [reading(0, SHORT, FULL), reading(30, FULL, FULL), *every(30, 8, SHORT, FULL, start=60)]
    reports = told(history)
    assert booked(reports[0]) == ["book_activity"]
    assert [booked(report) for report in reports[2:]] == [[]] * 8
    assert {reason for report in reports[2:] for reason in halted(report)} == {"came_back"}


def test_one_that_comes_back_later_or_on_other_evidence_is_another() -> None:
    """After three clean readings, or with a dividend of its own, the same amount is cured again."""
    later = [reading(0, SHORT, FULL), *every(30, 4, FULL, FULL, start=30), reading(150, SHORT, FULL)]
    assert booked(told(later)[-1]) == ["book_activity"]
    second = side(cash("10400"), PAID, moved("e", "dividend", "200"))
    other = [reading(0, SHORT, FULL), reading(30, FULL, FULL), reading(60, FULL, second)]
    assert booked(told(other)[-1]) == ["book_activity"]


def test_an_order_that_moves_on_is_no_correction_that_comes_back() -> None:
    """Its opening was missed, and two readings later its end: each is updated. The same miss again halts."""
    pending, opened, ended = side(order("c", "pending")), side(order("c")), side(order("c", "cancelled"))
    first = [reading(0, pending, opened), reading(30, opened, opened)]
    assert booked(told([*first, reading(60, opened, ended)])[-1]) == ["update_order"]
    assert halted(told([*first, reading(60, pending, opened)])[-1]) == ["came_back"]


def test_an_order_that_moved_on_before_it_was_looked_at_is_updated_again() -> None:
    """The update held, and the order ended before the next reading: that is another update, not one that failed."""
    pending, opened, ended = side(order("c", "pending")), side(order("c")), side(order("c", "cancelled"))
    reports = act([reading(0, pending, opened), reading(30, opened, ended), reading(60, opened, ended)])
    assert [booked(report) for report in reports] == [["update_order"], ["update_order"], []]
    assert halted(reports[-1]) == ["did_not_converge"]


def act(history: list[Observation]) -> list[ReconciliationReport]:
    """The reports where every approved plan is carried out, and the books do not change."""
    state, reports = State(), []
    for one in history:
        outcome = reconcile_observation(one, state, Settings(), Policy(), trigger="manual")
        plans = [plan for plan in outcome.decided.plans if isinstance(plan, Approved)]
        state = replace(outcome.state, history=attempted(outcome.state.history, plans))
        reports.append(outcome.report)
    return reports


def test_a_cure_that_does_not_hold_is_not_tried_again() -> None:
    """One attempt a break: after it the case halts, for as long as it stands."""
    reports = act(every(30, 4, SHORT, FULL))
    assert [booked(report) for report in reports] == [["book_activity"], [], [], []]
    assert {reason for report in reports[1:] for reason in halted(report)} == {"did_not_converge"}


def test_what_was_cured_may_be_cured_again_as_another_break() -> None:
    """A break that was acted on, closed, and opened days later under a new identity is one to act on."""
    days = 3 * 86400
    reports = act([reading(0, SHORT, FULL), *every(30, 5, FULL, FULL, start=30), reading(days, SHORT, FULL)])
    assert booked(reports[-1]) == ["book_activity"]


# --- first start


STOCKED = side(pos("X", "2"), cash("7500"), order("m", client_order_id=None), fill("f", "buy", "2"))


def test_empty_books_ask_before_they_begin() -> None:
    """Everything that the broker has awaits approval, record or number, order or cash; nothing halts."""
    first, second = told(every(30, 2, side(), STOCKED))
    assert booked(first) == booked(second) == []
    assert {str(found.strategy) for found in second.discrepancies} == {"SYNC_TO_BROKER"}
    assert "halt planned" not in actions(second)
    assert {"adopt_order awaiting_approval", "set_balance awaiting_approval"} <= set(actions(second))
    assert "tieout adopt main" in second.summary.text


def test_nothing_in_a_first_start_is_booked_however_long_it_lasts() -> None:
    """Two hours of readings later everything still awaits approval."""
    for report in told(every(600, 12, side(), STOCKED)):
        assert booked(report) == []
        assert halted(report) == []


def test_the_first_start_ends_when_local_holds_something() -> None:
    """Books that held anything once are not new, even if they are empty now."""
    history = [
        reading(0, side(pos("X", "2")), side(pos("X", "2"))),
        *every(30, 2, side(), side(pos("X", "2")), start=30),
    ]
    assert verdict(told(history)[-1], "position") == ("UNKNOWN", "CRITICAL", "HALT_AND_ALERT")


def test_rows_of_zero_are_empty_books() -> None:
    """A currency with a total of 0 is no holding."""
    report = told(every(30, 2, side(cash("0"), pos("X", "0")), side(pos("X", "2"))))[-1]
    assert verdict(report, "position")[2] == "SYNC_TO_BROKER"
    assert actions(report) == ["set_position awaiting_approval"]


@pytest.mark.parametrize("local", [side(cash("1")), side(order("c", "cancelled")), side(PAID)])
def test_any_row_makes_books_old(local: Side) -> None:
    """A coin, an ended order or an activity: these books have lived."""
    report = told(every(30, 2, local, side(pos("X", "2"))))[-1]
    assert row(report, "position").strategy == "HALT_AND_ALERT"


def test_a_blind_rule_counts_every_number_it_sets() -> None:
    """A rule that sets without asking sets an asset once a day, and then halts, though the break never closed."""
    free = Policy(rules=(Rule(strategy=S.SYNC_TO_BROKER),))
    local = side(cash("10000"))
    history = [*every(30, 2, local, side(cash("10300"))), *every(30, 2, local, side(cash("10350")), start=60)]
    results = decided(history, free)
    assert [len(booked(report)) for report, _ in results] == [0, 1, 0, 0]
    assert halted(results[-1][0]) == ["set_too_often"]
