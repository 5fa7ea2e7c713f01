"""The real freqtrade: its books are read right both ways, a difference is seen, and its halts are proved."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.books.freqtrade.keeping import MADE, columns
from tests.books.freqtrade.real import (
    ACCOUNT,
    LOGIN,
    PASSWORD,
    USER,
    CannotBeHad,
    Running,
    environment,
    futures_world,
    spot_world,
    traded,
    trading,
)
from tests.proving import PROVE

from tieout.books.freqtrade.books import FreqtradeBooks
from tieout.brokers.base import BrokerAdapter
from tieout.brokers.loopback.binance import LoopbackBinance
from tieout.brokers.loopback.street import Plot, adapter_of
from tieout.brokers.simulated.server import listening as served
from tieout.brokers.simulated.venue_api import Venue
from tieout.brokers.wire.venues import limits_of
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock
from tieout.errors import SourceMalformed
from tieout.halts.freqtrade import FreqtradeHalts
from tieout.live.account import Account
from tieout.live.reconciler import PositionReconciler
from tieout.model.changes import SetBalance
from tieout.model.halt import Halt
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import OrderSide, Section, Snapshot

pytestmark = [pytest.mark.prove, pytest.mark.skipif(not PROVE, reason="the real freqtrade, minutes: make prove")]
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python that has freqtrade; skips, with the reason, where it cannot be had."""
    folder = tmp_path_factory.mktemp("freqtrade")
    try:
        yield environment(folder)
    except CannotBeHad as why:
        pytest.skip(str(why))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def both(bot: Running) -> dict[str, FreqtradeBooks]:
    """Its books by its interface, and by its database."""
    return {
        "interface": FreqtradeBooks(ACCOUNT, CLOCK, bot=bot.interface),
        "database": FreqtradeBooks(ACCOUNT, CLOCK, database=bot.database),
    }


@asynccontextmanager
async def asked(bot: Running) -> AsyncIterator[BrokerAdapter]:
    """The venue, as ccxt reads it for us."""
    assets = tuple(bot.world.state.instruments)
    name = "binanceusdm" if any(":" in asset for asset in assets) else "binance"
    plot = Plot(ACCOUNT, name, LoopbackBinance, ("USDT", "0"), tuple((asset, "0", "1") for asset in assets), "spot")
    broker = adapter_of(plot, LOGIN, bot.venue.url, Wire(name, clock=CLOCK, limits=limits_of(name), random=Random(1)))
    try:
        yield broker
    finally:
        await broker.close()


async def reconciled(bot: Running, books: FreqtradeBooks, *required: Section) -> ReconciliationReport:
    """A whole reconciliation of its books with the venue."""
    async with asked(bot) as broker:
        account = Account(name=ACCOUNT, local=books, broker=broker, settings=Settings(required=("orders", *required)))
        return await PositionReconciler({ACCOUNT: account}, CLOCK).reconcile(ACCOUNT)


def coins(snapshot: Snapshot) -> dict[str, Decimal]:
    """What is held, by coin; cash and what fees are paid with set aside, of which freqtrade says nothing."""
    rows = snapshot.balances or ()
    return {row.currency: row.total for row in rows if row.total and row.currency not in ("USDT", "BNB")}


async def test_its_books_are_read_right(python: Path, tmp_path: Path) -> None:
    """Both ways they hold what the venue holds, coin by coin, and reconcile; a sale by hand is seen."""
    async with trading(python, tmp_path / "bot", spot_world()) as bot:
        await traded(bot)
        held = {"BTC": "0.00999", "ETH": "0.15", "SOL": "1.3", "XRP": "60"}
        for name, books in both(bot).items():
            read = await books.read()
            assert coins(read) == {coin: Decimal(amount) for coin, amount in held.items()}, name
            assert coins(bot.world.snapshot(ACCOUNT)) == coins(read), name
            report = await reconciled(bot, books)
            assert (report.status, report.discrepancies) == ("matched", ()), name
        assert columns(bot.database) == columns(MADE / "trades.sqlite")
        await corrected(bot)


