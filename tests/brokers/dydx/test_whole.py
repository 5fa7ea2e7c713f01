"""What proves an account's document whole: a row that is lost between the venue and us is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.brokers.dydx.scene import ADDRESS, BTC, ETH, staged

from tieout.brokers.dydx.holdings import holdings
from tieout.brokers.dydx.owner import Owner
from tieout.brokers.dydx.rows import RowError
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.amounts import EXACT, dec, plain

PARENT = "GET /v4/addresses/*/parentSubaccountNumber/*"
OWNER = Owner(ADDRESS, 0)


def _lose_position(document: Any) -> None:
    document["subaccount"]["childSubaccounts"][0]["openPerpetualPositions"].popitem()


def _lose_positions(document: Any) -> None:
    document["subaccount"]["childSubaccounts"][0]["openPerpetualPositions"] = {}


def _lose_cash(document: Any) -> None:
    document["subaccount"]["childSubaccounts"][0]["assetPositions"] = {}


def _lose_child(document: Any) -> None:
    document["subaccount"]["childSubaccounts"].pop()


@pytest.mark.parametrize("lose", [_lose_position, _lose_positions, _lose_cash, _lose_child])
async def test_what_got_lost_is_missed(lose: Callable[[Any], None]) -> None:
    """A position, all of them, the cash, or an isolated sub-account: the equity tells, and nobody is flat."""
    async with staged() as scene:
        scene.venue.isolated[ETH] = 128
        scene.trade(BTC, "2", "60000")
        scene.trade(ETH, "-3", "2000")
        scene.world.set_price(BTC, dec("61000.5"))
        document = json.loads(await scene.body(f"/v4/addresses/{ADDRESS}/parentSubaccountNumber/0"))
        lose(document)
        rule = HttpRule(fault=HttpFault.TEXT, endpoint=PARENT, text=json.dumps(document), times=2)
        scene.venue.faults.inject(rule)
        with pytest.raises(SourceIncomplete, match="add up"):
            await scene.broker.get_positions()
        with pytest.raises(SourceIncomplete, match="add up"):
            await scene.broker.get_balances()
        assert len(await scene.broker.get_positions()) == 2


async def test_every_list_emptied_is_no_empty_account() -> None:
    """An account without sub-accounts is a 404 there, and never a document."""
    async with staged() as scene:
        scene.venue.faults.inject(HttpRule(fault=HttpFault.VANISHED, endpoint=PARENT))
        with pytest.raises(SourceMalformed):
            await scene.broker.get_positions()


DIGITS = st.integers(1, 10**32).map(lambda digits: Decimal(digits).scaleb(-24))


def _document(size: str, entry: str, price: str, cash: str, *, times: int = 1) -> Any:
    """Sub-accounts 0, 128, … with the same position and cash each."""

    def child(number: int) -> dict[str, Any]:
        profit = EXACT.multiply(dec(size), EXACT.subtract(dec(price), dec(entry)))
        equity = EXACT.add(dec(cash), EXACT.multiply(dec(size), dec(price)))
        row = {
            "market": BTC, "status": "OPEN", "side": "SHORT" if size.startswith("-") else "LONG", "size": size,
            "entryPrice": entry, "unrealizedPnl": plain(profit), "subaccountNumber": number,
            "sumOpen": "7", "sumClose": "1",
        }  # fmt: skip
        held = {
            "symbol": "USDC", "side": "SHORT" if cash.startswith("-") else "LONG", "size": cash.lstrip("-"),
            "assetId": "0", "subaccountNumber": number,
        }  # fmt: skip
        return {
            "address": ADDRESS, "subaccountNumber": number, "equity": plain(equity), "freeCollateral": "0",
            "openPerpetualPositions": {BTC: row}, "assetPositions": {"USDC": held},
            "latestProcessedBlockHeight": "5",
        }  # fmt: skip

    children = [child(128 * number) for number in range(times)]
    equity = plain(sum((dec(row["equity"]) for row in children), dec(0))) if times == 1 else None
    if equity is None:
        equity = plain(EXACT.multiply(dec(children[0]["equity"]), dec(times)))
    return {
        "subaccount": {
            "address": ADDRESS,
            "parentSubaccountNumber": 0,
            "equity": equity,
            "childSubaccounts": children,
        }
    }


@given(size=DIGITS, entry=DIGITS, price=DIGITS, cash=DIGITS, short=st.booleans(), debt=st.booleans())
def test_every_digit_arrives_and_no_size_is_made_from_sums(
    size: Any, entry: Any, price: Any, cash: Any, short: bool, debt: bool
) -> None:
    """24 decimals keep each; a size is the one that is told, whatever was opened and closed; debt is below 0."""
    told = _document(f"-{plain(size)}" if short else plain(size), plain(entry), plain(price),
                     f"-{plain(cash)}" if debt else plain(cash))  # fmt: skip
    held = holdings(told, OWNER)
    (position,), (balance,) = held.positions, held.balances
    assert (position.amount, position.average_price) == (-size if short else size, entry)
    assert position.market_price in (price, None)
    assert balance.total == (-cash if debt else cash)
    assert held.doubt is None


def test_the_price_is_the_one_that_the_profit_was_made_with() -> None:
    """The oracle's price comes out exactly, or not at all."""
    (position,) = holdings(_document("-0.407", "118692.04840909090909090909", "118832.75312", "1"), OWNER).positions
    assert position.market_price == dec("118832.75312")


def test_positions_in_one_market_are_one_row() -> None:
    """Cross and isolated positions are netted; cash is added up."""
    held = holdings(_document("1.5", "60000", "61000", "-10", times=3), OWNER)
    assert [(row.amount, row.average_price) for row in held.positions] == [(dec("4.5"), dec(60000))]
    assert [row.total for row in held.balances] == [dec(-30)]
    mixed = _document("1.5", "60000", "61000", "-10", times=2)
    row = mixed["subaccount"]["childSubaccounts"][1]["openPerpetualPositions"][BTC]
    row["entryPrice"], row["unrealizedPnl"] = "59000", "3000"
    (position,) = holdings(mixed, OWNER).positions
    assert (position.amount, position.average_price) == (dec(3), None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", "0.1e"), ("size", None), ("size", 0.5), ("side", "SHORT"), ("side", "FLAT"), ("status", "CLOSED"),
        ("market", ETH), ("subaccountNumber", 128), ("entryPrice", "NaN"), ("unrealizedPnl", "Infinity"),
    ],
)  # fmt: skip
def test_a_position_that_makes_no_sense_is_refused(field: str, value: object) -> None:
    """Nothing is guessed, and nothing left out."""
    told = _document("1.5", "60000", "61000", "10")
    told["subaccount"]["childSubaccounts"][0]["openPerpetualPositions"][BTC][field] = value
    with pytest.raises(RowError):
        holdings(told, OWNER)
