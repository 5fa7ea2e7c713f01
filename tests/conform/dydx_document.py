"""dYdX's own OpenAPI, held against the adapter's requests and the loopback indexer's answers."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conform.openapi import Judged
from tieout.brokers.base import OrderRequest
from tieout.brokers.dydx.adapter import DydxBroker
from tieout.brokers.loopback.base import Login
from tieout.brokers.loopback.dydx import DydxVenue
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import LIMITS
from tieout.brokers.wire.wire import Wire
from tieout.clock import VirtualClock
from tieout.errors import SourceError
from tieout.model.amounts import dec

START = datetime(2026, 3, 6, 15, tzinfo=UTC)
ADDRESS = "dydx1conform"
EXPLAINED = {
    r"^GET \S+(/7|no-id|nobody\S*|/transfers/\S+) response: Unable to match": "the document knows no 404 and no 400",
}


def changed(text: str) -> str:
    """The document as the indexer's routes are: under /v4, lists with commas, an account wrapped, and a path by its name."""
    document: dict[str, Any] = json.loads(text)
    paths = {f"/v4{path}": told for path, told in document["paths"].items()}
    paths["/v4/fills/parentSubaccountNumber"] = paths.pop("/v4/fills/parentSubaccount")
    answer = paths["/v4/addresses/{address}/parentSubaccountNumber/{parentSubaccountNumber}"]["get"]["responses"]["200"]
    media = answer["content"]["application/json"]
    media["schema"] = {"type": "object", "required": ["subaccount"], "properties": {"subaccount": media["schema"]}}
    for told in paths.values():
        for parameter in told.get("get", {}).get("parameters", ()):
            if parameter["schema"].get("type") == "array":
                parameter |= {"style": "form", "explode": False}  # the indexer splits at commas, and asks itself so
    return json.dumps(document | {"paths": paths, "servers": [{"url": "/"}]})


def world() -> World:
    """Positions both ways, one of them isolated; orders of each kind; fills, a liquidation, transfers and funding."""
    made = World(VirtualClock(START), seed=7)
    made.add_account("conform", currency="USDC")
    made.office.pay("conform", "deposit", "USDC", dec(1_000_000))
    for asset, price in (("BTC-USD", 90000), ("ETH-USD", 3000), ("PEPE-USD", 2)):
        made.add_instrument(Instrument(asset=asset, kind="cash", currency="USDC", fee_rate=dec("0.0005")))
        made.set_price(asset, dec(price))
    made.trade("conform", "BTC-USD", "buy", dec("0.5"), dec(89000))
    made.trade("conform", "ETH-USD", "sell", dec("1.25"), dec(3001))
    made.trade("conform", "PEPE-USD", "buy", dec(1000), dec("1.9"), liquidation=True)
    for name, kind, limit, stop in (
        ("1", "limit", "10", None),
        ("2", "stop_limit", "95000", "94000"),
        ("3", "stop", None, "93000"),
    ):
        made.submit(
            "conform",
            OrderRequest(
                client_order_id=name, asset="BTC-USD", side="buy", quantity=dec("0.01"),
                type=kind,
                limit_price=None if limit is None else dec(limit), stop_price=None if stop is None else dec(stop),
            ),
        )  # fmt: skip
    made.office.pay("conform", "withdrawal", "USDC", dec(-1))
    made.office.pay("conform", "transfer", "USDC", dec(5))
    made.office.pay("conform", "funding", "USDC", dec("-0.125"))
    return made


async def drive(url: str) -> None:
    """Every call of the port; also for an address that nobody used, and a sub-account that nobody did."""
    for address, subaccount in ((ADDRESS, 0), (ADDRESS, 7), ("dydx1nobody", 0)):
        wire = Wire(
            "dydx", clock=VirtualClock(START), limits=LIMITS["dydx"], random=random.Random(7),
            patience=ReadPatience(tries_again=0),
        )  # fmt: skip
        broker = DydxBroker(address, account="conform", wire=wire, subaccount=subaccount, url=url)
        try:
            await _every_call(broker)
        except SourceError:
            assert address != ADDRESS, "the account that is there is read"
        finally:
            await broker.close()


async def _every_call(broker: DydxBroker) -> None:
    await broker.server_time()
    await broker.get_account_info()
    await broker.get_positions()
    await broker.get_balances()
    for order in await broker.get_open_orders():
        assert await broker.get_order(broker_order_id=order.broker_order_id) == order
    await broker.get_order(client_order_id="1")
    await broker.get_order(broker_order_id="no-id")
    await broker.get_fills(START - timedelta(days=1))
    await broker.get_activities(START - timedelta(days=1))


@asynccontextmanager
async def documented() -> AsyncIterator[Judged]:
    """Our indexer over a world with a bit of everything, to be judged by dYdX's document."""
    server = DydxVenue(world(), Login(account="conform", key=ADDRESS))
    server.isolated["PEPE-USD"] = 128
    async with server:
        yield Judged("dydx", "dydx_comlink_swagger.json", server.url, drive, EXPLAINED, changed)
