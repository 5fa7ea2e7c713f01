"""What both sides' rows say about an asset: units, costs, currencies, legs, and where its records land."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.explain.building import bal, fill, market, name, pos, read, side
from tieout.explain.market import Market, names_of
from tieout.model.discrepancy import Difference, Key
from tieout.model.settings import AssetSettings, Settings

X = Key("position", "X")
LONG = Key("position", "X", "long")


def row(asset: str = "X", amount: Any = 0, **fields: Any) -> Any:
    return pos(asset, amount, **{"currency": None, **fields})


@pytest.mark.parametrize(
    ("asset", "told", "base", "quote"),
    [
        ("BTC/USDT", {}, "BTC", "USDT"),
        ("BTC/USD:BTC", {}, "BTC", "USD"),
        ("BTC-USDT", {}, "BTC", "USDT"),
        ("/USDT", {}, None, "USDT"),
        ("BTC/", {}, "BTC", None),
        ("A-B-C", {}, None, None),
        ("A-", {}, None, None),
        ("-B", {}, None, None),
        ("AAPL", {}, None, None),
        ("BTCUSDT", {"base": "BTC", "quote": "USDT"}, "BTC", "USDT"),
        ("BTC/USDT", {"base": "XBT", "quote": "UST"}, "XBT", "UST"),
    ],
)
@pytest.mark.parametrize("by", ["fill", "local", "broker"])
def test_a_trade_s_coins_are_told_by_its_record_a_row_or_its_name(
    asset: str, told: Any, base: Any, quote: Any, by: str
) -> None:
    """What the fill states counts, else what a row states, else what the name is made of."""
    rows = [row(asset, **({} if by == "fill" else told)), row("Z", base="NO", quote="NO")]
    book = market(*(rows if by == "local" else []), theirs=[] if by == "local" else rows)
    one = fill("f", asset, 1, 100, **(told if by == "fill" else {}))
    assert (book.base(one), book.quote(one)) == (base, quote)
    assert book.spot(one) is (base is not None and quote is not None)


def test_what_a_fill_says_comes_before_the_row_and_the_row_before_the_name() -> None:
    """Each has its say in that order, the quote before the currency."""
    book = market(row("A/B", base="C", quote="D", currency="E"))
    assert (book.base(fill("f", "A/B", 1, 1)), book.quote(fill("f", "A/B", 1, 1))) == ("C", "D")
    told = fill("f", "A/B", 1, 1, base="F", quote="G")
    assert (book.base(told), book.quote(told)) == ("F", "G")
    assert market(row("A/B", currency="E")).quote(fill("f", "A/B", 1, 1)) == "E"
    assert market(row("A/B", currency="E")).settle_coin(fill("f", "A/B", 1, 1)) == "E"
    assert market(row("A/B")).settle_coin(fill("f", "A/B", 1, 1)) == "A"


@pytest.mark.parametrize(
    ("told", "rows", "spot"),
    [
        ({}, [], True),
        ({}, [row("B/U")], True),  # an empty row is none
        ({}, [row("B/U", 1)], False),
        ({}, [row("B/U", -1)], False),
        ({"settlement": "margin"}, [], False),
        ({"settlement": "inverse"}, [], False),
        ({"settlement": "cash"}, [], True),
    ],
)
def test_a_pair_without_a_position_is_spot(told: Any, rows: Any, spot: bool) -> None:
    """A trade moves two balances unless it says otherwise or the pair is held as a position."""
    for book in (market(*rows), market(*rows, theirs=[]), market(theirs=rows)):
        assert book.spot(fill("f", "B/U", 1, 100, **told)) is (spot)


def test_a_pair_that_ever_was_a_position_is_not_spot() -> None:
    """What earlier readings showed as a position does not become a pair of coins when it is closed."""
    sides = side("local"), side("broker")
    book = Market(*sides, (), frozenset(("B/U",)), Settings(), frozenset(("B/U",)))
    assert not book.spot(fill("f", "B/U", 1, 100))


@pytest.mark.parametrize(
    ("ours", "theirs", "of_broker", "of_local"),
    [
        (row(multiplier=5), row(multiplier=10), 10, 5),
        (row(), row(multiplier=10), 10, 10),
        (row(multiplier=5), row(), 5, 5),
        (row(), row(), 7, 7),  # as configured
    ],
)
def test_a_contract_s_size_is_that_side_s_or_the_other_s_or_as_configured(
    ours: Any, theirs: Any, of_broker: Any, of_local: Any
) -> None:
    """Each side's own size comes first; the settings' where neither says; else 1."""
    told = Settings(assets={"X": AssetSettings(multiplier=Decimal(7))})
    book = market(ours, theirs=[theirs], settings=told)
    assert (book.multiplier("X"), book.multiplier("X", of_broker=False)) == (of_broker, of_local)
    assert book.multiplier("Y") == book.multiplier("Y", of_broker=False) == 1


@pytest.mark.parametrize(
    ("ours", "theirs", "way", "average"),
    [
        (row(amount=5, average_price=100), row(amount=5, average_price=90), 0, 100),
        (row(amount=5), row(amount=5, average_price=90), 0, 90),
        (row(amount=5), row(amount=5), 0, None),
        (row(amount=-5, average_price=100), row(amount=5, average_price=90), 0, 100),
        (row(amount=-5, average_price=100), row(amount=5, average_price=90), 1, 90),
        (row(amount=-5, average_price=100), row(amount=5, average_price=90), -1, 100),
        (row(amount=5, average_price=100), row(amount=-5, average_price=90), -1, 90),
        (row(amount=-5, average_price=100), row(amount=-5, average_price=90), 1, None),
        (row(amount=-5), row(amount=-5, average_price=90), -1, 90),
    ],
)
def test_the_cost_is_local_s_where_it_says_and_of_who_holds_that_way(
    ours: Any, theirs: Any, way: int, average: Any
) -> None:
    """Local's average before the broker's, and with a direction only of those who hold in it."""
    assert market(ours, theirs=[theirs]).average(X, way) == average
    assert market(ours, theirs=[theirs]).average(LONG) is None


@pytest.mark.parametrize(
    ("stated", "differing", "leg"),
    [("long", [], "long"), ("short", [], "short"), (None, [], None), ("net", [], None), (None, ["long"], "long"),
     (None, ["long", "short"], None), ("short", ["long"], "short")],
)  # fmt: skip
def test_a_record_without_a_leg_lands_where_only_one_differs(stated: Any, differing: list[Any], leg: Any) -> None:
    """A stated leg counts, else the only one that differs, else none."""
    sides = [side(one, row(amount=5, side="long"), row(amount=-5, side="short")) for one in ("local", "broker")]
    moved = [row(amount=5 + ("long" in differing), side="long"), row(amount=-5 - ("short" in differing), side="short")]
    differences = read(sides[0], side("broker", *moved)).differences.values()
    book = Market(sides[0], side("broker", *moved), differences, frozenset(("X",)), Settings())
    assert book.leg("X", stated) == (None if leg is None else Key("position", "X", leg))
    assert book.leg("Y", stated) == Key("position", "Y")  # nobody hedges it


def test_rows_are_the_broker_s_first_and_a_renamed_asset_s_are_of_its_new_name() -> None:
    """Where an old name has no row any more, the present name's speak for it."""
    ours, theirs = side("local", row("OLD", 1), row("NEW", 2)), side("broker", row("NEW", 3))
    renamed = {"OLD": "NEW", "GONE": "NEW"}
    book = Market(ours, theirs, (), frozenset(("OLD", "NEW", "GONE")), Settings(), renamed=renamed)
    amounts = {asset: [int(one.amount) for one in book.rows(asset)] for asset in ("OLD", "NEW", "GONE", "NONE")}
    assert amounts == {"OLD": [1], "NEW": [3, 2], "GONE": [3, 2], "NONE": []}


