"""Positions: what differs, by how much, and that nothing is invented to make it go away."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.scenarios.building import OURS, Story, books, cash, fill, held, venue
from tieout.books import DecimalLedger
from tieout.decide import Policy, Rule
from tieout.errors import BadInput
from tieout.model.amounts import dec
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import OrderSide

MOVES: tuple[tuple[str, str, str, OrderSide, str], ...] = (
    ("100", "150", "QUANTITY_MISMATCH", "buy", "50"),
    ("-100", "-150", "QUANTITY_MISMATCH", "sell", "50"),
    ("150", "100", "QUANTITY_MISMATCH", "sell", "50"),
    ("100", "0", "MISSING_BROKER", "sell", "100"),
    ("-100", "0", "MISSING_BROKER", "buy", "100"),
)


@pytest.mark.parametrize(("ours", "theirs", "kind", "side", "quantity"), MOVES)
def test_a_difference_is_signed_and_without_a_record_only_halts(
    ours: str, theirs: str, kind: str, side: OrderSide, quantity: str
) -> None:
    """Broker minus local, with its sign; where no fill is listed none is made up, and no order is sent (class 8, 26)."""
    seen = Story().twice(books(positions=[held(ours)]), venue(positions=[held(theirs)], fills=[]))
    assert (seen.one.discrepancy_type, seen.one.difference) == (kind, dec(theirs) - dec(ours))
    assert (seen.one.cause.code, seen.one.severity) == ("UNKNOWN", "CRITICAL")
    assert (seen.actions, seen.awaiting) == (["halt", "alert"], [])


@pytest.mark.parametrize(("ours", "theirs", "kind", "side", "quantity"), MOVES)
async def test_a_difference_is_closed_by_the_venues_own_fill(
    ours: str, theirs: str, kind: str, side: OrderSide, quantity: str
) -> None:
    """The fill of ours that local missed is booked, whatever the severity, and the next reading matches (class 8, 26)."""
    missed = fill("f-1", side, quantity)
    broker, story = venue(positions=[held(theirs)], fills=[missed]), Story()
    seen = story.see(books(positions=[held(ours, average="90")], fills=[]), broker)
    assert (seen.one.cause.code, seen.one.cause.residual) == ("MISSED_FILL", dec(0))
    assert (seen.actions, seen.named("book_fill", "fill_id")) == (["book_fill"], ["f-1"])
    assert story.see(await seen.cured(), broker).report.status == "matched"


def test_opposite_sides_are_critical_and_measured_beyond_a_hundred_percent() -> None:
    """LONG 100 against SHORT 50 is one difference of -150, 150 percent; +100 against -100 is 200 percent (class 9, X9)."""
    seen = Story().twice(books(positions=[held("100")]), venue(positions=[held("-50")]))
    assert (seen.one.discrepancy_type, seen.one.difference, seen.one.percent) == ("SIDE_MISMATCH", dec(-150), dec(150))
    assert (seen.one.severity, seen.actions) == ("CRITICAL", ["halt", "alert"])
    assert Story().see(books(positions=[held("100")]), venue(positions=[held("-100")])).one.percent == 200


async def test_a_flip_is_one_fill_booked_whole_and_carries_its_own_cost() -> None:
    """SELL 150 at 1.05 turns LONG 100 into SHORT 50 with an average of 1.05, in one booking (class 9)."""
    local = books(positions=[held("100", average="1.0")], fills=[])
    broker = venue(positions=[held("-50", average="1.05")], fills=[fill("f-1", "sell", "150", "1.05")])
    seen = Story().see(local, broker)
    assert seen.named("book_fill", "fill_id") == ["f-1"]
    (row,) = (await seen.cured()).positions or ()
    assert (row.amount, row.average_price) == (dec(-50), dec("1.05"))


@pytest.mark.parametrize(("theirs", "within"), [("100.00000001", True), ("100.00000002", False)])
def test_the_smallest_unit_is_tolerated_and_one_more_is_not(theirs: str, within: bool) -> None:
    """Up to one smallest unit (1e-8) is within tolerance and stands in the report; two units are a discrepancy (class 10)."""
    seen = Story().twice(books(positions=[held("100")]), venue(positions=[held(theirs)]))
    assert seen.one.within_tolerance is within
    assert seen.report.status == ("matched" if within else "discrepancies")
    assert seen.actions == ([] if within else ["alert"])


@pytest.mark.parametrize(("theirs", "severity"), [("101", "MINOR"), ("102", "MODERATE")])
def test_whole_units_can_be_told_to_be_the_smallest(theirs: str, severity: str) -> None:
    """Where an asset's smallest unit is 1, a difference of 1 is tolerated and 2 is not (class 10)."""
    settings = replace(OURS, assets={"X": AssetSettings(smallest_unit=dec("1"))})
    seen = Story(settings).see(books(positions=[held("100")]), venue(positions=[held(theirs)]))
    assert (seen.one.severity, seen.one.within_tolerance) == (severity, theirs == "101")


