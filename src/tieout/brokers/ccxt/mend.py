"""Where ccxt 4.5.90's unified row does not mean what the contract means, set right from the raw row. One function a quirk.

Each takes a unified row and gives the fields to set otherwise. It raises `RowLeft` for a row whose meaning this adapter does
not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tieout.brokers.ccxt.parse import RowLeft, due, number, raw
from tieout.model.amounts import exact, plain

Mend = Callable[[Mapping[str, Any]], "dict[str, Any] | None"]  # None: no such record at all
_BYBIT_TRADES = frozenset(("Trade", "AdlTrade", "BustTrade", "BlockTrade"))
_BYBIT_CASH = frozenset(("Funding", "SessionSettlePnL"))
_COINBASE_LIVE = frozenset(("PENDING", "QUEUED", "OPEN", "EDIT_QUEUED", "CANCEL_QUEUED"))
_FORCED = frozenset(("AdlTrade", "BustTrade"))


def as_it_is(_row: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing to mend."""
    return {}


def _signed(info: Mapping[str, Any], field: str) -> dict[str, Any]:
    amount = due(info, field)
    return {"contracts": plain(abs(amount)), "side": "long" if amount > 0 else "short"}


def okx_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """A margin position counts what was bought: the base of a long one; a short one owes the base, and that is its amount."""
    info = raw(row)
    if info.get("instType") != "MARGIN":
        return {}
    base = str(info.get("instId")).partition("-")[0]
    if info.get("posCcy") == base:
        return {"contracts": plain(abs(due(info, "pos"))), "side": "long", "contractSize": "1"}
    if info.get("liabCcy") == base:
        return {"contracts": plain(abs(due(info, "liab"))), "side": "short", "contractSize": "1"}
    raise RowLeft("a spot margin position in neither of its currencies")


_OKX_UNTRIGGERED = frozenset(("live", "pause", "canceled", "order_failed"))


def okx_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """A conditional order is triggered at its stop or its target; on a plain order those are orders to come.

    The client's id of a conditional order is apart, also on the plain order that it becomes.
    Its price is -1 where it goes to the market, and nothing of it is filled before it is triggered, which is not said.
    """
    info = raw(row)
    told: dict[str, Any] = {"clientOrderId": info.get("clOrdId") or info.get("algoClOrdId")}
    if not info.get("algoId") or info.get("ordId"):
        return told
    if not row.get("triggerPrice"):
        told["triggerPrice"] = row.get("stopLossPrice") or row.get("takeProfitPrice")
    if str(info.get("ordPx") or info.get("slOrdPx") or info.get("tpOrdPx")) == "-1":
        told |= {"price": None, "type": "market"}
    if info.get("state") in _OKX_UNTRIGGERED:
        told["filled"] = "0"
    return told


@exact
def kraken_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt gives the volume that was opened; what has been closed of it is apart."""
    info = raw(row)
    return {"contracts": plain(due(info, "vol") - due(info, "vol_closed"))}


def _milliseconds(info: Mapping[str, Any], field: str) -> str | None:
    """Seconds with a fraction, as exact milliseconds; ccxt goes through a float."""
    seconds = number(info, field)
    return plain(seconds.scaleb(3)) if seconds else None


def kraken_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt falls back to userref, a number that any count of orders may share, as the client's id.

    And it takes the second price for a limit where the order is sent to the market once it is triggered.
    """
    info = raw(row)
    kind = str((info.get("descr") or {}).get("ordertype"))
    times = {"timestamp": _milliseconds(info, "opentm"), "lastUpdateTimestamp": _milliseconds(info, "closetm")}
    trigger = number(info, "stopprice") or number(row, "stopLossPrice") or number(row, "takeProfitPrice")
    told = {**times, "clientOrderId": info.get("cl_ord_id"), "triggerPrice": _text(trigger)}
    return told if kind.endswith("limit") else {**told, "type": "market"}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def kraken_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """A trade with margin opens or closes a position; one without moves both currencies."""
    info = raw(row)
    return {"timestamp": _milliseconds(info, "time"), "settlement": "margin" if number(info, "margin") else "cash"}


def kraken_futures_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt leaves type and price out, for another endpoint tells the wrong price; open orders tell the right one.

    Source: ccxt issue 27996 and pull request 28110.
    """
    info = raw(row)
    kind = {"lmt": "limit", "mkt": "market"}.get(str(info.get("orderType")), info.get("orderType"))
    return {
        "type": kind,
        "price": info.get("limitPrice"),
        "clientOrderId": info.get("cliOrdId") or info.get("cli_ord_id"),
    }


def kraken_futures_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt drops the size of inverse contracts, and computes a fee from a rate: only the venue's own words count."""
    info = raw(row)
    fee = {"cost": info.get("fee_paid"), "currency": _bitcoin(info.get("fee_currency"))}
    return {
        "amount": info.get("size"),
        "fee": fee,
        "fees": None,
        "liquidation": info.get("fillType") == "liquidation",
    }


def _bitcoin(code: str | None) -> str | None:
    return {"XBT": "BTC"}.get(code or "", code)


def bybit_fill(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Executions also list what moves cash alone, which is no fill, and deliveries, which are not read yet."""
    kind = raw(row).get("execType")
    if kind in _BYBIT_CASH:
        return None
    if kind not in _BYBIT_TRADES:
        raise RowLeft("an execution that is no trade")
    return {"liquidation": kind in _FORCED}


def coinbase_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """Prices are given as amount and currency, or as plain text."""
    info = raw(row)
    return {"entryPrice": _value(info.get("avg_entry_price")), "markPrice": _value(info.get("current_price"))}


def _value(told: Any) -> Any:
    return told.get("value") if isinstance(told, dict) else told


def coinbase_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt passes on the words for orders on their way in, or on their way out, which are live as well."""
    return {"status": "open"} if raw(row).get("status") in _COINBASE_LIVE else {}


def coinbase_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """A size in quote currency would have to be divided by the price, and would not be exact."""
    if raw(row).get("size_in_quote"):
        raise RowLeft("a fill sized in quote currency")
    return {}


def hyperliquid_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """`dir` tells who was liquidated; the other side of it is an ordinary fill."""
    return {"liquidation": str(raw(row).get("dir", "")).startswith("Liquidated")}


def bitfinex_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """The raw row is an array: symbol, status, signed amount, base price, …; ccxt leaves the amount out."""
    info = row.get("info")
    return _signed(dict(zip(("symbol", "status", "amount"), info or (), strict=False)), "amount")


def bitfinex_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """The raw array tells creation and change at its fifth and sixth place, the price of a stop where a limit's is."""
    fields = dict(enumerate(row.get("info") or ()))
    times = {"timestamp": fields.get(4), "lastUpdateTimestamp": fields.get(5)}
    kind = str(fields.get(8))
    if "STOP" not in kind:
        return times
    return {**times, "triggerPrice": fields.get(16), "price": fields.get(19) if "LIMIT" in kind else None}


def gate_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times come in whole seconds, or beside them in milliseconds with a fraction."""
    told = row.get("lastUpdateTimestamp")
    return {"lastUpdateTimestamp": _milliseconds(raw(row), "update_time") if told is None else told}


def gate_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """`mode` tells the legs of a dual-mode account apart."""
    return {"hedged": str(raw(row).get("mode")).startswith("dual_")}


def kucoin_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """`positionSide` is BOTH in one-way mode."""
    return {**_signed(raw(row), "currentQty"), "hedged": raw(row).get("positionSide") in ("LONG", "SHORT")}
