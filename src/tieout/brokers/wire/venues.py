"""What each venue allows, as data.

Venues that ccxt (4.5.90) reaches are counted in its costs, at its own pace, or the venue's where its documents say more.
Windows are as short as the venue's own, so that no burst is larger than it allows.
"""

from __future__ import annotations

from tieout.brokers.wire.limits import Limits, spaced

_MINUTE = 60_000
LIMITS: dict[str, Limits] = {
    "alpaca": Limits(((200, _MINUTE),)),
    "dydx": Limits(((100, 10_000),), by="address"),
    "binance": Limits(((6000, _MINUTE),), by="address", per_cost=5),  # ccxt's cost of spot is a fifth of the weight
    "binanceusdm": Limits(((2400, _MINUTE),), by="address"),
    "binancecoinm": Limits(((2400, _MINUTE),), by="address"),
    "bybit": Limits(((50, 1000),)),
    "okx": Limits(((18, 2000),)),
    "kraken": Limits(((45, 45_000),)),  # a counter of 15 that falls by one in 3 s; ccxt's cost of a call is 3
    "krakenfutures": Limits(((100, _MINUTE),)),
    "coinbase": Limits(((29, 1000),)),
    "hyperliquid": Limits(((1200, _MINUTE),), by="address"),
    "kucoin": Limits(((4000, 30_000),)),
    "kucoinfutures": Limits(((4000, 30_000),)),
    "gate": Limits(((20, 1000),)),
    "bitfinex": Limits(((4, 1000),), by="address"),
    "gemini": Limits(((10, 1000),)),
    "ib": Limits(((50, 1000),)),
}
UNKNOWN = spaced(1000)


def limits_of(venue: str) -> Limits:
    """What *venue* allows; one request a second where nobody knows."""
    return LIMITS.get(venue, UNKNOWN)
