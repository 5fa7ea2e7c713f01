"""A database and an interface as a freqtrade bot has them, with made-up trades."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

TABLES = """
CREATE TABLE trades (
  id INTEGER PRIMARY KEY, exchange VARCHAR(25), pair VARCHAR(25), base_currency VARCHAR(25), stake_currency VARCHAR(25),
  is_open BOOLEAN, is_short BOOLEAN, amount FLOAT, open_rate FLOAT, trading_mode VARCHAR(7), leverage FLOAT,
  amount_precision FLOAT, precision_mode INTEGER, contract_size FLOAT);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, ft_trade_id INTEGER, ft_order_side VARCHAR(25), ft_pair VARCHAR(25), ft_is_open BOOLEAN,
  ft_amount FLOAT, ft_price FLOAT, order_id VARCHAR(255), status VARCHAR(255), symbol VARCHAR(25), order_type VARCHAR(50),
  side VARCHAR(25), price FLOAT, average FLOAT, amount FLOAT, filled FLOAT, remaining FLOAT, cost FLOAT, stop_price FLOAT,
  order_date DATETIME, order_filled_date DATETIME, order_update_date DATETIME, ft_fee_base FLOAT);
"""
ORDER_COLUMNS = """ft_trade_id, ft_order_side, ft_pair, ft_is_open, ft_amount, ft_price, order_id, status, order_type, price,
amount, filled, order_date, ft_fee_base"""
AT = "2026-11-20 12:00:00.250000"
# A spot trade whose entry has filled in two orders, one of them still open; the fee of the first was taken in the coin.
SPOT = (
    ("BTC/USDT", "BTC", "USDT", False, "spot", 0.00001, 4),
    (
        ("buy", False, "B1", "closed", "limit", 50000.0, 0.3, 0.3, 0.0003),
        ("buy", True, "B2", "open", "limit", 49000.0, 0.2, 0.1, None),
    ),
)
# A short of futures, half of it bought back by its stop.
SHORT = (
    ("ETH/USDT:USDT", "ETH", "USDT", True, "futures", 0.001, 4),
    (
        ("sell", False, "S1", "closed", "market", 3000.0, 2.0, 2.0, None),
        ("stoploss", True, "S2", "open", "stop_market", None, 2.0, 1.0, None),
    ),
)
CLOSED = (
    ("SOL/USDT:USDT", "SOL", "USDT", False, "futures", 1.0, 4),
    (("buy", False, "C1", "closed", "market", 100.0, 5.0, 5.0, None),),
)
Trade = tuple[tuple[Any, ...], tuple[tuple[Any, ...], ...]]


def make_database(path: Path, *trades: Trade, closed: tuple[Trade, ...] = ()) -> None:
    """A database with these trades."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(TABLES)
        for number, (head, orders) in enumerate((*trades, *closed), 1):
            pair, base, stake, short, mode, step, meant = head
            connection.execute(
                "INSERT INTO trades VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    number,
                    "binance",
                    pair,
                    base,
                    stake,
                    number <= len(trades),
                    short,
                    9.9,
                    1.0,
                    mode,
                    1.0,
                    step,
                    meant,
                    1.0,
                ),
            )
            for side, live, name, status, kind, price, amount, filled, fee in orders:
                connection.execute(
                    f"INSERT INTO orders ({ORDER_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        number,
                        side,
                        pair,
                        live,
                        amount,
                        price or 0.0,
                        name,
                        status,
                        kind,
                        price,
                        amount,
                        filled,
                        AT,
                        fee,
                    ),
                )
        connection.commit()


def as_listed(number: int, trade: Trade) -> dict[str, Any]:
    """A trade as `/status` lists it."""
    (pair, base, stake, short, mode, step, meant), orders = trade
    return {
        "trade_id": number, "pair": pair, "base_currency": base, "quote_currency": stake, "is_short": short,
        "trading_mode": mode, "amount": 9.9, "amount_precision": step, "precision_mode": meant, "open_rate": 1.0,
        "orders": [
            {
                "order_id": name, "ft_order_side": side, "is_open": live, "status": status, "order_type": kind,
                "safe_price": price or 0.0, "amount": amount, "filled": filled, "ft_fee_base": fee,
                "order_timestamp": 1763640000250, "order_filled_timestamp": None,
            }
            for side, live, name, status, kind, price, amount, filled, fee in orders
        ],
    }  # fmt: skip


class Bot:
    """An interface that answers as the bot would, and can be had to answer wrongly."""

    def __init__(self, *trades: Trade) -> None:
        self.trades, self.state, self.dry_run = list(trades), "running", False
        self.counted: int | None = None
        self.listed: Any = None
        self.asked: list[str] = []
        self.locks: list[dict[str, Any]] = []
        self.deaf = self.adds = False
        self.deaf_to: set[str] = set()
        self.gone: set[str] = set()  # what it fails at
        self.lost: set[str] = set()  # what it does, and fails to say so
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        if request.headers.get("Authorization") != "Basic Ym90OnBhc3M=":
            return web.json_response({"detail": "Unauthorized"}, status=401)
        path = request.path.removeprefix("/api/v1/")
        self.asked.append(f"{request.method} {path}")
        if path in self.gone:
            return web.json_response({"detail": "failed"}, status=500)
        if request.method == "GET":
            return web.json_response(self._told(path), dumps=json.dumps)
        done = await self._done(path, request)
        return web.json_response(done, status=502 if path in self.lost else 200)

    def _told(self, path: str) -> Any:
        if path == "show_config":
            return {"state": self.state, "dry_run": self.dry_run, "position_adjustment_enable": self.adds}
        if path == "profit":
            counted = len(self.trades) if self.counted is None else self.counted
            return {"trade_count": counted + 3, "closed_trade_count": 3, "profit_all_coin": 0.1}
        if path == "locks":
            return {"lock_count": len(self.locks), "locks": self.locks}
        if path == "whitelist":
            return {"whitelist": [head[0] for head, _ in self.trades], "length": len(self.trades)}
        listed = [as_listed(number, trade) for number, trade in enumerate(self.trades, 1)]
        return listed if self.listed is None else self.listed

    async def _done(self, path: str, request: web.Request) -> Any:
        if self.deaf or path in self.deaf_to:
            return {"status": "ok"}
        if path in ("pause", "stop", "start"):
            self.state = {"pause": "paused", "stop": "stopped", "start": "running"}[path]
        if path == "locks":
            told = await request.json()
            for lock in told:
                ends = int(datetime.fromisoformat(lock["until"]).timestamp() * 1000)
                self.locks.append({**lock, "active": True, "id": len(self.locks) + 1, "lock_end_timestamp": ends})
        if request.method == "DELETE":
            self.locks = [lock for lock in self.locks if path != f"locks/{lock['id']}"]
        return {"status": "ok"}


@asynccontextmanager
async def listening(bot: Bot) -> AsyncIterator[Bot]:
    """*bot*, at an address of this machine."""
    application = web.Application()
    application.router.add_route("*", "/api/v1/{rest:.*}", bot.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bot.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield bot
    finally:
        await runner.cleanup()