async def corrected(bot: Running) -> None:
    """What somebody sells and buys by hand is seen both ways, and gone once the bot was had to reload."""
    steps: tuple[tuple[OrderSide, int, int], ...] = (("sell", 10, 50), ("buy", 25, 75), ("sell", 75, 0))
    for side, quantity, left in steps:
        signed = quantity if side == "buy" else -quantity
        bot.world.trade(ACCOUNT, "XRP/USDT", side, Decimal(quantity), Decimal("0.6"))
        for name, books in both(bot).items():
            (found,) = (await reconciled(bot, books)).discrepancies
            assert (found.asset, found.difference) == ("XRP", Decimal(signed)), name
        books = both(bot)["interface"]
        await books.hand_over(f"c{left}", [SetBalance("XRP", Decimal(left), "unexplained")], reason="by hand")
        assert coins(await books.read()).get("XRP", Decimal(0)) == left
        assert (await reconciled(bot, books)).status == "matched"


CONFIG = """
[settings]
settle_seconds = "0.2"
required = ["orders"]
[accounts.bot.local]
kind = "freqtrade"
url = "{url}"
username = "{user}"
password_env = "FREQTRADE_PASSWORD"
[accounts.bot.broker]
kind = "simulated"
url = "http://127.0.0.1:{port}"
"""


async def checked(folder: Path) -> tuple[int, dict[str, Any]]:
    """Status and report of `tieout check`, as somebody runs it."""
    command = [sys.executable, "-m", "tieout", "check", "--format", "json"]
    told = {**os.environ, "FREQTRADE_PASSWORD": PASSWORD}
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=PIPE, env=told)
    out, said = await process.communicate()
    assert PASSWORD.encode() not in out + said
    return process.returncode or 0, json.loads(out)


async def test_check_from_outside(python: Path, tmp_path: Path) -> None:
    """`tieout check` matches a bot with its venue, and exits with 1 for what was sold by hand."""
    async with trading(python, tmp_path / "bot", spot_world()) as bot, served(Venue(bot.world)) as port:
        (tmp_path / "tieout.toml").write_text(CONFIG.format(url=bot.url, user=USER, port=port))
        await bot.enter("BTC/USDT", "50000", "500")
        await bot.enter("XRP/USDT", "0.5", "100")
        await bot.turns()
        status, report = await checked(tmp_path)
        assert (status, report["status"], report["discrepancies"]) == (0, "matched", [])
        bot.world.trade(ACCOUNT, "XRP/USDT", "sell", Decimal(3), Decimal("0.5"))
        status, report = await checked(tmp_path)
        assert (status, [row["difference"] for row in report["discrepancies"]]) == (1, ["-3"])


FUTURES = {"trading_mode": "futures", "margin_mode": "isolated"}


async def test_futures_with_stops_at_the_venue(python: Path, tmp_path: Path) -> None:
    """A long, a short that was bought back in part and an order that filled in part: positions, orders and stops agree."""
    async with trading(python, tmp_path / "bot", futures_world(), **FUTURES) as bot:
        world = bot.world
        await bot.enter("SOL/USDT:USDT", "150", "300")
        short = await bot.enter("ETH/USDT:USDT", "2500", "500", side="short", leverage=2)
        world.set_price("BTC/USDT:USDT", Decimal(51000))
        await bot.enter("BTC/USDT:USDT", "50000", "1000")
        world.fill(ACCOUNT, bot.live("BTC/USDT:USDT")[0], Decimal("0.007"), Decimal("49990"))
        await bot.turns()
        await bot.leave(short, "2000")
        await bot.turns()
        cover = next(row.order for row in world.state.account(ACCOUNT).live.values() if row.order.limit_price == 2000)
        world.fill(ACCOUNT, cover.broker_order_id or "", Decimal("0.15"), Decimal(2000))
        await bot.turns()
        held = {"SOL/USDT:USDT": Decimal(2), "ETH/USDT:USDT": Decimal("-0.25"), "BTC/USDT:USDT": Decimal("0.007")}
        for name, books in both(bot).items():
            read = await books.read()
            assert {row.asset: row.amount for row in read.positions or ()} == held, name
            assert "stop_limit" in {row.type for row in read.orders or ()}, name
            report = await reconciled(bot, books, "positions")
            assert (report.status, report.discrepancies) == ("matched", ()), name
        world.trade(ACCOUNT, "SOL/USDT:USDT", "sell", Decimal("0.5"), Decimal(150))
        for name, books in both(bot).items():
            (found,) = (await reconciled(bot, books, "positions")).discrepancies
            assert (found.asset, found.difference) == ("SOL/USDT:USDT", Decimal("-0.5")), name


