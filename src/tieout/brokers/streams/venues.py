"""How each of ccxt's venues is listened to: a dialect, or none, and then it is looked at."""

from __future__ import annotations

import random as randomness
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from tieout.brokers.streams.binance import (
    COINM,
    COINM_TESTNET,
    SPOT,
    SPOT_TESTNET,
    USDM,
    USDM_TESTNET,
    BinanceFutures,
    BinanceSpot,
)
from tieout.brokers.streams.bybit import TESTNET as BYBIT_TESTNET
from tieout.brokers.streams.bybit import URL as BYBIT
from tieout.brokers.streams.bybit import Bybit
from tieout.brokers.streams.coinbase import URL as COINBASE
from tieout.brokers.streams.coinbase import Coinbase
from tieout.brokers.streams.dialect import Now
from tieout.brokers.streams.hyperliquid import TESTNET as HYPERLIQUID_TESTNET
from tieout.brokers.streams.hyperliquid import URL as HYPERLIQUID
from tieout.brokers.streams.hyperliquid import Hyperliquid
from tieout.brokers.streams.kept import Dialect
from tieout.brokers.streams.kraken import URL as KRAKEN
from tieout.brokers.streams.kraken import Kraken
from tieout.brokers.streams.okx import DEMO as OKX_DEMO
from tieout.brokers.streams.okx import URL as OKX
from tieout.brokers.streams.okx import Okx
from tieout.clock import Clock

Token = Callable[[str, str], Awaitable[str]]

# The address of the venue, and of its test network, where that has a stream.
URLS: dict[str, tuple[str, str | None]] = {
    "binance": (SPOT, SPOT_TESTNET),
    "binanceusdm": (USDM, USDM_TESTNET),
    "binancecoinm": (COINM, COINM_TESTNET),
    "bybit": (BYBIT, BYBIT_TESTNET),
    "okx": (OKX, OKX_DEMO),
    "kraken": (KRAKEN, None),
    "hyperliquid": (HYPERLIQUID, HYPERLIQUID_TESTNET),
    "coinbase": (COINBASE, None),
}


class Listens(Struct, frozen=True):
    """Who listens.

    Attributes:
        source: The adapter's name, for failures.
        credentials: Under ccxt's names.
        now: The venue's time.
        clock: What is waited on.
        random: For what has to differ each time.
        token: What the venue answers to one of ccxt's methods, by the name of its field.
    """

    source: str
    credentials: Mapping[str, str]
    now: Now
    clock: Clock
    random: randomness.Random
    token: Token

    def __repr__(self) -> str:
        return f"Listens({self.source!r})"  # what it signs with is nobody's to see


def dialect(venue: str, who: Listens, *, sandbox: bool = False, url: str | None = None) -> Dialect | None:
    """How *venue* is listened to; None where it has no stream that is known here.

    Args:
        venue: ccxt's id of it.
        who: Who listens.
        sandbox: Whether that is its test network.
        url: Instead of the venue's own address.
    """
    live, test = URLS.get(venue, (None, None))
    at = url or (test if sandbox else live)
    if at is None:
        return None
    match venue:
        case "binance":
            return BinanceSpot(who.source, who.credentials, who.now, at)
        case "binanceusdm":
            return BinanceFutures(who.source, lambda: who.token("fapiPrivatePostListenKey", "listenKey"), who.clock, at)
        case "binancecoinm":
            return BinanceFutures(who.source, lambda: who.token("dapiPrivatePostListenKey", "listenKey"), who.clock, at)
        case "bybit":
            return Bybit(who.source, who.credentials, who.now, at)
        case "okx":
            return Okx(who.source, who.credentials, who.now, at)
        case "kraken":
            return Kraken(who.source, lambda: who.token("privatePostGetWebSocketsToken", "token"), at)
        case "hyperliquid":
            return Hyperliquid(who.source, who.credentials.get("walletAddress", ""), at)
        case _:
            return Coinbase(who.source, who.credentials, who.now, who.random, at)
