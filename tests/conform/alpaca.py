"""Alpaca before its judges: its own OpenAPI, and answers that others recorded."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from tests.conform.openapi import Judged
from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.base import OrderRequest
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import LIMITS
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock, VirtualClock
from tieout.errors import ActionRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import OrderSide

START = datetime(2026, 3, 6, 15, tzinfo=UTC)
EXPLAINED = {
    r"^POST /v2/orders request.body: .*'notional'": "one schema for what is asked and answered; either size is taken",
    r"^GET /v2/orders:by_client_order_id request: Selected route": "a path that the document of 2025-04 leaves out",
    r"^GET /v2/positions response.*asset_class .*us_equity, crypto$": "the document is older than options",
    r"^GET /v2/positions response.*exchange .*OTC$": "coins are traded at CRYPTO, which the document leaves out",
    r"^GET /v2/account/activities/FILL response.*oneOf$": "the other schema asks for no field, so a fill fits both",
}


def connected(url: str) -> AlpacaBroker:
    """The unmodified adapter."""
    patience = ReadPatience(tries_again=0)
    wire = Wire("alpaca", clock=SystemClock(), limits=LIMITS["alpaca"], random=random.Random(7), patience=patience)
    return AlpacaBroker("conform", key="k", secret="s", wire=wire, url=url)


def world() -> World:
    """An account with shares long and short, an option, a coin, and payments of every kind that Alpaca has a word for."""
    made = World(VirtualClock(START), seed=7)
    made.add_account("conform", currency="USD")
    for asset, multiplier, worth in (("AAPL", 1, 190), ("T", 1, 20), ("AAPL270115C00200000", 100, 3)):
        made.add_instrument(Instrument(asset=asset, kind="cash", currency="USD", multiplier=dec(multiplier)))
        made.set_price(asset, dec(worth))
    made.add_instrument(Instrument(asset="BTC/USD", kind="spot", currency="USD", base="BTC"))
    made.set_price("BTC/USD", dec(90000))
    made.office.pay("conform", "deposit", "USD", dec(100000))
    trades: tuple[tuple[str, OrderSide, str, str], ...] = (
        ("AAPL", "buy", "2.123456789", "190.01"),
        ("T", "sell", "3", "20.5"),
        ("AAPL270115C00200000", "buy", "1", "3.05"),
        ("BTC/USD", "buy", "0.000000001", "90000"),
    )
    for asset, side, quantity, price in trades:
        made.clock.advance(60)  # type: ignore[attr-defined]
        made.trade("conform", asset, side, dec(quantity), dec(price))
    for kind, paid in (
        ("withdrawal", "-1"),
        ("fee", "-0.02"),
        ("interest", "0.1"),
        ("dividend", "2"),
        ("transfer", "5"),
    ):
        made.office.pay("conform", kind, "USD", dec(paid))  # type: ignore[arg-type]
    made.office.split("AAPL", "2")
    return made


async def drive(url: str) -> None:
    """Every call of the port."""
    broker = connected(url)
    try:
        await broker.get_account_info()
        await broker.server_time()
        for type_, limit, stop in (("limit", "10", None), ("market", None, None), ("stop_limit", "400", "390")):
            await broker.submit_order(
                OrderRequest(
                    client_order_id=f"c-{type_}", asset="AAPL", side="buy", quantity=dec(1), type=type_,
                    limit_price=None if limit is None else dec(limit), stop_price=None if stop is None else dec(stop),
                )
            )  # fmt: skip
        order = await broker.get_order(client_order_id="c-limit")
        assert order is not None
        await broker.get_order(broker_order_id=order.broker_order_id)
        await broker.get_open_orders()
        await broker.cancel_order(client_order_id="c-limit")
        with contextlib.suppress(ActionRefused):
            await broker.cancel_order(client_order_id="c-market")
        await broker.get_positions()
        await broker.get_balances()
        await broker.get_fills(START - timedelta(days=1))
        await broker.get_activities(START - timedelta(days=1))
    finally:
        await broker.close()


@asynccontextmanager
async def documented() -> AsyncIterator[Judged]:
    """Our server over a world with a bit of everything, to be judged by Alpaca's document of 2025-04."""
    server = LoopbackAlpaca(world(), Login(account="conform", key="k", secret="s"))
    async with server:
        yield Judged("alpaca", "alpaca_trading_openapi.yaml", server.url, drive, EXPLAINED)
