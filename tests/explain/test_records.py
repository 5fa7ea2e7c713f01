"""What records that one side lacks, has twice or has otherwise explain."""

from __future__ import annotations

from typing import Any

import pytest

from tests.explain.building import act, bal, broker, fill, local, order, pos, read
from tieout.model.changes import BookActivity, BookFill, ReverseActivity, ReverseFill
from tieout.model.settings import AssetScope, Settings

SINCE = {"fills_since": -9000, "activities_since": -9000}


def shares(amount: Any, **fields: Any) -> Any:
    return pos("AAPL", amount, **fields)


def usd(total: Any, **fields: Any) -> Any:
    return bal("USD", total, usd_price="1", **fields)


def test_a_missed_fill_explains_position_and_cash_and_is_booked_once() -> None:
    """A fill of local's own order that only the broker lists explains shares and cash, and is booked once."""
    seen = read(local(shares(100), usd(1000)), broker(shares(106), usd("399.5"), fill("m", "AAPL", 6, 100, fee="0.5")))
    assert seen.seen() == {
        "position AAPL": ("QUANTITY_MISMATCH", "6", "MISSED_FILL", "0"),
        "balance USD": ("BALANCE_MISMATCH", "-600.5", "MISSED_FILL", "0"),
    }
    assert [type(change) for change in seen.changes("position AAPL")] == [BookFill]
    assert seen.case("position AAPL") == seen.case("balance USD")
    assert seen.case("balance USD").closes


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"client_order_id": "c-0"}, "MISSED_FILL"),
        ({"client_order_id": "someone"}, "EXTERNAL_TRADE"),
        ({"client_order_id": None}, "EXTERNAL_TRADE"),
        ({"liquidation": True}, "LIQUIDATION"),
    ],
)
def test_whose_order_a_fill_belongs_to_names_it(told: Any, code: str) -> None:
    """A fill that local lacks is named by whose order it was, and one that the broker forced before all."""
    seen = read(local(shares(100), usd(1000)), broker(shares(94), usd(1600), fill("m", "AAPL", -6, 100, **told)))
    assert seen.cause("position AAPL") == seen.cause("balance USD") == code


def test_the_broker_s_id_of_an_own_order_is_enough() -> None:
    """A fill that bears no client id is known by the id that the broker gave to local's order."""
    row = fill("m", "AAPL", 6, 100, client_order_id=None, broker_order_id="b-9")
    ours, theirs = local(shares(100), order("b-9", 6, "filled", filled=6)), broker(shares(106), row)
    assert read(ours, theirs).cause("position AAPL") == "MISSED_FILL"


def test_an_order_listed_in_an_earlier_reading_stays_local_s_own() -> None:
    """An order that local listed once is its own in later readings too."""
    first = read(local(shares(100), order("c-9", 6)), broker(shares(100), order("c-9", 6)))
    late = fill("m", "AAPL", 6, 100, 60, client_order_id="c-9")
    seen = read(local(shares(100), as_of=120), broker(shares(106), late, as_of=120), memory=first.memory)
    assert seen.cause("position AAPL") == "MISSED_FILL"


def test_identical_broker_records_count_once() -> None:
    """A broker that lists one fill twice has one fill."""
    twice = fill("m", "AAPL", 6, 100)
    seen = read(local(shares(100)), broker(shares(106), twice, twice))
    assert seen.evidence("position AAPL") == ("fill m",)


@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        (SINCE, "PHANTOM_FILL"),
        ({}, "UNKNOWN"),
        ({"fills_since": -200}, "UNKNOWN"),
        ({"fills_since": -300}, "PHANTOM_FILL"),  # from that very second on
        ({"coverage": {"fills": "partial"}, **SINCE}, "UNKNOWN"),
        ({"without": ("fills",)}, "UNKNOWN"),
    ],
)
def test_absence_is_evidence_only_where_the_broker_s_list_vouches(theirs: Any, code: str) -> None:
    """A fill that only local has is a phantom only if the broker's list vouches for its time."""
    mine = fill("p", "AAPL", 10, 100)
    seen = read(local(shares(110), usd(0), mine), broker(shares(100), usd(1000), **theirs))
    assert seen.cause("position AAPL") == seen.cause("balance USD") == code


