"""Orders: how each side has them, what the broker knows better, and when an order counts as lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.scenarios.building import HOUR, Story, books, cash, fill, held, none_such, order, venue
from tieout.decide import Policy, Rule
from tieout.errors import BadInput
from tieout.model.amounts import dec
from tieout.model.discrepancy import ReconciliationStrategy, Severity
from tieout.model.snapshot import Lookup, OrderStatus, SideFailure

ENDED: tuple[OrderStatus, ...] = ("filled", "cancelled", "rejected", "expired")
LIVE: tuple[OrderStatus, ...] = ("pending", "open", "partially_filled")


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_order_only_the_broker_knows_is_evidence_and_no_break(status: OrderStatus) -> None:
    """An order that ended before local ever heard of it is nothing to reconcile (class 1)."""
    filled = "100" if status == "filled" else "0"
    seen = Story().twice(books(orders=[]), venue(orders=[order(status=status, filled=filled)]))
    assert (seen.report.status, seen.rows) == ("matched", ())


@pytest.mark.parametrize("status", LIVE)
async def test_a_live_order_of_ours_that_local_forgot_is_adopted_as_the_venue_has_it(status: OrderStatus) -> None:
    """A resting order with an id of ours is taken back with the venue's own status, price and quantity (class 1, 34)."""
    theirs = order("own-7", status, "10000", price="1.00000", broker_id="b-7")
    story = Story()
    seen = story.twice(books(orders=[]), venue(orders=[theirs]))
    assert (seen.one.discrepancy_type, seen.one.cause.code) == ("ORPHANED_BROKER", "LOST_SUBMISSION")
    assert seen.actions == ["adopt_order", "alert"]
    after = await seen.cured()
    assert after.orders == (theirs,)
    assert story.see(after, venue(orders=[theirs])).report.status == "matched"


@pytest.mark.parametrize("status", ENDED)
async def test_an_order_that_ended_at_the_broker_ends_locally_in_the_same_way(status: OrderStatus) -> None:
    """A missed rejection, cancel, expiry or completion brings local's order to that very status (class 1)."""
    theirs = order(status=status, filled="100" if status == "filled" else "0")
    seen = Story().twice(books(orders=[order()]), venue(orders=[theirs]))
    assert (seen.one.discrepancy_type, seen.one.cause.code) == ("STATUS_MISMATCH", "MISSED_UPDATE")
    assert seen.actions == ["update_order"]
    assert [row.status for row in (await seen.cured()).orders or ()] == [status]


def test_a_triggered_stop_is_an_open_order_and_makes_no_event() -> None:
    """There is no state for *triggered*: a stop that rests at the venue is open on both sides, and agrees (class 1)."""
    ours = replace(order(), stop_price=order().limit_price)
    assert Story().see(books(orders=[ours]), venue(orders=[ours])).report.status == "matched"


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
async def test_fills_of_a_partly_filled_order_are_booked_before_its_end(ending: OrderStatus) -> None:
    """An order that filled 5,000 of 10,000 and ended gets its fills first, its end after, and keeps both (class 3, P5)."""
    local = books(positions=[], balances=[cash("20000")], orders=[order("own-3", quantity="10000")], fills=[])
    part = fill("f-3", "buy", "5000", "1", name="own-3", fee="2")
    broker = venue(
        positions=[held("5000", average="1")],
        balances=[cash("14998")],
        orders=[order("own-3", ending, "10000", filled="5000")],
        fills=[part],
    )
    story = Story()
    seen = story.see(local, broker)
    assert seen.actions == ["book_fill", "update_order"]
    after = await seen.cured()
    assert [(row.status, row.filled) for row in after.orders or ()] == [(ending, part.quantity)]
    assert [(row.fill_id, row.price, row.fee) for row in after.fills or ()] == [("f-3", part.price, part.fee)]
    assert story.see(after, broker).report.status == "matched"


def test_progress_that_comes_with_its_fills_is_not_written_a_second_time() -> None:
    """Where the fill that moved an order is booked, the order is not updated besides (class 3)."""
    local = books(positions=[], orders=[order()], fills=[])
    broker = venue(
        positions=[held("50")], orders=[order(status="partially_filled", filled="50")], fills=[fill("f-1", "buy", "50")]
    )
    seen = Story().see(local, broker)
    assert {row.domain: row.cause.code for row in seen.rows} == {"position": "MISSED_FILL", "order": "MISSED_UPDATE"}
    assert seen.actions == ["book_fill"]


def test_progress_without_fills_moves_the_order_and_not_the_position() -> None:
    """A filled quantity that no fill backs is taken over for the order; the position halts instead (class 3, 5, P16)."""
    local = books(positions=[], orders=[order()], fills=[])
    broker = venue(
        positions=[held("40", average="101")], orders=[order(status="partially_filled", filled="40")], fills=[]
    )
    seen = Story().twice(local, broker)
    assert (seen.of("position").cause.code, seen.of("position").strategy) == ("UNKNOWN", "HALT_AND_ALERT")
    assert seen.actions == ["halt", "alert", "update_order"]
    assert "book_fill" not in seen.actions + seen.awaiting


