"""What is too young for a verdict, and what a broker that contradicts itself is not believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.explain.building import act, bal, broker, fill, local, order, pos, read
from tieout.model.settings import Settings

SINCE = {"fills_since": -9000, "activities_since": -9000}


def shares(amount: Any, **fields: Any) -> Any:
    return pos("AAPL", amount, **fields)


def usd(total: Any) -> Any:
    return bal("USD", total, usd_price="1")


def baseline(*rows: Any) -> Any:
    """What is remembered of a reading in which the sides agreed."""
    return read(local(*rows), broker(*rows)).memory


@pytest.mark.parametrize(("at", "code"), [(-1, "IN_FLIGHT"), (-3, "MISSED_FILL")])
def test_records_within_the_settle_window_are_in_flight(at: int, code: str) -> None:
    """A fill younger than two seconds gets no verdict yet."""
    theirs = broker(shares(105), usd(9500), fill("f", "AAPL", 5, 100, at))
    seen = read(local(shares(100), usd(10000)), theirs)
    assert seen.cause("position AAPL") == seen.cause("balance USD") == code


@pytest.mark.parametrize(("at", "code"), [(-20, "IN_FLIGHT"), (-40, "MISSED_FILL")])
def test_what_happened_between_the_readings_is_in_flight(at: int, code: str) -> None:
    """A fill younger than local's statement is old could not stand in it."""
    theirs = broker(shares(105), fill("f", "AAPL", 5, 100, at))
    assert read(local(shares(100), as_of=-30), theirs, at=0).cause("position AAPL") == code


def test_a_cached_broker_does_not_know_the_latest() -> None:
    """A fill that local booked since the broker's statement was made is in flight."""
    ours = local(shares(105), fill("f", "AAPL", 5, 100, -20))
    assert read(ours, broker(shares(100), as_of=-30), at=0).cause("position AAPL") == "IN_FLIGHT"


@pytest.mark.parametrize(("at", "code"), [(7199, "IN_FLIGHT"), (6000, "MISSED_FILL")])
def test_a_clock_two_hours_ahead_changes_nothing(at: int, code: str) -> None:
    """Ages are taken on the clock of the side that reports."""
    theirs = broker(shares(105), fill("f", "AAPL", 5, 100, at), as_of=7200)
    assert read(local(shares(100)), theirs, at=0).cause("position AAPL") == code


def test_a_record_dated_ahead_ages_from_when_it_was_first_shown() -> None:
    """A time ahead of its own side's clock does not keep a record young for ever."""
    row = fill("f", "AAPL", 5, 100, 100)
    first = read(local(shares(100)), broker(shares(105), row))
    later = read(local(shares(100), as_of=30), broker(shares(105), row, as_of=30), memory=first.memory)
    assert (first.cause("position AAPL"), later.cause("position AAPL")) == ("IN_FLIGHT", "MISSED_FILL")


def test_books_that_moved_while_the_broker_was_read_are_in_flight() -> None:
    """Where the broker stands as local did in its first reading, the difference is what happened meanwhile."""
    seen = read(local(shares(105)), broker(shares(100), as_of=-1), before=local(shares(100), as_of=-2))
    assert seen.cause("position AAPL") == "IN_FLIGHT"


def test_a_young_fill_that_both_sides_list_may_not_have_moved_the_position_yet() -> None:
    """Right after a fill that both list, the broker's holdings may still trail it."""
    row = fill("f", "AAPL", 5, 100, -1)
    seen = read(local(shares(105), usd(9500), row), broker(shares(100), usd(10000), row))
    assert seen.evidence("position AAPL") == seen.evidence("balance USD") == ("fill f",)
    assert seen.cause("position AAPL") == seen.cause("balance USD") == "IN_FLIGHT"


def test_a_young_activity_that_both_sides_list_may_not_have_moved_the_cash_yet() -> None:
    """The same holds for a deposit."""
    row = act("d", "deposit", -1, currency="USD", amount=500)
    assert read(local(usd(1500), row), broker(usd(1000), row)).cause("balance USD") == "IN_FLIGHT"


