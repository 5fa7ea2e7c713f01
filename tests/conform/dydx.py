"""dYdX's recorded answers through a real HTTP server and the native adapter, before the same judge."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.conform.judge import Verdict, judge
from tests.conform.loopback import Asked, Loopback
from tests.conform.output import say
from tests.conform.payloads import Payloads
from tests.conform.recorded import SINCE
from tieout.brokers.dydx.adapter import DydxBroker
from tieout.brokers.wire.venues import LIMITS
from tieout.brokers.wire.wire import Wire
from tieout.clock import VirtualClock
from tieout.errors import SourceError
from tieout.model.amounts import EXACT, dec

MARKETS = [{"id": "BTC-USD", "symbol": "BTC-USD", "contractSize": "1"}]
OF_CCXT, OF_NAUTILUS = "dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art", "dydx1n56z5fhmemtffzkt2eqyf9kuc7ycjfs86mvqy7"
LEFT = "nautilus/dydx http_get_transfers: amount and asset where the venue has size and symbol, and one end twice"


class Feed(NamedTuple):
    """A recorded text, whose it is, and the documents that it is served as; by the end of their paths."""

    section: str
    source: str
    address: str
    text: str
    served: dict[str, str]


def _feeds(payloads: Payloads) -> list[Feed]:
    (positions,) = payloads.ccxt("dydx", "fetchPositions")
    (account,) = payloads.unwrapped("dydx/http_get_subaccount.json")
    (fills,) = payloads.unwrapped("dydx/http_get_fills.json")
    orders = [
        ("ccxt/dydx fetchOpenOrders", OF_CCXT, *payloads.ccxt("dydx", "fetchOpenOrders")),
        ("ccxt/dydx fetchClosedOrders", OF_CCXT, *payloads.ccxt("dydx", "fetchClosedOrders")),
        ("nautilus/dydx http_get_orders", OF_NAUTILUS, *payloads.unwrapped("dydx/http_get_orders.json")),
    ]
    parent = "/parentSubaccountNumber/0"
    return [
        Feed("positions", "ccxt/dydx fetchPositions", OF_CCXT, positions, {parent: _holding(positions)}),
        Feed("balances", "nautilus/dydx http_get_subaccount", OF_NAUTILUS, account, {parent: _parent_of(account)}),
        Feed("fills", "nautilus/dydx http_get_fills", OF_NAUTILUS, fills, {"/fills/parentSubaccountNumber": fills}),
        *(Feed("orders", source, address, text, _one_by_one(text)) for source, address, text in orders),
    ]


class _Position(msgspec.Struct):
    size: str
    entryPrice: str  # noqa: N815  # the venue's own names, here and below
    unrealizedPnl: str  # noqa: N815


class _Positions(msgspec.Struct):
    positions: list[msgspec.Raw]


class _Subaccount(msgspec.Struct):
    address: str
    equity: str


class _Account(msgspec.Struct):
    subaccount: msgspec.Raw


class _Named(msgspec.Struct):
    id: str


def _holding(text: str) -> str:
    """The account that holds one recorded position and no cash, its row as it was written."""
    (raw,) = msgspec.json.decode(text, type=_Positions).positions
    row = msgspec.json.decode(raw, type=_Position)
    worth = EXACT.add(dec(row.unrealizedPnl), EXACT.multiply(dec(row.size), dec(row.entryPrice)))
    child = (
        f'{{"address":"{OF_CCXT}","subaccountNumber":0,"equity":"{worth}","freeCollateral":"0","marginEnabled":true,'
        f'"openPerpetualPositions":{{"BTC-USD":{bytes(raw).decode()}}},"assetPositions":{{}},'
        '"updatedAtHeight":"1","latestProcessedBlockHeight":"1"}'
    )
    return _parent(OF_CCXT, str(worth), child)


def _parent_of(text: str) -> str:
    raw = msgspec.json.decode(text, type=_Account).subaccount
    told = msgspec.json.decode(raw, type=_Subaccount)
    return _parent(told.address, told.equity, bytes(raw).decode())


def _parent(address: str, equity: str, child: str) -> str:
    head = f'{{"subaccount":{{"address":"{address}","parentSubaccountNumber":0,"equity":"{equity}"'
    return f'{head},"freeCollateral":"0","childSubaccounts":[{child}]}}}}'


def _one_by_one(text: str) -> dict[str, str]:
    rows = msgspec.json.decode(text, type=list[msgspec.Raw])
    return {f"/orders/{msgspec.json.decode(row, type=_Named).id}": bytes(row).decode() for row in rows}


async def run(shared: Path) -> tuple[int, int]:
    """Feed all; how many texts passed and failed."""
    server, passed, failed, records, checked = Loopback(), 0, 0, 0, 0
    await server.start()
    try:
        for feed in _feeds(Payloads(shared)):
            found, verdict = await _feed_one(server, feed)
            records, checked = records + found, checked + verdict.checked
            good = bool(verdict.checked) and not verdict.mismatches
            passed, failed = passed + good, failed + (not good)
            for mismatch in verdict.mismatches:
                say(f"MISMATCH dydx {feed.section} ({feed.source}): {mismatch}")
    finally:
        await server.stop()
    say(f"{'dydx, native':<15}{passed + failed:>6}{records:>9}{checked:>9}{failed:>12}")
    say(f"left out: {LEFT}")
    return passed, failed


async def _feed_one(server: Loopback, feed: Feed) -> tuple[int, Verdict]:
    """One recorded text through HTTP and the adapter, before the judge."""
    empty = {
        "/v4/time": '{"iso":"2010-01-01T01:00:00.000Z","epoch":1262307600}',
        "/v4/height": '{"height":"1","time":"2010-01-01T01:00:00.000Z"}',
        "/parentSubaccountNumber/0": _parent_of(_NOTHING % feed.address),
    }
    documents = empty | feed.served

    def answer(asked: Asked) -> tuple[int, str]:
        return 200, next((text for end, text in documents.items() if asked.path.endswith(end)), "no such path")

    server.answer = answer
    wire = Wire("dydx", clock=VirtualClock(SINCE), limits=LIMITS["dydx"], random=random.Random(7))
    url = f"http://127.0.0.1:{server.port}"
    broker = DydxBroker(feed.address, account="conform", wire=wire, url=url)
    try:
        found = await _read(broker, feed)
    except SourceError as error:
        return 0, Verdict(0, (f"{type(error).__name__}: {error.why}",))
    finally:
        await broker.close()
    return len(found), judge("dydx", feed.section, feed.text, found, MARKETS)


_NOTHING = (
    '{"subaccount":{"address":"%s","subaccountNumber":0,"equity":"0","freeCollateral":"0","openPerpetualPositions":{},'
    '"assetPositions":{},"marginEnabled":true,"updatedAtHeight":"1","latestProcessedBlockHeight":"1"}}'
)


async def _read(broker: DydxBroker, feed: Feed) -> tuple[Any, ...]:
    if feed.section == "positions":
        return await broker.get_positions()
    if feed.section == "balances":
        return await broker.get_balances()
    if feed.section == "fills":
        return await broker.get_fills(SINCE)
    ids = [path.rpartition("/")[2] for path in feed.served]
    return tuple([await broker.get_order(broker_order_id=id_) for id_ in ids])
