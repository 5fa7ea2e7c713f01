"""Rule 2: nothing is done on doubt, and nobody stays in doubt, or unread, in silence."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.decide.building import (
    BOOKINGS,
    DOWN,
    OLD,
    Side,
    actions,
    booked,
    cash,
    every,
    fill,
    moment,
    moved,
    order,
    pos,
    reading,
    row,
    side,
    told,
    verdict,
)
from tieout.decide import Policy, Rule
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings

LISTED = {"fills_since": moment(OLD), "activities_since": moment(OLD)}
HELD = side(pos("X", "100"), pos("Y", "5"), **LISTED)
LOST = side(pos("Y", "5"), **LISTED)


def strategies(reports: list[ReconciliationReport]) -> list[str]:
    """What the policy picked for each reading's only position."""
    return [str(row(report, "position").strategy) for report in reports]


def lost(*seconds: float) -> list[ReconciliationReport]:
    """A broker that loses a row after the first reading, read again at these times."""
    return told([reading(0, HELD, HELD), *(reading(at, HELD, LOST) for at in seconds)])[1:]


def test_a_lost_row_is_waited_for_and_halts_after_three_readings_and_a_minute() -> None:
    """Doubt gets a warning; three readings over 60 seconds on the same evidence halt."""
    reports = lost(30, 60, 90)
    assert verdict(reports[0], "position") == ("PARTIAL_RESPONSE", "CRITICAL", "WARN_ONLY")
    assert strategies(reports) == ["WARN_ONLY", "WARN_ONLY", "HALT_AND_ALERT"]
    assert actions(reports[0]) == ["wait planned"]
    assert actions(reports[1]) == ["alert planned", "wait planned"]
    assert actions(reports[2]) == ["alert planned", "halt planned"]


def test_many_quick_readings_do_not_halt() -> None:
    """Ten readings within 59 seconds are not long enough; the one at 60 is."""
    assert set(strategies(lost(*range(30, 89, 6)))) == {"WARN_ONLY"}
    assert strategies(lost(30, 60, 89.999, 90))[-2:] == ["WARN_ONLY", "HALT_AND_ALERT"]


def test_two_readings_do_not_halt_however_far_apart() -> None:
    """Two readings an hour apart are two, not three."""
    assert strategies(lost(30, 3630)) == ["WARN_ONLY", "WARN_ONLY"]


@pytest.mark.parametrize(("settings", "policy", "halts_at"), [
    (Settings(venue_lag_seconds=Decimal(60)), Policy(), 180),
    (Settings(venue_lag_seconds=Decimal(10)), Policy(), 60),
    (Settings(), Policy(doubt_seconds=Decimal(0)), 60),
    (Settings(), Policy(doubt_readings=5), 120),
])  # fmt: skip
def test_how_long_doubt_may_last_is_a_setting(settings: Settings, policy: Policy, halts_at: int) -> None:
    """Three times the venue's known lag, or as the policy says; and at least so many readings."""
    history = [reading(0, HELD, HELD), *(reading(30 + at, HELD, LOST) for at in range(0, 211, 30))]
    halted = [strategy == "HALT_AND_ALERT" for strategy in strategies(told(history, policy, settings)[1:])]
    assert halted.index(True) * 30 == halts_at


def test_doubt_on_other_evidence_starts_over() -> None:
    """A broker that shows another wrong amount each time has to repeat itself before it halts."""
    amounts = ("90", "90", "80", "80", "80")
    readings = (reading(30 + 30 * n, HELD, side(pos("X", a), pos("Y", "5"), **LISTED)) for n, a in enumerate(amounts))
    reports = told([reading(0, HELD, HELD), *readings])[1:]
    assert verdict(reports[0], "position")[0] == "STALE_BROKER"
    assert strategies(reports) == ["WARN_ONLY"] * 4 + ["HALT_AND_ALERT"]