@pytest.mark.parametrize("theirs_too", [True, False])
@pytest.mark.parametrize(
    ("moved", "cash", "code"), [(4, -400, "IN_FLIGHT"), (10, -1001, "IN_FLIGHT"), (11, -1100, "UNKNOWN")]
)
def test_a_young_order_may_have_filled_by_anything_up_to_what_is_open(
    theirs_too: bool, moved: Any, cash: Any, code: str
) -> None:
    """A young order accounts for anything from nothing to its open quantity, also where both sides list it alike."""
    sent = order("c-1", 10, at=-1, limit_price=100)
    rows = (sent,) if theirs_too else ()
    seen = read(local(shares(100), usd(10000), sent), broker(shares(100 + moved), usd(10000 + cash), *rows))
    assert seen.cause("position AAPL") == seen.cause("balance USD") == code


@pytest.mark.parametrize(("moved", "code"), [(10, "IN_FLIGHT"), (11, "UNKNOWN")])
def test_a_young_order_that_the_sides_know_otherwise_counts_once(moved: Any, code: str) -> None:
    """The broker has filled one of ten: ten may have moved, and not nineteen."""
    mine, theirs = (order("c-1", 10, status, at=-1, limit_price=100, filled=n) for status, n in
                    (("open", 0), ("partially_filled", 1)))  # fmt: skip
    seen = read(local(shares(100), mine), broker(shares(100 + moved), theirs))
    assert seen.cause("position AAPL") == code


def test_a_young_spot_order_moves_both_balances() -> None:
    """A pair's young order accounts for its base and its quote."""
    sent = order("c-1", -1, asset="BTC/USDT", at=-1, limit_price=100)
    theirs = broker(bal("BTC", "0.5"), bal("USDT", 1050), sent)
    seen = read(local(bal("BTC", 1), bal("USDT", 1000), sent), theirs)
    assert {row[2] for row in seen.seen().values()} == {"IN_FLIGHT"}


def test_a_young_closing_order_may_have_realised_a_loss() -> None:
    """On margin cash moves by the profit, which may be below nothing for a sale."""
    held = {"average_price": 100, "settlement": "margin"}
    ours = local(shares(10, **held), usd(1000), order("c-1", -10, at=-1, limit_price=90))
    seen = read(ours, broker(shares(6, **held), usd("959.8")))
    assert seen.cause("position AAPL") == seen.cause("balance USD") == "IN_FLIGHT"


def test_an_old_order_accounts_for_nothing() -> None:
    """An order that stood for minutes is no reason to wait."""
    sent = order("c-1", 10, limit_price=100)
    assert read(local(shares(100), sent), broker(shares(104), sent)).cause("position AAPL") == "UNKNOWN"


def test_rows_that_vanish_without_a_trade_are_a_partial_response() -> None:
    """A position that is gone while no fill says so was lost by the answer, not by the account."""
    held = shares(100), pos("MSFT", 5), usd(10000)
    seen = read(local(*held, as_of=90), broker(shares(100), usd(10000), as_of=90), memory=baseline(*held))
    assert seen.seen() == {"position MSFT": ("MISSING_BROKER", "-5", "PARTIAL_RESPONSE", "0")}


def test_other_assets_fills_do_not_make_a_loss_believable() -> None:
    """A list that only grew since the baseline tells that nothing else was traded."""
    held = shares(100), usd(10000)
    row = fill("t", "TSLA", 1, 100, 40)
    theirs = broker(pos("TSLA", 1), usd(9900), row, as_of=90)
    ours = local(shares(100), pos("TSLA", 1), usd(9900), row, as_of=90)
    assert read(ours, theirs, memory=baseline(*held)).cause("position AAPL") == "PARTIAL_RESPONSE"


