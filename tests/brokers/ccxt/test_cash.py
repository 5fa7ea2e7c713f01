"""Balances are cash: read from the venue's own fields, added up by currency, exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.ccxt import cash as cash
from tieout.brokers.ccxt.parse import RowError, RowLeft
from tieout.model.amounts import exact, plain
from tieout.model.snapshot import Balance

amounts = st.decimals(min_value=0, max_value=10**12, places=18)


@given(amounts, amounts, amounts)
def test_parts_count_only_where_they_add_up(total: Decimal, free: Decimal, held: Decimal) -> None:
    """Available and locked are told where they make up the total, and are given up where they mean margin."""
    read = cash.table(currency="c", total="t", available="a", locked="l")
    (line,) = read([{"c": "QQQ", "t": plain(total), "a": plain(free), "l": plain(held)}])
    whole = exact(lambda: free + held)() == total
    assert line == cash.Line("QQQ", total, free if whole else None, held if whole else None)


@given(amounts, amounts)
def test_parts_alone_make_the_total(free: Decimal, held: Decimal) -> None:
    """Where a venue tells no total, it is what is available and what is locked."""
    read = cash.table("rows", currency="c", available="a.value", locked="l.value")
    (line,) = read({"rows": [{"c": "QQQ", "a": {"value": plain(free)}, "l": {"value": plain(held)}}]})
    assert line == cash.Line("QQQ", exact(lambda: free + held)(), free, held)


@pytest.mark.parametrize(
    "body", [[], {}, {"rows": {}}, {"rows": [{}]}, {"rows": [{"c": "Q", "t": ""}]}, {"rows": ["x"]}]
)
def test_another_shape_is_refused(body: object) -> None:
    """A body without its rows, or a row without its total, is malformed and not empty."""
    with pytest.raises(RowError):
        list(cash.table("rows", currency="c", total="t")(body))


def test_hyperliquid_cash_is_without_open_profit() -> None:
    """The account value less what the positions have not realised."""
    body = {
        "marginSummary": {"accountValue": "100.5"},
        "assetPositions": [{"position": {"unrealizedPnl": "10"}}, {"position": {"unrealizedPnl": "-0.25"}}],
    }
    assert list(cash.hyperliquid_perpetuals(body)) == [cash.Line("USDC", Decimal("90.75"))]


def test_bitfinex_wallets_are_arrays() -> None:
    """Type, currency and balance stand at fixed places."""
    assert list(cash.bitfinex([["margin", "QQQ", "3.5", "0", None]])) == [cash.Line("QQQ", Decimal("3.5"))]
    with pytest.raises(RowError):
        list(cash.bitfinex({}))


def test_wallets_that_are_not_understood_make_it_incomplete() -> None:
    """The wallets that are read come first, and then it is said which is not."""
    body = {
        "accounts": {
            "fi_old": {"type": "marginAccount", "balances": {"qqq": "1"}},
            "fi_idle": {"type": "marginAccount", "balances": {"qqq": "0"}},
            "cash": {"type": "cashAccount", "balances": {"qqq": "2"}},
            "flex": {"type": "multiCollateralMarginAccount", "currencies": {"EUR": {"quantity": "3"}}},
        }
    }
    lines, read = [], cash.kraken_futures(body)
    with pytest.raises(RowLeft, match="fi_old"):
        for line in read:
            lines.append(line)  # noqa: PERF402
    assert lines == [cash.Line("qqq", Decimal(2)), cash.Line("EUR", Decimal(3))]


def test_an_empty_wallet_hides_nothing_of_another() -> None:
    """Wallets of one currency are added up; zero ones say nothing, and zero currencies are left out."""
    lines = [
        cash.Line("q", Decimal(0)),
        cash.Line("q", Decimal(5), Decimal(4), Decimal(1)),
        cash.Line("q", Decimal(2), Decimal(2), Decimal(0)),
        cash.Line("z", Decimal(0), Decimal(0), Decimal(0)),
    ]
    assert cash.balances(lines, str.upper) == (
        Balance(currency="Q", total=Decimal(7), available=Decimal(6), locked=Decimal(1)),
    )
