"""Venues that are read a page deep, with what is left out as named gaps."""

from __future__ import annotations

from tieout.brokers.ccxt import cash, mend
from tieout.brokers.ccxt.calls import Call, Venue

VENUES: dict[str, Venue] = {
    "kucoin": Venue(
        orders=(Call("/api/v1/orders", ("data", "items"), {"type": "spot"}, 50),),
        fills=(Call("/api/v1/fills", ("data", "items"), {"type": "spot"}, 50),),
        balances=(
            Call(
                "/api/v1/accounts",
                params={"type": "trade"},
                cash=cash.table("data", currency="currency", total="balance", available="available", locked="holds"),
            ),
        ),
        gaps={
            "orders": "stop, margin and high-frequency orders are not read",
            "balances": "only the trade account is read",
            "fills": "only spot fills are read",
        },
        fills_days=7,
        options={"uta": False},
        lookup="id",
    ),
    "kucoinfutures": Venue(
        positions=(Call("/api/v1/positions", ("data",)),),
        orders=(Call("/api/v1/orders", ("data", "items"), {"type": "swap"}, 50),),
        fills=(Call("/api/v1/fills", ("data", "items"), {"type": "swap"}, 50),),
        position=mend.kucoin_position,
        gaps={"orders": "stop orders are not read"},
        options={"uta": False},
        hedge_mode=True,
        fills_days=7,
    ),
    "gate": Venue(
        positions=tuple(
            Call(f"/{kind}/{settle}/positions", params={"type": name, "settle": settle}, page=100)
            for kind, name, settle in (
                ("futures", "swap", "usdt"),
                ("futures", "swap", "btc"),
                ("delivery", "future", "usdt"),
            )
        ),
        orders=(Call("/spot/open_orders", params={"type": "spot"}, inner="orders"),),
        fills=(Call("/spot/my_trades", params={"type": "spot"}, page=100),),
        balances=(
            Call(
                "/spot/accounts",
                params={"type": "spot"},
                cash=cash.table(currency="currency", available="available", locked="locked"),
            ),
        ),
        position=mend.gate_position,
        order=mend.gate_order,
        gaps={
            "orders": "orders of futures and trigger orders are not read",
            "fills": "fills of futures are not read",
            "balances": "only the spot account is read",
        },
        fills_days=30,
        hedge_mode=True,
    ),
    "bitfinex": Venue(
        positions=(Call("/auth/r/positions"),),
        orders=(Call("/auth/r/orders", page=2500),),
        fills=(Call("/auth/r/trades/hist", params={"limit": 2500}, page=2500),),
        balances=(Call("/auth/r/wallets", cash=cash.bitfinex),),
        position=mend.bitfinex_position,
        order=mend.bitfinex_order,
        at_once=1,
    ),
    "gemini": Venue(
        orders=(Call("/v1/orders"),),
        fills=(Call("/v1/mytrades", params={"limit_trades": 500}, page=500, per_asset=True),),
        balances=(Call("/v1/balances", cash=cash.table(currency="currency", total="amount", available="available")),),
        at_once=1,
    ),
}
