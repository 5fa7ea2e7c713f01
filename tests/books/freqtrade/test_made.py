"""What a real freqtrade made, kept (`keeping.py`): its database and its interface's answer, of one and the same moment."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.books.freqtrade.bot import SHORT, SPOT, Bot, as_listed, listening, make_database
from tests.books.freqtrade.keeping import MADE, columns

from tieout.books.freqtrade.books import FreqtradeBooks
from tieout.books.freqtrade.rest import Freqtrade
from tieout.clock import VirtualClock
from tieout.model.snapshot import Snapshot

CLOCK = VirtualClock(datetime(2026, 11, 22, tzinfo=UTC))
# BTC less a fee in BTC; ETH of an order that is still open; SOL bought, and left in part; XRP of an order that was
# cancelled after a part. ADA is closed, and another trade in ADA was cancelled whole.
HELD = {"BTC": Decimal("0.00999"), "ETH": Decimal("0.15"), "SOL": Decimal("1.3"), "XRP": Decimal(60)}


def status() -> Any:
    """What its interface told of its open trades."""
    return json.loads((MADE / "status.json").read_text("utf-8"))


async def read_file(path: Path = MADE / "trades.sqlite") -> Snapshot:
    """Its books by its database."""
    return await FreqtradeBooks("main", CLOCK, database=path).read()


async def read_interface() -> Snapshot:
    """Its books by its interface, which answers as the real one did."""
    async with listening(Bot()) as bot:
        bot.listed = status()
        return await FreqtradeBooks("main", CLOCK, bot=Freqtrade(bot.url, "bot", "pass")).read()


async def test_both_ways_tell_what_it_held() -> None:
    """Coin by coin what the venue held at that moment, whichever way it is read, and no position."""
    before = (MADE / "trades.sqlite").read_bytes()
    for read in (await read_file(), await read_interface()):
        assert {row.currency: row.total for row in read.balances or ()} == HELD
        assert (read.positions, read.coverage) == (None, {"balances": "partial"})
    assert (MADE / "trades.sqlite").read_bytes() == before


async def test_its_open_orders_and_its_stop() -> None:
    """Two that filled in part and a stop at the venue; the interface tells no limit of these, and of a stop no price."""
    wanted = [
        ("ETH/USDT", "buy", "limit", "partially_filled", "0.4", "0.15", "2500", None),
        ("SOL/USDT", "sell", "limit", "partially_filled", "2", "0.7", "200", None),
        ("XRP/USDT", "sell", "stop_limit", "open", "60", "0", "0.2475", "0.25"),
    ]
    for read, prices in ((await read_file(), True), (await read_interface(), False)):
        assert read.orders is not None
        for row, (name, side, kind, state, quantity, filled, limit, stop) in zip(read.orders, wanted, strict=True):
            assert (row.asset, row.side, row.type, row.status) == (name, side, kind, state)
            assert (row.quantity, row.filled) == (Decimal(quantity), Decimal(filled))
            assert row.limit_price == (Decimal(limit) if prices else None)
            assert row.stop_price == (Decimal(stop) if prices and stop else None)


async def test_its_own_amount_is_not_what_it_holds() -> None:
    """What a trade says of itself leaves out what an order that is still open filled: that is why orders are summed."""
    said = {trade["base_currency"]: Decimal(str(trade["amount"])) for trade in status()}
    assert (said["ETH"], said["SOL"]) == (Decimal(0), Decimal(2))


@pytest.mark.parametrize("table", ["trades", "orders"])
def test_the_made_up_database_is_one_of_its(table: str, tmp_path: Path) -> None:
    """What other tests make up has no column that the real one has not, and none of another type."""
    make_database(tmp_path / "t.sqlite", SPOT)
    made_up, real = columns(tmp_path / "t.sqlite")[table], columns(MADE / "trades.sqlite")[table]
    assert made_up.items() <= real.items()


@pytest.mark.parametrize("trade", [SPOT, SHORT])
def test_the_made_up_interface_is_one_of_its(trade: Any) -> None:
    """Nor does the made-up interface tell a field that the real one has not."""
    made_up, real = as_listed(1, trade), status()[0]
    assert set(made_up) <= set(real)
    assert set(made_up["orders"][0]) <= set(real["orders"][0])


def test_nothing_of_a_machine_is_kept() -> None:
    """No path, no address, no key, no word of its configuration."""
    for name in ("trades.sqlite", "status.json"):
        raw = (MADE / name).read_bytes()
        assert not re.search(rb"https?:|127\.0|localhost|/tmp|/home|/root|/usr|password|secret|nobody|demo", raw, re.I)
