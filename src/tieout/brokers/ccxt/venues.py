"""What is asked of each venue for each section, and how an answer proves that it is whole. Data, read by `reader`.

A `gap` names what a section does not cover yet: it is then never complete, unless the operator says that nothing
is held there.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from tieout.brokers.ccxt import cash, mend
from tieout.model.snapshot import Section

Path = tuple[str | int, ...]


class Call(Struct, frozen=True):
    """One request. `page` rows or more mean that others may follow; so does a value at `more`; where both are set, both."""

    endpoint: str
    rows: Path = ()
    params: dict[str, Any] = field(default_factory=dict)
    page: int | None = None
    more: Path | None = None
    per_asset: bool = False  # has to be asked for each asset by name
    latest: bool = False  # gives its latest rows, whatever time is asked for
    zero: str | None = None  # ccxt drops rows in which this raw field is 0
    method: str | None = None  # ccxt's name of the endpoint, where its unified method does not ask for all
    keyed: bool = False  # the rows are an object's values, not a list
    cash: cash.Reader | None = None  # how a body of balances is read
    inner: str | None = None  # the rows are groups, with the rows proper in this field


class Venue(Struct, frozen=True):
    """A venue's scopes and quirks. A section without calls is not read."""

    positions: tuple[Call, ...] = ()
    orders: tuple[Call, ...] = ()
    fills: tuple[Call, ...] = ()
    balances: tuple[Call, ...] = ()
    position: mend.Mend = mend.as_it_is
    order: mend.Mend = mend.as_it_is
    fill: mend.Mend = mend.as_it_is
    gaps: dict[Section, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    lookup: Literal["id", "asset", "none"] = "none"  # what an order is looked up by: its id, or its id and its asset
    client_id: str | None = None  # the parameter that looks an order up by the client's id
    lookup_params: tuple[dict[str, Any], ...] = ({},)  # conditional orders live apart at some venues
    legs: dict[str, dict[str, Any]] = field(default_factory=dict)  # how an order names its leg
    hedge_mode: bool = False
    fills_days: int | None = None  # how far back one request for fills reaches from its start
    at_once: int = 4  # requests under way together; 1 where a key's nonce has to grow from each request to the next

    @property
    def sections(self) -> frozenset[Section]:
        """The sections that are read here."""
        calls: dict[Section, object] = {
            "positions": self.positions, "balances": self.balances, "orders": self.orders, "fills": self.fills,
        }  # fmt: skip
        return frozenset(name for name, asked in calls.items() if asked)


_BINANCE_OPTIONS = {"warnOnFetchOpenOrdersWithoutSymbol": False, "fetchOpenOrders": {"warnWithoutSymbol": False}}
_BINANCE_WALLET = cash.table("assets", currency="asset", total="walletBalance")
_BYBIT_ROWS: Path = ("result", "list")
_BYBIT_MORE: Path = ("result", "nextPageCursor")
_BYBIT_SCOPES: tuple[dict[str, Any], ...] = (
    {"category": "linear", "settleCoin": "USDT"},
    {"category": "linear", "settleCoin": "USDC"},
    {"category": "inverse"},
    {"category": "option"},
)
_CONDITIONAL: tuple[dict[str, Any], ...] = ({}, {"trigger": True})
_OKX_ALGOS = ("conditional,oco", "trigger", "move_order_stop", "iceberg", "twap")


def _bybit(endpoint: str, method: str, page: int, *scopes: dict[str, Any]) -> tuple[Call, ...]:
    """Asked endpoint by endpoint: ccxt's own methods add a settle coin of USDT even to inverse contracts."""
    return tuple(
        Call(endpoint, _BYBIT_ROWS, {**scope, "limit": page}, page, _BYBIT_MORE, method=method) for scope in scopes
    )


def _binance_futures(prefix: str, positions: str, wallet: str) -> Venue:
    return Venue(
        positions=(Call(positions, zero="positionAmt"),),
        orders=(Call(f"/{prefix}/v1/openOrders"), Call(f"/{prefix}/v1/openAlgoOrders", params={"trigger": True})),
        fills=(Call(f"/{prefix}/v1/userTrades", page=1000, params={"limit": 1000}, per_asset=True),),
        balances=(Call(f"/{prefix}/{wallet}/account", cash=_BINANCE_WALLET),),
        position=mend.binance_position,
        options=_BINANCE_OPTIONS,
        lookup="asset",
        client_id="origClientOrderId",
        lookup_params=_CONDITIONAL,
        legs={"long": {"positionSide": "LONG"}, "short": {"positionSide": "SHORT"}},
        hedge_mode=True,
        fills_days=7,
    )


VENUES: dict[str, Venue] = {
    "binance": Venue(
        orders=(Call("/api/v3/openOrders"),),
        fills=(Call("/api/v3/myTrades", params={"limit": 1000}, page=1000, per_asset=True),),
        balances=(
            Call("/api/v3/account", cash=cash.table("balances", currency="asset", available="free", locked="locked")),
        ),
        options=_BINANCE_OPTIONS,
        lookup="asset",
        client_id="origClientOrderId",
        fills_days=1,
    ),
    "binanceusdm": _binance_futures("fapi", "/fapi/v3/positionRisk", "v3"),
    "binancecoinm": _binance_futures("dapi", "/dapi/v1/positionRisk", "v1"),
    "bybit": Venue(
        positions=_bybit("/v5/position/list", "privateGetV5PositionList", 200, *_BYBIT_SCOPES),
        orders=_bybit("/v5/order/realtime", "privateGetV5OrderRealtime", 50, *_BYBIT_SCOPES, {"category": "spot"}),
        fills=_bybit(
            "/v5/execution/list",
            "privateGetV5ExecutionList",
            100,
            *({"category": kind} for kind in ("linear", "inverse", "spot", "option")),
        ),
        balances=(
            Call(
                "/v5/account/wallet-balance",
                params={"type": "unified"},
                cash=cash.table("result", "list", 0, "coin", currency="coin", total="walletBalance", locked="locked"),
            ),
        ),
        fill=mend.bybit_fill,
        legs={"long": {"positionIdx": 1}, "short": {"positionIdx": 2}},
        hedge_mode=True,
        fills_days=7,
    ),
    "okx": Venue(
        positions=(Call("/account/positions", ("data",)),),
        orders=(
            Call("/trade/orders-pending", ("data",), page=100),
            *(Call("/trade/orders-algo-pending", ("data",), {"trigger": True, "ordType": k}, 100) for k in _OKX_ALGOS),
        ),
        fills=tuple(
            Call("/trade/fills-history", ("data",), {"instType": kind}, 100)
            for kind in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
        ),
        balances=(
            Call(
                "/account/balance",
                cash=cash.table(
                    "data", 0, "details", currency="ccy", total="cashBal", available="availBal", locked="frozenBal"
                ),
            ),
        ),
        position=mend.okx_position,
        order=mend.okx_order,
        lookup="asset",
        client_id="clOrdId",
        lookup_params=_CONDITIONAL,
        legs={"long": {"posSide": "long"}, "short": {"posSide": "short"}},
        hedge_mode=True,
        fills_days=90,
    ),
    "kraken": Venue(
        positions=(Call("/0/private/OpenPositions", ("result",), keyed=True),),
        orders=(Call("/0/private/OpenOrders", ("result", "open"), keyed=True),),
        fills=(Call("/0/private/TradesHistory", ("result", "trades"), page=50, keyed=True),),
        balances=(Call("/0/private/BalanceEx", cash=cash.keyed("result", total="balance", locked="hold_trade")),),
        position=mend.kraken_position,
        order=mend.kraken_order,
        fill=mend.kraken_fill,
        lookup="id",
        at_once=1,
    ),
    "krakenfutures": Venue(
        positions=(Call("/openpositions", ("openPositions",)),),
        orders=(Call("/openorders", ("openOrders",)),),
        fills=(Call("/fills", ("fills",), page=100, latest=True),),
        balances=(Call("/accounts", params={"type": "flex"}, cash=cash.kraken_futures),),
        order=mend.kraken_futures_order,
        fill=mend.kraken_futures_fill,
    ),
    "coinbase": Venue(
        positions=(Call("/brokerage/cfm/positions", ("positions",)),),
        orders=tuple(
            Call("/brokerage/orders/historical/batch", ("orders",), {"order_status": status}, more=("has_next",))
            for status in ("OPEN", "PENDING", "QUEUED")
        ),
        fills=(Call("/brokerage/orders/historical/fills", ("fills",), {"limit": 250}, 250, ("cursor",)),),
        balances=(
            Call(
                "/brokerage/accounts",
                params={"v3": True},
                cash=cash.table(
                    "accounts", currency="currency", available="available_balance.value", locked="hold.value"
                ),
            ),
        ),
        position=mend.coinbase_position,
        fill=mend.coinbase_fill,
        gaps={"positions": "perpetuals held in an INTX portfolio are not read"},
        lookup="id",
    ),
    "hyperliquid": Venue(
        positions=(Call("/info", ("assetPositions",)),),
        orders=(Call("/info"),),
        fills=(Call("/info", page=2000),),
        balances=(
            Call("/info", params={"type": "swap", "enableUnifiedMargin": False}, cash=cash.hyperliquid_perpetuals),
            Call(
                "/info",
                params={"type": "spot", "enableUnifiedMargin": False},
                cash=cash.table("balances", currency="coin", total="total", locked="hold"),
            ),
        ),
        position=mend.hyperliquid_position,
        fill=mend.hyperliquid_fill,
        gaps={
            "positions": "only the main perpetual exchange is read, not those of builders",
            "orders": "only the main perpetual exchange is read, not those of builders",
        },
    ),
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
UNKNOWN = Venue()


def venue(name: str) -> Venue:
    """What is known of the venue that ccxt calls *name*; one that is not listed has no sections."""
    return VENUES.get(name, UNKNOWN)