@pytest.mark.parametrize(("oldest", "code"), [(-500, "PHANTOM_FILL"), (-100, "UNKNOWN")])
def test_a_list_without_a_start_vouches_from_its_oldest_record_on(oldest: Any, code: str) -> None:
    """Without fills_since the oldest record tells from when on the list is complete."""
    known = fill("q", "AAPL", 1, 100, oldest)
    seen = read(local(shares(110), fill("p", "AAPL", 10, 100), known), broker(shares(100), known))
    assert seen.cause("position AAPL") == code


@pytest.mark.parametrize(
    ("at", "code"), [(-60, "PHANTOM_FILL"), (-59, "STALE_BROKER"), (-2, "STALE_BROKER"), (-1, "IN_FLIGHT")]
)
def test_a_young_fill_that_the_broker_does_not_show_is_no_phantom(at: int, code: str) -> None:
    """Within the settle window it is in flight, within the venue's lag the broker is stale, and only then a phantom."""
    seen = read(local(shares(110), fill("p", "AAPL", 10, 100, at)), broker(shares(100), **SINCE))
    assert seen.cause("position AAPL") == code


def test_a_fill_booked_twice_is_taken_back_once() -> None:
    """Local's repeat of a fill is a duplicate, and one booking of it is reversed."""
    once = fill("p", "AAPL", 10, 100)
    seen = read(local(shares(120), usd(0), once, once), broker(shares(110), usd(1000), once))
    assert seen.cause("position AAPL") == seen.cause("balance USD") == "DUPLICATE_FILL"
    assert seen.changes("balance USD") == (ReverseFill(once),)


def test_which_booking_is_the_repeat_does_not_depend_on_the_file_s_order() -> None:
    """Of two bookings of one fill the one that is the broker's to the letter is right, wherever it stands."""
    right, wrong = fill("p", "AAPL", 10, 100), fill("p", "AAPL", 7, 100)
    stated = broker(shares(110), usd(1000), right)
    ways = [read(local(shares(117), usd(300), *rows), stated) for rows in ((right, wrong), (wrong, right))]
    assert ways[0].seen() == ways[1].seen()
    assert ways[0].changes("position AAPL") == ways[1].changes("position AAPL") == (ReverseFill(wrong),)


def test_an_activity_booked_twice_or_invented_is_taken_back() -> None:
    """Activities that local has twice, or that a vouching broker does not know, explain cash as fills do."""
    paid = act("d", "deposit", currency="USD", amount=500)
    twice = read(local(usd(11000), paid, paid), broker(usd(10500), paid))
    phantom = read(local(usd(10500), paid), broker(usd(10000), **SINCE))
    assert (twice.cause("balance USD"), phantom.cause("balance USD")) == ("DUPLICATE_FILL", "PHANTOM_FILL")
    assert twice.changes("balance USD") == phantom.changes("balance USD") == (ReverseActivity(paid),)


@pytest.mark.parametrize(
    ("kind", "amount", "code"),
    [
        ("deposit", 300, "DEPOSIT"),
        ("withdrawal", -300, "WITHDRAWAL"),
        ("transfer", -300, "TRANSFER"),
        ("fee", -300, "FEE"),
        ("funding", -300, "FUNDING"),
        ("interest", 300, "INTEREST"),
        ("dividend", 300, "DIVIDEND"),
        ("rebate", 300, "REBATE"),
        ("cash_in_lieu", 300, "CORPORATE_ACTION"),
    ],
)
def test_every_kind_of_activity_has_its_code(kind: str, amount: Any, code: str) -> None:
    """A broker activity that local lacks explains the cash, named by its kind."""
    row = act("x", kind, currency="USD", amount=amount)
    seen = read(local(usd(1000)), broker(usd(1000 + amount), row))
    assert seen.seen()["balance USD"][2:] == (code, "0")
    assert seen.changes("balance USD") == (BookActivity(row),)


def test_funding_in_two_currencies_explains_each() -> None:
    """Each currency is explained by its own records."""
    rows = (
        act("x", "funding", currency="USD", amount=-20),
        act("y", "funding", currency="EUR", amount=20),
    )
    seen = read(local(usd(1000), bal("EUR", 100)), broker(usd(980), bal("EUR", 120), *rows))
    assert seen.evidence("balance USD") == ("activity x",)
    assert seen.evidence("balance EUR") == ("activity y",)


