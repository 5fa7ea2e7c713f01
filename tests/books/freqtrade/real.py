"""The real freqtrade, in an environment made for it alone, trading at a loopback venue by a rule that the test controls.

It is another program, under another licence: it is installed where it may be, run, and asked; nothing of it is here.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tieout.books.freqtrade.rest import Freqtrade
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.binance import LoopbackBinance
from tieout.brokers.simulated import Instrument, World
from tieout.clock import SystemClock

VERSION = "2026.9"
OWN = "TIEOUT_FREQTRADE_PYTHON"  # a Python that has it already, for whoever works on these tests
ACCOUNT, USER, PASSWORD = "bot", "tieout", "a-password-of-nobody"
LOGIN = Login(account=ACCOUNT, key="demo", secret="nobody")
INSTALL_S, START_S, SETTLE_S = 900, 240, 60
# Pair, price, step of quantities, what fees are taken in.
SPOT = (
    ("BTC/USDT", "50000", "0.00001", "BTC"),
    ("ETH/USDT", "2500", "0.0001", "BNB"),
    ("SOL/USDT", "150", "0.001", "USDT"),
    ("XRP/USDT", "0.5", "0.1", "USDT"),
    ("ADA/USDT", "0.4", "0.1", "USDT"),
)
FUTURES = (("BTC/USDT:USDT", "50000"), ("ETH/USDT:USDT", "2500"), ("SOL/USDT:USDT", "150"))
STRATEGY = """
from pathlib import Path

from freqtrade.strategy import IStrategy

WANTED = Path(__file__).with_name("wanted")