def test_where_a_name_lives() -> None:
    """A name listed as cash lives there, one held as a position there, on either side, and any other as it is told."""
    otherwise = Key("position", "elsewhere")
    for here, there in (([bal("C", 1), row(amount=1)], []), ([], [bal("C", 1), row(amount=1)])):
        book = market(*here, theirs=there)
        homes = [name(book.home(one, otherwise=otherwise)) for one in ("C", "X", "Z")]
        assert homes == ["balance C", "position X", "position elsewhere"]
        assert [book.listed(key) for key in (Key("balance", "C"), X, Key("balance", "X"), Key("position", "C"))] == [
            True, True, False, False,
        ]  # fmt: skip
    both = market(row(amount=1, side="long"), row(amount=-1, side="short"))
    assert both.home("X", otherwise=otherwise) == otherwise


def test_what_local_holds_and_in_which_units() -> None:
    """Amounts are in the units compared, which are contents only where both sides give a size."""
    book = market(bal("USD", 7), row(amount=5, multiplier=10), theirs=[row(amount=6, multiplier=100)])
    assert [book.held(key) for key in (Key("balance", "USD"), Key("balance", "EUR"), X, LONG)] == [7, 0, 50, 0]
    assert [book.scale("X", of_broker=broker_s) for broker_s in (True, False)] == [100, 10]
    assert [book.scale("Y", of_broker=broker_s) for broker_s in (True, False)] == [1, 1]
    alone = market(row(amount=5, multiplier=10), theirs=[row(amount=6)])
    assert [alone.held(X), *(alone.scale("X", of_broker=broker_s) for broker_s in (True, False))] == [5, 1, 1]