def test_doubt_that_ends_halts_nobody() -> None:
    """The row is back: both sides agree, and a later loss is doubted from the beginning, under a new identity."""
    broker = (LOST, LOST, HELD, LOST, LOST)
    reports = told([reading(0, HELD, HELD), *(reading(30 + 30 * n, HELD, one) for n, one in enumerate(broker))])[1:]
    assert [report.status for report in reports] == ["discrepancies"] * 2 + ["matched"] + ["discrepancies"] * 2
    assert {row(report, "position").strategy for report in reports if report.discrepancies} == {"WARN_ONLY"}
    assert row(reports[1], "position").discrepancy_id != row(reports[3], "position").discrepancy_id


def test_an_outage_does_not_count_as_doubt() -> None:
    """Readings that failed in between neither count towards the halt nor start it over."""
    history = [reading(0, HELD, HELD), reading(30, HELD, LOST), reading(60, HELD, DOWN), reading(90, HELD, LOST)]
    assert strategies([told(history)[-1]]) == ["WARN_ONLY"]
    assert strategies([told([*history, reading(120, HELD, LOST)])[-1]]) == ["HALT_AND_ALERT"]


def test_a_doubted_row_never_becomes_the_baseline() -> None:
    """Repeating itself does not make a broker right: the tenth reading is doubted as the first was."""
    assert {row(report, "position").cause.code for report in lost(*range(30, 330, 30))} == {"PARTIAL_RESPONSE"}


@pytest.mark.parametrize("strategy", [ReconciliationStrategy.SYNC_TO_BROKER, ReconciliationStrategy.SYNC_TO_LOCAL])
def test_no_rule_books_on_doubt(strategy: ReconciliationStrategy) -> None:
    """A rule that syncs everything does not make a doubt a fact."""
    policy = Policy(rules=(Rule(strategy=strategy, approval=False),), doubt_readings=99)
    history = [reading(0, HELD, HELD), *every(30, 5, HELD, LOST, start=30)]
    assert not [a for report in told(history, policy) for a in report.actions if a.action in BOOKINGS]


def test_a_record_that_moves_a_doubted_row_is_not_booked() -> None:
    """The cash says that a fill was booked twice; the position moved without a fill: nothing is reversed on that."""
    twice = fill("f", "buy", "11", price="1", client_order_id="c-1")
    local = side(pos("X", "1022", settlement="cash"), cash("978"), twice, twice, **LISTED)
    before = side(pos("X", "1023", settlement="cash"), cash("989"), twice, **LISTED)
    after = side(pos("X", "1012", settlement="cash"), cash("989"), twice, **LISTED)
    report = told([reading(0, before, before), *every(30, 2, local, after, start=30)])[-1]
    assert verdict(report, "position")[0] == "STALE_BROKER"
    assert verdict(report, "balance")[0] == "DUPLICATE_FILL"
    assert booked(report) == []
    assert "reverse_fill awaiting_approval" in actions(report)


def test_a_clock_that_runs_ahead_is_in_flight_and_not_for_ever() -> None:
    """A record from the broker's future is in flight for the settle window from when it was first shown."""
    local, broker = side(cash("10000")), side(cash("10200"), moved("d", "dividend", "200", at=3600))
    reports = told(every(30, 2, local, broker))
    assert [verdict(report, "balance")[0] for report in reports] == ["IN_FLIGHT", "DIVIDEND"]


def test_flight_that_does_not_land_halts_without_a_booking() -> None:
    """Local books that stand still for minutes leave every record between the readings: that is not flight for ever."""
    local, broker = side(cash("10000")), side(cash("10200"), moved("d", "dividend", "200", at=20))
    stuck = local.said("local", moment(0), "main")
    history = [reading(30 * n, local, broker) for n in range(1, 5)]
    reports = told([replace(one, local=stuck) for one in history])
    assert {verdict(report, "balance")[0] for report in reports} == {"IN_FLIGHT"}
    assert [actions(report) for report in reports] == [["wait planned"]] * 2 + [["alert planned", "halt planned"]] * 2
    assert [row(report, "balance").confirmed for report in reports] == [False, False, True, True]


