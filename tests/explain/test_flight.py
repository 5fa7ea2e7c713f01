"""How far an order that changed a moment ago may have moved the books, and what may have happened while they were read."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest

from tests.explain import building
from tests.explain.building import bal, local, order, pos
from tieout.explain.flight import accounts_for, moved_while_reading, young_spans
from tieout.explain.market import Market
from tieout.model.amounts import EXACT
from tieout.model.discrepancy import Key
from tieout.model.pairing import OrderPair
from tieout.model.settings import AssetSettings, Settings


def sent(amount: Any, price: Any, **fields: Any) -> Any:
    return order("c-1", amount, asset="X", at=-1, limit_price=price, **fields)


def x(amount: Any, average: Any = "100", **fields: Any) -> Any:
    return pos("X", amount, **{"average_price": average, "settlement": "margin", **fields})


def spans(one: Any, book: Market, *, theirs: Any = None) -> dict[str, tuple[str, str]]:
    """The least and the most that an order may have moved, by row."""
    with localcontext(EXACT):
        found = young_spans([OrderPair(one, theirs)], book)
    assert {span.ref for span in found} <= {"order c-1"}
    return {building.name(span.key): (_text(span.low), _text(span.high)) for span in found}


def _text(value: Decimal) -> str:
    return format(value.normalize() + 0, "f")


@pytest.mark.parametrize(
    ("held", "amount", "price", "cash"),
    [
        (x(5, settlement="cash"), 10, 90, ("-1010", "0")),  # paid at either price, with 1 % for the fee
        (x(5, settlement="cash"), "0.005", 100, ("-0.505", "0")),
        (x(5, settlement="cash"), -4, 90, ("0", "400")),
        (x(5, settlement="cash", market_price=None), -4, 90, ("0", "360")),
        (x(5, settlement=None), -4, 90, ("-43.6", "400")),  # nothing says how: the proceeds, or the loss
        (x(5), -4, 90, ("-43.6", "0")),  # closes 4 at 90 that cost 100
        (x(5, market_price=120), -4, 90, ("-43.6", "84.8")),
        (x(5), -4, 120, ("-4.8", "84.8")),
        (x(5), -8, 90, ("-57.2", "0")),  # turns round: 5 are closed, and the fee is on all
        (x(-5), 8, 120, ("-109.6", "0")),
        (x(-5), 8, 80, ("-8", "106.4")),
        (x("-0.5"), "0.5", 80, ("-0.5", "10.4")),
        (x("0.5"), "-0.5", 80, ("-10.4", "0")),
        (x(5), 8, 120, ("-9.6", "0")),  # opens: nothing but the fee
        (x("0.5"), "0.5", 200, ("-1", "0")),
        (x(-5), -8, 120, ("-9.6", "0")),
        (x(5, None), -4, 90, ("-4", "0")),  # at a cost that nobody knows
        (x(5, multiplier=10), -4, 90, ("-436", "0")),
    ],
)
def test_a_young_order_may_have_moved_cash_by_its_price_or_by_the_profit_it_realised(
    held: Any, amount: Any, price: Any, cash: tuple[str, str]
) -> None:
    """Cash lies between nothing and the worth, or the profit of what is closed, at its own price and at the market's."""
    assert spans(sent(amount, price), building.market(held))["balance USD"] == cash


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        # Both say what is in a contract: compared is what is in them, and 4 of the broker's contracts are 40 of that.
        (x(50, multiplier=1), x(5, multiplier=10), {"balance USD": ("-436", "0"), "position X": ("-40", "0")}),
        # Only one says: compared are the contracts, and their worth is ten times that.
        (x(5), x(5, multiplier=10), {"balance USD": ("-436", "0"), "position X": ("-4", "0")}),
    ],
)
def test_a_young_order_counts_in_the_broker_s_contracts(ours: Any, theirs: Any, expected: Any) -> None:
    """An order's size is in the broker's contracts, whatever local counts."""
    assert spans(sent(-4, 90), building.market(ours, theirs=[theirs])) == expected


@pytest.mark.parametrize(
    ("ours", "theirs", "amount"),
    [
        (sent(10, 100), None, "10"),
        (None, sent(10, 100), "10"),
        (sent(10, 100, filled=4), sent(10, 100, filled=7), "6"),  # local may not have seen the broker's three
        (sent(10, 100, filled=7), sent(10, 100, filled=4), "6"),
        (sent(10, 100, status="rejected"), sent(10, 100, filled=1), "9"),
    ],
)
def test_what_may_have_been_filled_is_what_was_open_on_either_side(ours: Any, theirs: Any, amount: str) -> None:
    """The more of the two open quantities counts."""
    assert spans(ours, building.market(x(5)), theirs=theirs)["position X"] == ("0", amount)


def test_an_order_without_anything_open_may_have_moved_nothing() -> None:
    """Neither an order that ended on both sides nor one that is filled whole accounts for anything."""
    ended = sent(10, 100, status="cancelled"), sent(10, 100, status="partially_filled", filled=10)
    assert [spans(one, building.market(x(5))) for one in ended] == [{}, {}]