def test_what_is_not_managed_is_taken_off_the_broker_s() -> None:
    """Shares that others hold in the account are no part of the leg that is compared."""
    told = Settings(unmanaged={"X": Decimal(4), "Y": Decimal(3)})
    pair = market(row(amount=5), theirs=[row(amount=9)], settings=told).pair(X)
    assert pair is not None
    assert [pair.local, pair.broker] == [5, 5]
    without = market(row("Y", 3), theirs=[], settings=told).pair(Key("position", "Y"))
    assert without is not None
    assert without.broker == 0


@pytest.mark.parametrize("section", ["positions", "balances"])
@pytest.mark.parametrize("which", ["local", "broker"])
def test_a_section_is_compared_where_both_state_it_whole(section: str, which: str) -> None:
    """What either side lacks or has in part is not compared; the other section is."""
    lacking: tuple[dict[str, Any], ...] = ({"without": (section,)}, {"coverage": {section: "partial"}})
    keys = {"positions": X, "balances": Key("balance", "USD")}
    for told in lacking:
        ours, theirs = (
            side(one, row(amount=1), bal("USD", 1), **(told if one == which else {})) for one in ("local", "broker")
        )
        book = Market(ours, theirs, (), frozenset(("X", "USD")), Settings())
        assert {one: book.compared(key) for one, key in keys.items()} == {one: one != section for one in keys}


def test_only_what_may_be_touched_is_gathered_and_what_it_is_paid_in() -> None:
    """Rows under the names, and the cash that those rows are paid in, by currency, quote or base."""
    coins = [bal(one, 1) for one in ("USD", "EUR", "Q", "B", "OTHER")]
    rows = [row(amount=1, currency="EUR", quote="Q", base="B"), row("Y", 1, currency="OTHER")]
    for ours, theirs in ((rows, []), ([], rows)):
        book = Market(
            side("local", *ours, *coins), side("broker", *theirs, *coins), (), frozenset(("X", "USD")), Settings()
        )
        assert set(book.local_cash) == set(book.broker_cash) == {"USD", "EUR", "Q", "B"}
        assert {*book.local_rows, *book.broker_rows} == {"X"}


def test_every_name_that_a_record_may_touch_is_named() -> None:
    """Assets, fee currencies, coins stated and coins by name; and nothing for what is not told."""
    told = fill("f", "A/B", 1, 1, fee=1, fee_currency="F"), fill("g", "X", 1, 1, quote="Q", base="C")
    assert names_of((), told, ["O", None]) == {"A/B", "A", "B", "F", "X", "Q", "C", "O"}
    differing: list[Difference] = list(
        read(side("local", row("D", 1)), side("broker", row("D", 2))).differences.values()
    )
    assert names_of(differing, (), ()) == {"D"}
