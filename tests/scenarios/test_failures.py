"""Reads that fail, lie or come in part: nothing is concluded, nothing known is forgotten, nobody is flattened."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.scenarios.building import HOUR, Story, books, cash, fill, held, order, venue
from tieout.model.snapshot import Position, SideError, SideFailure


@pytest.mark.parametrize("failure", list(SideFailure))
def test_a_side_that_could_not_be_read_is_not_flat(failure: SideFailure) -> None:
    """Whatever way the broker failed, the reading is incomplete, lists no difference and changes nothing (class 36, P17)."""
    story = Story()
    seen = story.see(books(positions=[held("100")], orders=[order()]), SideError(failure))
    assert (seen.report.status, seen.rows, seen.outcome.decided.plans) == ("incomplete", (), ())
    assert seen.actions == ["alert"]
    assert story.see(books(positions=[held("100")]), SideError(failure)).actions == [], "said once, then hourly"


def test_local_books_that_cannot_be_read_are_not_empty_either() -> None:
    """A local side that failed gives no discrepancy against what the broker has (class 36)."""
    seen = Story().see(SideError(SideFailure.UNAVAILABLE), venue(positions=[held("100")]))
    assert (seen.report.status, seen.rows) == ("incomplete", ())


def test_a_break_outlives_readings_that_failed() -> None:
    """A failed reading between two that show a break neither counts nor makes it a new one (class 36, X12)."""
    local, broker, story = books(positions=[held("100")]), venue(positions=[held("103")]), Story()
    first = story.see(local, broker)
    story.see(local, SideError(SideFailure.TIMEOUT))
    last = story.see(local, broker)
    assert last.one.discrepancy_id == first.one.discrepancy_id
    assert (first.one.confirmed, last.one.confirmed) == (False, True)


def test_a_side_that_stays_away_too_long_stops_trading() -> None:
    """A quarter of an hour without a complete reading halts the account, as a value in the report (class 36, X14)."""
    story, local = Story(), books(positions=[held("100")])
    story.see(local, venue(positions=[held("100")]), after=600)
    assert story.see(local, SideError(SideFailure.TIMEOUT), after=600).actions == ["alert"]
    assert story.see(local, SideError(SideFailure.TIMEOUT)).actions == ["halt", "alert"]


def test_positions_that_came_are_compared_though_the_orders_failed() -> None:
    """What could be read is judged by itself; the report says which section is missing (class 36)."""
    local = books(positions=[held("100")], orders=[order()])
    seen = Story().see(local, venue(positions=[held("103")], coverage={"orders": "failed"}))
    assert (seen.one.domain, seen.report.coverage["orders"]) == ("position", "failed")
    seen = Story().see(local, venue(positions=[held("100")], coverage={"orders": "failed"}))
    assert seen.report.status == "incomplete"


def holdings(*names: str) -> list[Position]:
    """A hundred of each."""
    return [held("100", name) for name in names]


def test_positions_that_vanish_without_a_fill_are_an_answer_in_doubt() -> None:
    """All rows gone, cash unchanged, no fills: a partial response, waited on and never booked (class 20, P17, X12)."""
    whole = books(positions=holdings("A", "B", "C"), balances=[cash("1000")], fills=[])
    good = venue(positions=holdings("A", "B", "C"), balances=[cash("1000")], fills=[], activities=[])
    empty, story = replace(good, positions=()), Story()
    assert story.see(whole, good).report.status == "matched"
    for _ in range(2):
        seen = story.see(whole, empty)
        assert {row.cause.code for row in seen.rows} == {"PARTIAL_RESPONSE"}
        assert {row.strategy for row in seen.rows} == {"WARN_ONLY"}
        assert seen.outcome.decided.plans == ()
    assert story.see(whole, good).report.status == "matched"


def test_doubt_that_lasts_stops_trading_and_still_flattens_nothing() -> None:
    """The same doubt for three readings and a minute halts; the books are not touched (class 26, P17, X12)."""
    whole = books(positions=holdings("A"), fills=[])
    good, story = venue(positions=holdings("A"), fills=[], activities=[]), Story()
    story.see(whole, good)
    readings = [story.see(whole, replace(good, positions=())) for _ in range(4)]
    assert [seen.one.strategy for seen in readings][:2] == ["WARN_ONLY", "WARN_ONLY"]
    assert readings[-1].one.strategy == "HALT_AND_ALERT"
    assert not any(plan for seen in readings for plan in seen.outcome.decided.plans)


async def test_positions_that_vanish_with_their_fills_are_closed() -> None:
    """An empty list that the broker's own fill accounts for is the truth, and is booked (class 8, 20)."""
    sold = fill("f-1", "sell", "100", asset="A")
    local, good = books(positions=holdings("A"), fills=[]), venue(positions=holdings("A"), fills=[], activities=[])
    story = Story()
    story.see(local, good)
    late = replace(sold, at=good.as_of)
    flat = replace(good, positions=(), fills=(late,))
    seen = story.see(local, flat)
    assert (seen.one.cause.code, seen.actions) == ("MISSED_FILL", ["book_fill"])
    assert story.see(await seen.cured(), flat).report.status == "matched"


def test_a_position_that_jumps_without_a_fill_is_a_stale_answer() -> None:
    """A broker row that moved without any fill contradicts itself: waited on, not followed (class 20, 25)."""
    local, good = books(positions=holdings("A"), fills=[]), venue(positions=holdings("A"), fills=[], activities=[])
    story = Story()
    story.see(local, good)
    seen = story.see(local, replace(good, positions=(held("140", "A"),)))
    assert (seen.one.cause.code, seen.one.strategy) == ("STALE_BROKER", "WARN_ONLY")


def test_cash_that_was_not_stated_is_not_zero() -> None:
    """Balances that did not come are not compared; they never count as a balance of 0 (X12)."""
    seen = Story().twice(books(balances=[cash("1000")]), venue(positions=[]))
    assert (seen.report.coverage["balances"], seen.report.status, seen.rows) == ("not_fetched", "incomplete", ())


def test_one_answer_is_not_enough_for_what_no_record_explains() -> None:
    """A difference without a record waits for a second reading before anything but waiting is done (class 26, X14)."""
    story, local = Story(), books(positions=[held("100")])
    first = story.see(local, venue(positions=[held("103")]))
    assert (first.actions, first.awaiting) == (["wait"], [])
    assert story.see(local, venue(positions=[held("103")])).awaiting == ["set_position"]


def test_a_difference_that_changes_each_time_is_never_confirmed() -> None:
    """Readings that do not agree with each other start the count over (class 25, 26)."""
    story, local = Story(), books(positions=[held("1000")])
    readings = [story.see(local, venue(positions=[held(str(1000 + n))])) for n in (20, 25, 20, 25)]
    assert [seen.actions for seen in readings] == [["wait"]] * 4


def test_a_reading_that_compared_nothing_is_not_a_match() -> None:
    """With nothing fetched on either side the report is incomplete, never *matched* (class 36)."""
    assert Story().see(books(), venue()).report.status == "incomplete"
    assert Story().see(books(fills=[]), venue(orders=[])).report.status == "incomplete"


def test_an_old_reading_of_the_venue_makes_what_came_after_it_in_flight() -> None:
    """What local booked after the broker's statement was taken lies between the readings (class 25)."""
    local = books(positions=[held("10")], fills=[fill("f-1", "buy", "10", seconds_ago=60)])
    seen = Story().see(local, venue(positions=[], fills=[]), broker_ahead=-2 * HOUR)
    assert (seen.one.cause.code, seen.actions) == ("IN_FLIGHT", ["wait"])
