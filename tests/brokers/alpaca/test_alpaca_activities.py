"""Alpaca's activities: what each type moves, when it happened, and that none is ever skipped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.brokers.alpaca.conftest import START, Shop

from tieout.brokers.alpaca.activities import MEANINGS, activities, happened_at
from tieout.brokers.alpaca.fields import RowError, RowLeft, eastern
from tieout.brokers.loopback.alpaca_rows import new_york
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.amounts import dec

ID = "20260306100000123::5f596936-6f23-4cef-bdf1-3806aae57dbf"


def row(kind: str, **fields: Any) -> dict[str, Any]:
    """An activity as it stands in an answer."""
    return {"activity_type": kind, "id": ID, "date": "2026-03-06", "status": "executed"} | fields


@pytest.mark.parametrize(
    ("told", "moved"),
    [
        (row("CSD", net_amount="1.5"), [("deposit", "USD", None, "1.5")]),
        (row("CSW", net_amount="-1.5"), [("withdrawal", "USD", None, "-1.5")]),
        (row("JNLC", net_amount="-7"), [("transfer", "USD", None, "-7")]),
        (row("ACATC", net_amount="7"), [("transfer", "USD", None, "7")]),
        (row("ACATS", net_amount="0", symbol="T", qty="5"), [("transfer", None, "T", "5")]),
        (row("JNLS", symbol="T", qty="-5"), [("transfer", None, "T", "-5")]),
        (row("DIV", net_amount="1.02", symbol="T", qty="2", per_share_amount="0.51"), [("dividend", "USD", None, "1.02")]),
        (row("DIVNRA", net_amount="-0.15", symbol="T"), [("dividend", "USD", None, "-0.15")]),
        (row("DIVFEE", net_amount="-0.01", symbol="T"), [("fee", "USD", None, "-0.01")]),
        (row("INT", net_amount="-3"), [("interest", "USD", None, "-3")]),
        (row("FEE", net_amount="-0.02"), [("fee", "USD", None, "-0.02")]),
        (row("CFEE", net_amount="0", symbol="ETHUSD", qty="-0.000195", price="1884.5"),
         [("fee", None, "ETH/USD", "-0.000195")]),
        (row("CFEE", net_amount="-0.2"), [("fee", "USD", None, "-0.2")]),
        (row("PTC", net_amount="-1"), [("fee", "USD", None, "-1")]),
        (row("PTR", net_amount="1"), [("rebate", "USD", None, "1")]),
        (row("SPLIT", net_amount="0", symbol="T", qty="-10"), [("conversion", None, "T", "-10")]),
        (row("SPIN", net_amount="0.4", symbol="W", qty="2"),
         [("spin_off", None, "W", "2"), ("cash_in_lieu", "USD", None, "0.4")]),
        (row("MA", net_amount="55", symbol="T", qty="-1"),
         [("merger", None, "T", "-1"), ("cash_in_lieu", "USD", None, "55")]),
        (row("NC", symbol="FB", qty="-3"), [("conversion", None, "FB", "-3")]),
        (row("OPEXP", net_amount="0", symbol="AAPL270115C00200000", qty="-2"),
         [("expiry", None, "AAPL270115C00200000", "-2")]),
        (row("OPASN", symbol="AAPL270115C00200000", qty="2"), [("assignment", None, "AAPL270115C00200000", "2")]),
        (row("OPTRD", net_amount="-30000", symbol="AAPL", qty="200"),
         [("conversion", None, "AAPL", "200"), ("cash_in_lieu", "USD", None, "-30000")]),
        (row("DIV", net_amount="1", status="canceled"), []),
        (row("FEE", net_amount="0"), []),
    ],
    ids=lambda value: value["activity_type"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_a_type_moves(told: dict[str, Any], moved: list[tuple[str, str | None, str | None, str]]) -> None:
    """Money, units or both, with the sign that Alpaca gives."""
    found = activities(told, "USD")
    assert [(each.kind, each.currency, each.asset, each.amount) for each in found] == [
        (kind, currency, asset, dec(amount)) for kind, currency, asset, amount in moved
    ]
    assert len({each.activity_id for each in found}) == len(found)


@pytest.mark.parametrize(
    "told",
    [
        row("NEWTYPE", net_amount="1"),
        row("TRANS", net_amount="1"),
        row("DIV", net_amount="0", symbol="T", qty="3"),
        row("NC", symbol="FB"),
        row("JNLS", symbol="T"),
        row("CSD"),
        row("CFEE", net_amount="-0.2", symbol="ETHUSD", qty="-0.1"),
        row("DIV", net_amount="1", status="pending"),
    ],
    ids=lambda value: f"{value['activity_type']} {value.get('status')}",
)
def test_what_is_not_known_is_left_and_told(told: dict[str, Any]) -> None:
    """A type, a state or a movement that is not known here is never taken for nothing."""
    with pytest.raises(RowLeft):
        activities(told, "USD")


@given(kind=st.sampled_from(sorted(MEANINGS)), money=st.sampled_from([None, "", "0", "1", "-2.5"]),
       units=st.sampled_from([None, "", "0", "3", "-0.5"]))  # fmt: skip
def test_money_is_never_lost(kind: str, money: str | None, units: str | None) -> None:
    """Whatever a row says, its money is in a record or the row is left; and so are its units, unless it only counts them."""
    told = row(kind, symbol="T", net_amount=money, qty=units)
    try:
        found = activities(told, "USD")
    except RowLeft:
        return
    assert sum(each.amount or 0 for each in found if each.currency) == dec(money or "0")
    if dec(money or "0") == 0:
        assert sum(each.amount or 0 for each in found if each.asset) == dec(units or "0")


async def test_a_reading_asks_little(shop: Shop) -> None:
    """All five sections take six requests where each fits on a page; the first reading one more, for the currency."""
    shop.world.trade("main", "AAPL", "buy", dec(1), dec(190))
    for asked in (7, 6):
        before = len(shop.server.asked)
        for section in (shop.broker.get_fills, shop.broker.get_activities):
            await section(START)
        for held in (shop.broker.get_open_orders, shop.broker.get_positions, shop.broker.get_balances):
            await held()
        assert len(shop.server.asked) - before == asked


async def test_an_unknown_type_names_itself(shop: Shop) -> None:
    """The section is incomplete, says which type it was, and carries the others."""
    told = [
        row("CSD", net_amount="1"),
        row("WHATEVER", id="20260306100000124::x"),
        row("12 USD", id="20260306100000125::x"),
    ]
    shop.answers(json.dumps(told), "*activities?*")
    with pytest.raises(SourceIncomplete, match="activity type WHATEVER") as raised:
        await shop.broker.get_activities(START)
    assert len(raised.value.rows) == 1
    assert "12" not in str(raised.value.why)


async def test_two_payments_of_one_id_are_not_one(shop: Shop) -> None:
    """The same row twice counts once; one id with two amounts is an answer that cannot be trusted."""
    one, other = row("CSD", net_amount="1"), row("CSD", net_amount="2")
    shop.answers(json.dumps([one, one]), "*activities?*")
    assert [each.amount for each in await shop.broker.get_activities(START)] == [dec(1)]
    shop.answers(json.dumps([one, other]), "*activities?*")
    with pytest.raises(SourceMalformed):
        await shop.broker.get_activities(START)


async def test_a_split_is_what_went_and_what_came(shop: Shop) -> None:
    """The units that a split adds are the holdings' own difference."""
    shop.world.trade("main", "AAPL", "buy", dec(7), dec(190))
    shop.clock.advance(60)
    shop.world.office.split("AAPL", "3/2")
    went, came = (await shop.broker.get_activities(START))[-2:]
    (position,) = await shop.broker.get_positions()
    assert (went.amount, came.amount, position.amount) == (dec(-7), dec("10.5"), dec("10.5"))