# --- a side that cannot be read


def test_an_outage_is_said_once_then_hourly() -> None:
    """Alerts at the first failed reading and an hour later; a reading that succeeds ends the outage."""
    policy = Policy(unreadable_seconds=Decimal(10**6))
    times = (0, 600, 1200, 3599, 3600, 4000, 7200)
    reports = told([reading(at, HELD, DOWN) for at in times], policy)
    assert [bool(report.actions) for report in reports] == [True, False, False, False, True, False, True]
    assert {report.status for report in reports} == {"incomplete"}
    again = told([reading(0, HELD, DOWN), reading(30, HELD, HELD), reading(60, HELD, DOWN)])
    assert [actions(report) for report in again] == [["alert planned"], [], ["alert planned"]]


@pytest.mark.parametrize("first", [HELD, DOWN])
def test_an_outage_of_a_quarter_of_an_hour_halts(first: Side) -> None:
    """900 seconds after the last complete reading, or the first of all, trading stops; recovery is a clean report."""
    history = [reading(0, HELD, first), reading(450, HELD, DOWN), reading(899, HELD, DOWN), reading(900, HELD, DOWN)]
    reports = told([*history, reading(930, HELD, DOWN), reading(960, HELD, HELD)])
    assert "halt planned" not in actions(reports[2])
    assert [actions(report) for report in reports[3:]] == [["alert planned", "halt planned"]] * 2 + [[]]
    assert [report.status for report in reports[-2:]] == ["incomplete", "matched"]


def test_either_side_or_both_may_fail() -> None:
    """Local that cannot be read is as unreadable as the broker, and never empty."""
    for local, broker in ((DOWN, HELD), (HELD, DOWN), (DOWN, DOWN)):
        (report,) = told([reading(0, local, broker)])
        assert (report.status, report.discrepancies, actions(report)) == ("incomplete", (), ["alert planned"])
        assert set(report.coverage.values()) == {"failed"}


def test_a_partial_required_section_halts_too() -> None:
    """A section that stays partial for 900 seconds was not read completely."""
    part = side(pos("X", "100"), coverage={"positions": "partial"})
    reports = told([reading(at, HELD, part) for at in (0, 450, 900)])
    assert [report.status for report in reports] == ["incomplete"] * 3
    assert [actions(report) for report in reports] == [[], [], ["alert planned", "halt planned"]]


def test_a_failed_section_leaves_the_others_compared() -> None:
    """Positions are not to be had: the balances are compared, the positions are not read as none."""
    local = side(pos("X", "100"), cash("1000"))
    broker = side(cash("1500"), positions=None, coverage={"positions": "failed"})
    report = told(every(30, 2, local, broker))[-1]
    assert [found.domain for found in report.discrepancies] == ["balance"]
    assert (report.status, report.coverage["positions"]) == ("discrepancies", "failed")


def test_known_breaks_survive_an_outage_and_are_halted_after_it() -> None:
    """An outage forgets nothing: a break confirmed before it is confirmed after it."""
    broker = side(pos("X", "120"), pos("Y", "5"), **LISTED)
    history = [reading(0, HELD, broker), reading(30, HELD, broker), reading(60, HELD, DOWN), reading(90, HELD, broker)]
    reports = told(history)
    assert (row(reports[3], "position").confirmed, booked(reports[3])) == (True, [])
    assert row(reports[3], "position").discrepancy_id == row(reports[0], "position").discrepancy_id


def test_orders_and_fills_in_doubt_are_left_alone() -> None:
    """A young order of local's that the broker does not list yet is waited for."""
    local = side(order("c", created_at=moment(-1), updated_at=moment(-1)), fill("f", "buy", "1", at=-1, own=True))
    report = told(every(30, 1, local, side(fills_since=moment(OLD))))[0]
    assert {found.cause.code for found in report.discrepancies} == {"IN_FLIGHT"}
    assert actions(report) == ["wait planned"]
