"""What differs, in which way, how much, and how bad it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.explain.building import bal, broker, fill, local, name, order, pos, side
from tieout.compare import compare
from tieout.model.settings import AssetScope, AssetSettings, Settings
from tieout.model.snapshot import Lookup

WHOLE: Any = dict.fromkeys(("positions", "balances", "orders", "fills"), "compared")


def found(ours: Any, theirs: Any, *, coverage: Any = None, settings: Any = None, lookups: Any = ()) -> Any:
    """The differences between two lists of rows, or two sides, by name."""
    here = ours if not isinstance(ours, list) else local(*ours, stranger=True)
    there = theirs if not isinstance(theirs, list) else broker(*theirs)
    rows = compare(here, there, {**WHOLE, **(coverage or {})}, settings or Settings(), lookups)
    return {name(row.key): row for row in rows}


def one(ours: Any, theirs: Any, **told: Any) -> Any:
    """The only difference."""
    (row,) = found(ours, theirs, **told).values()
    return row


def words(row: Any) -> Any:
    """Type, severity, and whether it is within tolerance."""
    return str(row.type), str(row.severity), row.within_tolerance


@pytest.mark.parametrize(
    ("ours", "theirs", "expected", "percent"),
    [
        (100, 103, ("QUANTITY_MISMATCH", "MODERATE", False), "2.9126"),
        (1000, 1001, ("QUANTITY_MISMATCH", "MINOR", False), "0.0999"),
        (100, 99, ("QUANTITY_MISMATCH", "MODERATE", False), "1"),
        (100, 95, ("QUANTITY_MISMATCH", "MODERATE", False), "5"),
        (100, "94.99", ("QUANTITY_MISMATCH", "CRITICAL", False), "5.01"),
        (0, 3, ("MISSING_LOCAL", "CRITICAL", False), "100"),
        (3, 0, ("MISSING_BROKER", "CRITICAL", False), "100"),
        (100, -100, ("SIDE_MISMATCH", "CRITICAL", False), "200"),
        (-100, -103, ("QUANTITY_MISMATCH", "MODERATE", False), "2.9126"),
        (1, "1.00000001", ("QUANTITY_MISMATCH", "MINOR", True), "0"),
        (0, "0.00000001", ("MISSING_LOCAL", "MINOR", True), "100"),
        (800000, "800001", ("QUANTITY_MISMATCH", "MINOR", False), "0.0001"),
    ],
)
def test_positions_are_banded_by_percent(ours: Any, theirs: Any, expected: Any, percent: Any) -> None:
    """A position's severity follows its percentage, a missing or opposite one is critical, one unit is tolerated."""
    row = one([pos("X", ours)], [pos("X", theirs)])
    assert words(row) == expected
    assert row.percent == Decimal(percent)
    assert row.difference == Decimal(theirs) - Decimal(ours)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (bal("USD", 1000), bal("USD", 1010), ("BALANCE_MISMATCH", "MINOR", True)),
        (bal("USD", 1000), bal("USD", "1010.01"), ("BALANCE_MISMATCH", "MINOR", False)),
        (bal("USD", 1000), bal("USD", 1060), ("BALANCE_MISMATCH", "CRITICAL", False)),
        (bal("USD", 0), bal("USD", 10), ("MISSING_LOCAL", "MINOR", True)),
        (bal("USD", 0), bal("USD", 11), ("MISSING_LOCAL", "CRITICAL", False)),
        (bal("USD", 11), bal("USD", 0), ("MISSING_BROKER", "CRITICAL", False)),
        (bal("XYZ", 1000), bal("XYZ", 1010), ("BALANCE_MISMATCH", "MINOR", True)),
        (bal("XYZ", 1000), bal("XYZ", 1011), ("BALANCE_MISMATCH", "MODERATE", False)),
        (bal("XYZ", 0), bal("XYZ", 1), ("MISSING_LOCAL", "CRITICAL", False)),
        (bal("BTC", 1, usd_price=5), bal("BTC", 2, usd_price=10), ("BALANCE_MISMATCH", "MINOR", True)),
        (bal("BTC", 1, usd_price=11), bal("BTC", 2, usd_price=10), ("BALANCE_MISMATCH", "CRITICAL", False)),
        (bal("BTC", 100), bal("BTC", 101, usd_price=0), ("BALANCE_MISMATCH", "MINOR", True)),
        (bal("KWD", 1), bal("KWD", "1.001"), ("PRECISION", "MINOR", True)),
        (bal("JPY", 100, usd_price=99), bal("JPY", 101), ("PRECISION", "MINOR", True)),
        (bal("BTC", 1, usd_price="1e10"), bal("BTC", "1.00000001"), ("PRECISION", "MINOR", True)),
    ],
)
def test_balances_are_tolerated_by_worth(ours: Any, theirs: Any, expected: Any) -> None:
    """Cash is tolerated up to ten dollars, up to a percent where nobody says what it is worth, and by one unit."""
    assert words(one([ours], [theirs])) == expected