def test_only_the_instrument_that_moved_is_reported() -> None:
    """Of two instruments of which one went flat, exactly one difference is reported and acted on (class 11)."""
    local = books(positions=[held("100", "A"), held("50", "B")], fills=[])
    broker = venue(positions=[held("100", "A")], fills=[fill("f-1", "sell", "50", asset="B")])
    seen = Story().see(local, broker)
    assert (seen.one.asset, seen.one.difference, seen.actions) == ("B", dec(-50), ["book_fill"])


async def test_a_second_change_is_cured_by_its_own_record_alone() -> None:
    """After a first fill was booked, the next reading's difference is just the second fill (class 12)."""
    one, two = fill("f-1", "buy", "100"), fill("f-2", "buy", "50", seconds_ago=1800)
    story = Story()
    seen = story.see(books(positions=[], fills=[]), venue(positions=[held("100")], fills=[one]))
    seen = story.see(await seen.cured(), venue(positions=[held("150")], fills=[one, two]))
    assert (seen.one.difference, seen.named("book_fill", "fill_id")) == (dec(50), ["f-2"])


@pytest.mark.parametrize("theirs", ["5.010", "5.01"])
def test_no_price_is_ever_derived_for_a_difference(theirs: str) -> None:
    """A hundredth more of a contract bounded by 1 stays unexplained: there is no fill at 5.51 nor at 0.999 (class 31)."""
    local = books(positions=[held("5", "YES", average="0.50")])
    seen = Story().twice(local, venue(positions=[held(theirs, "YES", average="0.510")], fills=[]))
    assert (seen.one.cause.code, seen.one.severity) == ("UNKNOWN", "MINOR")
    assert (seen.actions, seen.awaiting) == (["alert"], [])


COSTS = (("100", "150", True), ("100", "100.05", False), ("0", "0.56", True), (None, "150", False))


@pytest.mark.parametrize(("ours", "theirs", "differs"), COSTS)
def test_average_prices_are_compared_where_asked_for_and_both_known(
    ours: str | None, theirs: str, differs: bool
) -> None:
    """Where cost is compared, averages over 0.1 percent apart are a minor warning; unknown ones are not (class 32, P9)."""
    local, broker = books(positions=[held("100", average=ours)]), venue(positions=[held("100", average=theirs)])
    assert Story().twice(local, broker).report.status == "matched"
    seen = Story(replace(OURS, compare_cost=True)).twice(local, broker)
    assert (seen.report.status == "discrepancies") is differs
    if differs:
        assert (seen.one.discrepancy_type, seen.one.severity) == ("COST_MISMATCH", "MINOR")
        assert (seen.one.strategy, seen.actions) == ("WARN_ONLY", ["alert"])