@pytest.mark.parametrize(("here", "row"), [(bal, "balance BTC"), (pos, "position BTC")])
def test_coins_that_move_land_where_they_are_held(here: Any, row: Any) -> None:
    """An asset that is transferred moves the balance or the position that the account keeps of it."""
    out = act("x", "transfer", asset="BTC", amount="-0.5")
    assert read(local(here("BTC", 1)), broker(here("BTC", "0.5"), out)).seen()[row][2:] == ("TRANSFER", "0")


@pytest.mark.parametrize(
    ("theirs", "total", "shares_held", "code"),
    [
        (fill("p", "AAPL", 10, 110), 8900, 10, "WRONG_FILL"),
        (fill("p", "AAPL", 9, 100), 9100, 9, "WRONG_FILL"),
        (fill("p", "AAPL", 10, 100, fee=1), 8999, 10, "FEE"),
        (fill("p", "AAPL", 10, 110, fee=1), 8899, 10, "WRONG_FILL"),
    ],
)
def test_a_fill_booked_otherwise_is_reversed_and_booked_again(
    theirs: Any, total: Any, shares_held: Any, code: str
) -> None:
    """The same fill with another price, quantity or fee explains what it moved, and is booked anew."""
    mine = fill("p", "AAPL", 10, 100)
    seen = read(local(shares(10), usd(9000), mine), broker(shares(shares_held), usd(total), theirs))
    assert seen.seen()["balance USD"][2:] == (code, "0")
    undone, booked = seen.changes("balance USD")
    assert undone == ReverseFill(mine)
    assert isinstance(booked, BookFill)
    assert (booked.fill.quantity, booked.fill.price, booked.fill.fee) == (theirs.quantity, theirs.price, theirs.fee)


def test_a_fee_that_the_broker_does_not_state_is_not_known_to_be_none() -> None:
    """Where the broker's record is silent about the fee, local's fee is neither wrong nor lost in rebooking."""
    mine = fill("p", "AAPL", 10, 100, fee=3)
    silent = read(local(usd(997), mine), broker(usd(1000), fill("p", "AAPL", 10, 100)))
    assert silent.cause("balance USD") == "UNKNOWN"
    corrected = read(local(shares(10), usd(8997), mine), broker(shares(10), usd(8897), fill("p", "AAPL", 10, 110)))
    booked = corrected.changes("balance USD")[1]
    assert isinstance(booked, BookFill)
    assert booked.fill.fee == mine.fee


def test_a_fee_in_a_coin_nobody_lists_holds_nothing_up() -> None:
    """A fee in a currency that neither side lists does not keep a booking from closing what it touches."""
    row = fill("p", "AAPL", 10, 100, fee="0.1", fee_currency="BNB")
    assert read(local(usd(10000)), broker(shares(10), usd(9000), row)).case("position AAPL").closes


def test_a_fee_in_a_coin_both_list_has_to_be_seen_to_move() -> None:
    """A booking that would break what agrees does not close, however little it moves."""
    row = fill("p", "AAPL", 10, 100, fee="0.00000001", fee_currency="BNB")
    ours, theirs = (usd(10000), bal("BNB", 3)), (shares(10), usd(9000), bal("BNB", 3), row)
    assert not read(local(*ours), broker(*theirs)).case("position AAPL").closes


def test_a_trade_paid_in_a_currency_nobody_lists_is_not_closed() -> None:
    """Only a fee may land in a currency that neither side lists; what a trade is paid with has to be seen to move."""
    seen = read(
        local(usd(10000)), broker(pos("Z", 10, currency="EUR", settlement="cash"), usd(10000), fill("p", "Z", 10, 100))
    )
    assert seen.cause("position Z") == "MISSED_FILL"
    assert not seen.case("position Z").closes


