"""A world's records as Binance writes them, spot and futures.

Source: the field names of Binance's public REST documentation, as of 2026-11; values are text, ids and times are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tieout.brokers.simulated.facts import Resting
from tieout.brokers.simulated.state import State
from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Fill, Order, OrderStatus, Position

from .bodies import milliseconds, text
from .symbols import Listed, listed, number_of

Json = dict[str, object]
STEP = "0.000000000000000001"
STATUS: dict[OrderStatus, str] = {
    "open": "NEW", "pending": "NEW", "partially_filled": "PARTIALLY_FILLED", "filled": "FILLED",
    "cancelled": "CANCELED", "rejected": "REJECTED", "expired": "EXPIRED",
}  # fmt: skip
TYPES = {
    True: {"limit": "LIMIT", "market": "MARKET", "stop": "STOP_LOSS", "stop_limit": "STOP_LOSS_LIMIT"},
    False: {"limit": "LIMIT", "market": "MARKET", "stop": "STOP_MARKET", "stop_limit": "STOP"},
}
SIDES = {"net": "BOTH", "long": "LONG", "short": "SHORT"}


def symbol(row: Listed) -> str:
    """Binance's name of an instrument."""
    return row.base + row.quote + ("_PERP" if row.sort == "inverse" else "")


def market(row: Listed, steps: tuple[str, str]) -> Json:
    """An entry of exchangeInfo; *steps* are those of prices and of quantities."""
    tick, lot = steps
    filters: list[Json] = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "1000000000000", "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "1000000000000", "stepSize": lot},
    ]
    names: Json = {"symbol": symbol(row), "status": "TRADING", "baseAsset": row.base, "quoteAsset": row.quote}
    orders = list(TYPES[row.spot].values())
    if row.spot:
        return {
            **names, "baseAssetPrecision": 18, "quotePrecision": 18, "quoteAssetPrecision": 18, "orderTypes": orders,
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "filters": filters,
            "permissions": [], "permissionSets": [["SPOT"]],
        }  # fmt: skip
    return {
        **names, **_size(row), "pair": row.base + row.quote, "contractType": "PERPETUAL",
        "marginAsset": row.settle, "orderTypes": orders,
        "pricePrecision": 18, "quantityPrecision": 18, "baseAssetPrecision": 18, "quotePrecision": 18,
        "underlyingType": "COIN", "contractStatus": "TRADING", "filters": filters, "onboardDate": 1569398400000,
    }  # fmt: skip


def _size(row: Listed) -> Json:
    """How much of the quote currency one inverse contract is."""
    return {} if row.linear else {"contractSize": row.instrument.multiplier}


def markets(state: State, sort: str, steps: Mapping[str, tuple[str, str]]) -> list[Json]:
    """Every instrument of one side; *steps* are those of some, by their names in the world."""
    return [market(row, steps.get(row.asset, (STEP, STEP))) for row in listed(state) if row.sort == sort]


@exact
def _value(state: State, account: str, order: Order) -> Decimal:
    fills = [fill for fill in state.account(account).fills if fill.broker_order_id == order.broker_order_id]
    return sum((fill.quantity * fill.price for fill in fills), ZERO)


def order(state: State, account: str, resting: Resting, row: Listed) -> Json:
    """An order, live or ended, as the venue keeps it."""
    told = resting.order
    common: Json = {
        "symbol": symbol(row), "orderId": number_of(told.broker_order_id),
        "clientOrderId": told.client_order_id or f"web_{number_of(told.broker_order_id)}",
        "price": text(told.limit_price or ZERO), "origQty": text(told.quantity), "executedQty": text(told.done),
        "status": STATUS[told.status], "timeInForce": "GTC", "type": TYPES[row.spot][told.type or "limit"],
        "side": told.side.upper(), "stopPrice": text(told.stop_price or ZERO), **_times(told),
    }  # fmt: skip
    value = text(_value(state, account, told))
    if row.spot:
        return {**common, "orderListId": -1, "cummulativeQuoteQty": value, "icebergQty": "0.00", "isWorking": True,
                "workingTime": common["time"], "origQuoteOrderQty": "0.00", "selfTradePreventionMode": "NONE"}  # fmt: skip
    return {**common, "cumQuote": value, "avgPrice": "0.00", "reduceOnly": resting.reduce_only, "closePosition": False,
            "positionSide": SIDES[told.position_side or "net"], "workingType": "CONTRACT_PRICE", "priceProtect": False,
            "origType": common["type"], "priceMatch": "NONE", "selfTradePreventionMode": "NONE"}  # fmt: skip


