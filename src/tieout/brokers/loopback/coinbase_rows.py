"""A world's records as Coinbase Advanced Trade writes them.

Source: the field names of Coinbase's public Advanced Trade documentation, as of 2026-11.
"""

from __future__ import annotations

from datetime import datetime

from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Activity, ActivityKind, Balance, Fill, Order, OrderStatus

from .bodies import text
from .symbols import Listed

Json = dict[str, object]
STEP = "0.000000000000000001"
STATUS: dict[OrderStatus, str] = {
    "open": "OPEN", "pending": "PENDING", "partially_filled": "OPEN", "filled": "FILLED",
    "cancelled": "CANCELLED", "expired": "EXPIRED", "rejected": "FAILED",
}  # fmt: skip
_TRANSACTIONS: dict[ActivityKind, str] = {
    "deposit": "fiat_deposit", "withdrawal": "fiat_withdrawal", "transfer": "transfer", "funding": "transfer",
    "interest": "interest", "dividend": "staking_reward", "cash_in_lieu": "staking_reward",
    "rebate": "incentives_rewards_payout", "fee": "subscription",
}  # fmt: skip


def symbol(row: Listed) -> str:
    """Coinbase's name of a pair."""
    return f"{row.base}-{row.quote}"


def moment(at: datetime) -> str:
    """A time as the venue writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def product(row: Listed) -> Json:
    """An entry of the products."""
    return {
        "product_id": symbol(row), "price": "", "base_increment": STEP, "quote_increment": STEP, "price_increment": STEP,
        "quote_min_size": STEP, "quote_max_size": "1000000000000", "base_min_size": STEP, "base_max_size": "1000000000000",
        "base_name": row.base, "quote_name": row.quote, "is_disabled": False, "new": False, "status": "online",
        "cancel_only": False, "limit_only": False, "post_only": False, "trading_disabled": False, "auction_mode": False,
        "product_type": "SPOT", "quote_currency_id": row.quote, "base_currency_id": row.base, "view_only": False,
        "fcm_trading_session_details": None, "mid_market_price": "", "alias": "", "alias_to": [], "volume_24h": "",
    }  # fmt: skip


def wallet(row: Balance) -> Json:
    """An account of one currency: what is available and what is on hold."""
    return {
        "uuid": f"wallet-{row.currency}", "name": f"{row.currency} Wallet", "currency": row.currency, "active": True,
        "available_balance": {"value": text(row.available), "currency": row.currency}, "default": True, "ready": True,
        "hold": {"value": text(row.locked), "currency": row.currency}, "type": "ACCOUNT_TYPE_CRYPTO", "deleted_at": None,
        "retail_portfolio_id": "portfolio", "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }  # fmt: skip


def configuration(told: Order) -> Json:
    """The terms of an order, under the name of its kind."""
    size: Json = {"base_size": text(told.quantity)}
    if told.stop_price is not None:
        direction = "STOP_DIRECTION_STOP_UP" if told.side == "buy" else "STOP_DIRECTION_STOP_DOWN"
        limit = text(told.limit_price or told.stop_price)
        return {"stop_limit_stop_limit_gtc": {**size, "limit_price": limit, "stop_price": text(told.stop_price),
                                              "stop_direction": direction}}  # fmt: skip
    if told.limit_price is None:
        return {"market_market_ioc": size}
    return {"limit_limit_gtc": {**size, "limit_price": text(told.limit_price), "post_only": False}}


def order(told: Order, row: Listed) -> Json:
    """An order, live or ended."""
    assert told.created_at is not None and told.updated_at is not None, "the world stamps its orders"
    kind = "STOP_LIMIT" if told.stop_price else "LIMIT" if told.limit_price else "MARKET"
    return {
        "order_id": told.broker_order_id, "product_id": symbol(row), "user_id": "nobody", "side": told.side.upper(),
        "order_configuration": configuration(told), "client_order_id": told.client_order_id or "",
        "status": STATUS[told.status], "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": moment(told.created_at),
        "last_fill_time": None, "last_update_time": moment(told.updated_at), "completion_percentage": "0", "fee": "",
        "filled_size": text(told.done), "average_filled_price": "0", "number_of_fills": "0", "filled_value": "0",
        "pending_cancel": False, "size_in_quote": False, "total_fees": "0", "size_inclusive_of_fees": False, "settled": False,
        "total_value_after_fees": "0", "trigger_status": "STOP_PENDING" if told.stop_price else "INVALID_ORDER_TYPE",
        "order_type": kind, "reject_reason": "REJECT_REASON_UNSPECIFIED", "product_type": "SPOT", "reject_message": "",
        "cancel_message": "", "order_placement_source": "RETAIL_ADVANCED", "outstanding_hold_amount": "0", "leverage": "",
    }  # fmt: skip


def fill(told: Fill, row: Listed) -> Json:
    """An execution."""
    return {
        "entry_id": told.fill_id, "trade_id": told.fill_id, "order_id": told.broker_order_id, "trade_time": moment(told.at),
        "trade_type": "FILL", "price": text(told.price), "size": text(told.quantity), "commission": text(told.fee or ZERO),
        "product_id": symbol(row), "sequence_timestamp": moment(told.at), "liquidity_indicator": "TAKER",
        "size_in_quote": False, "user_id": "nobody", "side": told.side.upper(), "retail_portfolio_id": "portfolio",
    }  # fmt: skip


def _line(id_: str, kind: str, at: datetime, amount: str, currency: str) -> Json:
    return {
        "id": id_, "type": kind, "status": "completed", "amount": {"amount": amount, "currency": currency},
        "native_amount": {"amount": amount, "currency": currency}, "created_at": moment(at), "resource": "transaction",
        "resource_path": f"/v2/accounts/wallet-{currency}/transactions/{id_}",
    }  # fmt: skip


def transaction(told: Activity) -> Json:
    """A line of the account of its currency."""
    kind = _TRANSACTIONS.get(told.kind, told.kind)
    return _line(told.activity_id, kind, told.at, text(told.amount), told.currency or "")


@exact
def traded(told: Fill, row: Listed, currency: str) -> Json:
    """What an execution moved in one of its two accounts: the fill tells it as well."""
    amount = told.signed if currency == row.base else -told.signed * told.price
    return _line(f"{told.fill_id}-{currency}", "advanced_trade_fill", told.at, text(amount), currency)
