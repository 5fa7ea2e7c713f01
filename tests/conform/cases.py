"""What is fed to whom: recorded answers by venue and section, and the small markets that they speak of."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.conform.loopback import market
from tests.conform.payloads import Payloads

Texts = Callable[[Payloads], list[str]]


class Feed(NamedTuple):
    """Where recorded texts come from, and which request they answer: its path ends so, and it says *when*."""

    venue: str
    section: str
    source: str
    path: str
    texts: Texts
    when: str = ""


class Left(NamedTuple):
    """A recording that is not fed, and why."""

    source: str
    why: str


def _jkorf(venue: str, section: str, file: str, name: str, path: str, when: str = "") -> Feed:
    return Feed(venue, section, f"jkorf/{file} {name}", path, lambda payloads: payloads.jkorf(file, name), when)


def _ccxt(venue: str, section: str, method: str, path: str, when: str = "") -> Feed:
    return Feed(venue, section, f"ccxt/{venue} {method}", path, lambda payloads: payloads.ccxt(venue, method), when)


def _nautilus(venue: str, section: str, file: str, path: str) -> Feed:
    return Feed(venue, section, f"nautilus/{file}", path, lambda payloads: payloads.nautilus(file))


def _replayed(venue: str, section: str, route: str, path: str) -> Feed:
    return Feed(
        venue, section, f"gocryptotrader/{venue} {route}", path, lambda payloads: payloads.replayed(venue, route)
    )


def _cassette(section: str, name: str, when: str) -> Feed:
    texts: Texts = lambda payloads: payloads.cassette(name)  # noqa: E731
    return Feed("hyperliquid", section, f"hyperliquid_sdk/{name}", "/info", texts, when)


FEEDS: tuple[Feed, ...] = (
    _jkorf("binance", "balances", "binance", "Spot/Account/GetAccountInfo", "/api/v3/account"),
    _jkorf("binance", "orders", "binance", "Spot/Trading/GetOpenOrders", "/api/v3/openOrders"),
    _jkorf("binance", "fills", "binance", "Spot/Trading/GetUserTrades", "/api/v3/myTrades"),
    _nautilus("binance", "balances", "binance/spot/http_json/account_response.json", "/api/v3/account"),
    _nautilus("binance", "orders", "binance/spot/http_json/open_orders_response.json", "/api/v3/openOrders"),
    _nautilus("binance", "fills", "binance/spot/http_json/account_trades_response.json", "/api/v3/myTrades"),
    Feed(
        "binance", "balances", "gocryptotrader/binance /api/v3/account", "/api/v3/account",
        lambda payloads: payloads.replayed("binance", "/api/v3/account", "{"),
    ),
    _replayed("binance", "orders", "/api/v3/openOrders", "/api/v3/openOrders"),
    _jkorf("binanceusdm", "positions", "binance", "UsdFutures/Trading/GetPositions", "/fapi/v3/positionRisk"),
    _jkorf("binanceusdm", "balances", "binance", "UsdFutures/Account/GetAccountInfoV3", "/fapi/v3/account"),
    _jkorf("binanceusdm", "balances", "binance", "UsdFutures/Account/GetAccountInfo", "/fapi/v3/account"),
    _jkorf("binanceusdm", "orders", "binance", "UsdFutures/Trading/GetOpenOrders", "/fapi/v1/openOrders"),
    _jkorf("binanceusdm", "orders", "binance", "UsdFutures/Trading/GetOpenConditionalOrders", "/fapi/v1/openAlgoOrders"),
    _jkorf("binanceusdm", "fills", "binance", "UsdFutures/Trading/GetUserTrades", "/fapi/v1/userTrades"),
    _nautilus("binanceusdm", "positions", "binance/futures/http_json/position_risk.json", "/fapi/v3/positionRisk"),
    _nautilus("binanceusdm", "balances", "binance/futures/http_json/account_info_v2.json", "/fapi/v3/account"),
    _nautilus("binanceusdm", "orders", "binance/futures/http_json/open_algo_orders.json", "/fapi/v1/openAlgoOrders"),
    _jkorf("binancecoinm", "positions", "binance", "CoinFutures/Account/GetPositionInformation", "/dapi/v1/positionRisk"),
    _jkorf("binancecoinm", "balances", "binance", "CoinFutures/Account/GetAccountInfo", "/dapi/v1/account"),
    _jkorf("binancecoinm", "orders", "binance", "CoinFutures/Trading/GetOpenOrders", "/dapi/v1/openOrders"),
    _jkorf("binancecoinm", "fills", "binance", "CoinFutures/Trading/GetUserTrades", "/dapi/v1/userTrades"),
    _jkorf("bybit", "positions", "bybit", "V5Api/Trading/GetPositions", "/v5/position/list", "category=inverse"),
    _jkorf("bybit", "balances", "bybit", "V5Api/Account/GetBalances", "/v5/account/wallet-balance"),
    _jkorf("bybit", "orders", "bybit", "V5Api/Trading/GetOrders", "/v5/order/realtime", "settleCoin=USDT"),
    _jkorf("bybit", "fills", "bybit", "V5Api/Trading/GetUserTrades", "/v5/execution/list", "category=linear"),
    _jkorf("okx", "positions", "okx", "UnifiedApi/Account/GetAccountPositions", "/account/positions"),
    _jkorf("okx", "balances", "okx", "UnifiedApi/Account/GetAccountBalance", "/account/balance"),
    _jkorf("okx", "orders", "okx", "UnifiedApi/Trading/GetOrders", "/trade/orders-pending"),
    _jkorf("okx", "fills", "okx", "UnifiedApi/Trading/GetUserTrades", "/trade/fills-history", "SPOT"),
    _jkorf("okx", "fills", "okx", "UnifiedApi/Trading/GetUserTradesArchive", "/trade/fills-history", "SPOT"),
    _ccxt("kraken", "positions", "fetchPositions", "/0/private/OpenPositions"),
    _ccxt("kraken", "orders", "fetchOpenOrders", "/0/private/OpenOrders"),
    _jkorf("kraken", "balances", "kraken", "Spot/Account/GetAvailableBalances", "/0/private/BalanceEx"),
    _jkorf("kraken", "orders", "kraken", "Spot/Trading/GetOpenOrders", "/0/private/OpenOrders"),
    _jkorf("kraken", "fills", "kraken", "Spot/Trading/GetUserTrades", "/0/private/TradesHistory"),
    _nautilus("kraken", "orders", "kraken/http_open_orders.json", "/0/private/OpenOrders"),
    _nautilus("kraken", "fills", "kraken/http_trades_history.json", "/0/private/TradesHistory"),
    _jkorf("krakenfutures", "positions", "kraken", "Futures/Trading/GetOpenPositions", "/openpositions"),
    _jkorf("krakenfutures", "balances", "kraken", "Futures/Account/GetBalances", "/accounts"),
    _jkorf("krakenfutures", "orders", "kraken", "Futures/Trading/GetOpenOrders", "/openorders"),
    _jkorf("krakenfutures", "fills", "kraken", "Futures/Trading/GetUserTrades", "/fills"),
    _nautilus("krakenfutures", "positions", "kraken/http_futures_open_positions.json", "/openpositions"),
    _nautilus("krakenfutures", "orders", "kraken/http_futures_open_orders.json", "/openorders"),
    _nautilus("krakenfutures", "fills", "kraken/http_futures_fills.json", "/fills"),
    _ccxt("coinbase", "fills", "fetchMyTrades", "/historical/fills"),
    _ccxt("coinbase", "orders", "fetchClosedOrders", "/historical/batch", "OPEN"),
    _jkorf("coinbase", "balances", "coinbase", "AdvancedTrade/Account/GetAccounts", "/brokerage/accounts"),
    _jkorf("coinbase", "positions", "coinbase", "AdvancedTrade/Trading/GetFuturesPositions", "/cfm/positions"),
    _jkorf("coinbase", "fills", "coinbase", "AdvancedTrade/Trading/GetUserTrades", "/historical/fills"),
    _nautilus("coinbase", "balances", "coinbase/http_accounts.json", "/brokerage/accounts"),
    _nautilus("coinbase", "positions", "coinbase/http_cfm_positions.json", "/cfm/positions"),
    _nautilus("coinbase", "fills", "coinbase/http_fills.json", "/historical/fills"),
    _cassette("positions", "test_get_user_state", "clearinghouseState"),
    _cassette("balances", "test_get_user_state", '"clearinghouseState'),
    _cassette("orders", "test_get_frontend_open_orders", "frontendOpenOrders"),
    _jkorf("hyperliquid", "positions", "hyperliquid", "Futures/Account/GetAccountInfo", "/info", "clearinghouseState"),
    _jkorf("hyperliquid", "balances", "hyperliquid", "Futures/Account/GetAccountInfo", "/info", '"clearinghouseState'),
    _jkorf("hyperliquid", "balances", "hyperliquid", "Spot/Account/GetBalances", "/info", "spotClearinghouseState"),
    _jkorf("hyperliquid", "orders", "hyperliquid", "Spot/Trading/GetOpenOrdersExtended", "/info", "frontendOpenOrders"),
    _jkorf("hyperliquid", "fills", "hyperliquid", "Spot/Trading/GetUserTrades", "/info", "userFillsByTime"),
    _jkorf("kucoin", "balances", "kucoin", "Spot/Account/GetAccounts", "/api/v1/accounts"),
    _jkorf("kucoin", "orders", "kucoin", "Spot/Trading/GetOrders", "/api/v1/orders"),
    _jkorf("kucoin", "fills", "kucoin", "Spot/Trading/GetUserTrades", "/api/v1/fills"),
    _jkorf("kucoinfutures", "positions", "kucoin", "Futures/Account/GetPositions", "/api/v1/positions"),
    _jkorf("kucoinfutures", "orders", "kucoin", "Futures/Trading/GetOrders", "/api/v1/orders"),
    _jkorf("kucoinfutures", "fills", "kucoin", "Futures/Trading/GetUserTrades", "/api/v1/fills"),
    _jkorf("gate", "positions", "gateio", "PerpetualFutures/Trading/GetPositions", "/futures/usdt/positions"),
    _jkorf("gate", "balances", "gateio", "Spot/Account/GetBalances", "/spot/accounts"),
    _jkorf("gate", "orders", "gateio", "Spot/Trading/GetOpenOrders", "/spot/open_orders"),
    _jkorf("bitfinex", "positions", "bitfinex", "Spot/Trading/GetPositions", "/auth/r/positions"),
    _jkorf("bitfinex", "balances", "bitfinex", "Spot/Account/GetBalances", "/auth/r/wallets"),
    _jkorf("bitfinex", "orders", "bitfinex", "Spot/Trading/GetOpenOrders", "/auth/r/orders"),
    _jkorf("bitfinex", "fills", "bitfinex", "Spot/Trading/GetUserTrades", "/auth/r/trades/hist"),
    _replayed("gemini", "balances", "/v1/balances", "/v1/balances"),
    _replayed("gemini", "fills", "/v1/mytrades", "/v1/mytrades"),
)  # fmt: skip

LEFT: tuple[Left, ...] = (
    Left("ccxt/dydx, nautilus/dydx", "dYdX is read by a native adapter, not through ccxt: see below"),
    Left("ccxt/alpaca, alpaca_py", "Alpaca has an adapter of its own: alpaca_recorded.py"),
    Left("ccxt/coinbase fetchBalance", "the old v2 form, which has no holds; v3 is what is asked"),
    Left(
        "nautilus/coinbase http_orders_list",
        "holds a finished order sized in quote currency, which has no base quantity",
    ),
    Left("jkorf/coinbase GetOrders", "one order with every order configuration at once: a schema, not an answer"),
    Left(
        "jkorf/kraken Spot OpenPositions, nautilus http_spot_open_positions", "not consolidated by market, as is asked"
    ),
    Left("jkorf/kraken Balance, nautilus http_spot_balance", "Balance; BalanceEx is what is asked"),
    Left("jkorf/hyperliquid GetOpenOrders, test_get_open_orders", "openOrders; frontendOpenOrders is what is asked"),
    Left(
        "hyperliquid_sdk/test_get_user_fills, _by_time",
        "of 2023, without trade ids: refused as malformed, as it must be",
    ),
    Left("jkorf/gateio Spot my_trades", "the recorded row names no currency pair"),
    Left("jkorf/gateio PerpetualFutures orders and trades", "not in the scope of this adapter yet"),
    Left("jkorf/binance v2 positionRisk, dapi balance; nautilus balance.json", "v3 and account are what is asked"),
    Left("jkorf margin, isolated, sub-account, savings, spread and unified-KuCoin endpoints", "not in scope"),
    Left("bitfinex_mock/rest2.json", "a mock's empty defaults; no numbers in it"),
    Left("gocryptotrader/gemini /v1/orders", "recorded without a body: used as a fault"),
    Left("ib", "Interactive Brokers is not a ccxt venue"),
)

_MARKETS: dict[str, tuple[tuple[str, ...], ...]] = {
    "binance": (("LTCBTC", "LTC/BTC"), ("BNBBTC", "BNB/BTC"), ("BTCUDT", "BTC/UDT")),
    "binanceusdm": (("BTCUSDT", "BTC/USDT:USDT", "1"), ("BNBUSDT", "BNB/USDT:USDT", "1")),
    "binancecoinm": (
        ("BTCUSD_201225", "BTC/USD:BTC-201225", "100"),
        ("BTCUSD_200925", "BTC/USD:BTC-200925", "100"),
        ("BTCUSD_200626", "BTC/USD:BTC-200626", "100"),
    ),
    "bybit": (("BTCUSD", "BTC/USD:BTC", "1"), ("ETHUSDT", "ETH/USDT:USDT", "1"), ("ETHPERP", "ETH/USDC:USDC", "1")),
    "okx": (("BTC-USDT", "BTC/USDT"), ("ETH-USD-210430", "ETH/USD:ETH-210430", "10")),
    "kraken": (
        ("LTCUSDT", "LTC/USDT"), ("ADAUSDT", "ADA/USDT"), ("XXBTZUSD", "BTC/USD", "", "XBTUSD"),
        ("XBTUSDT", "BTC/USDT"), ("ETHUSDT", "ETH/USDT"),
    ),
    "krakenfutures": (
        ("PI_XBTUSD", "BTC/USD:BTC", "1"), ("PI_ETHUSD", "ETH/USD:ETH", "1"), ("PF_DEFIUSD", "DEFI/USD:USD", "1"),
        ("FI_XBTUSD_201225", "BTC/USD:BTC-201225", "1"), ("FI_XBTUSD_200925", "BTC/USD:BTC-200925", "1"),
        ("FI_XBTUSD_191025", "BTC/USD:BTC-191025", "1"), ("PI_XRPUSD", "XRP/USD:XRP", "1"),
    ),
    "coinbase": (
        ("ADA-USDT", "ADA/USDT"), ("ADA-PERP-INTX", "ADA/USDC:USDC", "1"), ("BTC-USD", "BTC/USD"), ("ETH-USD", "ETH/USD"),
        ("BIP-20DEC30-CDE", "BTC/USD:USD-301220", "0.01"), ("string", "STRING/USD:USD", "1"),
    ),
    "kucoin": (("BTC-USDT", "BTC/USDT"),),
    "kucoinfutures": (("XBTUSDTM", "BTC/USDT:USDT", "0.001"), ("XBTUSDM", "BTC/USD:BTC", "1")),
    "gate": (("BTC_USDT", "BTC/USDT:USDT", "0.0001"), ("ETH_BTC", "ETH/BTC")),
    "bitfinex": (("tETHUSD", "ETH/USD"), ("tBTCUSD", "BTC/USD"), ("tETHUST", "ETH/USDT")),
    "gemini": (("btcusd", "BTC/USD"),),
}  # fmt: skip
ASSETS: dict[str, tuple[str, ...]] = {
    "binance": ("BNB/BTC",),
    "binanceusdm": ("BTC/USDT:USDT",),
    "binancecoinm": ("BTC/USD:BTC-200626",),
    "gemini": ("BTC/USD",),
}
_EMPTY: dict[str, str] = {
    "binance": "[]",
    "binanceusdm": "[]",
    "binancecoinm": "[]",
    "bybit": '{"retCode":0,"retMsg":"OK","result":{"list":[],"nextPageCursor":""}}',
    "okx": '{"code":"0","msg":"","data":[]}',
    "gate": "[]",
    "coinbase": '{"orders":[],"accounts":[],"portfolios":[],"has_next":false,"cursor":""}',
}
_INFO: dict[str, str] = {
    "clearinghouseState": '{"marginSummary":{"accountValue":"0"},"assetPositions":[]}',
    "spotClearinghouseState": '{"balances":[]}',
    "userAbstraction": '"default"',
    "userRole": '{"role":"user"}',
    "perpDexs": "[null]",
}


def markets(venue: str, text: str) -> list[dict[str, Any]]:
    """The markets that a venue's recordings speak of; Hyperliquid's are made from the coins that occur in *text*."""
    made = [_market(*told) for told in _MARKETS.get(venue, ())]
    coins = sorted(set(re.findall(r'"coin"\s*:\s*"([^"]+)"', text))) if venue == "hyperliquid" else []
    return made + [_coin(coin) for coin in coins]


def _market(id_: str, symbol: str, size: str = "", altname: str | None = None) -> dict[str, Any]:
    return market(id_, symbol, size or None, altname=altname)


def _coin(coin: str) -> dict[str, Any]:
    if coin.startswith("@"):
        return market(coin, f"T{coin[1:]}/USDC")
    if "/" in coin:
        return market(coin, coin)
    return market(f"{coin}/USDC:USDC", f"{coin}/USDC:USDC", "1")


def empty(venue: str, said: str = "") -> str:
    """How the venue says *nothing*, for the requests that no recording answers; *said* is the request's own text."""
    if venue == "hyperliquid":
        return next((text for kind, text in _INFO.items() if f'"{kind}"' in said), "[]")
    return _EMPTY.get(venue, "{}")