class Ruled(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {}
    stoploss = -0.5
    can_short = CAN_SHORT
    process_only_new_candles = False
    startup_candle_count = 1
    position_adjustment_enable = ADDS
    order_types = {"entry": "limit", "exit": "limit", "stoploss": "limit", "stoploss_on_exchange": ON_EXCHANGE}

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = int(WANTED.exists() and metadata["pair"] in WANTED.read_text().split())
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = 0
        return dataframe
"""


class CannotBeHad(Exception):
    """The environment could not be made here; its text says why."""


def environment(folder: Path) -> Path:
    """The Python of an environment with freqtrade in *folder*; a minute, and half a gigabyte.

    Raises:
        CannotBeHad: Its packages could not be had.
    """
    if OWN in os.environ:
        return Path(os.environ[OWN])
    venv.create(folder, with_pip=False)
    python, uv = folder / "bin" / "python", shutil.which("uv")
    outer = str(getattr(sys, "_base_executable", sys.executable))
    pip = [outer, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "-q", "--no-compile"]
    command = [uv, "pip", "install", "-q", "--python", str(python)] if uv else pip
    try:
        done = subprocess.run([*command, f"freqtrade=={VERSION}"], capture_output=True, timeout=INSTALL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBeHad(f"freqtrade could not be installed ({type(error).__name__})") from None
    if done.returncode:
        raise CannotBeHad(f"freqtrade {VERSION} could not be installed (status {done.returncode})")
    return python


def spot_world() -> World:
    """An account with dollars, and coins that fees are taken in."""
    world = World(SystemClock(), seed=7)
    world.add_account(ACCOUNT, currency="USDT")
    for asset, price, _, charged in SPOT:
        rate = Decimal("0.0000012") if charged == "BNB" else Decimal("0.001")
        base = asset.partition("/")[0]
        terms = Instrument(asset=asset, kind="spot", currency="USDT", base=base, fee_rate=rate, fee_currency=charged)
        world.add_instrument(terms)
        world.set_price(asset, Decimal(price))
    world.office.pay(ACCOUNT, "deposit", "USDT", Decimal(10000))
    world.office.pay(ACCOUNT, "deposit", "BNB", Decimal(1))
    return world


def futures_world() -> World:
    """An account with dollars, and contracts that settle in them."""
    world = World(SystemClock(), seed=7)
    world.add_account(ACCOUNT, currency="USDT")
    for asset, price in FUTURES:
        world.add_instrument(Instrument(asset=asset, kind="margin", currency="USDT", fee_rate=Decimal("0.0005")))
        world.set_price(asset, Decimal(price))
    world.office.pay(ACCOUNT, "deposit", "USDT", Decimal(10000))
    return world


@dataclass
class Running:
    """A bot that trades, and the venue that it trades at."""

    world: World
    venue: LoopbackVenue
    folder: Path
    url: str
    process: asyncio.subprocess.Process

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.folder / "trades.sqlite"

    @property
    def interface(self) -> Freqtrade:
        """Its interface, as our adapters ask it."""
        return Freqtrade(self.url, USER, PASSWORD)

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and document of a request, whatever they are."""
        shown = {"Authorization": aiohttp.encode_basic_auth(USER, PASSWORD)}
        async with (
            aiohttp.ClientSession(headers=shown) as session,
            session.request(method, f"{self.url}/api/v1/{path}", json=body) as answer,
        ):
            return answer.status, json.loads(await answer.read() or b"null")

    async def enter(self, pair: str, price: str, stake: str, **more: object) -> int:
        """Have it send a limit order to enter; the number of the trade."""
        told = {"pair": pair, "price": float(price), "stakeamount": float(stake), **more}
        status, trade = await self.ask("POST", "forceenter", told)
        assert status == 200, trade
        return int(trade["trade_id"])

    async def leave(self, trade: int, price: str) -> None:
        """Have it send a limit order to exit."""
        told = {"tradeid": str(trade), "ordertype": "limit", "price": float(price)}
        status, answer = await self.ask("POST", "forceexit", told)
        assert status == 200, answer

    def want(self, *pairs: str) -> None:
        """Have its strategy want to enter these pairs, and no others, from its next turn on."""
        (self.folder / "user_data" / "strategies" / "wanted").write_text(" ".join(pairs))

    def live(self, pair: str) -> list[str]:
        """The venue's ids of the live orders in *pair*."""
        return [id_ for id_, row in self.world.state.account(ACCOUNT).live.items() if row.order.asset == pair]

    async def until(self, what: Callable[[], object]) -> None:
        """Wait until something is so at the venue; fails where it is not after half a minute."""
        async with asyncio.timeout(SETTLE_S):
            while not what():  # noqa: ASYNC110  another process makes it so
                await asyncio.sleep(0.1)

    async def turns(self, count: int = 3) -> None:
        """Wait until it has gone over its trades that many times more, by what it says of itself."""
        seen: set[object] = set()
        async with asyncio.timeout(SETTLE_S):
            while len(seen) <= count:
                seen.add((await self.ask("GET", "health"))[1]["last_process_ts"])
                await asyncio.sleep(0.2)


@asynccontextmanager
async def trading(python: Path, folder: Path, world: World, **settings: Any) -> AsyncIterator[Running]:
    """A bot over *world*, running; *settings* go into its configuration. It ends with this."""
    strategies = folder / "user_data" / "strategies"
    strategies.mkdir(parents=True)
    futures = settings.get("trading_mode") == "futures"
    rule = STRATEGY.replace("CAN_SHORT", str(futures)).replace("ON_EXCHANGE", str(futures))
    rule = rule.replace("ADDS", str(settings.get("position_adjustment_enable", True)))
    (strategies / "ruled.py").write_text(rule)
    async with LoopbackBinance(world, LOGIN, clock=SystemClock()) as venue:
        venue.steps = dict.fromkeys(world.state.instruments, ("0.00001", "0.001"))
        venue.steps |= {asset: ("0.00001", step) for asset, _, step, _ in SPOT}
        port = _free()
        told = {**configuration(folder, venue.url, port, list(world.state.instruments)), **settings}
        (folder / "config.json").write_text(json.dumps(told))
        process = await _started(python, folder)
        running = Running(world, venue, folder, f"http://127.0.0.1:{port}", process)
        try:
            await _ready(running)
            yield running
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def traded(bot: Running) -> None:
    """Trades in every state: whole, partly filled, partly left, cancelled with a part and without, closed."""
    world = bot.world
    await bot.enter("BTC/USDT", "50000", "500")
    world.set_price("ETH/USDT", Decimal(2600))
    await bot.enter("ETH/USDT", "2500", "1000")
    world.fill(ACCOUNT, bot.live("ETH/USDT")[0], Decimal("0.15"), Decimal("2499.5"))
    sol = await bot.enter("SOL/USDT", "150", "300")
    await bot.turns()
    await bot.leave(sol, "200")
    await bot.until(lambda: bot.live("SOL/USDT"))
    world.fill(ACCOUNT, bot.live("SOL/USDT")[0], Decimal("0.7"), Decimal(200))
    for pair, filled in (("XRP/USDT", "60"), ("ADA/USDT", "")):
        limit = str(world.state.prices[pair].price)
        world.set_price(pair, Decimal("0.6"))
        trade = await bot.enter(pair, limit, "100")
        if filled:
            world.fill(ACCOUNT, bot.live(pair)[0], Decimal(filled), Decimal(limit))
            await bot.turns()
        await bot.ask("DELETE", f"trades/{trade}/open-order")
    ada = await bot.enter("ADA/USDT", "0.6", "60")
    await bot.turns()
    await bot.leave(ada, "0.6")
    await bot.turns()


def configuration(folder: Path, venue: str, port: int, pairs: list[str]) -> dict[str, Any]:
    """What is told to a bot; everything it asks of Binance goes to *venue*."""
    pricing = {"price_side": "same", "use_order_book": True, "order_book_top": 1}
    hooks = {"urls": {"api": addresses(venue)}, "enableRateLimit": False}
    venue_told = {"name": "binance", "key": LOGIN.key, "secret": LOGIN.secret, "enable_ws": False, "ccxt_config": hooks}
    interface = {
        "enabled": True, "listen_ip_address": "127.0.0.1", "listen_port": port, "verbosity": "error",
        "jwt_secret_key": "nobody" * 8, "username": USER, "password": PASSWORD,
    }  # fmt: skip
    return {
        "bot_name": "bot", "dry_run": False, "trading_mode": "spot", "margin_mode": "", "force_entry_enable": True,
        "max_open_trades": 9, "stake_currency": "USDT", "stake_amount": 100, "cancel_open_orders_on_exit": False,
        "unfilledtimeout": {"entry": 600, "exit": 600, "unit": "minutes"}, "entry_pricing": pricing, "exit_pricing": pricing,
        "exchange": {**venue_told, "pair_whitelist": pairs, "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "api_server": interface, "initial_state": "running", "internals": {"process_throttle_secs": 1},
        "db_url": f"sqlite:///{folder}/trades.sqlite",
    }  # fmt: skip


def addresses(venue: str) -> Mapping[str, str]:
    """Every address that ccxt knows of Binance, at *venue* instead."""
    paths = {
        "public": "api/v3", "private": "api/v3", "v1": "api/v1", "sapi": "sapi/v1", "sapiV2": "sapi/v2", "sapiV3": "sapi/v3",
        "sapiV4": "sapi/v4", "fapiPublic": "fapi/v1", "fapiPublicV2": "fapi/v2", "fapiPublicV3": "fapi/v3",
        "fapiPrivate": "fapi/v1", "fapiPrivateV2": "fapi/v2", "fapiPrivateV3": "fapi/v3", "fapiData": "futures/data",
        "dapiPublic": "dapi/v1", "dapiPrivate": "dapi/v1", "dapiPrivateV2": "dapi/v2", "dapiData": "futures/data",
        "eapiPublic": "eapi/v1", "eapiPrivate": "eapi/v1", "papi": "papi/v1", "papiV2": "papi/v2",
    }  # fmt: skip
    return {name: f"{venue}/{path}" for name, path in paths.items()}


async def _started(python: Path, folder: Path) -> asyncio.subprocess.Process:
    words = ["trade", "--config", "config.json", "--userdir", "user_data", "--strategy", "Ruled"]
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            python, "-m", "freqtrade", *words, cwd=folder, stdout=log, stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )  # fmt: skip


async def _ready(running: Running) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert running.process.returncode is None, (running.folder / "log").read_text("utf-8")[-2000:]
            try:
                if (await running.ask("GET", "health"))[1]["last_process_ts"]:
                    return
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.2)
            else:
                await asyncio.sleep(0.2)


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
