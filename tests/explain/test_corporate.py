"""Splits, renames, other corporate actions, and factors that are a contract's multiplier."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.explain.building import act, bal, broker, fill, local, order, pos, read
from tieout.model.changes import BookFill
from tieout.model.settings import AssetSettings, Settings


def shares(amount: Any, **fields: Any) -> Any:
    return pos("AAPL", amount, **fields)


def usd(total: Any) -> Any:
    return bal("USD", total, usd_price="1")


@pytest.mark.parametrize(("ratio", "after"), [("4", 400), ("1/6", "16.66666666"), ("0.5", 50), ("3/2", 150)])
def test_a_split_explains_what_it_makes_of_the_holding(ratio: str, after: Any) -> None:
    """A split multiplies what local holds, rounded toward zero to the smallest unit."""
    seen = read(local(shares(100)), broker(shares(after), act("s", "split", asset="AAPL", ratio=ratio)))
    assert seen.seen()["position AAPL"][2:] == ("SPLIT", "0")
    assert seen.case("position AAPL").closes


def test_one_smallest_unit_after_a_split_counts_as_nothing() -> None:
    """A venue that rounds a split up by one unit has still only split."""
    seen = read(local(shares(100)), broker(shares("16.66666667"), act("s", "split", asset="AAPL", ratio="1/6")))
    assert seen.seen()["position AAPL"][2:] == ("SPLIT", "0")
    assert seen.case("position AAPL").closes


@pytest.mark.parametrize(("after", "closes"), [(16, True), (17, True), (18, False)])
def test_the_smallest_unit_of_an_asset_is_as_configured(after: Any, closes: bool) -> None:
    """A venue of whole shares may round a split up by one, and not by two."""
    told = Settings(assets={"AAPL": AssetSettings(smallest_unit=Decimal(1))})
    theirs = broker(shares(after), act("s", "split", asset="AAPL", ratio="1/6"))
    seen = read(local(shares(100)), theirs, settings=told)
    assert (seen.cause("position AAPL"), seen.seen()["position AAPL"][3] == "0") == ("SPLIT", closes)
    assert seen.case("position AAPL").closes


def test_a_reverse_split_pays_the_fraction_in_cash() -> None:
    """The cash in lieu of a reverse split is a record of its own, and a corporate action."""
    rows = act("s", "split", asset="AAPL", ratio="1/6"), act("c", "cash_in_lieu", currency="USD", amount=50)
    seen = read(local(shares(100), usd(1000)), broker(shares("16.66666666"), usd(1050), *rows))
    assert (seen.cause("position AAPL"), seen.cause("balance USD")) == ("SPLIT", "CORPORATE_ACTION")


def test_fills_before_a_split_are_split_and_later_ones_are_not() -> None:
    """Missed fills before and after a split count in the units of their time; what local booked since is in new units."""
    known = fill("l", "AAPL", 10, 25, -100)
    rows = fill("b", "AAPL", 5, 100, -600), fill("n", "AAPL", 15, 25, -50)
    split = act("s", "split", asset="AAPL", ratio="4")
    seen = read(local(shares(110), usd(1000), known), broker(shares(445), usd(125), known, *rows, split))
    assert seen.seen()["position AAPL"][2:] == ("MULTIPLE", "0")
    assert seen.seen()["balance USD"][2:] == ("MISSED_FILL", "0")
    assert seen.case("position AAPL").closes


def test_a_split_of_what_local_never_had_is_evidence_too() -> None:
    """Where local missed the fill before a split, both records are needed and both are booked."""
    rows = fill("f", "AAPL", 10, 100, -600), act("s", "split", asset="AAPL", ratio="4")
    seen = read(local(usd(2000)), broker(shares(40), usd(1000), *rows))
    assert seen.evidence("position AAPL") == ("MISSED_FILL fill f", "SPLIT activity s")
    assert seen.case("position AAPL").closes


def test_a_rename_moves_the_holding_from_one_name_to_the_other() -> None:
    """A renamed asset is one cause for the name that is gone and the name that came."""
    row = act("s", "symbol_change", asset="FB", new_asset="META")
    seen = read(local(pos("FB", 100)), broker(pos("META", 100), row))
    assert seen.seen() == {
        "position FB": ("MISSING_BROKER", "-100", "SYMBOL_CHANGE", "0"),
        "position META": ("MISSING_LOCAL", "100", "SYMBOL_CHANGE", "0"),
    }
    assert seen.case("position FB") == seen.case("position META")


def test_a_fill_missed_before_a_rename_arrives_under_the_new_name() -> None:
    """What was bought under the old name is held under the new one, and paid in the new row's currency."""
    rows = fill("f", "FB", 10, 100, -600), act("s", "symbol_change", asset="FB", new_asset="META")
    seen = read(local(usd(2000)), broker(pos("META", 10), usd(1000), *rows))
    assert seen.seen()["position META"][2:] == ("MULTIPLE", "0")
    assert seen.seen()["balance USD"][2:] == ("MISSED_FILL", "0")
    assert seen.case("balance USD").closes


def test_a_fill_known_under_the_old_name_is_the_same_fill() -> None:
    """A broker that lists old fills under the present name lists what local booked under the old one."""
    row = act("s", "symbol_change", asset="FB", new_asset="META")
    ours = local(pos("FB", 100), fill("f", "FB", 100, 10, -600), fills_since=-9000)
    theirs = broker(pos("META", 100), fill("f", "META", 100, 10, -600), row, fills_since=-9000)
    assert set(read(ours, theirs).seen()) == {"position FB", "position META"}


