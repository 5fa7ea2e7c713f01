"""What the adapter tells of an account, over a real socket."""

from __future__ import annotations

from tests.brokers.dydx.scene import BTC, EPOCH, ETH, staged

from tieout.model.amounts import dec


async def test_positions_are_signed_and_cash_pays_for_them() -> None:
    """A long and a short position come with their signs, and USDC has moved by the whole notional of both."""
    async with staged() as scene:
        scene.trade(BTC, "2", "60000")
        scene.trade(ETH, "-3", "2000")
        scene.world.set_price(BTC, dec("61000.5"))
        long, short = await scene.broker.get_positions()
        assert (long.asset, long.amount, long.average_price, long.market_price) == (
            BTC, dec(2), dec(60000), dec("61000.5"),
        )  # fmt: skip
        assert (short.asset, short.amount, short.settlement, short.quote) == (ETH, dec(-3), "cash", "USDC")
        (cash,) = await scene.broker.get_balances()
        assert (cash.currency, cash.total) == ("USDC", dec(100000 - 120000 + 6000))


async def test_lists_are_read_whole() -> None:
    """Orders, fills and activities come each once, oldest first."""
    async with staged() as scene:
        scene.rest("1")
        scene.trade(BTC, "2", "60000")
        scene.clock.advance(5)
        scene.trade(BTC, "-1", "60001")
        scene.world.office.pay("main", "funding", "USDC", dec("-0.25"))
        assert [order.client_order_id for order in await scene.broker.get_open_orders()] == ["1"]
        assert [fill.signed for fill in await scene.broker.get_fills(EPOCH)] == [dec(2), dec(-1)]
        moved = [(row.kind, row.amount) for row in await scene.broker.get_activities(EPOCH)]
        assert moved == [("deposit", dec(100000)), ("funding", dec("-0.25"))]