def _times(told: Order) -> Json:
    assert told.created_at is not None and told.updated_at is not None, "the world stamps its orders"
    return {"time": milliseconds(told.created_at), "updateTime": milliseconds(told.updated_at)}


def algo_order(resting: Resting, row: Listed) -> Json:
    """A conditional order that was not triggered yet, as its own endpoints tell it."""
    told, times = resting.order, _times(resting.order)
    return {
        "algoId": number_of(told.broker_order_id), "clientAlgoId": told.client_order_id, "algoType": "CONDITIONAL",
        "orderType": TYPES[False][told.type or "stop"], "symbol": symbol(row), "side": told.side.upper(),
        "positionSide": SIDES[told.position_side or "net"], "timeInForce": "GTC", "quantity": text(told.quantity),
        "algoStatus": STATUS[told.status], "actualOrderId": "", "actualPrice": "0.00", "triggerPrice": text(told.stop_price),
        "price": text(told.limit_price or ZERO), "icebergQuantity": None, "tpTriggerPrice": "0.00", "slTriggerPrice": "0.00",
        "selfTradePreventionMode": "NONE", "workingType": "CONTRACT_PRICE", "priceMatch": "NONE", "closePosition": False,
        "priceProtect": False, "reduceOnly": resting.reduce_only, "createTime": times["time"],
        "updateTime": times["updateTime"], "triggerTime": 0, "goodTillDate": 0,
    }  # fmt: skip


@exact
def trade(fill: Fill, row: Listed) -> Json:
    """An execution."""
    common: Json = {
        "symbol": symbol(row), "id": number_of(fill.fill_id), "orderId": number_of(fill.broker_order_id),
        "price": text(fill.price), "qty": text(fill.quantity), "quoteQty": text(fill.quantity * fill.price),
        "commission": text(fill.fee or ZERO), "commissionAsset": fill.fee_currency, "time": milliseconds(fill.at),
    }  # fmt: skip
    buys = fill.side == "buy"
    if row.spot:
        return {**common, "orderListId": -1, "isBuyer": buys, "isMaker": False, "isBestMatch": True}
    return {**common, "buyer": buys, "maker": False, "realizedPnl": "0", "side": fill.side.upper(),
            "marginAsset": row.settle, "positionSide": SIDES[fill.position_side or "net"]}  # fmt: skip


@exact
def position(told: Position, row: Listed) -> Json:
    """A row of position risk."""
    mark = told.market_price or told.average_price or ZERO
    known = told.average_price is not None and mark
    profit = row.instrument.profit(told.amount, told.average_price or mark, mark) if known else ZERO
    zero = dict.fromkeys(
        (
            "liquidationPrice",
            "isolatedMargin",
            "isolatedWallet",
            "openOrderInitialMargin",
            "bidNotional",
            "askNotional",
        ),
        "0",
    )
    return {
        "symbol": symbol(row), "positionSide": SIDES[told.leg], "positionAmt": text(told.amount),
        "entryPrice": text(told.average_price or ZERO), "breakEvenPrice": text(told.average_price or ZERO),
        "markPrice": text(told.market_price or ZERO), "unRealizedProfit": text(profit),
        "notional": text(told.amount * mark), "marginAsset": row.settle, "initialMargin": "0", "maintMargin": "0",
        "positionInitialMargin": "0", "adl": 1, "updateTime": 0, **zero,
    }  # fmt: skip