@pytest.mark.parametrize(("step", "status"), [(None, "discrepancies"), ("0.0001", "matched")])
def test_coarse_venue_figures_agree_within_the_step_that_was_told(step: str | None, status: str) -> None:
    """8.928572 and 8.9285 agree within a configured unit of 0.0001, and are a minor difference without (class 32)."""
    unit = None if step is None else dec(step)
    settings = replace(OURS, assets={"X": AssetSettings(smallest_unit=unit)})
    local, broker = (
        books(positions=[held("8.928572", average="0.56")]),
        venue(positions=[held("8.9285", average="0.5599")]),
    )
    seen = Story(settings).see(local, broker)
    assert (seen.report.status, seen.report.severity) == (status, "MINOR")


@pytest.mark.parametrize(
    "settings",
    [
        replace(OURS, unmanaged={"X": dec("0.005103")}),
        replace(OURS, assets={"X": AssetSettings(smallest_unit=dec("0.009999"))}),
        replace(OURS, position_threshold_usd=dec("1")),
    ],
)
def test_dust_that_was_there_before_is_no_break(settings: Settings) -> None:
    """A remainder of 0.005103 is set aside as unmanaged, or within a unit, or within a value, as configured (class 33)."""
    local = books(positions=[held("5.208", market_price="100")])
    seen = Story(settings).twice(local, venue(positions=[held("5.213103", market_price="100")]))
    assert (seen.report.status, seen.actions) == ("matched", [])


def test_a_missing_position_worth_next_to_nothing_is_announced_and_halts_nothing() -> None:
    """A position that only the broker has and that is known to be worth less than a dollar is a warning (class 33)."""
    seen = Story().twice(books(positions=[]), venue(positions=[held("0.005103", market_price="100")], fills=[]))
    assert (seen.one.severity, seen.one.strategy, seen.actions) == ("CRITICAL", "WARN_ONLY", ["alert"])


def test_a_position_local_never_had_is_never_passed_over() -> None:
    """The broker holds 500 that local does not: critical, halted, never *ok* with a warning (class 26, 35, P7, P8)."""
    seen = Story().twice(
        books(positions=[held("1", "A")]), venue(positions=[held("1", "A"), held("500", "UNHEARD-OF")], fills=[])
    )
    assert (seen.one.discrepancy_type, seen.one.severity) == ("MISSING_LOCAL", "CRITICAL")
    assert (seen.report.status, seen.actions) == ("discrepancies", ["halt", "alert"])


def test_a_position_without_a_price_is_not_booked_at_zero() -> None:
    """Without an average or a quote nothing is booked; the value is unknown, which is above every cap (P10)."""
    seen = Story().twice(books(positions=[held("1", "A")]), venue(positions=[held("1", "A"), held("10")], fills=[]))
    assert (seen.one.usd_value, seen.actions, seen.awaiting) == (None, ["halt", "alert"], [])


def test_books_opened_without_a_cost_do_not_know_one() -> None:
    """An opening row without an average has none, also after more is bought: it is never 0 (P10)."""
    ledger = DecimalLedger()
    ledger.open(held("10"))
    ledger.book_fill(fill("f-1", "buy", "5", "100"))
    (row,) = ledger.held.positions.values()
    assert (row.amount, row.average) == (dec(15), None)


def test_severity_weighs_share_and_value_and_lets_nothing_pass_in_silence() -> None:
    """900 of 100,000 dollars is minor, beyond tolerance, and announced; 100 against 101 is 0.9901 percent (X8)."""
    seen = Story().twice(books(balances=[cash("100000")]), venue(balances=[cash("100900")]))
    assert (seen.one.severity, seen.one.within_tolerance, seen.actions) == ("MINOR", False, ["alert"])
    seen = Story().see(books(positions=[held("100")]), venue(positions=[held("101")]))
    assert (str(seen.one.percent), seen.one.severity) == ("0.9901", "MINOR")


def test_halting_can_be_asked_for_at_any_severity() -> None:
    """A rule without a severity halts for a moderate difference as well (X7)."""
    rule = Rule(strategy=ReconciliationStrategy.HALT_AND_ALERT, domain=("position",), reason="strict")
    seen = Story(policy=Policy(rules=(rule,))).twice(books(positions=[held("100")]), venue(positions=[held("103")]))
    assert (seen.one.severity, seen.actions) == ("MODERATE", ["halt", "alert"])


