"""What goes wrong in the demo of the service: each a sentence that says what was done, and how it comes about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated import Fault, FaultRule
from tieout.model.changes import SetPosition
from tieout.serve.demo_stage import Bot, Stage

BUSY_S = 5
Happen = Callable[[Stage, Bot], Awaitable[None]]


class Mishap(Struct, frozen=True):
    """Something that goes wrong at one account: what was done, in a sentence, and how."""

    account: str
    title: str
    happen: Happen


async def trade(stage: Stage, bot: Bot, asset: str, quantity: str) -> None:
    """An order as it should be: sent, filled, heard of and booked."""
    price = str(_price(stage, bot, asset))
    placed = await bot.send(asset, "buy", quantity, price)
    bot.loop.hear(await bot.fills_of(placed))


async def _lost_fill(stage: Stage, bot: Bot) -> None:
    await bot.send("ETH/USDT", "buy", "1", str(_price(stage, bot, "ETH/USDT")))  # filled at once, and nobody listens


async def _deposit(stage: Stage, _: Bot) -> None:
    stage.shares.office.pay("gamma", "deposit", "USD", Decimal(600))


async def _lost_submission(stage: Stage, bot: Bot) -> None:
    lost = FaultRule(fault=Fault.LOST_REPLY, calls=frozenset({"submit_order"}))
    stage.venue.broker("beta").faults.inject(lost)
    await bot.send("SOL-PERP", "buy", "5", "120")


async def _wrong_number(_: Stage, bot: Bot) -> None:
    held = {row.asset: row.amount for row in (await bot.books.read()).positions or ()}
    wrong = SetPosition(asset="SOL-PERP", leg="net", amount=held["SOL-PERP"] - 4, reason="a bug")
    await bot.books.apply((wrong,), reason="the demo")


async def _fee_in_a_third_coin(stage: Stage, bot: Bot) -> None:
    placed = await bot.send("BTC/USDT", "buy", "0.05", str(_price(stage, bot, "BTC/USDT")))
    bot.loop.hear(tuple(replace(fill, fee=None, fee_currency=None) for fill in await bot.fills_of(placed)))


async def _no_positions(stage: Stage, _: Bot) -> None:
    stage.alpaca.faults.inject(HttpRule(fault=HttpFault.HIDDEN, endpoint="GET /v2/positions*", times=2))


async def _busy(stage: Stage, _: Bot) -> None:
    faults = stage.venue.broker("beta").faults
    faults.inject(FaultRule(fault=Fault.UNAVAILABLE, calls=frozenset({"get_balances"}), times=None))
    asyncio.get_running_loop().call_later(BUSY_S, faults.clear)


async def _expired(stage: Stage, bot: Bot) -> None:
    placed = await bot.send("AAPL", "buy", "3", "150")
    if placed is not None:
        live = (row for row in stage.shares.snapshot("gamma").orders or () if row.live)
        stage.shares.end("gamma", next(live).broker_order_id or "", "expired")


async def _by_hand(stage: Stage, _: Bot) -> None:
    price = stage.coins.state.prices["BTC/USDT"].price
    stage.coins.trade("alpha", "BTC/USDT", "sell", Decimal("0.2"), price)


def _price(stage: Stage, bot: Bot, asset: str) -> Decimal:
    return stage.world(bot.account).state.prices[asset].price


MISHAPS = (
    Mishap("alpha", "the bot buys 1 ETH, it fills, and the bot does not hear of it", _lost_fill),
    Mishap("gamma", "600 USD are paid in at the broker", _deposit),
    Mishap("beta", "the answer to an order is lost, and the bot takes the order for rejected", _lost_submission),
    Mishap("beta", "a bug in the bot: its books lose 4 SOL-PERP without any record", _wrong_number),
    Mishap("alpha", "the bot buys 0.05 BTC, and does not book the fee, which is taken in BNB", _fee_in_a_third_coin),
    Mishap("gamma", 'the venue answers "no positions", twice', _no_positions),
    Mishap("beta", f"the venue is busy, and answers nothing about balances for {BUSY_S} s", _busy),
    Mishap("alpha", "somebody sells 0.2 BTC by hand", _by_hand),
    Mishap("gamma", "an order expires at the venue, and the bot is not told", _expired),
)


def next_mishap(after: int, free: Mapping[str, bool]) -> int | None:
    """The number of the next one whose account is free, counted on from *after*; None where no account is."""
    for step in range(1, len(MISHAPS) + 1):
        number = (after + step) % len(MISHAPS)
        if free.get(MISHAPS[number].account):
            return number
    return None
