"""A venue nobody here wrote: Bitfinex's own mock server (npm, Apache-2.0), read by the adapter and the unmodified client.

It answers what it is told to, and 404 with a document of JSON for everything else. So each section is read twice: told, every
digit of every row has to arrive; not told, the read has to fail, and never to be an empty account.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conform.loopback import client, market
from tests.conform.output import say
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.clock import VirtualClock
from tieout.errors import SourceError
from tieout.model.amounts import ZERO, dec, plain
from tieout.model.snapshot import Balance, Fill, Order, Position

PACKAGE = "bfx-api-mock-srv@2.0.0"
NOW = datetime(2026, 3, 6, 15, tzinfo=UTC)
AT = 1772809200000  # a moment before, in milliseconds
# The server as it is, but on the loopback interface and a free port; told its answers line by line.
DRIVER = """
const { MockRESTv2Server } = require('bfx-api-mock-srv')
const server = new MockRESTv2Server({ listen: false })
const http = server._apiServer.listen(0, '127.0.0.1', () => console.log(http.address().port))
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const { key, rows } = JSON.parse(line)
  rows === null ? server._responses.delete(key) : server.setResponse(key, rows)
  console.log('told')
}).on('close', () => process.exit(0))
"""
Tell = Callable[[str, object], Awaitable[None]]


def _order(id_: int, cid: int | None, amount: float, kind: str, price: float, limit: float | None) -> list[object]:
    """An order as Bitfinex lists it: 32 places."""
    row: list[object] = [None] * 32
    row[:10] = [id_, None, cid, "tBTCUSD", AT, AT + 5, amount, 1.5 if amount > 0 else -0.5, kind, None]
    row[12], row[13], row[16], row[17], row[19] = 0, "ACTIVE", price, 0, limit
    return row


WALLETS = [
    ["exchange", "BTC", 1.25000001, 0, 1.25000001, None, None],
    ["exchange", "USD", 1000.5, 0, 900.25, None, None],
    ["margin", "USD", -0.00000001, 0, None, None, None],
]
_LEVERAGED = [0, 0, None, None, None, 10, None, 77, AT, AT, None, 0, None, 100, 50, None]
POSITIONS = [["tBTCF0:USTF0", "ACTIVE", -0.12345678, 68012.3, *_LEVERAGED]]
ORDERS = [
    _order(33961681942, 1227, -0.5, "EXCHANGE LIMIT", 68123.4, None),
    _order(33961681943, None, 1.25, "EXCHANGE STOP", 70000.1, None),
]
TRADES = [
    [
        402088407,
        "tBTCUSD",
        AT,
        33963608932,
        0.00000123,
        68011.123456789,
        "EXCHANGE MARKET",
        None,
        -1,
        -0.0000001,
        "USD",
        5,
    ],
    [402088408, "tBTCUSD", AT + 1, 33963608932, -2.5, 68011, "EXCHANGE LIMIT", 68011, 1, -0.034, "USD", 6],
]
MARKETS = [market("tBTCUSD", "BTC/USD"), market("tBTCF0:USTF0", "BTC/USDT:USDT", "1")]


class Section:
    """What the mock is told for one section, how it is read, and what has to come of it."""

    def __init__(
        self, name: str, key: str, rows: object, due: tuple[object, ...], seen: Callable[[Any], object]
    ) -> None:
        self.name, self.key, self.rows, self.due, self.seen = name, key, rows, due, seen


def _balance(row: Balance) -> object:
    return row.currency, str(row.total)


def _position(row: Position) -> object:
    return row.asset, str(row.amount), row.average_price


def _told(row: Order) -> object:
    return row.broker_order_id, row.client_order_id, row.side, str(row.quantity), row.limit_price, row.stop_price


def _fill(row: Fill) -> object:
    return row.fill_id, row.broker_order_id, row.side, str(row.quantity), str(row.price), plain(row.fee or ZERO)


SECTIONS = (
    Section("balances", "wallets", WALLETS, (("BTC", "1.25000001"), ("USD", "1000.49999999")), _balance),
    Section("positions", "positions", POSITIONS, (("BTC/USDT:USDT", "-0.12345678", dec("68012.3")),), _position),
    Section(
        "orders", "active_orders", ORDERS,
        (
            ("33961681942", "1227", "sell", "0.5", dec("68123.4"), None),
            ("33961681943", None, "buy", "1.5", None, dec("70000.1")),
        ),
        _told,
    ),
    Section(
        "fills", "trades", TRADES,
        (
            ("402088407", "33963608932", "buy", "0.00000123", "68011.123456789", "0.0000001"),
            ("402088408", "33963608932", "sell", "2.5", "68011", "0.034"),
        ),
        _fill,
    ),
)  # fmt: skip


def package() -> Path | None:
    """Where the mock is installed, once, in the machine's folder for temporary files; None where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    folder = Path(tempfile.gettempdir()) / "tieout-bitfinex"
    if not (folder / "node_modules" / "bfx-api-mock-srv").is_dir():
        ran = subprocess.run([npm, "install", "--silent", "--prefix", str(folder), PACKAGE], check=False)
        if ran.returncode:
            return None
    return folder