def test_a_renamed_coin_and_a_renamed_leg_stay_what_they_were() -> None:
    """A balance is renamed to a balance and a short leg to a short leg."""
    row = act("s", "symbol_change", asset="OLD", new_asset="NEW")
    coins = read(local(bal("OLD", 9)), broker(bal("NEW", 9), row))
    legs = read(local(pos("OLD", -9, side="short")), broker(pos("NEW", -9, side="short"), row))
    assert {key: value[2] for key, value in coins.seen().items()} == dict.fromkeys(
        ("balance OLD", "balance NEW"), "SYMBOL_CHANGE"
    )
    assert legs.cause("position NEW short") == "SYMBOL_CHANGE"


@pytest.mark.parametrize(
    ("row", "before", "after"),
    [
        (act("a", "expiry", asset="OPT", amount=-5), (pos("OPT", 5),), ()),
        (
            act("a", "assignment", asset="OPT", amount=1, new_asset="AAPL", new_amount=-100),
            (pos("OPT", -1), pos("AAPL", 100)),
            (),
        ),
        (
            act("a", "merger", asset="TGT", amount=-100, new_asset="USD", new_amount=5000),
            (pos("TGT", 100), bal("USD", 1000)),
            (bal("USD", 6000),),
        ),
        (act("a", "spin_off", asset="AAPL", amount=0, new_asset="SPN", new_amount=10), (), (pos("SPN", 10),)),
        (
            act("a", "conversion", asset="A", amount=-10, new_asset="B", new_amount="2.5"),
            (pos("A", 10), pos("B", 1)),
            (pos("B", "3.5"),),
        ),
    ],
)
def test_other_corporate_actions_move_both_assets(row: Any, before: Any, after: Any) -> None:
    """Expiry, assignment, merger, spin-off and conversion move what they name, as positions or as cash."""
    seen = read(local(*before), broker(*after, row))
    assert {value[2:] for value in seen.seen().values()} == {("CORPORATE_ACTION", "0")}
    assert all(case.closes for case in seen.explanation.cases)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pos("X", 50), pos("X", 5, multiplier=10)),
        (pos("X", "0.5"), pos("X", 500, multiplier="0.001")),
        (pos("X", 50, multiplier=10), pos("X", 5, multiplier=10)),
        (pos("X", -5, multiplier=10), pos("X", -50)),
        (pos("X", 10), pos("X", 5, multiplier=2)),
    ],
)
def test_a_factor_that_is_the_contract_size_is_the_multiplier(ours: Any, theirs: Any) -> None:
    """Where one side counts contracts and the other what is in them, the factor is named and nothing is booked."""
    seen = read(local(ours), broker(theirs, fill("z", "X", theirs.amount, 100)))
    assert seen.seen()["position X"][2:] == ("MULTIPLIER", "0")
    assert seen.evidence("position X") == ("fill z",)
    assert not seen.changes("position X")


def test_a_contract_size_that_only_the_settings_tell_is_the_multiplier_too() -> None:
    """What a user told of an asset counts like what its rows state."""
    told = Settings(assets={"X": AssetSettings(multiplier=Decimal(10))})
    assert read(local(pos("X", 50)), broker(pos("X", 5)), settings=told).cause("position X") == "MULTIPLIER"
    assert read(local(pos("Y", 50)), broker(pos("Y", 5)), settings=told).cause("position Y") == "UNKNOWN"


def test_fills_of_an_asset_that_is_only_counted_otherwise_are_not_booked_again() -> None:
    """Cash that a fill of such an asset explains does not bring that fill into the books."""
    theirs = broker(pos("X", 5, multiplier=10), usd(900), fill("z", "X", 5, 2))
    seen = read(local(pos("X", 50), usd(1000)), theirs)
    assert (seen.cause("position X"), seen.cause("balance USD")) == ("MULTIPLIER", "MISSED_FILL")
    assert not seen.changes("balance USD")


def test_sides_that_state_their_units_agree_in_rows_and_in_fills() -> None:
    """Where both sides give a multiplier, amount times multiplier is compared, and fills in each side's own units."""
    ours = local(pos("X", 1000, multiplier="0.001"), fill("f", "X", 1000, 100))
    assert not read(ours, broker(pos("X", 1, multiplier=1), fill("f", "X", 1, 100))).differences


def test_a_missed_fill_is_booked_in_local_s_units() -> None:
    """A cure is booked in the units that local counts."""
    theirs = broker(pos("X", 2, multiplier=1), usd(0), fill("f", "X", 1, 100))
    seen = read(local(pos("X", 1000, multiplier="0.001"), usd(100)), theirs)
    (booked,) = seen.changes("position X")
    assert isinstance(booked, BookFill)
    assert booked.fill.quantity == 1000


@pytest.mark.parametrize(
    ("size", "ours", "theirs", "code"),
    [
        ("0.01", "0.5", 50, "MULTIPLIER"),
        (10, 5, 50, "MULTIPLIER"),
        (10, 50, 5, "MULTIPLIER"),
        (10, 50, 7, "MISSED_UPDATE"),
        (1, 50, 7, "MISSED_UPDATE"),
    ],
)
def test_an_order_amended_by_the_contract_size_is_the_multiplier(size: Any, ours: Any, theirs: Any, code: str) -> None:
    """An order whose quantities differ by the contract size is not an update, whole factor or not."""
    held = pos("X", 50, multiplier=size)
    seen = read(local(held, order("c-1", ours, asset="X")), broker(held, order("c-1", theirs, asset="X")))
    assert seen.cause("order X c-1") == code