def test_several_codes_together_are_named_one_by_one() -> None:
    """Where records of several kinds are needed the cause is MULTIPLE, and each record stands behind its code."""
    mine = fill("p", "AAPL", 10, 100)
    theirs = fill("p", "AAPL", 10, 100, fee=1), fill("m", "AAPL", 3, 100, -200)
    seen = read(
        local(shares(10), usd(9000), mine),
        broker(shares(13), usd(9199), *theirs, act("d", "deposit", currency="USD", amount=500)),
    )
    assert seen.seen()["balance USD"][2:] == ("MULTIPLE", "0")
    assert set(seen.evidence("balance USD")) == {"DEPOSIT activity d", "MISSED_FILL fill m", "FEE fill p"}


def test_a_partial_explanation_keeps_its_code_and_its_residual() -> None:
    """A record that explains a part is named with what is left."""
    seen = read(local(shares(100)), broker(shares(110), fill("m", "AAPL", 6, 100)))
    assert seen.seen()["position AAPL"] == ("QUANTITY_MISMATCH", "10", "MISSED_FILL", "4")


def cash_row(name: str, kind: str, amount: Any) -> Any:
    return act(name, kind, currency="USD", amount=amount)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (310, ("DEPOSIT", "10")),  # 280 together would leave 30, the fee alone 330
        (275, ("MULTIPLE", "-5")),
        (-25, ("FEE", "-5")),
        (-100, ("FEE", "-80")),
        (700, ("DEPOSIT", "400")),
    ],
)
def test_of_partial_explanations_the_one_that_leaves_least_counts(difference: Any, expected: tuple[str, str]) -> None:
    """All records together, those of one kind, or those of one code: whichever is nearest."""
    rows = cash_row("d", "deposit", 300), cash_row("f", "fee", -20)
    seen = read(local(usd(1000)), broker(usd(1000 + difference), *rows))
    assert seen.seen()["balance USD"][2:] == expected


@pytest.mark.parametrize(
    ("theirs", "total", "code"),
    [(fill("p", "AAPL", 10, 100, fee=1), 8999, "FEE"), (fill("p", "AAPL", 10, 110), 8900, "WRONG_FILL")],
)
def test_what_was_booked_otherwise_is_told_from_what_was_missed_without_a_search(
    theirs: Any, total: Any, code: str
) -> None:
    """Corrections alone close what a record that has nothing to do with it would not."""
    ours = local(shares(10), usd(9000), fill("p", "AAPL", 10, 100))
    stated = broker(shares(10), usd(total), theirs, cash_row("d", "deposit", 500))
    seen = read(ours, stated, settings=Settings(search_states=1))
    assert seen.seen()["balance USD"][2:] == (code, "0")


def test_a_record_that_makes_it_worse_explains_nothing() -> None:
    """A partial explanation counts only if its residual is smaller than the difference."""
    seen = read(local(shares(100)), broker(shares(110), fill("m", "AAPL", -6, 100)))
    assert seen.seen()["position AAPL"][2:] == ("UNKNOWN", "10")


def test_what_also_moves_a_row_that_agrees_does_not_close() -> None:
    """A booking that would break cash which agrees now is not fit to be booked."""
    held = shares(106, settlement="cash")
    seen = read(local(shares(100), usd(1000)), broker(held, usd(1000), fill("m", "AAPL", 6, 100)))
    assert seen.cause("position AAPL") == "MISSED_FILL"
    assert not seen.case("position AAPL").closes


def test_an_order_s_id_may_contain_anything() -> None:
    """A fill alone is known by its id and side, whatever the venue calls its order."""
    row = fill("m/1", "AAPL", 6, 100, broker_order_id="b/2/3")
    seen = read(local(shares(100), **SINCE), broker(shares(100), row, **SINCE))
    assert seen.cause("fill AAPL m/1/buy/b/2/3") == "MISSED_FILL"


