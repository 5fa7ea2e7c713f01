"""A venue that counts and prices packs: 1000PEPE is a thousand coins at a thousand times the price of one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decide.building import START, cash, every, fill, pos, side
from tests.identity.test_terms import venue
from tieout.brokers.base import OrderRequest
from tieout.decide import Policy
from tieout.errors import SourceMalformed
from tieout.live.road import State, reconcile_observation
from tieout.model.amounts import ZERO
from tieout.model.discrepancy import CauseCode
from tieout.model.identified import identified_row, identified_rows
from tieout.model.identity import Sayer, clashes, identity_of
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Position

PACK = AssetSettings(aliases=("1000PEPE",), pack_size=Decimal(1000))
TABLE = {"PEPE": PACK}
BROKER = Sayer(identity_of(TABLE), "broker", START)
prices = st.decimals("0.00001", "1000", places=5)


@given(held=st.decimals("-1000", "1000", places=3).filter(bool), price=prices)
def test_a_pack_becomes_coins_and_is_worth_the_same(held: Decimal, price: Decimal) -> None:
    """Amount times price stays to the digit, for positions as for fills; local's own rows stay as they are."""
    row = Position("1000PEPE", held, average_price=price, market_price=price, multiplier=Decimal(1))
    (mine,) = identified_rows("positions", [row], BROKER)
    assert (mine.asset, mine.amount, mine.multiplier) == ("PEPE", held * 1000, Decimal(1))
    assert mine.market_price is not None and mine.amount * mine.market_price == held * price
    assert mine.average_price == mine.market_price
    traded = fill("1", "buy", "2", price=str(price), asset="1000PEPE")
    bought = identified_row("fills", traded, BROKER)
    assert (bought.quantity, bought.quantity * bought.price) == (Decimal(2000), 2 * price)
    local = Sayer(BROKER.identity, "local", START)
    assert identified_rows("positions", [pos("PEPE", "5")], local) == (pos("PEPE", "5"),)


def test_a_price_that_has_no_end_is_left_out_or_refused() -> None:
    """A third of a price is none: a position does without it, a fill of it is not booked at a price that is not its own."""
    thirds = Sayer(identity_of({"X": AssetSettings(pack_size=Decimal(3))}), "broker", START)
    (row,) = identified_rows("positions", [pos("X", "2", price="10")], thirds)
    assert (row.amount, row.market_price) == (Decimal(6), None)
    with pytest.raises(SourceMalformed, match="no exact value"):
        identified_row("fills", fill("1", "buy", "2", price="10"), thirds)


def test_what_books_count_in_coins_agrees_and_a_missed_pack_is_that_fill() -> None:
    """5000 coins are 5 packs; a pack more is a fill of 1000 coins at the coin's price, explained to the last cent of cash."""
    local = side(pos("PEPE", "5000", price="0.01"), balances=(cash("100", usd="1"),))
    bought = fill("9", "buy", "1", price="10", asset="1000PEPE", settlement="cash", quote="USD")
    for held, paid, fills, causes in (
        ("5", "100", (), set()),
        ("6", "90", (bought,), {("PEPE", CauseCode.EXTERNAL_TRADE, ZERO), ("USD", CauseCode.EXTERNAL_TRADE, ZERO)}),
    ):
        broker = side(pos("1000PEPE", held, price="10"), balances=(cash(paid, usd="1"),), fills=fills)
        (one,) = every(30, 1, local, broker)
        report = reconcile_observation(one, State(), Settings(assets=TABLE), Policy(), trigger="manual").report
        assert {(row.asset, row.cause.code, row.cause.residual) for row in report.discrepancies} == causes


async def test_an_order_goes_out_in_packs_at_the_price_of_a_pack() -> None:
    """2000 coins at 0.005 are 2 packs at 5, and come back as 2000 coins at 0.005."""
    world, broker = venue(AssetSettings(aliases=("SWAP",), broker_name="SWAP", pack_size=Decimal(1000)))
    sent = await broker.submit_order(
        OrderRequest(client_order_id="c-1", asset="P", side="buy", quantity=Decimal(2000), limit_price=Decimal("0.005"))
    )
    (resting,) = world.snapshot("main").orders or ()
    assert (resting.quantity, resting.limit_price) == (Decimal(2), Decimal(5))
    assert (sent.asset, sent.quantity, sent.limit_price) == ("P", Decimal(2000), Decimal("0.005"))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"contract_size": Decimal(10)}, "a pack size beside a contract size"),
        ({"multiplier": Decimal(10)}, "a pack size beside a multiplier"),
        ({"same_as": ("KPEPE",)}, "a pack size beside same_as"),
        ({"pack_size": Decimal(-1)}, "not above 0"),
        ({"pack_size": ZERO}, "not above 0"),
    ],
)
def test_a_pack_that_cannot_be_meant_is_refused(more: dict[str, Any], what: str) -> None:
    """A size is told once, above 0, and of one asset."""
    told = AssetSettings(**{"pack_size": Decimal(1000), **more})
    assert [clash.what for clash in clashes({"PEPE": told})] == [what]
