"""How trades settled, where nothing says: which ways are tried, and which are left to be weighed."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest

from tests.explain.building import bal, broker, fill, local, pos
from tieout.compare import compare
from tieout.explain.market import Market
from tieout.explain.projection import total
from tieout.explain.records import Standing, plain_record
from tieout.explain.settle import choose
from tieout.model.amounts import EXACT
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Observation, Settlement
from tieout.observe import coverage_of

CASH: dict[str, Settlement] = {"X": "cash"}
MARGIN: dict[str, Settlement] = {"X": "margin"}


def ways(ours: Any, theirs: Any, *, choices: int = 8, settings: Settings | None = None) -> list[dict[str, Settlement]]:
    """The ways to settle the broker's fills, all of which local lacks."""
    told = settings or Settings()
    observation = Observation(theirs.as_of, "main", ours, theirs)
    differences = compare(ours, theirs, coverage_of(observation, told), told)
    names = frozenset(("X", "Y", "USD", "EUR", "BTC", "BTC/USDT", "USDT"))
    book = Market(ours, theirs, differences, names, told)
    records = [plain_record(row, Standing.MISSING) for row in theirs.fills or ()]
    with localcontext(EXACT):
        return list(choose(records, book, lambda way: total(records, book, way, lambda *_: Decimal(0)), choices))


def usd(amount: Any) -> Any:
    return bal("USD", amount, usd_price="1")


def x(amount: Any, **fields: Any) -> Any:
    return pos("X", amount, average_price=100, **fields)


def y(amount: Any, **fields: Any) -> Any:
    return pos("Y", amount, average_price=100, **fields)


@pytest.mark.parametrize(
    ("cash", "expected"),
    [
        (1440, [CASH]),  # closes it
        (1040, [MARGIN]),
        (1400, [CASH, MARGIN]),  # nothing does: the one that leaves least first
        (1100, [MARGIN, CASH]),
    ],
)
def test_one_asset_settles_as_its_cash_says(cash: Any, expected: Any) -> None:
    """The way that closes the cash is the only one; where none does, both are weighed, the likelier first."""
    assert ways(local(x(10), usd(1000)), broker(x(6), usd(cash), fill("f", "X", -4, 110))) == expected


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (8, [{"X": "margin", "Y": "cash"}, {"X": "cash", "Y": "cash"}, {"X": "margin", "Y": "margin"}]),
        (2, [{"X": "margin", "Y": "cash"}, {"X": "cash", "Y": "cash"}, {"X": "margin", "Y": "margin"}]),
        (1, [{"X": "margin", "Y": "margin"}, {"X": "cash", "Y": "cash"}]),
    ],
)
def test_as_many_assets_as_allowed_are_mixed(choices: int, expected: Any) -> None:
    """The mixture that leaves least stands before all-cash and all-margin, and with more assets than allowed only those."""
    rows = fill("f", "X", -4, 110), fill("g", "Y", 2, 100)
    theirs = broker(x(6), y(2), usd(841), *rows)
    assert ways(local(x(10), usd(1000)), theirs, choices=choices) == expected


def test_the_mixture_that_closes_is_the_only_one() -> None:
    """One asset settles in full and one on margin."""
    rows = fill("f", "X", -4, 110), fill("g", "Y", 2, 100)
    theirs = broker(x(6), y(2), usd(840), *rows)
    assert ways(local(x(10), usd(1000)), theirs) == [{"X": "margin", "Y": "cash"}]


def test_a_trade_that_moves_no_cash_closes_it_on_margin() -> None:
    """What is opened on margin moves nothing, and that is what the cash says."""
    assert ways(local(x(10), usd(1000)), broker(x(14), usd(1000), fill("f", "X", 4, 110))) == [MARGIN]


def test_a_fee_that_stays_open_keeps_every_way_open() -> None:
    """All the cash that the records move has to close, not only what was paid with."""
    row = fill("f", "X", -4, 110, fee=1, fee_currency="EUR")
    ours, theirs = local(x(10), usd(1000), bal("EUR", 5)), broker(x(6), usd(1040), bal("EUR", 5), row)
    assert ways(ours, theirs) == [MARGIN, CASH]


@pytest.mark.parametrize(
    ("row", "told", "settings"),
    [
        ({"settlement": "margin"}, {}, None),
        ({}, {"settlement": "margin"}, None),
        ({}, {}, Settings(assets={"X": AssetSettings(settlement="margin")})),
    ],
)
def test_what_anything_tells_is_not_found_out(row: Any, told: Any, settings: Any) -> None:
    """A row, a fill or the settings say how an asset settles, and the cash is not asked."""
    theirs = broker(x(6, **row), usd(1440), fill("f", "X", -4, 110, **told))
    assert ways(local(x(10), usd(1000)), theirs, settings=settings) == [MARGIN]


def test_what_one_fill_tells_holds_for_the_asset_s_others() -> None:
    """A fill that says how it settled speaks for those that do not."""
    rows = fill("f", "X", -2, 110), fill("g", "X", -2, 110, settlement="margin")
    assert ways(local(x(10), usd(1000)), broker(x(6), usd(1440), *rows)) == [MARGIN]


def test_where_cash_is_not_compared_nothing_is_found_out() -> None:
    """Without cash to tell by, trades settle in full."""
    ours = local(x(10), without=("balances",))
    theirs = broker(
        x(6), y(2), fill("f", "X", -4, 110), fill("g", "Y", 2, 1, settlement="margin"), without=("balances",)
    )
    assert ways(ours, theirs) == [{"X": "cash", "Y": "margin"}]


def test_pairs_settle_in_their_coins() -> None:
    """Nothing is to be found out about a pair that is no position."""
    ours = local(bal("BTC", 1), bal("USDT", 1000))
    assert ways(ours, broker(bal("BTC", 2), bal("USDT", 900), fill("f", "BTC/USDT", 1, 100))) == [{}]