def test_a_filled_quantity_ahead_of_the_venues_is_never_taken_back() -> None:
    """Local has 5 filled and the venue says 3: the cause is not known, a person is told, and nothing is undone (class 5)."""
    local = books(orders=[order(status="partially_filled", filled="5")])
    seen = Story().twice(local, venue(orders=[order(status="partially_filled", filled="3")]))
    assert (seen.one.discrepancy_type, seen.one.difference) == ("FILLED_MISMATCH", dec(-2))
    assert (seen.one.cause.code, seen.actions) == ("UNKNOWN", ["alert"])


@pytest.mark.parametrize(("filled", "ending"), [("0", "rejected"), ("40", "cancelled")])
def test_an_order_that_is_gone_ends_after_three_answers_of_no_such_order(filled: str, ending: str) -> None:
    """Absence alone only warns; three lookups over a minute, all answered *none such*, end the order (class 21, 24)."""
    local = books(orders=[order(status="partially_filled" if filled != "0" else "open", filled=filled)])
    story = Story()
    first = [story.see(local, venue(orders=[]), lookups=[none_such("own-1")]) for _ in range(2)]
    assert all((seen.one.cause.code, seen.one.strategy) == ("UNKNOWN", "WARN_ONLY") for seen in first)
    last = story.see(local, venue(orders=[]), lookups=[none_such("own-1")])
    assert (last.one.strategy, last.actions) == ("SYNC_TO_BROKER", ["update_order", "alert"])
    assert last.named("update_order", "status") == [ending]


def test_an_order_whose_funds_are_still_held_back_is_not_lost() -> None:
    """As long as the venue locks what a missing order would lock, no number of lookups ends it (class 21)."""
    local = books(balances=[cash("1000", locked="100")], orders=[order(quantity="1", asset="X-USD")])
    broker, story = venue(balances=[cash("1000", locked="100")], orders=[]), Story()
    for _ in range(5):
        seen = story.see(local, broker, lookups=[none_such("own-1")])
        assert (seen.one.discrepancy_type, seen.one.strategy) == ("ORPHANED_LOCAL", "WARN_ONLY")


def test_an_ended_order_that_the_broker_no_longer_lists_is_no_break() -> None:
    """Venues forget what is done: a filled order that only local knows is not missed (class 21)."""
    assert Story().twice(books(orders=[order(status="filled", filled="100")]), venue(orders=[])).rows == ()


def test_an_order_sent_a_moment_ago_is_given_time() -> None:
    """An order younger than the settle window that the broker does not show yet is in flight (class 21, 24)."""
    seen = Story().see(books(orders=[order(status="pending", seconds_ago=1)]), venue(orders=[]))
    assert (seen.one.cause.code, seen.actions) == ("IN_FLIGHT", ["wait"])


def test_an_order_that_is_found_again_starts_its_count_over() -> None:
    """A lookup that finds the order wipes what earlier ones did not find (class 21)."""
    local, story = books(orders=[order()]), Story()
    found = Lookup(client_order_id="own-1", order=order())
    for answer in (none_such("own-1"), none_such("own-1"), found):
        seen = story.see(local, venue(orders=[]), lookups=[answer])
    assert seen.report.status == "matched"
    for _ in range(2):
        seen = story.see(local, venue(orders=[]), lookups=[none_such("own-1")])
        assert (seen.one.strategy, seen.actions[-1]) == ("WARN_ONLY", "alert" if seen.one.confirmed else "wait")


def test_an_order_that_ended_while_it_was_looked_up_ends_as_the_answer_says() -> None:
    """The answer to a lookup counts as the broker's record of that order (class 24)."""
    answer = Lookup(client_order_id="own-1", order=order(status="cancelled"))
    seen = Story().see(books(orders=[order()]), venue(orders=[]), lookups=[answer])
    assert (seen.one.cause.code, seen.named("update_order", "status")) == ("MISSED_UPDATE", ["cancelled"])


def test_lookups_that_fail_never_end_an_order() -> None:
    """An error is no answer: after an hour of failing lookups the order stands as it stood (class 22, 23, 24, P3b)."""
    local, story = books(orders=[order()]), Story()
    answer = Lookup(client_order_id="own-1", error=SideFailure.TIMEOUT)
    readings = [story.see(local, venue(orders=[]), lookups=[answer], after=300) for _ in range(12)]
    assert {seen.one.strategy for seen in readings} == {ReconciliationStrategy.WARN_ONLY}
    assert not any("update_order" in seen.actions + seen.awaiting for seen in readings)


