"""Hedge mode: two legs of one asset are two things, compared, explained and booked by leg."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.scenarios.building import Story, books, fill, held, venue
from tieout.books import DecimalLedger
from tieout.errors import BadInput, BookError
from tieout.model.amounts import dec
from tieout.model.snapshot import Position


def legs(long: str, short: str) -> list[Position]:
    """The legs of X; "0" leaves one out."""
    rows = [held(long, leg="long"), held(short, leg="short")]
    return [row for row in rows if row.amount]


def test_one_leg_that_differs_is_the_only_one_reported() -> None:
    """LONG 10 against 12 beside an equal short is one difference, of the long leg (class 14)."""
    seen = Story().see(books(positions=legs("10", "-4")), venue(positions=legs("12", "-4")))
    assert (seen.one.position_side, seen.one.difference) == ("long", dec(2))


def test_a_leg_that_is_missing_is_missing_though_the_other_is_there() -> None:
    """A short leg that the broker no longer lists is a missing position, and critical (class 14)."""
    seen = Story().see(books(positions=legs("10", "-4")), venue(positions=legs("10", "0")))
    assert (seen.one.discrepancy_type, seen.one.position_side) == ("MISSING_BROKER", "short")
    assert seen.one.severity == "CRITICAL"


def test_legs_that_are_flat_on_both_sides_agree() -> None:
    """Zero legs on one side and no rows on the other are the same (class 14)."""
    flat = [held("0", leg="long"), held("0", leg="short")]
    assert Story().see(books(positions=flat), venue(positions=[])).report.status == "matched"


@pytest.mark.parametrize("rows", list(permutations([*legs("10", "-4"), held("1", "Y")])))
def test_the_order_of_rows_does_not_matter(rows: tuple[Position, ...]) -> None:
    """LONG 10 with SHORT 4, the same at the venue, agree in whatever order they are listed (class 14, P6, X11)."""
    ours = books(positions=[held("1", "Y"), *legs("10", "-4")])
    assert Story().twice(ours, venue(positions=rows)).report.status == "matched"


def test_legs_that_net_to_the_same_still_differ() -> None:
    """10 and -4 against 8 and -2 are two differences, though both net to 6 (class 14)."""
    seen = Story().see(books(positions=legs("10", "-4")), venue(positions=legs("8", "-2")))
    assert {row.position_side: row.difference for row in seen.rows} == {"long": -2, "short": 2}


def test_equal_and_opposite_legs_are_not_flat() -> None:
    """5 and -5 at the broker against nothing locally are two missing positions, not zero (class 14, P6)."""
    seen = Story().see(books(positions=[]), venue(positions=legs("5", "-5")))
    assert [(row.position_side, row.discrepancy_type) for row in seen.rows] == [
        ("long", "MISSING_LOCAL"),
        ("short", "MISSING_LOCAL"),
    ]


def test_a_reversal_is_two_breaks_with_identities_of_their_own() -> None:
    """LONG 10 that became SHORT 10 is a missing long and a new short, each followed under its own id (class 14)."""
    seen = Story().see(books(positions=legs("10", "0")), venue(positions=legs("0", "-10")))
    assert {row.position_side: row.discrepancy_type for row in seen.rows} == {
        "long": "MISSING_BROKER",
        "short": "MISSING_LOCAL",
    }
    assert len({row.discrepancy_id for row in seen.rows}) == 2


def test_where_one_side_nets_the_net_is_compared() -> None:
    """Long 100 and short 40 against a local net row of 60 agree (class 14, X11)."""
    assert Story().see(books(positions=[held("60")]), venue(positions=legs("100", "-40"))).report.status == "matched"


def test_two_rows_of_one_leg_are_refused() -> None:
    """A leg listed twice is bad input; neither row overwrites the other (class 30, X11)."""
    with pytest.raises(BadInput, match="asset"):
        Story().see(books(positions=legs("5", "0")), venue(positions=[*legs("5", "0"), *legs("2", "0")]))


async def test_a_fill_without_a_leg_goes_to_the_only_leg_that_differs() -> None:
    """Where exactly one leg differs, a fill that names none explains it, and is booked there (class 15)."""
    broker = venue(positions=legs("12", "-4"), fills=[fill("f-1", "buy", "2")])
    story = Story()
    seen = story.see(books(positions=legs("10", "-4"), fills=[]), broker)
    assert (seen.one.cause.code, seen.actions) == ("MISSED_FILL", ["book_fill"])
    assert story.see(await seen.cured(), broker).report.status == "matched"


def test_a_fill_without_a_leg_is_given_to_none_where_two_differ() -> None:
    """Both legs differ and the fills name none: nothing is guessed and nothing is booked (class 15)."""
    missed = [fill("f-1", "buy", "2"), fill("f-2", "sell", "1")]
    seen = Story().twice(books(positions=legs("10", "-4"), fills=[]), venue(positions=legs("12", "-5"), fills=missed))
    codes = [row.cause.code for row in seen.rows if row.domain == "position"]
    assert codes == ["UNKNOWN", "UNKNOWN"]
    assert "book_fill" not in seen.actions


def test_the_ledger_does_not_guess_a_leg_either() -> None:
    """Books that hold legs refuse a fill that names none, and stay as they were (class 15)."""
    ledger = DecimalLedger()
    for row in legs("10", "-4"):
        ledger.open(row)
    with pytest.raises(BookError, match="names no position_side"):
        ledger.book_fill(fill("f-1", "buy", "2"))
    assert len(ledger.entries) == 2


async def test_fills_that_name_their_legs_are_booked_to_them() -> None:
    """Two fills of two legs explain two differences, and end in two equal legs (class 14, 15)."""
    missed = [fill("f-1", "buy", "2", leg="long"), fill("f-2", "sell", "1", leg="short")]
    broker, story = venue(positions=legs("12", "-5"), fills=missed), Story()
    seen = story.see(books(positions=legs("10", "-4"), fills=[]), broker)
    assert {row.position_side: row.cause.code for row in seen.rows} == {"long": "MISSED_FILL", "short": "MISSED_FILL"}
    assert story.see(await seen.cured(), broker).report.status == "matched"
