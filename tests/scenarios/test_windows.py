"""Windows: what lists reach back to, what happened between two readings, and what a restart must not repeat."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tests.scenarios.building import HOUR, OURS, WEEK_AGO, Story, ago, books, cash, fill, held, none_such, order, venue
from tieout.books import DecimalLedger, EngineBooks
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.model.amounts import dec
from tieout.model.snapshot import Fill, OrderSide, Position


@pytest.mark.parametrize(
    ("side", "filled", "theirs", "explained"), [("buy", "0.02", "0.04", "0.02"), ("sell", "0.02", "-0.05", "-0.02")]
)
def test_a_window_that_starts_too_late_leaves_a_residual_and_no_opening_is_made_up(
    side: OrderSide, filled: str, theirs: str, explained: str
) -> None:
    """The listed fill explains its part; the rest stays a residual, halts, and nothing is booked (class 17)."""
    broker = venue(positions=[held(theirs, average="4100")], fills=[fill("f-1", side, filled, "4200")])
    seen = Story().twice(books(positions=[], fills=[]), broker)
    cause = seen.one.cause
    assert (cause.code, cause.explained, cause.explained + cause.residual) == (
        "MISSED_FILL",
        dec(explained),
        seen.one.difference,
    )
    assert (seen.actions, seen.awaiting) == (["halt", "alert"], [])


async def test_books_opened_from_a_position_contain_its_history() -> None:
    """An opening position stands as the venue has it; a fill listed beside it is not booked on top (class 17, 38)."""
    broker = venue(positions=[held("0.04", average="4100")], fills=[fill("f-1", "buy", "0.02", "4200")])
    ledger = EngineBooks.opened_from(broker, VirtualClock(ago(0)))
    read = await ledger.read()
    assert read.positions == broker.positions
    assert Story().see(read, broker).report.status == "matched"


def round_trips(trades: list[tuple[OrderSide, str, str]], *, at_once: bool = False) -> list[Fill]:
    """Fills one minute apart, or all in one moment."""
    first = 2 * HOUR
    return [
        fill(f"f-{n}", side, quantity, price, seconds_ago=first if at_once else first - 60 * n)
        for n, (side, quantity, price) in enumerate(trades)
    ]


FLIP: list[tuple[OrderSide, str, str]] = [("buy", "0.03", "4000"), ("sell", "0.05", "4050")]
REOPENED: list[tuple[OrderSide, str, str]] = [
    ("buy", "0.05", "4000"),
    ("sell", "0.05", "4050"),
    ("buy", "0.02", "4100"),
]
MANY: list[tuple[OrderSide, str, str]] = [
    trade for n in range(5) for trade in (("buy", "0.05", str(4000 + n)), ("sell", "0.05", str(4010 + n)))
]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("trades", "left", "average"), [(FLIP, "-0.02", "4050"), (REOPENED, "0.02", "4100"), (MANY, "0", None)]
)
async def test_whole_lives_of_a_position_are_booked_fill_by_fill(
    trades: list[tuple[OrderSide, str, str]], left: str, average: str | None, at_once: bool
) -> None:
    """Openings, closings and flips that local missed are each booked, also when they bear one time (class 18, 19)."""
    missed = round_trips(trades, at_once=at_once)
    paid = sum((row.signed * row.price for row in missed), dec("0"))
    local = books(positions=[held("1", "Y")], balances=[cash("5000")], fills=[])
    rows = [held("1", "Y"), held(left, average=average)]
    broker = venue(positions=rows, balances=[cash(str(5000 - paid))], fills=missed)
    settings = replace(OURS, threshold_usd=dec("0"))
    story = Story(settings)
    seen = story.see(local, broker)
    assert sorted(seen.named("book_fill", "fill_id")) == sorted(row.fill_id for row in missed)
    after = await seen.cured()
    position = next((row for row in after.positions or () if row.asset == "X"), Position("X", dec("0")))
    assert (position.amount, position.average_price) == (dec(left), None if average is None else dec(average))
    assert story.see(after, broker).report.status == "matched"


def test_fills_that_do_not_add_up_are_not_replaced_by_one_that_does() -> None:
    """Two fills of 0.05 against a position of 0.05: neither is chosen and none is made up, at any average (class 18)."""
    missed = round_trips([("buy", "0.05", "4000"), ("buy", "0.05", "4100")])
    seen = Story().twice(
        books(positions=[], fills=[]), venue(positions=[held("0.05", average="4142.04")], fills=missed)
    )
    assert (seen.of("position").cause.code, seen.of("position").cause.residual) == ("UNKNOWN", dec("0.05"))
    assert "book_fill" not in seen.actions + seen.awaiting


def test_a_fill_from_the_first_second_of_time_is_a_fill() -> None:
    """A record dated 1970 is booked and compared like any other (class 19)."""
    old = replace(fill("f-1", "buy", "1"), at=datetime(1970, 1, 1, tzinfo=UTC))
    local, broker = books(positions=[], fills=[]), venue(positions=[held("1")], fills=[old], since=old.at)
    assert Story().see(local, broker).one.cause.code == "MISSED_FILL"
    ledger = DecimalLedger()
    ledger.book_fill(old)
    assert [row.amount for row in ledger.held.positions.values()] == [1]


async def test_one_order_may_end_one_position_and_begin_the_next() -> None:
    """An order whose fills close a long and open a short is one order, and each of its fills counts once (class 19)."""
    local = books(positions=[held("3", average="10")], orders=[order(quantity="5", side="sell")], fills=[])
    missed = [fill("f-1", "sell", "3", "12"), fill("f-2", "sell", "2", "11", seconds_ago=1800)]
    broker = venue(
        positions=[held("-2", average="11")],
        orders=[order(status="filled", quantity="5", filled="5", side="sell")],
        fills=missed,
    )
    story = Story()
    after = await story.see(local, broker).cured()
    assert [(row.amount, row.average_price) for row in after.positions or ()] == [(dec(-2), dec(11))]
    assert [(row.status, row.filled) for row in after.orders or ()] == [("filled", dec(5))]
    assert story.see(after, broker).report.status == "matched"


def test_not_fetched_is_not_flat() -> None:
    """A section that was not fetched establishes nothing; an empty one says that the account is flat (class 20)."""
    local = books(positions=[held("100")])
    unread = Story().twice(local, venue(fills=[]))
    assert (unread.report.status, unread.rows, unread.report.coverage["positions"]) == ("incomplete", (), "not_fetched")
    assert Story().twice(local, venue(positions=[])).one.discrepancy_type == "MISSING_BROKER"


def test_a_partial_list_judges_only_what_it_shows() -> None:
    """Of a partial list the rows that came are compared, and those that did not get no verdict (class 20)."""
    local = books(positions=[held("100", "A"), held("50", "B")])
    broker = venue(positions=[held("103", "A")], coverage={"positions": "partial"})
    seen = Story().twice(local, broker)
    assert (seen.one.asset, seen.report.coverage["positions"]) == ("A", "partial")


def test_what_local_booked_a_moment_ago_gets_no_verdict() -> None:
    """A fill of ours within the settle window that the broker does not show yet is in flight (class 25)."""
    local = books(positions=[held("10")], fills=[fill("f-1", "buy", "10", seconds_ago=1)])
    seen = Story().see(local, venue(positions=[], fills=[]))
    assert (seen.one.cause.code, seen.one.confirmed, seen.actions) == ("IN_FLIGHT", False, ["wait"])


def test_what_local_booked_while_the_broker_was_read_gets_no_verdict() -> None:
    """Local moved between its two readings and the broker stands where local was: in flight (class 25)."""
    seen = Story().see(books(positions=[held("10")]), venue(positions=[held("4")]), before=books(positions=[held("4")]))
    assert (seen.one.cause.code, seen.actions) == ("IN_FLIGHT", ["wait"])


def test_a_record_the_venue_may_not_show_yet_is_stale_and_not_a_phantom() -> None:
    """Half a minute after a fill its absence proves nothing; after the venue's lag it does (class 25)."""
    local = books(positions=[held("100"), held("1", "Y")], fills=[fill("f-1", "buy", "100", seconds_ago=30)])
    broker, story = venue(positions=[held("1", "Y")], fills=[]), Story()
    assert story.see(local, broker, after=60).one.cause.code == "STALE_BROKER"
    assert story.see(local, broker).one.cause.code == "PHANTOM_FILL"