@pytest.mark.parametrize(
    ("then", "now", "code"),
    [
        ([], [fill("t", "TSLA", 1, 1, 60)], "STALE_BROKER"),
        ([fill("o", "TSLA", 1, 1, -300)], [fill("t", "TSLA", 1, 1, 60)], "UNKNOWN"),  # one dropped out: others may have
        (None, [fill("t", "TSLA", 1, 1, 60)], "UNKNOWN"),
        ([fill("a", "TSLA", 1, 1, 30)], [fill("a", "TSLA", 1, 1, 30)], "STALE_BROKER"),  # dated ahead, and listed still
        ([fill("a", "TSLA", 1, 1, 30)], [fill("b", "TSLA", 1, 1, 30)], "UNKNOWN"),
    ],
)
def test_a_list_without_a_start_tells_of_everything_while_nothing_drops_out(then: Any, now: Any, code: str) -> None:
    """Where all that the baseline listed is listed still, a fill since then could not be missing."""
    fills = [] if then is None else then
    without = ("fills",) if then is None else ()
    memory = read(local(shares(100), without=without), broker(shares(100), *fills, without=without)).memory
    seen = read(local(shares(100), as_of=90), broker(shares(97), *now, as_of=90), memory=memory)
    assert seen.cause("position AAPL") == code


@pytest.mark.parametrize("told", [{"fills_since": 50}, {"without": ("fills",)}, {"coverage": {"fills": "partial"}}])
def test_a_list_that_does_not_reach_back_raises_no_doubt(told: Any) -> None:
    """Where the broker's list does not tell of the time since the baseline, nothing contradicts its word."""
    held = shares(100), usd(10000)
    row = () if "without" in told else (fill("t", "TSLA", 1, 1, 60),)
    theirs = broker(shares(97), usd(10000), *row, as_of=90, **told)
    assert read(local(*held, as_of=90), theirs, memory=baseline(*held)).cause("position AAPL") == "UNKNOWN"


@pytest.mark.parametrize("now", [97, -100, 400])
def test_holdings_that_move_without_a_record_are_stale(now: Any) -> None:
    """A position that moves, turns round or multiplies without fills is not believed."""
    held = shares(100), usd(10000)
    theirs = broker(shares(now), usd(10000), as_of=90)
    seen = read(local(*held, as_of=90), theirs, memory=baseline(*held))
    assert seen.seen()["position AAPL"][2:] == ("STALE_BROKER", "0")


@pytest.mark.parametrize(("told", "code"), [(SINCE, "STALE_BROKER"), ({}, "UNKNOWN")])
def test_holdings_that_do_not_move_with_their_own_fills_are_stale(told: Any, code: str) -> None:
    """A fill that both list and the broker's rows ignore makes them stale; cash only where both lists reach back."""
    row = fill("f", "AAPL", 5, 100, 40)
    ours, theirs = local(shares(105), usd(9500), row, as_of=90), broker(shares(100), usd(10000), row, as_of=90, **told)
    seen = read(ours, theirs, memory=baseline(shares(100), usd(10000)))
    assert seen.evidence("position AAPL") == ("fill f",)
    assert (seen.cause("position AAPL"), seen.cause("balance USD")) == ("STALE_BROKER", code)


def test_a_doubted_row_stays_held_against_the_last_that_was_not() -> None:
    """A stale answer never becomes the baseline, so a broker that repeats it stays in doubt, and recovery clears it."""
    row = fill("f", "AAPL", 5, 100, 40)
    first = baseline(shares(100))
    stale = read(local(shares(105), row, as_of=90), broker(shares(100), row, as_of=90), memory=first)
    again = read(local(shares(105), row, as_of=150), broker(shares(100), row, as_of=150), memory=stale.memory)
    well = read(local(shares(105), row, as_of=210), broker(shares(105), row, as_of=210), memory=again.memory)
    assert stale.cause("position AAPL") == again.cause("position AAPL") == "STALE_BROKER"
    assert not well.differences
    assert not well.memory.held_back


def test_the_first_reading_doubts_nothing() -> None:
    """Without an earlier reading there is nothing that an answer could contradict."""
    row = fill("f", "AAPL", 5, 100, -40)
    assert read(local(shares(105), row), broker(shares(100), row)).cause("position AAPL") == "UNKNOWN"


def test_a_fill_listed_late_may_have_been_in_the_baseline() -> None:
    """Of late fills each may or may not have moved the baseline: no doubt where any of these ways fits."""
    late = fill("a", "AAPL", 3, 100, -10), fill("b", "AAPL", 5, 100, -5)
    theirs = broker(shares(105), *late, as_of=90, fills_since=-9000)
    seen = read(local(shares(104), *late, as_of=90), theirs, memory=baseline(shares(100)))
    assert seen.cause("position AAPL") == "UNKNOWN"


