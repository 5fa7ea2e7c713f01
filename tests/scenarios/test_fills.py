"""Fills: booked once, as the broker recorded them, and never inferred."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.scenarios.building import HOUR, WEEK_AGO, Story, ago, books, cash, fill, held, order, venue
from tieout.books import DecimalLedger, EngineBooks, OrderManager
from tieout.clock import VirtualClock
from tieout.errors import BadInput, BookError
from tieout.model.amounts import dec
from tieout.model.changes import ReverseFill


def test_a_filled_order_without_its_fills_invents_none() -> None:
    """10,000 filled and no fill listed: the position is unexplained and halts, and nothing is inferred (class 2)."""
    broker = venue(
        positions=[held("10000", average="1.00000")],
        orders=[order(status="filled", quantity="10000", filled="10000", price="1.00000")],
        fills=[],
    )
    seen = Story().twice(books(positions=[], orders=[], fills=[]), broker)
    assert (seen.one.cause.code, seen.actions, seen.awaiting) == ("UNKNOWN", ["halt", "alert"], [])


async def test_the_venues_fill_is_kept_with_its_id_price_and_fee() -> None:
    """A missed fill is booked as the broker recorded it, and cash ends to the cent where the broker has it (class 2, P16)."""
    missed = fill("T-1", "buy", "10000", "1.00000", fee="2.00")
    broker = venue(positions=[held("10000", average="1.00000")], balances=[cash("9998.00")], fills=[missed])
    story = Story()
    seen = story.see(books(positions=[], balances=[cash("20000.00")], fills=[]), broker)
    assert seen.actions == ["book_fill"]
    after = await seen.cured()
    assert [(row.fill_id, row.price, row.fee) for row in after.fills or ()] == [("T-1", dec("1"), dec("2"))]
    assert story.see(after, broker).report.status == "matched"


async def test_a_fill_known_at_another_price_and_fee_is_replaced_by_the_venues() -> None:
    """Same trade, other price and fee: a wrong fill, reversed and booked anew, so cost and cash are right (class 4)."""
    ours, theirs = fill("f-1", "buy", "5000", "1.00000", fee="0"), fill("f-1", "buy", "5000", "1.00100", fee="10")
    local = books(positions=[held("5000", average="1")], balances=[cash("95000")], fills=[ours])
    broker = venue(positions=[held("5000", average="1.001")], balances=[cash("94985")], fills=[theirs])
    story = Story()
    seen = story.see(local, broker)
    assert (seen.one.domain, seen.one.cause.code, seen.one.difference) == ("balance", "WRONG_FILL", dec(-15))
    assert seen.actions == ["reverse_fill", "book_fill"]
    after = await seen.cured()
    assert [(row.price, row.fee) for row in after.fills or ()] == [(dec("1.001"), dec("10"))]
    assert story.see(after, broker).report.status == "matched"


def test_a_fill_with_another_price_alone_is_typed_and_only_announced() -> None:
    """Where positions and balances are not touched by it, it is a fill mismatch with a cause and a warning (class 4, X16)."""
    ours, theirs = fill("f-1", "buy", "5000", "1.00000"), fill("f-1", "buy", "5000", "1.00100")
    seen = Story().twice(books(fills=[ours]), venue(fills=[theirs]))
    assert (seen.one.discrepancy_type, seen.one.cause.code) == ("FILL_MISMATCH", "WRONG_FILL")
    assert (seen.one.strategy, seen.actions) == ("WARN_ONLY", ["alert"])


def test_a_liquidity_flag_is_no_amount() -> None:
    """What counts of maker or taker is the fee, and a fee that is not known is not compared (class 4, 39)."""
    ours, theirs = fill("f-1", "buy", "5"), fill("f-1", "buy", "5", fee="1.25")
    assert Story().twice(books(fills=[ours]), venue(fills=[theirs])).report.status == "matched"


async def test_a_commission_that_arrives_late_is_booked_as_a_fee() -> None:
    """A fill booked before its commission was known is mended once cash shows it (class 39)."""
    local = books(balances=[cash("1000")], positions=[held("5")], fills=[fill("f-1", "buy", "5")])
    broker = venue(balances=[cash("980")], positions=[held("5")], fills=[fill("f-1", "buy", "5", fee="20")])
    story = Story()
    seen = story.see(local, broker)
    assert (seen.one.cause.code, seen.actions) == ("FEE", ["reverse_fill", "book_fill"])
    assert story.see(await seen.cured(), broker).report.status == "matched"


async def test_a_venue_that_is_ahead_by_a_part_is_followed_by_that_parts_fill() -> None:
    """Order 50 of 100 here and 75 there: the missing 25 come as their own fill, and the average follows from it (class 5)."""
    first, second = fill("f-1", "buy", "50", "100"), fill("f-2", "buy", "25", "103")
    local = books(
        positions=[held("50", average="100")], orders=[order(status="partially_filled", filled="50")], fills=[first]
    )
    broker = venue(
        positions=[held("75", average="101")],
        orders=[order(status="partially_filled", filled="75")],
        fills=[first, second],
    )
    story = Story()
    seen = story.see(local, broker)
    assert (seen.of("position").difference, seen.actions) == (dec(25), ["book_fill"])
    after = await seen.cured()
    assert [(row.amount, row.average_price) for row in after.positions or ()] == [(dec(75), dec(101))]
    assert story.see(after, broker).report.status == "matched"


async def test_a_fill_booked_twice_is_taken_out_once() -> None:
    """The same trade id in the books twice is a duplicate, whose second booking is reversed (class 6)."""
    once = fill("f-1", "buy", "50")
    broker, story = venue(positions=[held("50")], fills=[once]), Story()
    seen = story.see(books(positions=[held("100", average="100")], fills=[once, once]), broker)
    assert (seen.one.cause.code, seen.actions) == ("DUPLICATE_FILL", ["reverse_fill"])
    after = await seen.cured()
    assert (len(after.fills or ()), story.see(after, broker).report.status) == (1, "matched")


@pytest.mark.parametrize("again", [{}, {"price": dec("101")}, {"at": ago(500)}])
def test_the_books_take_a_trade_id_once(again: dict[str, object]) -> None:
    """A replay of a known trade, also a noisy one, is refused and changes nothing (class 6)."""
    ledger, first = DecimalLedger(), fill("f-1", "buy", "50")
    ledger.book_fill(first)
    before = ledger.held.positions
    with pytest.raises(BookError, match="booked already"):
        ledger.book_fill(replace(first, **again))
    assert (ledger.held.positions, len(ledger.entries)) == (before, 1)


async def test_an_older_fill_that_turns_up_later_is_booked_once() -> None:
    """A fill listed late, older than what is booked, is booked, and a second pass has nothing to do (class 6)."""
    new, old = fill("f-2", "buy", "5"), fill("f-1", "buy", "3", seconds_ago=2 * HOUR)
    broker, story = venue(positions=[held("8")], fills=[new, old]), Story()
    seen = story.see(books(positions=[held("5")], fills=[new]), broker)
    assert seen.named("book_fill", "fill_id") == ["f-1"]
    after = await seen.cured()
    assert [story.see(after, broker).report.status for _ in range(3)] == ["matched"] * 3


def test_a_broker_that_lists_a_fill_twice_means_it_once() -> None:
    """Identical broker records count once; two of one identity with other values are refused (class 6, 30)."""
    one = fill("f-1", "buy", "50")
    assert Story().see(books(fills=[one]), venue(fills=[one, one])).report.status == "matched"
    with pytest.raises(BadInput, match="two records of one fill"):
        Story().see(books(fills=[one]), venue(fills=[one, replace(one, price=dec("101"))]))


def working(filled: str) -> OrderManager:
    """Orders with one buy of 100 that has a fill of *filled*."""
    manager = OrderManager()
    manager.register(order(broker_id="b-1"))
    manager.book_fill(fill("f-1", "buy", filled))
    return manager


def test_a_fill_beyond_an_orders_quantity_is_refused() -> None:
    """Of 100 with 95 filled, a fill of 10 is refused, and the order stays at 95 (class 7)."""
    manager = working("95")
    with pytest.raises(BookError, match="beyond its quantity"):
        manager.book_fill(fill("f-2", "buy", "10"))
    assert [row.filled for row in manager.orders] == [95]


def test_a_fill_that_comes_before_its_order_waits_for_it() -> None:
    """A fill of an order not yet known counts towards it as soon as it is registered (class 7)."""
    manager = OrderManager()
    assert manager.book_fill(fill("f-1", "buy", "40")) is None
    assert manager.register(order()).filled == 40


def test_a_fill_with_another_client_id_than_its_order_is_refused() -> None:
    """A fill whose broker id is one order's and whose client id is another's is not counted for either (class 7)."""
    manager = working("10")
    with pytest.raises(BookError, match="is not of its asset, side or client id"):
        manager.book_fill(fill("f-2", "buy", "10", name="own-2", broker_id="b-1"))
    assert [row.filled for row in manager.orders] == [10]


async def test_fills_listed_newest_first_are_all_booked() -> None:
    """The order of the list does not matter: both fills are booked with their own prices and fees (P1)."""
    late = fill("T-b", "buy", "50", "102", fee="1.00", seconds_ago=HOUR)
    early = fill("T-a", "buy", "50", "100", fee="1.00", seconds_ago=HOUR + 10)
    broker = venue(
        positions=[held("100", average="101")],
        balances=[cash("9898.00")],
        orders=[order(status="filled", filled="100", price="101")],
        fills=[late, early],
    )
    story = Story()
    seen = story.see(books(positions=[], balances=[cash("20000.00")], orders=[order(price="101")], fills=[]), broker)
    assert sorted(seen.named("book_fill", "fill_id")) == ["T-a", "T-b"]
    after = await seen.cured()
    assert [(row.amount, row.average_price) for row in after.positions or ()] == [(dec(100), dec(101))]
    assert {row.fee for row in after.fills or ()} == {dec("1")}
    assert story.see(after, broker).report.status == "matched"


def test_a_fill_without_its_order_is_never_dropped() -> None:
    """A fill of an order nobody lists, with no position to show for it, stands in the report as a missing fill (P2)."""
    stray = fill("f-1", "buy", "5", name="nobody")
    seen = Story().twice(books(positions=[], orders=[], fills=[]), venue(positions=[], orders=[], fills=[stray]))
    assert (seen.one.domain, seen.one.discrepancy_type, seen.one.fill_id) == ("fill", "MISSING_LOCAL", "f-1")
    assert (seen.report.status, seen.actions) == ("discrepancies", ["alert"])


async def test_one_trade_id_on_two_orders_is_two_fills() -> None:
    """A fill is known by its order too: 50 and 50 under one trade id are 100 (class 30, P13)."""
    one, two = fill("T-1", "buy", "50", broker_id="b-1"), fill("T-1", "buy", "50", name="own-2", broker_id="b-2")
    broker, story = venue(positions=[held("100")], fills=[one, two]), Story()
    seen = story.see(books(positions=[], fills=[]), broker)
    assert (seen.one.cause.code, seen.actions) == ("MISSED_FILL", ["book_fill", "book_fill"])
    assert story.see(await seen.cured(), broker).report.status == "matched"


async def test_a_trade_corrected_at_the_venue_corrects_cost_and_cash() -> None:
    """A known trade corrected from 100 to 90 is reversed and booked again; the average becomes 90 (P14)."""
    ours, theirs = fill("f-1", "buy", "10", "100"), fill("f-1", "buy", "10", "90")
    local = books(positions=[held("10", average="100")], balances=[cash("9000")], fills=[ours])
    broker = venue(positions=[held("10", average="90")], balances=[cash("9100")], fills=[theirs])
    story = Story()
    seen = story.see(local, broker)
    assert (seen.one.cause.code, seen.actions) == ("WRONG_FILL", ["reverse_fill", "book_fill"])
    after = await seen.cured()
    (row,) = after.positions or ()
    assert (row.amount, row.average_price) == (dec(10), dec(90))
    assert story.see(after, broker).report.status == "matched"


async def test_a_busted_trade_halts_and_its_reversal_waits_for_approval() -> None:
    """A fill that the venue withdrew is a phantom; large ones halt, and the way back to its books is listed (P15)."""
    good, bust = fill("f-1", "buy", "60"), fill("f-2", "buy", "40")
    local = books(positions=[held("100")], fills=[good, bust])
    broker = venue(positions=[held("60")], fills=[good])
    seen = Story().twice(local, broker)
    assert (seen.one.cause.code, seen.one.severity) == ("PHANTOM_FILL", "CRITICAL")
    assert (seen.actions, seen.awaiting) == (["halt", "alert"], ["reverse_fill"])
    assert seen.named("reverse_fill", "fill_id") == ["f-2"]
    ledger = EngineBooks.opened_from(local, VirtualClock(seen.at))
    await ledger.apply([ReverseFill(bust)], reason="approved by a person")
    assert Story().see(await ledger.read(), broker).report.status == "matched"


def test_a_small_bust_is_announced_and_two_readings_are_needed() -> None:
    """A phantom needs two readings; below one percent it only warns (P15)."""
    good, bust = fill("f-1", "buy", "1000"), fill("f-2", "buy", "5")
    story = Story()
    readings = [
        story.see(books(positions=[held("1005")], fills=[good, bust]), venue(positions=[held("1000")], fills=[good]))
        for _ in range(2)
    ]
    assert [seen.actions for seen in readings] == [["wait"], ["alert"]]


def test_a_fill_the_list_does_not_reach_back_to_is_no_phantom() -> None:
    """A booked fill older than what the broker's list vouches for proves nothing by its absence (class 20)."""
    old = fill("f-1", "buy", "40", seconds_ago=30 * 24 * HOUR)
    local = books(positions=[held("40")], fills=[old], since=ago(60 * 24 * HOUR))
    seen = Story().twice(local, venue(positions=[held("40")], fills=[], since=WEEK_AGO))
    assert seen.report.status == "matched"
    seen = Story().twice(local, venue(positions=[held("40")], fills=[], since=None))
    assert seen.report.status == "matched"


def test_a_fill_of_nothing_moves_nothing() -> None:
    """A zero-quantity fill is booked without effect, and one that only the broker lists explains nothing (class 35)."""
    ledger = DecimalLedger()
    ledger.book_fill(fill("f-0", "buy", "0", fee="1"))
    assert not any(row.amount for row in ledger.held.positions.values())
    seen = Story().twice(books(positions=[], fills=[]), venue(positions=[held("5")], fills=[fill("f-0", "buy", "0")]))
    assert seen.of("position").cause.code == "UNKNOWN"


def test_quantities_below_zero_are_refused() -> None:
    """Quantities are unsigned: an order or a fill with a negative one is bad input (class 35)."""
    with pytest.raises(BadInput, match="a quantity below 0"):
        Story().see(books(orders=[]), venue(orders=[order(quantity="-5")]))
    with pytest.raises(BadInput, match="a quantity below 0"):
        Story().see(books(fills=[]), venue(fills=[fill("f-1", "buy", "-5")]))