def test_a_list_that_is_not_whole_proves_no_absence() -> None:
    """In a partial list of orders a missing one gets no verdict, however often it is missing (class 22)."""
    local, story = books(orders=[order(), order("own-2")]), Story()
    broker = venue(orders=[order("own-2")], coverage={"orders": "partial"})
    for _ in range(5):
        seen = story.see(local, broker, lookups=[none_such("own-1")])
        assert (seen.report.status, seen.rows) == ("incomplete", ())


def test_absence_without_lookups_only_warns() -> None:
    """A history that looked nothing up never ends an order for being absent (class 22)."""
    local, story = books(orders=[order()]), Story()
    readings = [story.see(local, venue(orders=[]), after=600) for _ in range(6)]
    assert {seen.one.strategy for seen in readings} == {ReconciliationStrategy.WARN_ONLY}


async def test_an_order_given_up_on_that_shows_up_late_is_taken_back() -> None:
    """A submission ended as rejected that then rests at the venue is a lost submission, and adopted (class 24)."""
    local, late = books(orders=[order("bot-9", "rejected")]), order("bot-9", "open", broker_id="b-9")
    seen = Story().twice(local, venue(orders=[late]))
    assert (seen.one.cause.code, seen.actions) == ("LOST_SUBMISSION", ["adopt_order", "alert"])
    assert [row.status for row in (await seen.cured()).orders or ()] == ["open"]


def test_a_cancel_without_an_answer_leaves_the_order_live() -> None:
    """Nothing ends an order but the broker's word: one that both sides show live agrees (P4)."""
    assert Story().twice(books(orders=[order()]), venue(orders=[order()])).report.status == "matched"


async def test_terms_changed_at_the_venue_while_a_fill_lands_are_taken_over_once() -> None:
    """An amended quantity and a fill of the same order are each booked, and a second pass finds nothing (class 27)."""
    local = books(positions=[], orders=[order(quantity="131")], fills=[])
    broker = venue(
        positions=[held("50")],
        orders=[order(status="partially_filled", quantity="1021", filled="50")],
        fills=[fill("f-1", "buy", "50")],
    )
    story = Story()
    seen = story.see(local, broker)
    assert (seen.of("order").discrepancy_type, seen.of("order").cause.code) == ("TERMS_MISMATCH", "MISSED_UPDATE")
    assert seen.actions == ["book_fill", "update_order"]
    after = await seen.cured()
    assert [(str(row.quantity), str(row.filled), row.status) for row in after.orders or ()] == [
        ("1021", "50", "partially_filled")
    ]
    assert story.see(after, broker).report.status == "matched"


def test_a_price_amended_at_the_venue_is_a_missed_update() -> None:
    """Another limit price differs in terms, is measured by the larger price, and is taken over (class 27)."""
    seen = Story().twice(books(orders=[order(price="0.31970")]), venue(orders=[order(price="2.48460")]))
    assert (seen.one.discrepancy_type, str(seen.one.percent)) == ("TERMS_MISMATCH", "87.1327")
    assert seen.actions == ["update_order"]


async def test_a_quantity_cut_to_what_is_filled_completes_the_order_without_a_fill() -> None:
    """An order cut from 20 to its 10 filled is updated to filled; no fill is booked for it (class 28)."""
    done = fill("f-1", "buy", "10")
    ours, theirs = (
        order(status="partially_filled", quantity="20", filled="10"),
        order(status="filled", quantity="10", filled="10"),
    )
    story = Story()
    broker = venue(orders=[theirs], fills=[done])
    seen = story.twice(books(orders=[ours], fills=[done]), broker)
    assert (seen.one.discrepancy_type, seen.actions) == ("TERMS_MISMATCH", ["update_order"])
    after = await seen.cured()
    assert [(row.status, str(row.quantity)) for row in after.orders or ()] == [("filled", "10")]
    assert story.see(after, broker).report.status == "matched"


def test_a_quantity_below_what_is_filled_is_refused_at_the_door() -> None:
    """A record that has more filled than its quantity is bad input, named, and never compared (class 28)."""
    with pytest.raises(BadInput, match="filled quantity outside 0 to quantity"):
        Story().see(books(orders=[]), venue(orders=[order(quantity="5", filled="10")]))


def test_the_end_of_a_replaced_leg_does_not_touch_its_successor() -> None:
    """A cancel of the superseded broker id leaves the order that rests under the newer id alone (class 29)."""
    ours = order("own-1", broker_id="b-2")
    broker = venue(orders=[order("own-1", "cancelled", broker_id="b-1"), order("", broker_id="b-2")])
    assert Story().twice(books(orders=[ours]), broker).report.status == "matched"