HEDGED = pos("X", 10, side="long"), pos("X", -5, side="short")
UNTOLD = fill("h", "X", 2, 100, 40)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([UNTOLD], "UNKNOWN"),
        ([UNTOLD, fill("i", "X", -9, 100, 41)], "UNKNOWN"),  # one of them
        ([fill("h", "X", 3, 100, 40), fill("i", "X", -1, 100, 41)], "UNKNOWN"),  # both
        ([fill("h", "X", 3, 100, 40)], "STALE_BROKER"),
        ([fill("h", "X", 2, 100, 40, position_side="short")], "STALE_BROKER"),
        ([fill("h", "Y", 2, 100, 40)], "STALE_BROKER"),
        ([fill("g", "Y", 2, 100, 39), UNTOLD], "UNKNOWN"),
        ([fill(f"f{n}", "X", 2**n, 100, n + 40) for n in range(13)], "UNKNOWN"),  # more than are tried one by one
        ([act("d", "deposit", 40, currency="USD", amount=2)], "STALE_BROKER"),
    ],
)
def test_a_fill_without_a_leg_may_have_moved_either(rows: Any, code: str) -> None:
    """In hedge mode a leg that moved by fills naming none is not in doubt, and by anything else it is."""
    other = pos("Y", 7, side="long"), pos("Y", -7, side="short")
    ours = local(pos("X", 10, side="long"), pos("X", -5, side="short"), *other, *rows, as_of=90)
    theirs = broker(pos("X", 12, side="long"), pos("X", -5, side="short"), *other, *rows, as_of=90)
    assert read(ours, theirs, memory=baseline(*HEDGED, *other)).cause("position X long") == code


@pytest.mark.parametrize(
    ("long", "short", "rows", "code"),
    [
        (10, -5, [], "UNKNOWN"),
        (10, -2, [], "STALE_BROKER"),
        (12, -5, [UNTOLD], "UNKNOWN"),
        (10, -3, [UNTOLD], "UNKNOWN"),
        (12, -3, [UNTOLD], "STALE_BROKER"),
        (10, -3, [fill("h", "X", 2, 100, 40, position_side="short")], "UNKNOWN"),
    ],
)
def test_both_legs_together_are_held_against_a_local_that_nets(long: Any, short: Any, rows: Any, code: str) -> None:
    """Where local keeps one position of a hedged asset, the broker's word is doubted on the sum of its legs."""
    theirs = broker(pos("X", long, side="long"), pos("X", short, side="short"), *rows, as_of=90)
    seen = read(local(pos("X", 77), *rows, as_of=90), theirs, memory=baseline(*HEDGED))
    assert seen.cause("position X") == code


def test_fills_without_a_leg_count_what_is_in_their_contracts() -> None:
    """Two contracts of ten move a leg by twenty of what both sides compare."""

    def held(long: Any) -> Any:
        return pos("X", long, side="long", multiplier=10), pos("X", -5, side="short", multiplier=10)

    for long, code in ((12, "UNKNOWN"), (13, "STALE_BROKER")):
        ours, theirs = local(*held(10), UNTOLD, as_of=90), broker(*held(long), UNTOLD, as_of=90)
        assert read(ours, theirs, memory=baseline(*held(10))).cause("position X long") == code


@pytest.mark.parametrize(
    ("ours", "theirs", "moved", "difference", "told"),
    [
        (pos("X", 10), pos("X", 10, multiplier=10), pos("X", 7, multiplier=10), "-3", {}),
        (pos("X", 100, multiplier=1), pos("X", 10, multiplier=10), pos("X", 7, multiplier=10), "-30", {}),
        (pos("X", 10), pos("X", 60), pos("X", 57), "-3", {"unmanaged": {"X": Decimal(50)}}),
    ],
)
def test_a_doubt_is_measured_in_what_is_compared(
    ours: Any, theirs: Any, moved: Any, difference: str, told: Any
) -> None:
    """However the sides count, and whatever is not managed, what moved without a record is the whole difference."""
    settings = Settings(**told)
    memory = read(local(ours), broker(theirs), settings=settings).memory
    seen = read(local(ours, as_of=90), broker(moved, as_of=90), memory=memory, settings=settings)
    assert seen.seen()["position X"] == ("QUANTITY_MISMATCH", difference, "STALE_BROKER", "0")


