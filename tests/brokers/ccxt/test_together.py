"""Requests that do not wait for each other are under way together, and no answer is taken for another question's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from tests.brokers.ccxt.venue import MARKETS, SINCE
from tests.conform.loopback import Asked, Loopback, client, market

from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.clock import VirtualClock
from tieout.errors import SourceRefused

ORDER = {
    "orderId": "1", "symbol": "QQQUSDT", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "2",
    "cumExecQty": "0", "orderStatus": "New", "createdTime": "1772330645123", "updatedTime": "1772330645123",
}  # fmt: skip


class Held(Loopback):
    """Holds requests until *together* of them are there, then answers the last one first; counts how many it saw at once."""

    def __init__(self, together: int) -> None:
        super().__init__()
        self._together, self.most, self._held = together, 0, list[asyncio.Event]()

    async def _serve(self, request: web.Request) -> web.Response:
        mine = asyncio.Event()
        self._held.append(mine)
        self.most = max(self.most, len(self._held))
        if len(self._held) >= self._together:
            self._together = 1
            self._held[-1].set()
        for _ in range(50):  # room for a second request, where the client sends one
            await asyncio.sleep(0)
        await mine.wait()
        self._held.remove(mine)
        answer = await super()._serve(request)
        if self._held:
            self._held[-1].set()
        return answer


@asynccontextmanager
async def held(name: str, together: int) -> AsyncIterator[tuple[CcxtBroker, Held]]:
    """A broker of the venue *name*, whose server answers once *together* requests are there."""
    server = Held(together)
    await server.start()
    made = client(name, server.port)
    known = [market(f"QQQ{n}", f"QQQ{n}/EUR") for n in range(4)] if name == "gemini" else MARKETS[name]
    assets = tuple(f"QQQ{n}/EUR" for n in range(4))
    clock = VirtualClock(SINCE + timedelta(hours=6))
    broker = CcxtBroker(name, account="invented", client=made, markets=known, assets=assets, clock=clock)
    try:
        yield broker, server
    finally:
        await broker.close()
        await server.stop()


def bybit(asked: Asked) -> tuple[int, str]:
    """One order in each category, under the category's name and settle coin."""
    said = dict(part.split("=") for part in asked.said.split("\n")[0].split("&"))
    name = f"{said['category']}-{said.get('settleCoin', '')}"
    symbol = "QQQUSDT" if said["category"] in ("linear", "spot") else "none"
    rows = [{**ORDER, "orderId": name, "symbol": symbol}] if symbol != "none" else []
    return 200, json.dumps({"retCode": 0, "result": {"category": said["category"], "list": rows, "nextPageCursor": ""}})


async def test_scopes_are_asked_together_and_each_gets_its_own_answer() -> None:
    """All five of Bybit's scopes are under way at once; answered in reverse, each row still stands where it belongs."""
    async with held("bybit", 5) as (broker, server):
        server.answer = bybit
        orders = await asyncio.wait_for(broker.get_open_orders(), 5)
    assert server.most == 5
    assert [(order.broker_order_id, order.asset) for order in orders] == [
        ("linear-USDT", "QQQ/USDT:USDT"),
        ("linear-USDC", "QQQ/USDT:USDT"),
        ("spot-", "QQQ/USDT"),
    ]


async def test_a_growing_nonce_is_never_overtaken() -> None:
    """Gemini's key counts its requests, so there is never a second one under way."""
    async with held("gemini", 1) as (broker, server):
        server.answer = lambda _asked: (200, "[]")
        fills, orders = await asyncio.wait_for(asyncio.gather(broker.get_fills(SINCE), broker.get_open_orders()), 5)
    assert (fills, orders, server.most, len(server.asked)) == ((), (), 1, 5)


async def test_one_failure_is_told_and_leaves_nothing_under_way() -> None:
    """Where one scope is refused, the section is, and no task of it lives on."""
    async with held("bybit", 1) as (broker, server):
        server.answer = lambda asked: bybit(asked) if "category=linear" in asked.said else (401, "{}")
        with pytest.raises(SourceRefused):
            await broker.get_open_orders()
        assert not [task for task in asyncio.all_tasks() if "CcxtReader" in repr(task)]


async def test_two_windows_are_asked_together_and_joined_in_their_order() -> None:
    """Eight days of trades are two windows; the later one is answered first, and its rows still come last."""
    first = round((SINCE + timedelta(hours=6) - timedelta(days=8)).timestamp()) * 1000

    def answer(asked: Asked) -> tuple[int, str]:
        told = dict(part.split("=") for part in asked.said.split("\n")[0].split("&"))
        early = int(told["startTime"]) == first
        row = {
            "symbol": "QQQUSDT", "id": 1 if early else 2, "orderId": 9, "price": "1", "qty": "2", "commission": "0",
            "commissionAsset": "USDT", "side": "BUY", "time": int(told["startTime"]) + 5,
        }  # fmt: skip
        return 200, json.dumps([row])

    async with held("binanceusdm", 2) as (broker, server):
        server.answer = answer
        broker._reader._assets = ("QQQ/USDT:USDT",)
        fills = await asyncio.wait_for(broker.get_fills(SINCE + timedelta(hours=6) - timedelta(days=8)), 5)
    assert (server.most, [fill.fill_id for fill in fills]) == (2, ["1", "2"])
