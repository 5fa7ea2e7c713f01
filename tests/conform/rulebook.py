"""The judge's own knowledge: for each venue and section, which raw field must stand in which field of the record.

Written from the venues' documentation, not from the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext
from typing import Any

from tests.conform.rules import (
    Get,
    Row,
    Rule,
    at,
    given,
    iso,
    live,
    magnitude,
    micros,
    minus,
    ms,
    negated,
    num,
    plus,
    price,
    seconds,
    signed,
    summed,
    text,
    under,
)

_NONE = given(None)
_CASH = {"available": _NONE, "locked": _NONE, "usd_price": _NONE}
_ORDER = {"filled": _NONE, "limit_price": _NONE, "stop_price": _NONE, "created_at": _NONE, "updated_at": _NONE}


def _fill(rows: str, name: str, quantity: Get | str, fill_price: str, fee: Get, when: Get) -> Rule:
    size = num(quantity) if isinstance(quantity, str) else quantity
    return Rule(under(rows), text(name), {"quantity": size, "price": num(fill_price), "fee": fee, "at": when})


def _word(path: str, **words: str) -> Get:
    return lambda row: words.get(str(at(row, path)), str(at(row, path)).lower())


def _sign(path: str) -> Get:
    return lambda row: "buy" if Decimal(at(row, path)) > 0 else "sell"


def _position(rows: str, amount: Get, average: Get, mark: Get, name: Get, holds: Get) -> Rule:
    return Rule(under(rows), name, {"amount": amount, "average_price": average, "market_price": mark}, holds)


def _leg(symbol: str, side: str, **legs: str) -> Get:
    return lambda row: f"{at(row, symbol)} {legs.get(str(at(row, side)), 'net')}"


def _net(symbol: str) -> Get:
    return lambda row: f"{at(row, symbol)} net"


_BINANCE_POSITION = _position(
    "", num("positionAmt"), price("entryPrice"), price("markPrice"),
    _leg("symbol", "positionSide", LONG="long", SHORT="short"), live("positionAmt"),
)  # fmt: skip
_BINANCE_WALLET = Rule(
    under("assets"), text("asset"), {**_CASH, "total": num("walletBalance")}, live("walletBalance"),
)  # fmt: skip
_BINANCE_ORDER = Rule(
    under(), text("orderId"),
    {
        "quantity": num("origQty"), "filled": num("executedQty"), "limit_price": price("price"),
        "stop_price": price("stopPrice"), "created_at": ms("time"), "updated_at": ms("updateTime"),
    },
)  # fmt: skip
_BINANCE_ALGO = Rule(
    under(), text("algoId"),
    {
        "quantity": num("quantity"), "filled": given("0"), "limit_price": price("price"),
        "stop_price": price("triggerPrice"), "created_at": ms("createTime"), "updated_at": ms("updateTime"),
    },
)  # fmt: skip
_BINANCE_FILL = _fill("", "id", "qty", "price", num("commission"), ms("time"))


def _binance_orders(body: Any) -> Rule:
    return _BINANCE_ALGO if body and "algoId" in body[0] else _BINANCE_ORDER


def _kraken_limit(row: Row) -> Any:
    kind = at(row, "descr.ordertype")
    if not kind.endswith("limit"):
        return None
    return price("descr.price" if kind == "limit" else "descr.price2")(row)


def _kraken_stop(row: Row) -> Any:
    return price("stopprice", *(["descr.price"] if at(row, "descr.ordertype") not in ("limit", "market") else []))(row)


def _coinbase_kind(field: str) -> Get:
    return lambda row: next((num(field)(one) for one in row["order_configuration"].values() if field in one), None)


def _hyperliquid_cash(body: Any) -> Rule:
    if "balances" in body:
        return Rule(
            under("balances"), text("coin"),
            {"total": num("total"), "locked": num("hold"), "available": _NONE, "usd_price": _NONE}, live("total"),
        )  # fmt: skip
    profits = [Decimal(at(row, "position.unrealizedPnl")) for row in body["assetPositions"]]
    total = summed([Decimal(at(body, "marginSummary.accountValue")), *(-profit for profit in profits)])
    return Rule(lambda _body: [{}], lambda _row: "USDC", {**_CASH, "total": lambda _row: total})


def _dydx_oracle(row: Row) -> Any:
    """The price at which the profit that is told comes out: no other is in the text."""
    with localcontext(prec=60):
        told = Decimal(at(row, "entryPrice")) + Decimal(at(row, "unrealizedPnl")) / Decimal(at(row, "size"))
        return round(told, 12)


def _hyperliquid_limit(row: Row) -> Any:
    return None if "Market" in at(row, "orderType") else price("limitPx")(row)


def _hyperliquid_fee(row: Row) -> Any:
    return summed(Decimal(row[name]) for name in ("fee", "builderFee") if row.get(name))


def _okx_parts(field: str) -> Get:
    """Available and frozen are told only where they add up to the cash; else they mean margin."""

    def get(row: Row) -> Any:
        whole = summed((Decimal(row["availBal"]), Decimal(row["frozenBal"]))) == Decimal(row["cashBal"])
        return num(field)(row) if whole else None

    return get


def _flex(body: Any) -> Iterable[Row]:
    """Cash and multi-collateral wallets together, by coin."""
    flex, cash = body["accounts"]["flex"]["currencies"], body["accounts"]["cash"]["balances"]
    held = [(coin.upper(), wallet["quantity"]) for coin, wallet in flex.items()]
    held += [(coin.upper(), total) for coin, total in cash.items()]
    return _added(held)


def _added(held: Iterable[tuple[str, str]]) -> Iterable[Row]:
    amounts: dict[str, list[Decimal]] = {}
    for coin, total in held:
        amounts.setdefault(coin, []).append(Decimal(total))
    return [{"_key": coin, "total": str(summed(parts))} for coin, parts in amounts.items()]


def _kucoin_wallets(body: Any) -> Iterable[Row]:
    """The recording holds accounts of two types; the venue sends those of the type that is asked."""
    fields = ("balance", "available", "holds")
    by_field = {
        name: {row["_key"]: row["total"] for row in _added((r["currency"], r[name]) for r in body["data"])}
        for name in fields
    }
    return [{"currency": coin, **{name: by_field[name][coin] for name in fields}} for coin in by_field["balance"]]


RULES: dict[tuple[str, str], Rule | Callable[[Any], Rule]] = {
    ("binance", "balances"): Rule(
        under("balances"), text("asset"),
        {"total": plus("free", "locked"), "available": num("free"), "locked": num("locked"), "usd_price": _NONE},
        lambda row: bool(Decimal(row["free"]) or Decimal(row["locked"])),
    ),
    ("binance", "orders"): _BINANCE_ORDER,
    ("binance", "fills"): _BINANCE_FILL._replace(side=_word("isBuyer", **{"True": "buy", "False": "sell"})),
    ("binanceusdm", "positions"): _BINANCE_POSITION,
    ("binanceusdm", "balances"): _BINANCE_WALLET,
    ("binanceusdm", "orders"): _binance_orders,
    ("binanceusdm", "fills"): _BINANCE_FILL,
    ("binancecoinm", "positions"): _BINANCE_POSITION,
    ("binancecoinm", "balances"): _BINANCE_WALLET,
    ("binancecoinm", "orders"): _binance_orders,
    ("binancecoinm", "fills"): _BINANCE_FILL,
    ("bybit", "positions"): _position(
        "result.list", signed("size", "side", "Sell"), price("avgPrice"), price("markPrice"),
        _leg("symbol", "positionIdx", **{"1": "long", "2": "short"}), live("size"),
    ),
    ("bybit", "balances"): Rule(
        lambda body: at(body, "result.list.0.coin"), text("coin"),
        {"total": num("walletBalance"), "locked": num("locked"), "available": _NONE, "usd_price": _NONE},
        live("walletBalance"),
    ),
    ("bybit", "orders"): Rule(
        under("result.list"), text("orderId"),
        {
            "quantity": num("qty"), "filled": num("cumExecQty"), "limit_price": price("price"),
            "stop_price": price("triggerPrice"), "created_at": ms("createdTime"), "updated_at": ms("updatedTime"),
        },
    ),
    ("bybit", "fills"): _fill("result.list", "execId", "execQty", "execPrice", num("execFee"), ms("execTime")),
    ("okx", "positions"): _position(
        "data", signed("pos", "posSide", "short"), price("avgPx"), price("markPx"),
        _leg("instId", "posSide", long="long", short="short"), live("pos"),
    ),
    ("okx", "balances"): Rule(
        under("data.0.details"), text("ccy"),
        {
            "total": num("cashBal"), "available": _okx_parts("availBal"), "locked": _okx_parts("frozenBal"),
            "usd_price": _NONE,
        },
        live("cashBal"),
    ),
    ("okx", "orders"): Rule(
        under("data"), text("ordId"),
        {
            "quantity": num("sz"), "filled": num("accFillSz"), "limit_price": price("px"), "stop_price": _NONE,
            "created_at": ms("cTime"), "updated_at": ms("uTime"),
        },
    ),
    ("okx", "fills"): _fill("data", "tradeId", "fillSz", "fillPx", negated("fee"), ms("ts")),
    ("kraken", "positions"): _position(
        "result", lambda row: (1 if row["type"] == "buy" else -1) * minus("vol", "vol_closed")(row), _NONE, _NONE,
        _net("pair"), live("vol"),
    ),
    ("kraken", "balances"): Rule(
        under("result"), text("_key"),
        {"total": num("balance"), "locked": num("hold_trade"), "available": _NONE, "usd_price": _NONE}, live("balance"),
    ),
    ("kraken", "orders"): Rule(
        under("result.open"), text("_key"),
        {
            "quantity": num("vol"), "filled": num("vol_exec"), "limit_price": _kraken_limit, "stop_price": _kraken_stop,
            "created_at": seconds("opentm"), "updated_at": seconds("closetm"),
        },
        side=_word("descr.type"),
    ),
    ("kraken", "fills"): _fill("result.trades", "_key", "vol", "price", num("fee"), seconds("time"))._replace(
        side=_word("type")
    ),
    ("krakenfutures", "positions"): _position(
        "openPositions", signed("size", "side", "short"), price("price"), _NONE, _net("symbol"), live("size")
    ),
    ("krakenfutures", "balances"): Rule(_flex, text("_key"), {**_CASH, "total": num("total")}, live("total")),
    ("krakenfutures", "orders"): Rule(
        under("openOrders"), text("order_id"),
        {
            "quantity": plus("filledSize", "unfilledSize"), "filled": num("filledSize"), "limit_price": price("limitPrice"),
            "stop_price": price("stopPrice"), "created_at": iso("receivedTime"), "updated_at": iso("lastUpdateTime"),
        },
    ),
    ("krakenfutures", "fills"): _fill("fills", "fill_id", "size", "price", num("fee_paid"), iso("fillTime")),
    ("coinbase", "positions"): _position(
        "positions", signed("number_of_contracts", "side", "SHORT"), price("avg_entry_price.value", "avg_entry_price"),
        price("current_price.value", "current_price"), _net("product_id"), live("number_of_contracts"),
    ),
    ("coinbase", "balances"): Rule(
        under("accounts"), text("currency"),
        {
            "total": plus("available_balance.value", "hold.value"), "available": num("available_balance.value"),
            "locked": num("hold.value"), "usd_price": _NONE,
        },
    ),
    ("coinbase", "orders"): Rule(
        under("orders"), text("order_id"),
        {
            "quantity": _coinbase_kind("base_size"), "filled": num("filled_size"),
            "limit_price": _coinbase_kind("limit_price"), "stop_price": _coinbase_kind("stop_price"),
            "created_at": iso("created_time"), "updated_at": _NONE,
        },
    ),
    ("coinbase", "fills"): _fill("fills", "trade_id", "size", "price", num("commission"), iso("trade_time")),
    ("hyperliquid", "positions"): _position(
        "assetPositions", num("position.szi"), price("position.entryPx"), _NONE,
        lambda row: f"{at(row, 'position.coin')}/USDC:USDC net", live("position.szi"),
    ),
    ("hyperliquid", "balances"): _hyperliquid_cash,
    ("hyperliquid", "orders"): Rule(
        under(), text("oid"),
        {
            "quantity": num("origSz"), "filled": minus("origSz", "sz"), "limit_price": _hyperliquid_limit,
            "stop_price": price("triggerPx"), "created_at": ms("timestamp"), "updated_at": _NONE,
        },
        side=_word("side", A="sell", B="buy"),
    ),
    ("hyperliquid", "fills"): _fill("", "tid", "sz", "px", _hyperliquid_fee, ms("time"))._replace(
        side=_word("side", A="sell", B="buy")
    ),
    ("alpaca", "positions"): Rule(
        under(), lambda row: f"{row['symbol']} net",
        {
            "amount": signed("qty", "side", "short"), "average_price": num("avg_entry_price"),
            "market_price": num("current_price"),
        },
    ),
    ("alpaca", "balances"): Rule(lambda body: [body], text("currency"), {**_CASH, "total": num("cash")}),
    ("alpaca", "orders"): Rule(
        lambda body: body if isinstance(body, list) else [body], text("id"),
        {
            "quantity": num("qty"), "filled": num("filled_qty"), "limit_price": num("limit_price"),
            "stop_price": num("stop_price"), "created_at": micros("created_at"), "updated_at": micros("updated_at"),
        },
    ),
    ("alpaca", "fills"): Rule(
        under(), text("id"),
        {"quantity": num("qty"), "price": num("price"), "fee": _NONE, "at": micros("transaction_time")},
    ),
    ("dydx", "positions"): _position(
        "positions", num("size"), price("entryPrice"), _dydx_oracle, _net("market"), live("size"),
    ),
    ("dydx", "balances"): Rule(
        under("subaccount.assetPositions"), text("symbol"), {**_CASH, "total": signed("size", "side", "SHORT")}
    ),
    ("dydx", "orders"): Rule(
        under(), text("id"),
        {
            **_ORDER, "quantity": num("size"), "filled": num("totalFilled"), "limit_price": price("price"),
            "updated_at": iso("updatedAt"),
        },
    ),
    ("dydx", "fills"): _fill("fills", "id", "size", "price", num("fee"), iso("createdAt")),
    ("kucoin", "balances"): Rule(
        _kucoin_wallets, text("currency"),
        {"total": num("balance"), "available": num("available"), "locked": num("holds"), "usd_price": _NONE},
    ),
    ("kucoin", "orders"): Rule(
        under("data.items"), text("id"),
        {
            **_ORDER, "quantity": num("size"), "filled": num("dealSize"), "limit_price": price("price"),
            "stop_price": price("stopPrice"), "created_at": ms("createdAt"),
        },
    ),
    ("kucoin", "fills"): _fill("data.items", "tradeId", "size", "price", num("fee"), ms("createdAt")),
    ("kucoinfutures", "positions"): _position(
        "data", num("currentQty"), price("avgEntryPrice"), price("markPrice"), _net("symbol"), live("currentQty"),
    ),
    ("kucoinfutures", "orders"): Rule(
        under("data.items"), text("id"),
        {
            **_ORDER, "quantity": num("size"), "filled": num("filledSize"), "limit_price": price("price"),
            "stop_price": price("stopPrice"), "created_at": ms("createdAt"), "updated_at": ms("updatedAt"),
        },
    ),
    ("kucoinfutures", "fills"): _fill("data.items", "tradeId", "size", "price", num("fee"), ms("createdAt")),
    ("gate", "positions"): _position(
        "", num("size"), price("entry_price"), price("mark_price"), _net("contract"), live("size")
    ),
    ("gate", "balances"): Rule(
        under(), text("currency"),
        {"total": plus("available", "locked"), "available": num("available"), "locked": num("locked"), "usd_price": _NONE},
    ),
    ("gate", "orders"): Rule(
        lambda body: [row for pair in body for row in pair["orders"]], text("id"),
        {
            **_ORDER, "quantity": num("amount"), "filled": minus("amount", "left"), "limit_price": price("price"),
            "created_at": seconds("create_time"), "updated_at": seconds("update_time"),
        },
    ),
    ("bitfinex", "positions"): _position("", num("2"), price("3"), _NONE, _net("0"), live("2")),
    ("bitfinex", "balances"): Rule(under(), text("1"), {**_CASH, "total": num("2")}),
    ("bitfinex", "orders"): Rule(
        under(), text("0"),
        {
            **_ORDER, "quantity": magnitude("7"),
            "filled": lambda row: summed((magnitude("7")(row), -magnitude("6")(row))),
            "limit_price": price("16"), "created_at": ms("4"), "updated_at": ms("5"),
        },
        side=_sign("7"),
    ),
    ("bitfinex", "fills"): _fill("", "0", magnitude("4"), "5", negated("9"), ms("2"))._replace(side=_sign("4")),
    ("gemini", "balances"): Rule(
        under(), text("currency"),
        {"total": num("amount"), "available": num("available"), "locked": _NONE, "usd_price": _NONE}, live("amount"),
    ),
    ("gemini", "fills"): _fill("", "tid", "amount", "price", num("fee_amount"), ms("timestampms"))._replace(
        side=_word("type")
    ),
}  # fmt: skip
