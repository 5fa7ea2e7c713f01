"""A made-up venue on the loopback interface, read through the real ccxt client. All values are invented."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conform.loopback import Answer, Asked, Loopback, client, market

from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.clock import VirtualClock

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
MARKETS: Mapping[str, list[dict[str, Any]]] = {
    "binance": [
        market(
            "QQQEUR",
            "QQQ/EUR",
            precision={"amount": "0.001", "price": "0.01"},
            info={"orderTypes": ["LIMIT", "MARKET", "STOP_LOSS_LIMIT"]},
        )
    ],
    "binanceusdm": [market("QQQUSDT", "QQQ/USDT:USDT", "1")],
    "kraken": [market("QQQZEUR", "QQQ/EUR", altname="QQQEUR"), market("ZZZZEUR", "ZZZ/EUR", altname="ZZZEUR")],
    "krakenfutures": [market("PI_QQQUSD", "QQQ/USD:QQQ", "1")],
    "bybit": [market("QQQUSDT", "QQQ/USDT"), market("QQQUSDT", "QQQ/USDT:USDT", "1")],
    "kucoin": [market("QQQ-USDT", "QQQ/USDT")],
    "hyperliquid": [market("QQQ/USDC:USDC", "QQQ/USDC:USDC", "1"), market("@7", "ZZZ/USDC")],
    "coinbase": [market("QQQ-EUR", "QQQ/EUR")],
    "okx": [market("QQQ-USDT-SWAP", "QQQ/USDT:USDT", "0.01")],
}


@asynccontextmanager
async def venue(name: str, answer: Answer, **more: Any) -> AsyncIterator[tuple[CcxtBroker, list[Asked]]]:
    """A broker whose every request is answered by *answer*, and the list of what it asked."""
    server = Loopback()
    server.answer = known_account(answer) if name == "hyperliquid" else answer
    await server.start()
    known = {"markets": MARKETS[name], "clock": VirtualClock(SINCE + timedelta(hours=6)), **more}
    broker = CcxtBroker(name, account="invented", client=client(name, server.port), **known)
    try:
        yield broker, server.asked
    finally:
        await broker.close()
        await server.stop()


def known_account(answer: Answer, role: str = "user") -> Answer:
    """Hyperliquid's word on who an address is, where *answer* does not say it."""
    return lambda asked: (200, f'{{"role":"{role}"}}') if '"userRole"' in asked.said else answer(asked)


def at(paths: Mapping[str, str], otherwise: str = "{}", status: int = 200) -> Callable[[Asked], tuple[int, str]]:
    """Answer by the end of the path."""

    def answer(asked: Asked) -> tuple[int, str]:
        return status, next((text for path, text in paths.items() if asked.path.endswith(path)), otherwise)

    return answer


def always(status: int, text: str) -> Callable[[Asked], tuple[int, str]]:
    """Answer everything alike."""
    return lambda _asked: (status, text)
