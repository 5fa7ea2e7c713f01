"""The arithmetic of records on a copy of the book: costs through a chain of trades, and what taking one back restores."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.explain.building import act, bal, effects, fill, market, pos
from tieout.model.settings import AssetSettings, Settings

MARGIN = {"X": "margin"}
INVERSE = {"X": "inverse"}


def x(amount: Any, average: Any = "100", **fields: Any) -> Any:
    return pos("X", amount, average_price=average, **fields)


def coin(amount: Any, average: Any) -> Any:
    return x(amount, average, currency="BTC", multiplier=1)


def trades(text: str) -> list[Any]:
    """Fills of X written as ``+10@100 -5@110``, one a second."""
    told = [one.split("@") for one in text.split()]
    return [fill(f"f{n}", "X", amount, price, n - 300) for n, (amount, price) in enumerate(told)]


@pytest.mark.parametrize(
    ("held", "rows", "amount", "cash"),
    [
        (x(10), "-4@110 -6@90", -10, "-20"),  # closing keeps the cost
        (x(10), "+10@110 -20@120", -10, "300"),  # adding mixes it: 105
        (x(10), "+20@101 -10@102", 10, "13.333333333333333333"),  # 100 and two thirds
        (x(10), "+20@101 -30@102", -10, "40"),
        (x("0.5"), "+0.5@110 -1@115", "-0.5", "10"),
        (x("0.0000000001"), "-0.0000000001@100.0000000000001", "-0.0000000001", "0.00000000000000000000001"),
        (x(-10), "-10@90 +20@80", 10, "300"),
        (x(10), "-15@110 +5@100", -10, "150"),  # turned round: what is opened costs what it was opened at
        (x(10), "-15@110 +2@100 +3@90", -10, "180"),
        (x(10), "+10@120 -40@130 +20@120", -10, "600"),
        (x(10), "-10@110 +5@50 -5@60", -10, "150"),  # closed whole, and begun anew
        (None, "+10@100 -10@120 +1@7", 1, "200"),
        (x(10, None), "+10@110 -5@120", 5, None),  # a cost that nobody knows realises nothing
        (x(10, None), "-15@110 +5@100", -10, "50"),  # but what was opened since is known
        (x(10), "-4@100", -4, None),
    ],
)
def test_a_chain_of_margin_trades_realises_the_profit_on_the_cost_of_its_time(
    held: Any, rows: str, amount: Any, cash: str | None
) -> None:
    """Adding mixes the cost, closing keeps it, turning round begins anew, and each profit is exact or of 18 places."""
    book = market(*([] if held is None else [held]), bal("USD", 0), pos("Z", 1))
    told = [fill(one.fill_id, "X", one.signed, one.price, quote="USD") for one in trades(rows)]
    expected = {"position X": str(amount), **({} if cash is None else {"balance USD": cash})}
    assert effects(told, book, settlements=MARGIN) == expected


@pytest.mark.parametrize(
    ("held", "rows", "amount", "coins"),
    [
        (coin(100, 50000), "-40@40000", -40, "-0.0002"),
        (coin(100, 50000), "+100@40000 -200@40000", -100, "-0.0005"),  # weighted by what the contracts cost in coins
        (coin(-30, 70000), "+30@30000", 30, "0.000571428571428571"),
        (coin(100, 50000), "-40@0", -40, None),
        (coin(100, 50000), "+100@0 -40@50000", 60, None),
        (coin(100, 0), "-40@50000", -40, None),
        (coin(100, 0), "+100@100 -40@50000", 60, None),
    ],
)
def test_a_chain_of_inverse_trades_pays_in_the_coin(held: Any, rows: str, amount: Any, coins: str | None) -> None:
    """An inverse contract realises by the inverse of its prices, and nothing where a price or a cost is 0."""
    expected = {"position X": str(amount), **({} if coins is None else {"balance BTC": coins})}
    assert effects(trades(rows), market(held, bal("BTC", 1)), settlements=INVERSE) == expected


@pytest.mark.parametrize(
    ("mine", "theirs", "booked", "amount", "cash"),
    [
        (x(10), x(6), "+4@110", -4, None),  # what was opened realised nothing
        (x(6), x(10), "-4@110", 4, "-40"),
        (x(-5, "110"), x(10), "-15@110", 15, "-100"),  # it had turned round what the broker still holds: at its cost
        (x(5, "110"), x(-10), "+15@110", -15, "100"),
        (x(-5, "110"), x("0.5"), "-5.5@120", "5.5", "-10"),
        (x(-5, "110"), x(10, None), "-15@120", 15, "-100"),  # nobody tells that cost: local's own
        (None, x(10), "-10@110", 10, "-100"),
        (x(10), None, "+10@110", -10, None),
        (x(30), x(25), "+10@200 -5@110", -5, "-50"),  # what is taken back leaves the cost as it was
    ],
)
def test_a_margin_trade_taken_back_takes_back_what_it_had_realised(
    mine: Any, theirs: Any, booked: str, amount: Any, cash: str | None
) -> None:
    """A phantom's profit is undone on the cost that it had closed, which local no longer tells where it turned round."""
    sides = [[row for row in (one, bal("USD", 0)) if row is not None] for one in (mine, theirs)]
    expected = {"position X": str(amount), **({} if cash is None else {"balance USD": cash})}
    assert effects(trades(booked), market(*sides[0], theirs=sides[1]), settlements=MARGIN, surplus=True) == expected