def test_a_half_rounds_to_the_even_digit() -> None:
    """Percentages are rounded half even at the fourth decimal."""
    settings = Settings(assets={"X": AssetSettings(smallest_unit=Decimal(1))})
    shares = [one([pos("X", 800000)], [pos("X", 800000 - n)], settings=settings).percent for n in (2, 6, 10)]
    assert shares == [Decimal("0.0002"), Decimal("0.0008"), Decimal("0.0012")]


@pytest.mark.parametrize(
    ("ours", "theirs", "worth"),
    [
        (pos("X", 10), pos("X", 12), "200"),
        (pos("X", 10), pos("X", 12, market_price=90), "180"),
        (pos("X", 10), pos("X", 12, market_price=None), "200"),
        (pos("X", 10, multiplier=5), pos("X", 12, multiplier=5), "1000"),
        (pos("X", 10), pos("X", 12, multiplier=5), "1000"),
        (pos("X", 10, currency="EUR"), pos("X", 12, currency="EUR"), None),
        (pos("X", 10, market_price=None), pos("X", 12, market_price=None), None),
        (pos("X", 10, market_price=-3), pos("X", 12, market_price=-3), "6"),
        (
            pos("X", 10, settlement="inverse", multiplier=100, market_price=50),
            pos("X", 12, settlement="inverse", multiplier=100, market_price=50),
            "4",
        ),
    ],
)
def test_positions_are_worth_their_price(ours: Any, theirs: Any, worth: Any) -> None:
    """A difference is worth its market price times the contract, counted once, or nothing that is known."""
    row = one([ours], [theirs])
    assert row.usd_value == (None if worth is None else Decimal(worth))


def test_the_larger_of_two_usd_prices_counts() -> None:
    """Where the sides value a currency differently the larger price counts, for positions in it too."""
    rows = [[pos("X", n, currency="EUR"), bal("EUR", 5, usd_price=price)] for n, price in ((1, "1.1"), (2, "1.2"))]
    assert one(*rows).usd_value == 120


def test_both_sides_units_are_compared_where_both_state_them() -> None:
    """Contracts times their size are compared and reported where both sides state it, and amounts where one does."""
    assert not found([pos("X", 50, multiplier=1)], [pos("X", 5, multiplier=10)])
    row = one([pos("X", 5, multiplier=10)], [pos("X", 6, multiplier=10)])
    assert (row.local_amount, row.broker_amount) == (50, 60)
    assert one([pos("X", 50)], [pos("X", 5, multiplier=10)]).difference == -45


def legs(long: Any, short: Any) -> Any:
    return [pos("X", long, side="long"), pos("X", short, side="short")]


def test_legs_are_compared_leg_by_leg_and_netted_against_a_net_row() -> None:
    """Equal nets on wrong legs differ; against a net row only the net counts."""
    wrong = found(legs(10, -4), legs(8, -2))
    assert {key: row.difference for key, row in wrong.items()} == {"position X long": -2, "position X short": 2}
    assert [row.position_side for row in wrong.values()] == ["long", "short"]
    assert not found(legs(10, -4), [pos("X", 6)])
    assert one(legs(10, -4), [pos("X", 7)]).position_side is None
    assert words(one(legs(10, -4), legs(10, 0)))[0] == "MISSING_BROKER"


def test_zero_rows_are_no_rows() -> None:
    """A row of nothing equals no row, for positions and for cash."""
    assert not found([pos("X", 0), bal("USD", 0)], [])
    assert not found([], [pos("X", 0, side="long"), bal("USD", "0.00")])


def test_an_absent_row_of_a_partial_section_gets_no_verdict() -> None:
    """In a partial section the rows that are there are compared, and no others."""
    for section, here, there in (
        ("positions", [pos("A", 1), pos("B", 1)], [pos("A", 2)]),
        ("balances", [bal("AAA", 1), bal("BBB", 1)], [bal("AAA", 2)]),
        ("orders", [order("c-1", 1), order("c-2", 1)], [order("c-1", 2)]),
    ):
        theirs = broker(*there, coverage={section: "partial"})
        assert len(found(local(*here), theirs, coverage={section: "partial"})) == 1


