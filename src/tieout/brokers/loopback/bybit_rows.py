"""A world's records as Bybit v5 writes them: everything is text, but for the leg's number and flags.

Source: the field names of Bybit's public v5 documentation, as of 2026-11.
"""

from __future__ import annotations

from decimal import Decimal

from tieout.brokers.simulated.facts import Resting
from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Activity, Balance, Fill, OrderStatus, Position

from .bodies import milliseconds, text
from .symbols import Listed

Json = dict[str, object]
STEP = "0.000000000000000001"
LEGS = {"net": 0, "long": 1, "short": 2}
STATUS: dict[OrderStatus, str] = {
    "open": "New", "pending": "New", "partially_filled": "PartiallyFilled", "filled": "Filled",
    "cancelled": "Cancelled", "expired": "Cancelled", "rejected": "Rejected",
}  # fmt: skip
MOVES = {
    "deposit": "TRANSFER_IN", "withdrawal": "TRANSFER_OUT", "transfer": "TRANSFER_IN", "funding": "SETTLEMENT",
    "interest": "INTEREST", "rebate": "FEE_REFUND", "fee": "FEE_REFUND", "dividend": "AIRDROP", "cash_in_lieu": "AIRDROP",
}  # fmt: skip


def symbol(row: Listed) -> str:
    """Bybit's name of an instrument."""
    return row.base + row.quote


def category(row: Listed) -> str:
    """Bybit's word for what sort of instrument it is."""
    return "spot" if row.spot else "linear" if row.linear else "inverse"


def instrument(row: Listed) -> Json:
    """An entry of instruments-info."""
    names: Json = {"symbol": symbol(row), "baseCoin": row.base, "quoteCoin": row.quote, "status": "Trading"}
    if row.spot:
        size = {"basePrecision": STEP, "quotePrecision": STEP, "minOrderQty": STEP, "maxOrderQty": "1000000000000"}
        return {
            **names,
            "innovation": "0",
            "marginTrading": "none",
            "lotSizeFilter": size,
            "priceFilter": {"tickSize": STEP},
        }
    return {
        **names, "contractType": "LinearPerpetual" if row.linear else "InversePerpetual", "settleCoin": row.settle,
        "launchTime": "1585526400000", "deliveryTime": "0", "deliveryFeeRate": "", "priceScale": "18",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": STEP, "maxPrice": "1000000000000", "tickSize": STEP},
        "lotSizeFilter": {"maxOrderQty": "1000000000000", "minOrderQty": STEP, "qtyStep": STEP},
        "unifiedMarginTrade": True, "fundingInterval": 480, "copyTrading": "none",
    }  # fmt: skip


def wallet(row: Balance) -> Json:
    """One coin of the unified account."""
    return {
        "coin": row.currency, "equity": text(row.total), "walletBalance": text(row.total), "locked": text(row.locked),
        "usdValue": "", "unrealisedPnl": "0", "cumRealisedPnl": "0", "borrowAmount": "0", "accruedInterest": "0",
        "availableToWithdraw": "", "totalOrderIM": "0", "totalPositionIM": "0", "collateralSwitch": True,
    }  # fmt: skip


@exact
def position(told: Position, row: Listed) -> Json:
    """An open position; its size is unsigned."""
    mark = told.market_price or told.average_price or ZERO
    return {
        "symbol": symbol(row), "side": "Buy" if told.amount > 0 else "Sell", "size": text(abs(told.amount)),
        "positionIdx": LEGS[told.leg], "avgPrice": text(told.average_price), "markPrice": text(told.market_price),
        "positionValue": text(abs(told.amount) * mark), "tradeMode": 0, "leverage": "10", "liqPrice": "",
        "unrealisedPnl": "0", "cumRealisedPnl": "0", "positionStatus": "Normal", "takeProfit": "", "stopLoss": "",
        "createdTime": "1676538056258", "updatedTime": "1676538056258", "positionIM": "0", "positionMM": "0",
    }  # fmt: skip


def order(resting: Resting, row: Listed, *, waits: bool) -> Json:
    """An order, live or ended; one that *waits* for its trigger is untriggered."""
    told = resting.order
    assert told.created_at is not None and told.updated_at is not None, "the world stamps its orders"
    return {
        "symbol": symbol(row), "orderId": told.broker_order_id, "orderLinkId": told.client_order_id or "",
        "side": told.side.capitalize(), "orderType": "Limit" if told.limit_price else "Market", "timeInForce": "GTC",
        "price": text(told.limit_price or ZERO), "qty": text(told.quantity), "cumExecQty": text(told.done),
        "orderStatus": "Untriggered" if waits and told.live else STATUS[told.status],
        "leavesQty": text(told.remaining), "cumExecValue": "", "cumExecFee": "", "avgPrice": "", "triggerBy": "LastPrice",
        "stopOrderType": "Stop" if told.stop_price else "", "triggerPrice": text(told.stop_price),
        "triggerDirection": 0 if told.stop_price is None else 1 if told.side == "buy" else 2, "isLeverage": "",
        "positionIdx": LEGS[told.position_side or "net"], "reduceOnly": resting.reduce_only, "closeOnTrigger": False,
        "createdTime": str(milliseconds(told.created_at)), "updatedTime": str(milliseconds(told.updated_at)),
        "takeProfit": "", "stopLoss": "", "rejectReason": "EC_NoError", "cancelType": "UNKNOWN", "blockTradeId": "",
    }  # fmt: skip


@exact
def fill(told: Fill, row: Listed) -> Json:
    """An execution."""
    return {
        "symbol": symbol(row), "execId": told.fill_id, "orderId": told.broker_order_id, "side": told.side.capitalize(),
        "orderLinkId": told.client_order_id or "", "execPrice": text(told.price), "execQty": text(told.quantity),
        "execType": "BustTrade" if told.liquidation else "Trade", "execTime": str(milliseconds(told.at)), "isMaker": False,
        "execFee": text(told.fee or ZERO), "feeCurrency": told.fee_currency, "feeRate": "0", "orderType": "Limit",
        "execValue": text(told.quantity * told.price), "leavesQty": "0", "closedSize": "", "stopOrderType": "UNKNOWN",
    }  # fmt: skip


def move(told: Activity) -> Json:
    """A line of the transaction log."""
    change = told.amount or Decimal(0)
    kind = MOVES.get(told.kind, told.kind.upper())
    return {
        "id": told.activity_id, "type": "TRANSFER_OUT" if told.kind == "transfer" and change < 0 else kind,
        "currency": told.currency, "change": text(change), "cashFlow": text(change), "cashBalance": "", "category": "",
        "transactionTime": str(milliseconds(told.at)), "symbol": "", "side": "None", "funding": "", "fee": "0", "qty": "0",
        "size": "0", "tradePrice": "0", "tradeId": "", "orderId": "", "orderLinkId": "", "feeRate": "0", "bonusChange": "",
    }  # fmt: skip