@pytest.mark.parametrize(("surplus", "way"), [(False, 1), (True, -1)])
def test_a_trade_in_full_moves_its_worth_and_is_taken_back_alike(surplus: bool, way: int) -> None:
    """Cash moves by price, amount and contract size, and by the fee in whatever it was taken."""
    told: dict[str, Any] = {"fee": 3, "fee_currency": "EUR"}
    book = market(x(10, multiplier=5), bal("USD", 0), bal("EUR", 9))
    moved = effects([fill("f", "X", -4, 110, **told)], book, surplus=surplus)
    assert moved == {"position X": str(-20 * way), "balance USD": str(2200 * way), "balance EUR": str(-3 * way)}


@pytest.mark.parametrize(("surplus", "way"), [(False, 1), (True, -1)])
def test_a_pair_moves_its_coins_and_is_taken_back_alike(surplus: bool, way: int) -> None:
    """A spot trade moves base and quote; its fee lands among the balances, or in the position that is held of it."""
    told: dict[str, Any] = {"fee": "0.5", "fee_currency": "BNB"}
    pair = fill("f", "BTC/USDT", 2, 100, **told)
    cash = {"balance BTC": str(2 * way), "balance USDT": str(-200 * way)}
    fee = format(Decimal("-0.5") * way, "f")
    assert effects([pair], market(bal("BTC", 1)), surplus=surplus) == {**cash, "balance BNB": fee}
    for book in (market(pos("BNB", 9)), market(pos("BNB", 9), theirs=[]), market(theirs=[pos("BNB", 9)])):
        assert effects([pair], book, surplus=surplus) == {**cash, "position BNB": fee}


@pytest.mark.parametrize(
    ("held", "ratio", "told", "moved"),
    [
        (x(100), "4", {}, "300"),
        (x(100), "1/6", {}, "-83.33333334"),
        (x(-100), "1/6", {}, "83.33333334"),  # toward zero, short or long
        (x(100), "1/6", {"smallest": 1}, "-84"),
        (x(110), "4", {"later": 10}, "300"),  # ten were bought since, in new units
        (x(100), "0.5", {"surplus": True}, "100"),
        (x(400), "4", {"surplus": True}, "-300"),
        (x(90), "3/2", {"surplus": True}, "-30"),
    ],
)
def test_a_split_multiplies_what_was_held_then_and_is_divided_out_again(
    held: Any, ratio: str, told: Any, moved: str
) -> None:
    """A split counts for what was held before it, to the smallest unit toward zero; taken back, it is divided out."""
    smallest = told.get("smallest")
    settings = Settings(assets={"X": AssetSettings(smallest_unit=Decimal(smallest))} if smallest else {})
    row = act("s", "split", asset="X", ratio=ratio)
    later = {"position X": told.get("later", 0)}
    seen = effects([row], market(held, settings=settings), surplus=told.get("surplus", False), later=later)
    assert seen == {"position X": moved}


@pytest.mark.parametrize(("ratio", "closed", "cash"), [("4", "-40@30", "200"), ("3/2", "-15@80", "200")])
def test_the_cost_is_split_with_the_holding(ratio: str, closed: str, cash: str) -> None:
    """Ten that cost 100 are forty that cost 25 after a split by four, and their profit is on that."""
    rows = [act("s", "split", -600, asset="X", ratio=ratio), *trades(closed)]
    assert effects(rows, market(x(10), bal("USD", 0)), settlements=MARGIN) == {"position X": "-10", "balance USD": cash}