@pytest.mark.parametrize(
    ("now", "code", "unlisted"),
    [(100, "UNKNOWN", "UNKNOWN"), (105, "UNKNOWN", "STALE_BROKER"), (110, "STALE_BROKER", "STALE_BROKER")],
)
def test_a_fill_of_the_baseline_s_own_second_may_have_been_in_it(now: Any, code: str, unlisted: str) -> None:
    """A fill dated just when the baseline was read counts once at most; it was in a baseline that listed no fills."""
    row = fill("f", "AAPL", 5, 100, 0)
    ours, theirs = local(shares(99), row, as_of=90), broker(shares(now), row, as_of=90, fills_since=-9000)
    without = read(local(shares(100)), broker(shares(100), without=("fills",))).memory
    assert read(ours, theirs, memory=baseline(shares(100))).cause("position AAPL") == code
    assert read(ours, theirs, memory=without).cause("position AAPL") == unlisted


@pytest.mark.parametrize(
    ("then", "at", "now", "code"),
    [
        ((), 40, 10500, "UNKNOWN"),
        ((), 40, 10000, "STALE_BROKER"),
        ((), -10, 10500, "UNKNOWN"),  # listed late: it may have been in the baseline, or not
        ((), -10, 10000, "UNKNOWN"),
        (None, 40, 10500, "UNKNOWN"),
        (None, 40, 10000, "STALE_BROKER"),
        (None, 0, 10000, "UNKNOWN"),  # the baseline told of no activities: what is older was in it
        (None, 0, 10500, "STALE_BROKER"),
        ((30,), 30, 10000, "UNKNOWN"),  # dated ahead, and listed already
        ((30,), 30, 10500, "STALE_BROKER"),
    ],
)
def test_an_activity_counts_once_since_the_baseline(then: Any, at: Any, now: Any, code: str) -> None:
    """What the baseline listed, or was read after, is in its cash; what came since moves it."""

    def paid(when: Any) -> Any:
        return act("d", "deposit", when, currency="USD", amount=500)

    without = ("activities",) if then is None else ()
    first = broker(usd(10000), *(paid(when) for when in then or ()), without=without)
    memory = read(local(usd(10000), without=without), first).memory
    stated = broker(usd(now), paid(at), as_of=90, **SINCE)
    assert read(local(usd(10333), paid(at), as_of=90), stated, memory=memory).cause("balance USD") == code


@pytest.mark.parametrize(("since", "code"), [(0, "STALE_BROKER"), (1, "UNKNOWN")])
def test_a_list_that_reaches_back_just_to_the_baseline_tells_of_everything(since: Any, code: str) -> None:
    """From the baseline's own second on is enough, and a second later is not."""
    held, told = (shares(100), usd(10000)), {"fills_since": since, "activities_since": since}
    theirs = broker(shares(97), usd(9000), as_of=90, **told)
    seen = read(local(*held, as_of=90), theirs, memory=baseline(*held))
    assert seen.cause("position AAPL") == seen.cause("balance USD") == code


def test_a_leg_that_the_broker_never_had_is_not_in_doubt() -> None:
    """A long that only local holds beside a short of both sides contradicts nothing that the broker said."""
    held = pos("X", -5, side="short")
    ours = local(held, pos("X", 3, side="long"), as_of=90)
    assert read(ours, broker(held, as_of=90), memory=baseline(held)).cause("position X long") == "UNKNOWN"


@pytest.mark.parametrize(("told", "code"), [(SINCE, "PARTIAL_RESPONSE"), ({}, "UNKNOWN")])
def test_cash_that_vanishes_without_a_record_is_a_partial_response(told: Any, code: str) -> None:
    """A currency that is gone while no record says so was lost by the answer."""
    held = usd(10000), bal("EUR", 500)
    seen = read(local(*held, as_of=90), broker(usd(10000), as_of=90, **told), memory=baseline(*held))
    assert seen.seen()["balance EUR"] == ("MISSING_BROKER", "-500", code, "0" if code != "UNKNOWN" else "-500")