async def test_paper_is_no_account(python: Path, tmp_path: Path) -> None:
    """A bot on paper sends nothing; its books are refused, unless it is meant to trade on paper: then they are read."""
    async with trading(python, tmp_path / "bot", spot_world(), dry_run=True) as bot:
        await bot.enter("BTC/USDT", "50000", "500")
        await bot.turns()
        assert not bot.world.state.account(ACCOUNT).orders
        for books in both(bot).values():
            with pytest.raises(SourceMalformed, match="on paper"):
                await books.read()
        for where in ({"bot": bot.interface}, {"database": bot.database}):
            meant = FreqtradeBooks(ACCOUNT, CLOCK, dry_run=True, **where)
            assert coins(await meant.read()) == {"BTC": Decimal("0.01")}


BTC = Halt(id="h-btc", asset="BTC", reason="unexplained", since=CLOCK.now())
WHOLE = Halt(id="h-all", asset=None, reason="unexplained", since=CLOCK.now())


async def test_a_paused_bot_enters_nothing(python: Path, tmp_path: Path) -> None:
    """Halted it wants to enter, goes on turning, and sends nothing; it refuses a person, too. Lifted, it enters."""
    async with trading(python, tmp_path / "bot", spot_world()) as bot:
        halts = FreqtradeHalts(bot.interface, CLOCK)
        assert await halts.follow([WHOLE], lifts=True) is None
        bot.want("BTC/USDT", "SOL/USDT")
        await bot.turns()
        assert not bot.world.state.account(ACCOUNT).orders
        status, answer = await bot.ask("POST", "forceenter", {"pair": "SOL/USDT"})
        assert (status, "not running" in str(answer)) == (502, True)
        assert await halts.follow([], lifts=True) is None
        await bot.until(lambda: len(bot.world.state.account(ACCOUNT).orders) == 2)


async def test_a_locked_pair_is_not_entered(python: Path, tmp_path: Path) -> None:
    """Of two pairs that it wants to enter, it enters the one that is not halted, and the other once that was lifted."""
    async with trading(python, tmp_path / "bot", spot_world(), position_adjustment_enable=False) as bot:
        halts = FreqtradeHalts(bot.interface, CLOCK)
        assert await halts.follow([BTC], lifts=True) is None
        assert (await bot.interface.about()).state == "running"
        bot.want("BTC/USDT", "SOL/USDT")
        orders = bot.world.state.account(ACCOUNT).orders
        await bot.until(lambda: orders)
        await bot.turns()
        assert {row.order.asset for row in orders.values()} == {"SOL/USDT"}
        assert await halts.follow([], lifts=True) is None
        await bot.until(lambda: "BTC/USDT" in {row.order.asset for row in orders.values()})


async def test_a_stopped_bot_does_nothing_and_its_books_are_read(python: Path, tmp_path: Path) -> None:
    """It sends no order, and tells its trades all the same, with one and with none; started again it trades."""
    async with trading(python, tmp_path / "bot", spot_world()) as bot:
        halts, books = FreqtradeHalts(bot.interface, CLOCK, account="stop"), both(bot)["interface"]
        assert await halts.follow([WHOLE], lifts=True) is None
        assert (await books.read()).balances == ()
        bot.want("SOL/USDT")
        assert await halts.follow([], lifts=True) is None
        await bot.until(lambda: bot.world.state.account(ACCOUNT).orders)
        assert await halts.follow([WHOLE, BTC], lifts=True) is None
        assert coins(await books.read()) == coins(bot.world.snapshot(ACCOUNT))