def test_a_venues_clock_that_runs_ahead_hides_nothing() -> None:
    """A fill dated by a clock an hour ahead of ours is as old as that clock says; the skew is a warning (class 25)."""
    missed = fill("f-1", "buy", "10", seconds_ago=30 - HOUR)
    seen = Story().see(books(positions=[], fills=[]), venue(positions=[held("10")], fills=[missed]), broker_ahead=HOUR)
    assert (seen.one.cause.code, seen.actions) == ("MISSED_FILL", ["book_fill"])
    assert any("apart" in warning for warning in seen.report.summary.warnings)


async def test_a_partly_filled_order_on_an_older_short_ends_where_the_venue_is() -> None:
    """Short 5 by an order no window shows, buy 5 with 4 filled: the books end at -1, and stay there (class 39)."""
    part = fill("f-1", "buy", "4")
    local = books(positions=[held("-5", average="100")], orders=[order(quantity="5")], fills=[])
    broker = venue(
        positions=[held("-1", average="100")],
        orders=[order(status="partially_filled", quantity="5", filled="4")],
        fills=[part],
    )
    story = Story()
    after = await story.see(local, broker).cured()
    assert [row.amount for row in after.positions or ()] == [-1]
    again = [story.see(after, broker) for _ in range(3)]
    assert [(seen.report.status, seen.outcome.decided.plans) for seen in again] == [("matched", ())] * 3