def test_a_row_of_zero_is_no_row() -> None:
    """Zero held locally and no row at the broker agree, and the other way round (X10)."""
    assert Story().see(books(positions=[held("0")]), venue(positions=[])).rows == ()
    assert Story().see(books(positions=[]), venue(positions=[held("0")])).rows == ()


def test_two_rows_for_one_net_position_are_refused() -> None:
    """Duplicate rows do not overwrite each other: they are bad input on either side (class 30, X11)."""
    with pytest.raises(BadInput, match="asset"):
        Story().see(books(positions=[held("60")]), venue(positions=[held("100"), held("-40")]))
    with pytest.raises(BadInput, match="asset"):
        Story().see(books(positions=[held("60"), held("60")]), venue(positions=[held("60")]))


def test_cash_is_compared_in_every_currency() -> None:
    """Each currency is a balance of its own, so a loss in one is not hidden by the others (X15)."""
    local, broker = [cash("100"), cash("100", "EUR")], [cash("100"), cash("50", "EUR")]
    seen = Story().twice(books(balances=local), venue(balances=broker))
    assert (seen.one.asset, seen.one.severity) == ("EUR", "CRITICAL")


def test_an_unknown_moderate_difference_waits_for_a_person() -> None:
    """The number is offered, not set: `set_position` awaits approval (class 26)."""
    seen = Story().twice(books(positions=[held("100")]), venue(positions=[held("103")], fills=[]))
    assert (seen.one.strategy, seen.actions, seen.awaiting) == ("SYNC_TO_BROKER", [], ["set_position"])


@pytest.mark.parametrize(
    ("before", "trade", "after"),
    [
        (("0", None), ("buy", "100", "1.25"), ("100", "1.25")),
        (("0", None), ("sell", "100", "1.25"), ("-100", "1.25")),
        (("100", "1.20"), ("buy", "100", "1.24"), ("200", "1.22")),
        (("-100", "1.30"), ("sell", "100", "1.26"), ("-200", "1.28")),
        (("200", "1.20"), ("sell", "100", "9.99"), ("100", "1.20")),
        (("100", "1.20"), ("sell", "200", "1.25"), ("-100", "1.25")),
        (("150", "1.23456"), ("buy", "100", "1.262335"), ("250", "1.24567")),
    ],
)
def test_booking_the_venues_fill_leads_to_the_venues_average(
    before: tuple[str, str | None], trade: tuple[OrderSide, str, str], after: tuple[str, str]
) -> None:
    """Weighted on an increase, kept on a reduction, the fill's own on opening and on a flip, exactly (class 16)."""
    ledger = DecimalLedger()
    if before[0] != "0":
        ledger.open(held(before[0], average=before[1]))
    ledger.book_fill(fill("f-1", *trade))
    (row,) = ledger.held.positions.values()
    assert (row.amount, row.average) == (dec(after[0]), dec(after[1]))


@pytest.mark.parametrize("average", [None, "0", "1.0", "2.0"])
def test_no_price_is_solved_for_whatever_the_averages_say(average: str | None) -> None:
    """From two averages no fill is computed, also where that price would come out negative or not at all (class 16, 32)."""
    local = books(positions=[held("100", average="2.0")])
    seen = Story().twice(local, venue(positions=[held("200", average=average)], fills=[]))
    assert (seen.one.cause.code, seen.awaiting) == ("UNKNOWN", [])
    assert seen.actions == ["halt", "alert"]


def test_a_number_set_by_hand_carries_no_cost_across_a_flip() -> None:
    """Setting a leg to the other side leaves its cost unknown instead of keeping the old one (class 9)."""
    ledger = DecimalLedger()
    ledger.open(held("100", average="1.0"))
    ledger.set_position("X", "net", dec("-50"), reason="approved by a person")
    (row,) = ledger.held.positions.values()
    assert (row.amount, row.average) == (dec(-50), None)