@pytest.mark.parametrize(
    ("told", "held", "cash"),
    [
        ({"limit_price": None, "stop_price": 90}, x(5, market_price=None), ("-43.6", "0")),
        ({"limit_price": None}, x(5), ("-4", "0")),  # at the market, which stands at the cost
        ({"limit_price": None}, x(5, market_price=None), ("0", "0")),  # nothing says at what
        ({"limit_price": 90, "stop_price": 80}, x(5, market_price=None), ("-43.6", "0")),
    ],
)
def test_an_order_trades_at_its_limit_its_stop_or_the_market(told: Any, held: Any, cash: tuple[str, str]) -> None:
    """Its limit comes first, then its stop, and the market's price always."""
    assert spans(order("c-1", -4, asset="X", at=-1, **told), building.market(held))["balance USD"] == cash


@pytest.mark.parametrize("told_margin", [False, True])
def test_a_young_order_of_a_pair_moves_its_two_coins(told_margin: bool) -> None:
    """A pair that is no position moves base and quote, and realises nothing."""
    told = Settings(assets={"BTC/USDT": AssetSettings(settlement="margin")} if told_margin else {})
    book = building.market(bal("BTC", 1), bal("USDT", 1000), settings=told)
    buy = order("c-1", 2, asset="BTC/USDT", at=-1, limit_price=100)
    assert spans(buy, book) == {"balance USDT": ("-202", "0"), "balance BTC": ("0", "2")}


@pytest.mark.parametrize(("leg", "rows"), [("short", {"balance USD", "position X short"}), (None, {"balance USD"})])
def test_a_young_order_moves_the_leg_that_it_names(leg: Any, rows: set[str]) -> None:
    """In hedge mode an order that names no leg is held against none."""
    book = building.market(x(5, side="long"), x(-3, side="short"))
    assert set(spans(sent(-4, 90, position_side=leg), book)) == rows


def test_an_order_whose_currency_nothing_tells_moves_its_asset_only() -> None:
    """Where neither row nor name says what is paid in, no cash is accounted for."""
    assert spans(sent(4, 90), building.market(x(5, currency=None))) == {"position X": ("0", "4")}


@pytest.mark.parametrize(
    ("difference", "effects", "reached"),
    [
        ("5", "2 3 4", True),
        ("9", "2 3 4", True),
        ("8", "2 3 4", False),
        ("-1", "2 -3 9", True),
        ("0", "2", True),
        ("5", "", False),
        ("0", "", False),
    ],
)
def test_any_of_the_young_records_may_have_moved_yet(difference: str, effects: str, reached: bool) -> None:
    """A difference that some of the young records sum to is accounted for, uniquely or not."""
    assert accounts_for(Decimal(difference), [Decimal(one) for one in effects.split()], ()) is reached


@pytest.mark.parametrize(("difference", "reached"), [("8191", True), ("0", True), ("5000", False)])
def test_of_very_many_young_records_all_or_none_are_tried(difference: str, reached: bool) -> None:
    """Past 4,096 sums only none and all are held against the difference."""
    assert accounts_for(Decimal(difference), [Decimal(2**n) for n in range(13)], ()) is reached


def test_as_many_sums_as_the_bound_are_all_tried() -> None:
    """Twelve records reach 4,096 sums, each of which counts."""
    assert accounts_for(Decimal(2741), [Decimal(2**n) for n in range(12)], ())


X = Key("position", "X")
LONG = Key("position", "X", "long")
USD = Key("balance", "USD")


@pytest.mark.parametrize(
    ("key", "before", "now", "difference", "moved"),
    [
        (X, [x(100)], [x(105)], -5, True),
        (X, [x(100)], [x(105)], -3, True),  # on the way
        (X, [x(100)], [x(105)], 0, True),
        (X, [x(100)], [x(105)], -6, False),
        (X, [x(100)], [x(105)], 1, False),
        (X, [x(105)], [x(100)], 5, True),
        (X, [x(105)], [x(100)], 6, False),
        (X, [x(105)], [x(100)], -1, False),
        (X, [x(100)], [x(100)], 0, False),
        (X, [], [x(5)], -5, True),
        (X, [pos("Y", 9)], [x(5)], -4, True),
        (X, [pos("Y", 9)], [x(5)], 4, False),
        (USD, [bal("USD", 900), bal("EUR", 7)], [bal("USD", 1000)], -100, True),
        (USD, [bal("EUR", 7), bal("USD", 900)], [bal("USD", 1000)], -101, False),
        (USD, [bal("EUR", 7)], [bal("USD", 1000)], -1000, True),
        (LONG, [x(9, side="long"), x(-4, side="short")], [x(9, side="long"), x(-2, side="short")], 0, False),
        (LONG, [x(9, side="long"), x(-4, side="short")], [x(7, side="long"), x(-4, side="short")], 2, True),
    ],
)
def test_books_that_moved_while_the_broker_was_read_account_for_what_lies_on_the_way(
    key: Key, before: Any, now: Any, difference: Any, moved: bool
) -> None:
    """What the broker may show lies between what local held before and after its reading, and nothing if that is the same."""
    assert moved_while_reading(key, Decimal(difference), local(*before), building.market(*now)) is moved


@pytest.mark.parametrize(
    ("key", "lacking"),
    [(X, {"without": ("positions",)}), (USD, {"without": ("balances",)}), (X, {"coverage": {"positions": "partial"}})],
)
def test_a_first_reading_that_lacks_the_section_accounts_for_nothing(key: Key, lacking: Any) -> None:
    """Only where local's first reading covers the section whole does its movement count."""
    book = building.market(x(105), bal("USD", 105))
    assert not moved_while_reading(key, Decimal(-105), None, book)
    assert not moved_while_reading(key, Decimal(-105), local(**lacking), book)