def test_what_is_not_to_be_compared_is_not() -> None:
    """A section without coverage yields nothing, whatever its rows say."""
    nothing = dict.fromkeys(WHOLE, "failed")
    rows = [pos("X", 1), bal("USD", 100), order("c-1", 1)]
    assert not found(local(*rows), broker(), coverage=nothing)


def test_scope_limits_and_unmanaged_is_set_aside() -> None:
    """Assets outside the scope do not take part, and what an account does not manage is taken off the broker first."""
    rows = [pos("A", 1), bal("BBB", 1), order("c-1", 5, asset="C"), fill("f", "D", 1, 1)]
    since = {"fills_since": -9000}
    ours = side("local", **since)
    assert len(found(ours, broker(*rows, **since))) == 4
    assert not found(ours, broker(*rows, **since), settings=Settings(scope=AssetScope(exclude=("A", "BBB", "C", "D"))))
    assert set(found(ours, broker(*rows, **since), settings=Settings(scope=AssetScope(include=("A",))))) == {
        "position A"
    }
    aside = Settings(unmanaged={"BTC": Decimal("0.5")})
    assert not found([bal("BTC", 1)], [bal("BTC", "1.5")], settings=aside)
    assert not found([pos("BTC", 1)], [pos("BTC", "1.5")], settings=aside)
    assert one([bal("BTC", 1)], [bal("BTC", 1)], settings=aside).difference == Decimal("-0.5")


def test_average_prices_are_compared_where_asked_for() -> None:
    """Where amounts agree, costs more than a thousandth apart are noted if that is asked for."""
    rows = [[pos("X", 10, average_price=price)] for price in (100, "100.2")]
    assert not found(*rows)
    row = one(*rows, settings=Settings(compare_cost=True))
    assert words(row) == ("COST_MISMATCH", "MINOR", False)
    for close in (pos("X", 10), pos("X", 10, average_price="100.1")):
        assert not found(rows[0], [close], settings=Settings(compare_cost=True))


def test_a_position_cap_is_a_tolerance() -> None:
    """A position threshold tolerates what is worth no more; an unknown worth is above every cap."""
    cap = Settings(position_threshold_usd=Decimal(200))
    assert one([pos("X", 10)], [pos("X", 12)], settings=cap).within_tolerance
    assert not one([pos("X", 10)], [pos("X", 13)], settings=cap).within_tolerance
    assert not one([pos("X", 10, currency=None)], [pos("X", 12, currency=None)], settings=cap).within_tolerance


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ({"locked": 5}, {"locked": 9}, 4),
        ({"available": 95}, {"locked": 9}, 4),
        ({"locked": 5}, {}, None),
        ({"locked": 5, "available": 95}, {"locked": 5}, None),
    ],
)
def test_locked_funds_are_compared_where_totals_agree(ours: Any, theirs: Any, difference: Any) -> None:
    """Locked funds are compared as stated, or as what is not available; silence is not compared."""
    rows = found([bal("USD", 100, **ours)], [bal("USD", 100, **theirs)])
    assert [row.difference for row in rows.values()] == ([] if difference is None else [difference])
    assert all(str(row.type) == "LOCKED_MISMATCH" and row.severity == "MINOR" for row in rows.values())


@pytest.mark.parametrize(
    ("ours", "theirs", "expected", "amounts"),
    [
        (order("c-1", 10), None, "ORPHANED_LOCAL MODERATE", (10, 0)),
        (None, order("c-1", 10, "partially_filled", filled=4), "ORPHANED_BROKER MODERATE", (0, 6)),
        (order("c-1", 10, "cancelled"), order("c-1", 10), "ORPHANED_BROKER MODERATE", (0, 10)),
        (order("c-1", 10), order("c-1", -10), "TERMS_MISMATCH CRITICAL", (10, -10)),
        (order("c-1", 10), order("c-1", 12, "cancelled"), "TERMS_MISMATCH CRITICAL", (10, 12)),
        (order("c-1", 100, limit_price=100), order("c-1", 100, limit_price=102), "TERMS_MISMATCH MODERATE", (100, 102)),
        (order("c-1", 100, stop_price=100), order("c-1", 100, stop_price="100.5"), "TERMS_MISMATCH MINOR", None),
        (order("c-1", 10, "pending"), order("c-1", 10), "STATUS_MISMATCH MINOR", (0, 0)),
        (order("c-1", 100), order("c-1", 100, "partially_filled", filled=3), "STATUS_MISMATCH MODERATE", (0, 3)),
        (order("c-1", 10), order("c-1", 10, "filled", filled=10), "STATUS_MISMATCH CRITICAL", (0, 10)),
        (
            order("c-1", 10, "partially_filled", filled=3),
            order("c-1", 10, "partially_filled", filled=5),
            "FILLED_MISMATCH CRITICAL",
            (3, 5),
        ),
    ],
)
def test_an_order_yields_the_first_difference_that_holds(ours: Any, theirs: Any, expected: Any, amounts: Any) -> None:
    """A pair that lives on one side yields one difference: orphan, terms, status, filled quantity, in that order."""
    row = one([ours] if ours else [], [theirs] if theirs else [])
    assert f"{row.type} {row.severity}" == expected
    assert amounts is None or (row.local_amount, row.broker_amount) == amounts


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (order("c-1", 10), order("c-1", 10, "unknown")),
        (order("c-1", 10, "unknown"), None),
        (order("c-1", 10, "cancelled"), order("c-1", 10, "filled", filled=10)),
        (order("c-1", 10, "cancelled"), None),
        (order("c-1", 10, limit_price=5), order("c-1", 10)),
        (order("c-1", 10, broker_order_id="b-1"), order("b-1", 10)),
        (order("b-1", 10, client_order_id="c-1"), order("c-1", 10)),
    ],
)
def test_orders_that_agree_or_prove_nothing_yield_nothing(ours: Any, theirs: Any) -> None:
    """Unknown states, orders that ended on both sides, silent terms, and one id in common are no differences."""
    assert not found([ours], [theirs] if theirs else [])