@asynccontextmanager
async def mocked(folder: Path) -> AsyncIterator[tuple[int, Tell]]:
    """The mock, running: its port, and how it is told what to answer (None: nothing any more)."""
    process = await asyncio.create_subprocess_exec(
        "node", "-e", DRIVER, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    source, sink = process.stdout, process.stdin
    assert source is not None and sink is not None
    try:
        async with asyncio.timeout(60):
            port = int(await source.readline())

        async def tell(key: str, rows: object) -> None:
            sink.write(json.dumps({"key": key, "rows": rows}).encode() + b"\n")
            assert await source.readline() == b"told\n"

        yield port, tell
    finally:
        sink.close()
        await process.wait()


async def _read(broker: CcxtBroker, name: str) -> tuple[Any, ...]:
    reads: dict[str, Callable[[], Awaitable[tuple[Any, ...]]]] = {
        "balances": broker.get_balances,
        "positions": broker.get_positions,
        "orders": broker.get_open_orders,
        "fills": lambda: broker.get_fills(datetime(2026, 3, 1, tzinfo=UTC)),
    }
    return await reads[name]()


async def _failure(broker: CcxtBroker, name: str) -> str:
    """What became of a read that has no answer: the kind of its failure, or what it took for the account."""
    try:
        rows = await _read(broker, name)
    except SourceError as error:
        return type(error).__name__
    return f"READ AS {rows}"


async def check(port: int, tell: Tell) -> list[str]:
    """A line for each check; those that failed begin with FAILED."""
    broker = CcxtBroker(
        "bitfinex", account="conform", client=client("bitfinex", port), markets=MARKETS, clock=VirtualClock(NOW)
    )
    lines = []
    for section in SECTIONS:
        lines.append(_line(f"{section.name} not told", await _failure(broker, section.name), "SourceError"))
        await tell(section.key, section.rows)
        found = tuple(section.seen(row) for row in await _read(broker, section.name))
        lines.append(_line(f"{section.name} as told", found, section.due))
        await tell(section.key, [])
        lines.append(_line(f"{section.name} told empty", await _read(broker, section.name), ()))
        await tell(section.key, {"error": "something else"})
        wrong = await _failure(broker, section.name)
        lines.append(_line(f"{section.name} of another shape", wrong.startswith("READ AS"), due=False))
        await tell(section.key, None)
    await broker.close()
    return lines


def _line(what: str, found: object, due: object) -> str:
    return f"bitfinex: {what}: {found}" if found == due else f"FAILED bitfinex: {what}: {found} instead of {due}"


async def run() -> tuple[int, int]:
    """Check all sections; how many checks passed and failed. Nothing where there is no npm."""
    folder = await asyncio.to_thread(package)
    if folder is None:
        say("Bitfinex's own mock server is left out: no node and npm here, or no registry")
        return 0, 0
    async with mocked(folder) as (port, tell):
        lines = await check(port, tell)
    failed = [line for line in lines if line.startswith("FAILED")]
    for line in failed:
        say(line)
    say(f"Bitfinex's own mock server: {len(lines)} checks, {len(failed)} failed")
    return len(lines) - len(failed), len(failed)


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(run())[1] else 0)