async def test_a_rename_is_what_went_and_what_came(shop: Shop) -> None:
    """The old name loses what the new one gets."""
    shop.world.trade("main", "AAPL", "buy", dec(7), dec(190))
    shop.clock.advance(60)
    shop.world.office.rename("AAPL", "APLE")
    moved = {row.asset: row.amount for row in (await shop.broker.get_activities(START))[-2:]}
    assert moved == {"AAPL": dec(-7), "APLE": dec(7)}


def test_a_payment_happened_when_it_was_booked() -> None:
    """The time in the id counts where it is later than the day, and its own time before both."""
    assert happened_at(row("DIV")) == datetime(2026, 3, 6, 15, 0, 0, 123000, UTC)
    assert happened_at(row("DIV", date="2026-03-09")) == datetime(2026, 3, 9, 4, tzinfo=UTC)
    assert happened_at(row("DIV", created_at="2026-03-06T17:00:00.5Z")) == datetime(2026, 3, 6, 17, 0, 0, 500000, UTC)
    with pytest.raises(RowError):
        happened_at(row("DIV", id="x", date=None))
    with pytest.raises(RowError):
        happened_at(row("DIV", date="soon"))


@given(at=st.integers(1_200_000_000, 2_100_000_000).map(lambda told: datetime.fromtimestamp(told, UTC)))
def test_new_york_time_is_the_time_zone_tables(at: datetime) -> None:
    """Our rule and the table of time zones agree, there and back, but for the hour that comes twice."""
    try:
        local = at.astimezone(ZoneInfo("America/New_York"))
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no table of time zones")
    assert new_york(at) == local.replace(tzinfo=None)
    assert eastern(local.replace(tzinfo=None)) == at or local.fold
