"""A world's records as OKX writes them: everything is text, sizes of contracts are counted in contracts.

Source: the field names of OKX's public v5 documentation, as of 2026-11.
"""

from __future__ import annotations

from tieout.brokers.simulated.facts import Resting
from tieout.model.amounts import ZERO
from tieout.model.snapshot import Activity, Balance, Fill, OrderStatus, Position

from .bodies import milliseconds, text
from .symbols import Listed, number_of

Json = dict[str, object]
STEP = "0.000000000000000001"
STATE: dict[OrderStatus, str] = {
    "open": "live", "pending": "live", "partially_filled": "partially_filled", "filled": "filled",
    "cancelled": "canceled", "expired": "canceled", "rejected": "canceled",
}  # fmt: skip
BILLS = {
    "deposit": ("1", "1"), "withdrawal": ("1", "12"), "transfer": ("1", "11"), "interest": ("7", "9"),
    "funding": ("8", "173"), "fee": ("7", "14"), "rebate": ("1", "11"), "dividend": ("1", "11"), "cash_in_lieu": ("1", "11"),
}  # fmt: skip


def symbol(row: Listed) -> str:
    """OKX's name of an instrument."""
    pair = f"{row.base}-{row.quote}"
    return pair if row.spot else f"{pair}-SWAP"


def kind(row: Listed) -> str:
    """OKX's word for what sort of instrument it is."""
    return "SPOT" if row.spot else "SWAP"


def instrument(row: Listed) -> Json:
    """An entry of the instruments."""
    contract = {"ctVal": "", "ctMult": "", "ctValCcy": "", "settleCcy": "", "ctType": "", "uly": ""}
    if not row.spot:
        family = f"{row.base}-{row.quote}"
        contract = {"ctVal": text(row.instrument.multiplier), "ctMult": "1", "ctValCcy": row.base, "uly": family,
                    "settleCcy": row.settle, "ctType": "linear" if row.linear else "inverse"}  # fmt: skip
    return {
        "instId": symbol(row), "instType": kind(row), "state": "live", "listTime": "1606468572000", "expTime": "",
        "baseCcy": row.base if row.spot else "", "quoteCcy": row.quote if row.spot else "", "alias": "", "category": "1",
        "tickSz": STEP, "lotSz": STEP, "minSz": STEP, "lever": "" if row.spot else "100", "stk": "", "optType": "",
        "maxLmtSz": "1000000000000", "maxMktSz": "1000000000000", "ruleType": "normal", **contract,
    }  # fmt: skip


def wallet(row: Balance) -> Json:
    """One currency of an account's details."""
    return {
        "ccy": row.currency, "cashBal": text(row.total), "availBal": text(row.available), "frozenBal": text(row.locked),
        "eq": text(row.total), "availEq": text(row.available), "upl": "0", "liab": "0", "ordFrozen": text(row.locked),
    }  # fmt: skip


def position(told: Position, row: Listed) -> Json:
    """An open position."""
    return {
        "instId": symbol(row), "instType": kind(row), "mgnMode": "cross", "posId": "1", "posSide": told.leg,
        "pos": text(told.amount if told.leg == "net" else abs(told.amount)), "avgPx": text(told.average_price),
        "markPx": text(told.market_price), "ccy": row.settle, "lever": "1", "upl": "0", "uplRatio": "0", "liqPx": "",
        "notionalUsd": "", "imr": "", "mmr": "", "mgnRatio": "", "margin": "", "cTime": "1", "uTime": "1",
    }  # fmt: skip


def order(resting: Resting, row: Listed) -> Json:
    """An order, live or ended."""
    told = resting.order
    assert told.created_at is not None and told.updated_at is not None, "the world stamps its orders"
    return {
        "instId": symbol(row), "instType": kind(row), "ordId": str(number_of(told.broker_order_id)),
        "clOrdId": told.client_order_id or "", "side": told.side,
        "posSide": told.position_side or "net" if not row.spot else "", "tdMode": "cash" if row.spot else "cross",
        "ordType": "limit" if told.limit_price else "market", "ccy": "", "tag": "",
        "px": text(told.limit_price), "sz": text(told.quantity), "accFillSz": text(told.done), "avgPx": "", "fillPx": "",
        "state": STATE[told.status], "reduceOnly": str(resting.reduce_only).lower(), "fee": "0", "feeCcy": row.quote,
        "rebate": "0", "rebateCcy": row.quote, "tgtCcy": "", "cTime": str(milliseconds(told.created_at)),
        "uTime": str(milliseconds(told.updated_at)), "lever": "", "pnl": "0", "algoId": "", "source": "",
    }  # fmt: skip


def algo_order(resting: Resting, row: Listed) -> Json:
    """A conditional order that was not triggered."""
    told, times = resting.order, order(resting, row)
    return {
        "instId": symbol(row), "instType": kind(row), "algoId": str(number_of(told.broker_order_id)), "ordId": "",
        "algoClOrdId": told.client_order_id or "", "clOrdId": "", "side": told.side, "posSide": times["posSide"],
        "tdMode": times["tdMode"], "ordType": "trigger", "sz": text(told.quantity), "state": STATE[told.status],
        "triggerPx": text(told.stop_price), "ordPx": text(told.limit_price) or "-1", "triggerPxType": "last", "ccy": "",
        "cTime": times["cTime"], "uTime": times["uTime"], "triggerTime": "", "actualSz": "", "actualPx": "", "tag": "",
        "reduceOnly": times["reduceOnly"], "slTriggerPx": "", "slOrdPx": "", "tpTriggerPx": "", "tpOrdPx": "", "lever": "",
    }  # fmt: skip


def fill(told: Fill, row: Listed) -> Json:
    """An execution; a fee is below 0 where it was paid."""
    at = str(milliseconds(told.at))
    return {
        "instId": symbol(row), "instType": kind(row), "tradeId": str(number_of(told.fill_id)), "tag": "", "execType": "T",
        "ordId": str(number_of(told.broker_order_id)), "clOrdId": told.client_order_id or "", "side": told.side,
        "billId": str(number_of(told.fill_id)), "posSide": told.position_side or "net" if not row.spot else "",
        "fillPx": text(told.price), "fillSz": text(told.quantity), "feeCcy": told.fee_currency, "ts": at, "fillTime": at,
        "fee": text(-(told.fee or ZERO)), "subType": "1", "fillPnl": "0",
    }  # fmt: skip


def bill(told: Activity) -> Json:
    """A line of the account's bills."""
    kind_, sub_kind = BILLS.get(told.kind, ("99", "999"))
    return {
        "billId": str(number_of(told.activity_id)), "type": kind_, "subType": sub_kind, "ccy": told.currency,
        "balChg": text(told.amount), "ts": str(milliseconds(told.at)), "instType": "", "instId": "", "bal": "", "sz": "",
        "pnl": "0", "fee": "0", "from": "", "to": "", "notes": "", "mgnMode": "", "ordId": "",
    }  # fmt: skip
