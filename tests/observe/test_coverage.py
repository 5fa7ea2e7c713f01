"""How far both sides were read, and what follows from it for a report's status."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.decide.building import DOWN, Side, cash, every, fill, order, pos, reading, side, told
from tieout.model.settings import Settings
from tieout.model.snapshot import Section

NOTHING = Side(positions=None, balances=None, orders=None, fills=None, activities=None)
FULL = side(pos("X", "1"), cash("5"), order("c"), fill("f", "buy", "1"))


def without(section: Section, of: Side = FULL) -> Side:
    """The side without a section."""
    return replace(of, **{section: None})


def test_everything_read_is_compared() -> None:
    """Two whole sides that agree match."""
    (report,) = told([reading(0, FULL, FULL)])
    assert (report.status, set(report.coverage.values())) == ("matched", {"compared"})
    assert report.summary.compared == {"positions": 1, "balances": 1, "orders": 1, "fills": 1}


@pytest.mark.parametrize("section", ["positions", "balances", "orders"])
def test_what_local_has_is_required(section: Section) -> None:
    """A section of local's that the broker did not bring makes a reading incomplete, and nothing of it is missing."""
    (report,) = told([reading(0, FULL, without(section))])
    assert (report.status, report.coverage[section], report.discrepancies) == ("incomplete", "not_fetched", ())


@pytest.mark.parametrize("section", ["positions", "balances", "orders"])
def test_what_the_broker_has_rows_in_is_required(section: Section) -> None:
    """Rows at the broker that local says nothing about are not compared, and make the reading incomplete."""
    (report,) = told([reading(0, without(section), FULL)])
    assert (report.status, report.coverage[section], report.discrepancies) == ("incomplete", "not_fetched", ())


def test_an_empty_list_at_the_broker_requires_nothing() -> None:
    """A spot account has no positions on either side: an empty list there asks nothing of local."""
    (report,) = told([reading(0, side(cash("5"), positions=None), side(cash("5")))])
    assert report.status == "matched"


def test_fills_are_not_required() -> None:
    """Fills that were not fetched, or failed, leave a reading complete; the report says which it was."""
    (absent,) = told([reading(0, FULL, without("fills"))])
    failed = side(pos("X", "1"), cash("5"), order("c"), fills=None, coverage={"fills": "failed"})
    (broken,) = told([reading(0, FULL, failed)])
    assert (absent.status, absent.coverage["fills"]) == ("matched", "not_fetched")
    assert (broken.status, broken.coverage["fills"], broken.actions) == ("matched", "failed", ())
    assert broken.summary.text.startswith("Both sides agree")


def test_what_is_required_can_be_configured() -> None:
    """Only what is named is required: fills where they are, positions not where they are not."""
    lacking = without("fills", without("positions"))
    (strict,) = told([reading(0, FULL, lacking)], settings=Settings(required=("balances", "fills")))
    (lax,) = told([reading(0, FULL, lacking)], settings=Settings(required=("balances",)))
    assert (strict.status, lax.status) == ("incomplete", "matched")


def test_a_section_declared_failed_is_required_of_local() -> None:
    """Local says that its own orders could not be read: that is incomplete, not a local without orders."""
    local = side(pos("X", "1"), orders=None, coverage={"orders": "failed"})
    (report,) = told([reading(0, local, side(pos("X", "1"), order("c")))])
    assert (report.status, report.coverage["orders"], report.discrepancies) == ("incomplete", "failed", ())


def test_nothing_compared_is_incomplete() -> None:
    """Two sides that say nothing do not agree about anything."""
    (report,) = told([reading(0, NOTHING, NOTHING)])
    assert (report.status, set(report.coverage.values())) == ("incomplete", {"not_required"})
    assert "nothing" in report.summary.text


def test_two_empty_sides_match() -> None:
    """Known to be empty on both sides is agreement."""
    (report,) = told([reading(0, side(), side())])
    assert report.status == "matched"


def test_a_discrepancy_counts_before_an_incomplete_reading() -> None:
    """What was compared and differs makes the status, whatever else is missing."""
    reports = told(every(30, 2, FULL, without("orders", side(pos("X", "2"), cash("5"), fill("f", "buy", "1")))))
    assert {report.status for report in reports} == {"discrepancies"}
    assert {report.coverage["orders"] for report in reports} == {"not_fetched"}


@pytest.mark.parametrize(("local", "broker"), [(DOWN, FULL), (FULL, DOWN), (DOWN, DOWN)])
def test_a_failed_side_compares_nothing(local: Side, broker: Side) -> None:
    """No discrepancy comes of a side that could not be read."""
    (report,) = told([reading(0, local, broker)])
    assert (report.status, report.discrepancies, report.severity) == ("incomplete", (), None)
    assert report.summary.compared == {}