def test_records_behind_a_stale_row_are_no_breaks_of_their_own() -> None:
    """A young fill that the broker does not show yet is told of once, with the row that it moved."""
    ours = local(shares(110), usd(0), fill("p", "AAPL", 10, 100, -30))
    seen = read(ours, broker(shares(100), usd(1000), **SINCE)).seen()
    assert {key: found[2] for key, found in seen.items()} == dict.fromkeys(
        ("position AAPL", "balance USD"), "STALE_BROKER"
    )


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        (AssetScope(), {"position AAPL": "SPLIT", "balance USD": "FEE"}),
        (AssetScope(include=("AAPL",)), {"position AAPL": "SPLIT"}),
        (AssetScope(include=("USD",)), {"balance USD": "FEE"}),
        (AssetScope(exclude=("USD",)), {"position AAPL": "SPLIT"}),
    ],
)
def test_records_outside_the_scope_are_no_evidence(scope: AssetScope, found: dict[str, str]) -> None:
    """A record belongs to its asset, and one without an asset to its currency."""
    rows = act("s", "split", asset="AAPL", ratio="2"), act("c", "fee", currency="USD", amount=-5)
    seen = read(local(shares(10), usd(100)), broker(shares(20), usd(95), *rows), settings=Settings(scope=scope))
    assert {key: row[2] for key, row in seen.seen().items()} == found


@pytest.mark.parametrize(
    ("here", "there", "code"),
    [
        (usd(1000), usd("1000.01"), "ROUNDING"),
        (usd(1000), usd("1000.02"), "UNKNOWN"),
        (shares(10), shares("10.00000001"), "ROUNDING"),
        (shares(10), shares("10.01"), "UNKNOWN"),
        (bal("BTC", 1, usd_price=50000), bal("BTC", "1.00000001", usd_price=50000), "ROUNDING"),
    ],
)
def test_one_smallest_unit_is_rounding(here: Any, there: Any, code: str) -> None:
    """A cent of a fiat currency and 1e-8 of anything else are rounding; more is not."""
    (row,) = read(local(here), broker(there)).seen().values()
    assert row[2] == code


def test_a_cost_that_differs_has_no_cause() -> None:
    """Average prices that differ are told of, and nothing is said to explain them."""
    told = Settings(compare_cost=True)
    seen = read(local(shares(10, average_price=90)), broker(shares(10, average_price=100)), settings=told)
    assert seen.seen() == {"position AAPL": ("COST_MISMATCH", "10", "UNKNOWN", "10")}


def test_fill_ids_are_an_asset_s_own() -> None:
    """A fill that is evidence in one asset does not hide another asset's fill of the same id."""
    rows = fill("1", "AAPL", 6, 100), fill("1", "MSFT", 5, 100), fill("2", "MSFT", -5, 100)
    ours = local(shares(100), pos("MSFT", 9), fills_since=-9000)
    seen = read(ours, broker(shares(106), pos("MSFT", 9), *rows, **SINCE)).seen()
    assert set(seen) == {"position AAPL", "fill MSFT 1/buy/", "fill MSFT 2/sell/"}
    assert seen["fill MSFT 1/buy/"] == ("MISSING_LOCAL", "5", "MISSED_FILL", "0")


def test_a_fill_by_itself_is_cited_and_booked_by_itself() -> None:
    """Where holdings agree a missed fill is its own evidence, and what would cure it."""
    row = fill("m", "AAPL", 6, 100)
    seen = read(local(shares(100), **SINCE), broker(shares(100), row, **SINCE))
    assert seen.evidence("fill AAPL m/buy/") == ("fill m",)
    assert seen.case("fill AAPL m/buy/").refs == ("fill m",)
    (booked,) = seen.changes("fill AAPL m/buy/")
    assert isinstance(booked, BookFill)


def test_books_that_number_for_themselves_are_recognised() -> None:
    """Where the broker knows none of local's fill ids, the ids prove nothing."""
    mine, theirs = fill("L-1", "AAPL", 6, 100), fill("m", "AAPL", 6, 100)
    seen = read(local(shares(6), mine, **SINCE), broker(shares(6), theirs, **SINCE))
    assert seen.explanation.ids_unrelated
    assert {row[2] for row in seen.seen().values()} == {"MISSED_FILL", "PHANTOM_FILL"}


@pytest.mark.parametrize(("at", "code"), [(-30, "STALE_BROKER"), (-1, "IN_FLIGHT")])
def test_a_young_fill_alone_is_not_called_a_phantom(at: int, code: str) -> None:
    """Where holdings agree too, absence is no evidence before its time."""
    mine = fill("p", "AAPL", 10, 100, at)
    seen = read(local(shares(100), mine), broker(shares(100), **SINCE))
    assert seen.cause("fill AAPL p/buy/") == code