def test_a_superseded_order_is_never_adopted_for_its_successor() -> None:
    """The venue lists only the cancelled predecessor under the same client id: nothing that ended is adopted (class 29)."""
    local, broker = books(orders=[order(broker_id="b-2")]), venue(orders=[order(status="cancelled", broker_id="b-1")])
    story = Story()
    readings = [story.see(local, broker, lookups=[none_such("own-1")]) for _ in range(4)]
    assert not any("adopt_order" in seen.actions + seen.awaiting for seen in readings)
    assert readings[-1].named("update_order", "client_order_id") == ["own-1"]


async def test_fills_of_both_legs_of_a_replacement_count_once_each() -> None:
    """What filled before and after a cancel-replace is booked once each, by the order that it belongs to (class 29)."""
    old, new = fill("f-1", "buy", "3", broker_id="b-1"), fill("f-2", "buy", "2", name="own-1r", broker_id="b-2")
    local = books(positions=[held("3")], fills=[old])
    broker = venue(positions=[held("5")], fills=[old, new])
    story = Story()
    seen = story.see(local, broker)
    assert seen.named("book_fill", "fill_id") == ["f-2"]
    assert story.see(await seen.cured(), broker).report.status == "matched"


def test_two_reports_of_one_order_in_one_answer_are_refused_by_name() -> None:
    """Which of two rows with one client id is right is not guessed: the answer is bad input (class 30, P12)."""
    stale, done = order(status="open"), order(status="filled", filled="100")
    with pytest.raises(BadInput, match="client_order_id"):
        Story().see(books(orders=[order()]), venue(orders=[stale, done]))


def test_an_order_local_never_sent_is_external_and_only_announced() -> None:
    """A foreign resting order is told each time under one identity, and never cancelled or adopted (class 34, P3)."""
    local, broker, story = books(orders=[]), venue(orders=[order("manual-1", broker_id="b-1")]), Story()
    readings = [story.see(local, broker) for _ in range(4)]
    assert {(seen.one.cause.code, seen.one.strategy) for seen in readings} == {("EXTERNAL_ORDER", "WARN_ONLY")}
    assert len({seen.one.discrepancy_id for seen in readings}) == 1
    assert readings[-1].actions == ["alert"]


def test_orders_can_halt_where_the_policy_says_so() -> None:
    """A rule on the order domain stops trading for fifty unknown orders, whatever their severity (X7)."""
    rule = Rule(strategy=ReconciliationStrategy.HALT_AND_ALERT, domain=("order",), reason="no_strangers")
    broker = venue(orders=[order(f"manual-{n}") for n in range(50)])
    seen = Story(policy=Policy(rules=(rule,))).twice(books(orders=[]), broker)
    assert {row.severity for row in seen.rows} == {Severity.MODERATE}
    assert seen.actions.count("halt") == 50


def test_an_order_whose_submission_timed_out_is_found_by_its_client_id() -> None:
    """Without a broker id the client's pairs the sides, and quantity, price and side are compared (X13, 24)."""
    ours = order("own-1", "pending")
    theirs = order("own-1", "open", quantity="90", broker_id="b-1")
    seen = Story().twice(books(orders=[ours]), venue(orders=[theirs]))
    assert (seen.one.discrepancy_type, seen.one.broker_order_id) == ("TERMS_MISMATCH", "b-1")
    turned = Story().twice(books(orders=[ours]), venue(orders=[order("own-1", side="sell")]))
    assert (turned.one.discrepancy_type, turned.one.severity) == ("TERMS_MISMATCH", "CRITICAL")


def test_a_venues_own_word_for_a_status_is_refused() -> None:
    """Adapters translate: `NEW` is no status of the contract and never compared with one (X13)."""
    with pytest.raises(BadInput, match="status"):
        Story().see(books(orders=[order()]), venue(orders=[order(status="NEW")]))  # type: ignore[arg-type]


def test_working_orders_older_than_any_window_are_compared() -> None:
    """An order that rests for two months takes part like any other, though no fill of that time is listed (class 19)."""
    old = order(seconds_ago=60 * 24 * HOUR)
    broker = venue(orders=[old], fills=[])
    assert Story().see(books(orders=[old], fills=[]), broker).report.status == "matched"
    assert Story().twice(books(orders=[], fills=[]), broker).one.discrepancy_type == "ORPHANED_BROKER"


def test_an_order_local_calls_filled_is_never_adopted_back() -> None:
    """The venue still lists as live what local saw fill: its list is stale, and nothing is done (class 30)."""
    done = fill("f-1", "buy", "100")
    local = books(positions=[held("100")], orders=[order(status="filled", filled="100")], fills=[done])
    broker = venue(positions=[held("100")], orders=[order()], fills=[done])
    seen = Story().twice(local, broker)
    assert (seen.one.cause.code, seen.one.strategy) == ("STALE_BROKER", "WARN_ONLY")
    assert "adopt_order" not in seen.actions + seen.awaiting