@pytest.mark.parametrize("first_start", [True, False])
async def test_books_reopened_with_a_short_are_left_alone(first_start: bool) -> None:
    """After a restart a stored short that the venue confirms stays as it is: nothing is booked against it (class 40)."""
    sold = fill("f-1", "sell", "5", seconds_ago=2 * HOUR)
    saved = books(positions=[held("-5", average="100")], orders=[], fills=[sold])
    ledger = EngineBooks.opened_from(saved, VirtualClock(ago(0)))
    broker, story = (
        venue(positions=[held("-5", average="100")], orders=[], fills=[sold]),
        Story(first_start=first_start),
    )
    for _ in range(3):
        seen = story.see(await ledger.read(), broker)
        assert (seen.report.status, seen.outcome.decided.plans) == ("matched", ())


def test_books_reopened_without_their_fills_do_not_book_them_again() -> None:
    """Where the stored books list no fills, positions that agree are the end of it (class 40)."""
    sold = fill("f-1", "sell", "5", seconds_ago=2 * HOUR)
    seen = Story().twice(books(positions=[held("-5")]), venue(positions=[held("-5")], fills=[sold]))
    assert (seen.report.status, seen.outcome.decided.plans) == ("matched", ())


def test_counts_start_over_when_a_break_has_gone_and_comes_back() -> None:
    """A break that closed and came back is a new one, unconfirmed, and nothing of the old one is kept (class 26)."""
    story, local = Story(), books(positions=[held("100")])
    first = story.twice(local, venue(positions=[held("103")]))
    assert story.see(local, venue(positions=[held("100")])).report.status == "matched"
    assert story.state.history.breaks == {}
    again = story.see(local, venue(positions=[held("103")]))
    assert again.one.discrepancy_id != first.one.discrepancy_id
    assert (first.one.confirmed, again.one.confirmed) == (True, False)


def test_lost_orders_end_by_their_own_count_only() -> None:
    """Answers about one order say nothing of another, nor of the same order in another account (class 13, 21)."""
    one, two = Story(), Story()
    local = books(orders=[order("own-1"), order("own-2")])
    for _ in range(3):
        seen = one.see(local, venue(orders=[]), lookups=[none_such("own-1")])
        other = two.see(local, venue(orders=[]))
    assert {row.client_order_id: row.strategy for row in seen.rows} == {"own-1": "SYNC_TO_BROKER", "own-2": "WARN_ONLY"}
    assert {row.strategy for row in other.rows} == {"WARN_ONLY"}


def test_a_storm_of_corrections_runs_into_a_limit() -> None:
    """More changes in an hour than the limit halt instead of going on (class 26, X14)."""
    policy = Policy(heals_per_hour=3)
    assets = random.Random(7).sample("ABCDEFGH", 5)
    missed = [fill(f"f-{name}", "buy", "1", asset=name) for name in assets]
    broker = venue(positions=[held("1", name) for name in assets], fills=missed)
    seen = Story(policy=policy).see(
        books(positions=[held("1", "Z")], fills=[]),
        replace(broker, positions=(held("1", "Z"), *(broker.positions or ()))),
    )
    assert (seen.actions.count("book_fill"), seen.actions.count("halt")) == (3, 2)


def test_lists_that_vouch_for_nothing_accuse_nobody() -> None:
    """An empty list without a beginning vouches for nothing: what it lacks is unknown, not a phantom (class 20)."""
    local = books(positions=[held("10")], fills=[fill("f-1", "buy", "10")], since=WEEK_AGO)
    seen = Story().twice(local, venue(positions=[], fills=[], since=None))
    assert [(row.domain, row.cause.code) for row in seen.rows] == [("position", "UNKNOWN")]