@pytest.mark.parametrize(
    ("ours", "theirs", "code", "residual"),
    [
        (1030, 1040, "UNKNOWN", "10"),  # the broker moved as on margin
        (1450, 1440, "UNKNOWN", "-10"),  # or as paid in full
        (1440, 1040, "STALE_BROKER", "0"),  # as on margin, but local booked it in full: that accounts for all
        (1440, 1100, "STALE_BROKER", "0"),  # as neither
        (1200, 1100, "STALE_BROKER", "-160"),  # by 60 at least
    ],
)
def test_cash_is_doubted_by_every_way_in_which_a_trade_may_have_settled(
    ours: Any, theirs: Any, code: str, residual: str
) -> None:
    """Where nothing says how a trade settled, one way that fits is enough, unless another accounts for the difference."""
    held = pos("X", 10, average_price=100), usd(1000)
    row, after = fill("f", "X", -4, 110, 20), pos("X", 6, average_price=100)
    stated = broker(after, usd(theirs), row, as_of=90, **SINCE)
    seen = read(local(after, usd(ours), row, as_of=90), stated, memory=baseline(*held))
    assert seen.seen()["balance USD"][2:] == (code, residual)


@pytest.mark.parametrize(("count", "code"), [(6, "UNKNOWN"), (7, "STALE_BROKER")])
def test_of_many_late_fills_all_or_none_are_tried(count: int, code: str) -> None:
    """Any of up to six late fills may be what moved the baseline; of more only none or all."""
    late = [fill(f"f{n}", "AAPL", 2**n, 100, n - 20) for n in range(count)]
    theirs = broker(shares(1021), *late, as_of=90, fills_since=-9000)  # by the first, the third and the fifth
    seen = read(local(shares(1020), *late, as_of=90), theirs, memory=baseline(shares(1000)))
    assert seen.cause("position AAPL") == code
    every = broker(shares(1000 + 2**count - 1), *late, as_of=90, fills_since=-9000)
    known = read(local(shares(1020), *late, as_of=90), every, memory=baseline(shares(1000)))
    assert known.cause("position AAPL") == "UNKNOWN"


def test_records_that_explain_everything_come_before_doubt() -> None:
    """A position that is gone with a fill that says so is explained, not doubted."""
    row = fill("s", "AAPL", -100, 100, 50)
    theirs = broker(usd(20000), row, as_of=90)
    seen = read(local(shares(100), usd(10000), as_of=90), theirs, memory=baseline(shares(100), usd(10000)))
    assert seen.cause("position AAPL") == "MISSED_FILL"


@pytest.mark.parametrize(("now", "code"), [(400, "UNKNOWN"), (350, "STALE_BROKER")])
def test_a_split_keeps_a_position_continuous(now: Any, code: str) -> None:
    """Holdings that moved by a split are believed, and others are not, for all that the split is cited."""
    row = act("s", "split", 40, asset="AAPL", ratio="4")
    ours = local(shares(410), row, as_of=90)
    seen = read(ours, broker(shares(now), row, as_of=90), memory=baseline(shares(100)))
    assert seen.cause("position AAPL") == code
    assert seen.evidence("position AAPL") == (("activity s",) if code == "STALE_BROKER" else ())


def test_activities_keep_cash_continuous() -> None:
    """A deposit that both sides know does not put cash in doubt, and money from nowhere does."""
    row = act("d", "deposit", 40, currency="USD", amount=500)
    first = baseline(usd(10000))
    known = read(local(usd(10400), row, as_of=90), broker(usd(10500), row, as_of=90, **SINCE), memory=first)
    unknown = read(local(usd(10000), as_of=90), broker(usd(10500), as_of=90, **SINCE), memory=first)
    assert (known.cause("balance USD"), unknown.cause("balance USD")) == ("UNKNOWN", "STALE_BROKER")