@pytest.mark.parametrize("elsewhere", [[], [x(4)]])
def test_a_contract_s_size_counts_in_the_profit(elsewhere: Any) -> None:
    """Where only one side says what is in a contract, contracts are compared and cash moves by what is in them."""
    book = market(x(10, multiplier=5), theirs=elsewhere)
    assert effects(trades("-4@110"), book, settlements=MARGIN) == {"position X": "-4", "balance USD": "200"}


def test_an_inverse_contract_without_a_currency_pays_in_its_base() -> None:
    """Where no row says in which coin an inverse contract pays, its name does."""
    asset = "BTC/USD:BTC"
    book = market(pos(asset, 100, average_price=50000, currency=None))
    moved = effects([fill("f", asset, -40, 40000)], book, settlements={asset: "inverse"})
    assert moved == {f"position {asset}": "-40", "balance BTC": "-0.0002"}


def test_a_leg_that_nobody_held_is_opened_at_the_trade_s_price() -> None:
    """A first long beside a short has no cost before it."""
    rows = [fill(name, "X", n, at, position_side="long") for name, n, at in (("a", 5, 100), ("b", -5, 130))]
    assert effects(rows, market(x(-4, side="short")), settlements=MARGIN) == {"balance USD": "150"}


def test_a_split_and_a_rename_reach_every_leg() -> None:
    """Long and short are split each by itself, and keep their leg under a new name."""
    book = market(x(10, side="long"), x(-4, side="short"))
    split, renamed = act("s", "split", asset="X", ratio="3"), act("r", "symbol_change", asset="X", new_asset="Y")
    assert effects([split], book) == {"position X long": "20", "position X short": "-8"}
    assert effects([renamed], book) == {
        "position X long": "-10", "position X short": "4", "position Y long": "10", "position Y short": "-4",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "moved"),
    [
        ({}, {"position X": "-10", "position Y": "10"}),
        ({"later": {"position X": 3}}, {"position X": "-7", "position Y": "7"}),
    ],
)
def test_a_rename_moves_what_was_held_then(told: Any, moved: Any) -> None:
    """What local booked under the old name since is not moved by the rename."""
    assert effects([act("r", "symbol_change", asset="X", new_asset="Y")], market(x(10)), **told) == moved


def test_a_rename_taken_back_brings_the_old_name_back() -> None:
    """A rename that never was is undone by what is still held under the old name."""
    row = act("r", "symbol_change", asset="X", new_asset="Y")
    assert effects([row], market(x(10)), surplus=True) == {"position X": "10", "position Y": "-10"}


def test_coins_are_split_and_renamed_among_the_balances() -> None:
    """What lives among the balances stays there."""
    book = market(bal("OLD", 9))
    assert effects([act("s", "split", asset="OLD", ratio="1/3")], book) == {"balance OLD": "-6"}
    renamed = act("r", "symbol_change", asset="OLD", new_asset="NEW")
    assert effects([renamed], book) == {"balance OLD": "-9", "balance NEW": "9"}


@pytest.mark.parametrize(
    ("row", "moved"),
    [
        (act("a", "deposit", currency="USD", amount=5), {"balance USD": "5"}),
        (act("a", "transfer", asset="X", amount=5), {"position X": "5"}),
        (act("a", "transfer", asset="NEW", amount=5), {"position NEW": "5"}),
        (act("a", "transfer", asset="USD", currency="USD", amount=5), {"balance USD": "5"}),  # once, not twice
        (act("a", "merger", asset="X", amount=-2, new_asset="USD", new_amount=50), {"position X": "-2", "balance USD": "50"}),
        (act("a", "spin_off", asset="X", amount=0, new_asset="SPN", new_amount=1), {"position SPN": "1"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("surplus", [False, True])
def test_other_activities_move_what_they_name_and_are_taken_back(row: Any, moved: Any, surplus: bool) -> None:
    """An asset lands where it is held, or as a position; cash among the balances."""
    way = -1 if surplus else 1
    seen = effects([row], market(x(10), bal("USD", 0)), surplus=surplus)
    assert {key: Decimal(value) for key, value in seen.items()} == {key: Decimal(n) * way for key, n in moved.items()}
