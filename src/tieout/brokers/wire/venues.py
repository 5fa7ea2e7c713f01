"""What each venue allows, as data.

Venues that ccxt (4.5.90) reaches are counted in its costs, at its own pace, or the venue's where its documents say more.
Windows are as short as the venue's own, so that no burst is larger than it allows. What a venue limits by endpoint is so
where it is read often; other endpoints share the venue's pace.
"""

from __future__ import annotations

from tieout.brokers.wire.limits import Limits, Rates, spaced

_MINUTE = 60_000
# Counted by endpoint and user: https://www.okx.com/docs-v5/en/, under each endpoint
_OKX: dict[str, Rates] = {
    "account/balance": ((10, 2000),),
    "account/positions": ((10, 2000),),
    "account/bills-archive": ((5, 2000),),
    "trade/orders-pending": ((60, 2000),),
    "trade/orders-algo-pending": ((20, 2000),),
    "trade/fills-history": ((10, 2000),),
}
# Counted by endpoint and user: https://bybit-exchange.github.io/docs/v5/rate-limit
_BYBIT: dict[str, Rates] = {
    "v5/order/realtime": ((50, 1000),),
    "v5/order/history": ((50, 1000),),
    "v5/execution/list": ((50, 1000),),
    "v5/position/list": ((50, 1000),),
    "v5/account/wallet-balance": ((50, 1000),),
    "v5/account/transaction-log": ((30, 1000),),
}
# A counter of 15 that falls by one in 3 s, where ccxt's cost of a call is 3 (docs.kraken.com, Spot REST rate limits).
# As windows: each allows what a full counter and the next shorter window's time give, so that none between them is above it.
_KRAKEN: Rates = ((45, 3000), (48, 12_000), (57, 36_000), (81, 90_000))
LIMITS: dict[str, Limits] = {
    "alpaca": Limits(((200, _MINUTE),)),
    "dydx": Limits(((100, 10_000),), by="address"),
    "binance": Limits(((6000, _MINUTE),), by="address", per_cost=5),  # ccxt's cost of spot is a fifth of the weight
    "binanceusdm": Limits(((2400, _MINUTE),), by="address"),
    "binancecoinm": Limits(((2400, _MINUTE),), by="address"),
    "bybit": Limits(((50, 1000),), own=_BYBIT, together=((600, 5000),)),
    "okx": Limits(((18, 2000),), own=_OKX),
    "kraken": Limits(_KRAKEN),
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