def test_the_broker_s_id_pairs_orders_before_the_client_s() -> None:
    """An order is first looked for by the venue's id, and what another order bears is not taken from it."""
    ours = [order("b-1", 1, client_order_id="c-1"), order("b-2", 2, client_order_id="c-2")]
    rows = found(ours, [order("b-2", 2, client_order_id="c-1")])
    assert {key: str(row.type) for key, row in rows.items()} == {"order AAPL c-1": "ORPHANED_LOCAL"}


def test_a_lookup_stands_for_the_list() -> None:
    """An order that a lookup found counts as the broker's record of it, unless the list has it."""
    answer = Lookup(client_order_id="c-1", order=order("c-1", 10, "cancelled"))
    assert one([order("c-1", 10)], [], lookups=[answer]).type == "STATUS_MISMATCH"
    assert not found([order("c-1", 10)], [order("c-1", 10)], lookups=[answer])


SINCE = {"fills_since": -9000}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((), (fill("f", "X", 2, 10),), ("MISSING_LOCAL", "MINOR", 2)),
        ((fill("f", "X", 2, 10),), (), ("MISSING_BROKER", "MINOR", -2)),
        ((fill("f", "X", 2, 10), fill("f", "X", 2, 10)), (fill("f", "X", 2, 10),), ("MISSING_BROKER", "MINOR", -2)),
        ((fill("f", "X", 100, 10),), (fill("f", "X", 101, 11),), ("FILL_MISMATCH", "MINOR", 1)),
        ((fill("f", "X", 2, 100),), (fill("f", "X", 2, 102),), ("FILL_MISMATCH", "MODERATE", 2)),
        ((fill("f", "X", 2, 10, fee=1),), (fill("f", "X", 2, 10, fee=2),), ("FILL_MISMATCH", "CRITICAL", 1)),
    ],
)
def test_fills_differ_by_absence_or_by_the_first_value(ours: Any, theirs: Any, expected: Any) -> None:
    """A fill is missing, repeated, or differs in quantity, price or fee, in that order."""
    row = one(local(*ours, stranger=True, **SINCE), broker(*theirs, **SINCE))
    assert (str(row.type), str(row.severity), row.difference) == expected
    assert row.fill_id == "f"


def test_fills_are_judged_only_where_the_other_list_vouches() -> None:
    """A fill before the other list begins, beside an empty list that tells no start, or without a list, is no difference."""
    row = fill("f", "X", 2, 10)
    assert not found([], [row])
    assert not found(local(fills_since=-200, stranger=True), broker(row))
    assert not found(local(stranger=True, without=("fills",)), broker(row))
    assert not found([row], broker(coverage={"fills": "partial"}, **SINCE))


def test_a_null_fee_is_not_compared_and_ids_may_repeat_between_sides_and_orders() -> None:
    """Silence about a fee is no difference, and one id may stand for a buy, a sale and two orders."""
    assert not found([fill("f", "X", 2, 10)], [fill("f", "X", 2, 10, fee=1)])
    rows = [fill("f", "X", 2, 10), fill("f", "X", -2, 10)]
    rows += [fill("g", "X", 1, 10, broker_order_id=order_id) for order_id in ("b-1", "b-2")]
    assert not found(local(*rows, stranger=True), broker(*reversed(rows)))
