"""Alpaca's recorded answers, and those of its SDK's tests, through a real HTTP server and the adapter, before the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.conform.alpaca import connected
from tests.conform.judge import Verdict, judge
from tests.conform.loopback import Asked, Loopback
from tests.conform.output import say
from tests.conform.payloads import Payloads, Sdk
from tests.conform.recorded import SINCE
from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.base import OrderRequest
from tieout.errors import ActionError, SourceError, SourceIncomplete
from tieout.model.amounts import dec

MARKETS = [{"id": "AAPL", "symbol": "AAPL", "contractSize": "1"}]
LEFT = "alpaca_py: assets, announcements, contracts, settings, close_all_positions: nothing that is read here"
SIZED_IN_MONEY = "alpaca_py test_close_position"  # live orders without a quantity: to be told as incomplete
SECTIONS = {"test_get_account": "balances", "test_get_all_positions": "positions"}


class Feed(NamedTuple):
    """A recorded text, and what it answers."""

    section: str
    source: str
    text: str
    sends: bool = False


class _Named(msgspec.Struct):
    id: str
    client_order_id: str


def _feeds(payloads: Payloads) -> list[Feed]:
    feeds = [_of_sdk(item) for item in payloads.alpaca()]
    feeds += [Feed("balances", "ccxt/alpaca fetchBalance", text) for text in payloads.ccxt("alpaca", "fetchBalance")]
    feeds += [Feed("fills", "ccxt/alpaca fetchMyTrades", text) for text in payloads.ccxt("alpaca", "fetchMyTrades")]
    return [feed for feed in feeds if feed is not None]


def _of_sdk(item: Sdk) -> Feed | None:
    section = SECTIONS.get(item.test) or ("orders" if "order" in item.test or "close_position" in item.test else None)
    return None if section is None else Feed(section, f"alpaca_py {item.test}", item.body, sends=item.method == "POST")


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
                say(f"MISMATCH alpaca {feed.section} ({feed.source}): {mismatch}")
    finally:
        await server.stop()
    say(f"{'alpaca, native':<15}{passed + failed:>6}{records:>9}{checked:>9}{failed:>12}")
    say(f"left out: {LEFT}")
    return passed, failed


async def _feed_one(server: Loopback, feed: Feed) -> tuple[int, Verdict]:
    """One recorded text through HTTP and the adapter, before the judge."""

    def answer(_asked: Asked) -> tuple[int, str]:
        return 200, feed.text

    server.answer = answer
    broker = connected(f"http://127.0.0.1:{server.port}")
    try:
        found = await _read(broker, feed)
    except SourceIncomplete as part:
        sized = feed.source.startswith(SIZED_IN_MONEY) and "sized in money" in part.why
        return 0, Verdict(1, ()) if sized else Verdict(0, (part.why,))
    except (SourceError, ActionError) as error:
        return 0, Verdict(0, (f"{type(error).__name__}: {error}",))
    finally:
        await broker.close()
    return len(found), judge("alpaca", feed.section, feed.text, found, MARKETS)


async def _read(broker: AlpacaBroker, feed: Feed) -> tuple[Any, ...]:
    if feed.section == "positions":
        return await broker.get_positions()
    if feed.section == "balances":
        return await broker.get_balances()
    if feed.section == "fills":
        return await broker.get_fills(SINCE)
    if feed.text.lstrip().startswith("["):
        return await broker.get_open_orders()
    named = msgspec.json.decode(feed.text, type=_Named)
    if feed.sends:
        request = OrderRequest(
            client_order_id=named.client_order_id, asset="AAPL", side="buy", quantity=dec(1), type="market"
        )
        return (await broker.submit_order(request),)
    by_id = await broker.get_order(broker_order_id=named.id)
    assert await broker.get_order(client_order_id=named.client_order_id) == by_id
    return (by_id,)
