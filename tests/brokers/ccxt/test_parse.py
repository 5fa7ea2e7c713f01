"""The parsers hold for every value: signs, statuses, times, fees, and no float at all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.ccxt import parse
from tieout.model.amounts import exact, plain
from tieout.model.snapshot import Position

LINEAR = {"linear": True, "settle": "USDT", "quote": "USDT", "contractSize": "0.01"}
INVERSE = {"inverse": True, "settle": "QQQ", "quote": "USD", "contractSize": "10"}
SPOT = {"spot": True, "base": "QQQ", "quote": "EUR"}
EXACT_SUM = exact(lambda numbers: sum(numbers, Decimal(0)))
amounts = st.decimals(min_value=0, max_value=10**20, places=18)
positive = amounts.filter(bool)


def row(**fields: Any) -> dict[str, Any]:
    """A unified row of an invented asset."""
    return {"symbol": "QQQ", "id": "1", "side": "buy", "amount": "1", "price": "2", "timestamp": 0, **fields}


@given(positive, st.sampled_from(["long", "short"]), st.booleans())
def test_a_position_is_signed_by_its_side(amount: Decimal, side: str, hedged: bool) -> None:
    """Long is above 0 and short below, with the same digits; only a hedged row is a leg."""
    found = parse.position(row(contracts=plain(amount), side=side, hedged=hedged), LINEAR)
    assert found is not None
    assert found.amount == (amount if side == "long" else -amount)
    assert found.side == (side if hedged else "net")
    assert (found.multiplier, found.settlement, found.currency) == (Decimal("0.01"), "margin", "USDT")


def test_a_contract_is_booked_in_what_settles_it() -> None:
    """An inverse contract's cash is its settle coin."""
    found = parse.position(row(contracts="3", side="short"), INVERSE)
    assert found is not None
    assert (found.settlement, found.currency, found.quote) == ("inverse", "QQQ", "QQQ")


@given(positive)
def test_amounts_without_a_side_are_refused(amount: Decimal) -> None:
    """Which way a position lies is never guessed."""
    with pytest.raises(parse.RowError):
        parse.position(row(contracts=plain(amount), side=None), LINEAR)


def test_a_zero_row_is_no_position() -> None:
    """Zero means the same as no row, and needs no side."""
    assert parse.position(row(contracts="0.000", side=None), LINEAR) is None


@pytest.mark.parametrize("bad", [0.1, 1.0, True, [], {}, "NaN", "1e99", "x", "1,5"])
def test_what_is_no_exact_number_is_refused(bad: object) -> None:
    """A float is an error even where it looks harmless, and the text of the error holds no value."""
    with pytest.raises(parse.RowError) as caught:
        parse.number({"amount": bad}, "amount")
    assert repr(bad) not in str(caught.value)


@pytest.mark.parametrize("missing", [None, ""])
@pytest.mark.parametrize("field", ["amount", "price", "timestamp", "id", "side"])
def test_a_fill_lacking_what_is_due_is_refused(field: str, missing: str | None) -> None:
    """A number that is due and missing is malformed, never zero."""
    with pytest.raises(parse.RowError):
        parse.fill(row(**{field: missing}), SPOT)


@given(positive, positive)
def test_a_closed_order_is_filled_only_if_all_of_it_was(quantity: Decimal, filled: Decimal) -> None:
    """*Closed* with a part unfilled proves nothing; *open* with a part filled is partially filled."""
    assert parse.status("closed", quantity, quantity) == "filled"
    if filled != quantity:
        assert parse.status("closed", quantity, filled) == "unknown"
    assert parse.status("closed", quantity, None) == "unknown"
    assert parse.status("open", quantity, filled) == "partially_filled"
    assert parse.status("open", quantity, Decimal(0)) == "open"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("canceled", "cancelled"),
        ("expired", "expired"),
        ("rejected", "rejected"),
        ("canceling", "open"),
        ("odd", "unknown"),
        (None, "unknown"),
    ],
)
def test_statuses_are_the_contracts_words(told: str | None, status: str) -> None:
    """Each of ccxt's words has one of ours; one that is not known proves nothing."""
    assert parse.status(told, Decimal(1), Decimal(0)) == status


def test_a_market_order_has_no_limit_price() -> None:
    """ccxt puts the average price there, which is no limit; a trigger of 0 is none."""
    order = parse.order(row(type="stop_market", status="open", triggerPrice="0", filled="0"))
    assert (order.limit_price, order.stop_price) == (None, None)


def test_more_filled_than_ordered_is_refused() -> None:
    """A row that breaks the contract's rules is malformed."""
    with pytest.raises(parse.RowError):
        parse.order(row(status="open", filled="2"))


@given(st.integers(0, 7 * 10**15))
def test_times_come_back_to_the_millisecond(microseconds: int) -> None:
    """Whole milliseconds and moments are the same thing, exactly."""
    at = parse.EPOCH + timedelta(microseconds=microseconds)
    told = parse.milliseconds(at)
    back = parse.at_milliseconds(told)
    assert back == at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert parse.moment({"t": told}, "t") == back


@given(st.lists(st.decimals(min_value=-(10**9), max_value=10**9, places=18), min_size=1, max_size=5))
def test_fees_of_one_currency_are_added_up(costs: list[Decimal]) -> None:
    """The fee is the exact sum, and a rebate stays below 0."""
    fill = parse.fill(row(fees=[{"cost": plain(cost), "currency": "EUR"} for cost in costs]), SPOT)
    assert fill.fee is not None
    assert (fill.fee, fill.fee_currency) == (EXACT_SUM(costs), "EUR")


def test_fees_in_two_currencies_are_not_added_up() -> None:
    """One fill has one fee; two currencies are refused, not mixed."""
    with pytest.raises(parse.RowError):
        parse.fill(row(fees=[{"cost": "1", "currency": "EUR"}, {"cost": "1", "currency": "QQQ"}]), SPOT)


@given(st.lists(st.tuples(st.sampled_from(["QQQ", "ZZZ"]), st.sampled_from(["net", "long"]), positive), max_size=8))
def test_rows_of_one_leg_are_netted(rows: list[tuple[str, Any, Decimal]]) -> None:
    """Cross and isolated rows of one asset and leg become one, and no amount is lost."""
    made = [Position(asset=asset, amount=amount, side=side) for asset, side, amount in rows]
    netted = parse.net(made)
    assert len({(row.asset, row.leg) for row in netted}) == len(netted)
    for position in netted:
        parts = [row.amount for row in made if (row.asset, row.leg) == (position.asset, position.leg)]
        assert position.amount == EXACT_SUM(parts)
