"""Where ccxt 4.5.90's unified row does not mean what the contract means, set right from the raw row. One function a quirk.

Each takes a unified row and gives the fields to set otherwise. It raises `RowLeft` for a row whose meaning this adapter does
not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tieout.brokers.ccxt_parse import RowLeft, due, number, raw
from tieout.model.amounts import exact, plain

Mend = Callable[[Mapping[str, Any]], dict[str, Any]]
_BYBIT_TRADES = frozenset(("Trade", "AdlTrade", "BustTrade", "BlockTrade"))
_FORCED = frozenset(("AdlTrade", "BustTrade"))


def as_it_is(_row: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing to mend."""
    return {}


def _signed(info: Mapping[str, Any], field: str) -> dict[str, Any]:
    amount = due(info, field)
    return {"contracts": plain(abs(amount)), "side": "long" if amount > 0 else "short"}


def binance_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt takes the side from the notional, which is 0 without a mark price, and does not say which rows are legs."""
    info = raw(row)
    return {**_signed(info, "positionAmt"), "hedged": info.get("positionSide") in ("LONG", "SHORT")}


def okx_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """A margin position counts the currency that was bought, base or quote: not read yet."""
    if raw(row).get("instType") == "MARGIN":
        raise RowLeft("a spot margin position")
    return {}


@exact
def kraken_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt gives the volume that was opened; what has been closed of it is apart."""
    info = raw(row)
    return {"contracts": plain(due(info, "vol") - due(info, "vol_closed"))}


def _kraken_time(info: Mapping[str, Any], field: str) -> str | None:
    """Seconds with a fraction, as exact milliseconds; ccxt goes through a float."""
    seconds = number(info, field)
    return plain(seconds.scaleb(3)) if seconds else None


def kraken_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt falls back to userref, a number that any count of orders may share, as the client's id.

    And it takes the second price for a limit where the order is sent to the market once it is triggered.
    """
    info = raw(row)
    kind = str((info.get("descr") or {}).get("ordertype"))
    times = {"timestamp": _kraken_time(info, "opentm"), "lastUpdateTimestamp": _kraken_time(info, "closetm")}
    told = {**times, "clientOrderId": info.get("cl_ord_id"), "triggerPrice": info.get("stopprice")}
    return told if kind.endswith("limit") else {**told, "type": "market"}


def kraken_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """A trade with margin opens or closes a position; one without moves both currencies."""
    info = raw(row)
    return {"timestamp": _kraken_time(info, "time"), "settlement": "margin" if number(info, "margin") else "cash"}


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


def bybit_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """Executions also list funding and settlements; those are no fills."""
    kind = raw(row).get("execType")
    if kind not in _BYBIT_TRADES:
        raise RowLeft("an execution that is no trade")
    return {"liquidation": kind in _FORCED}


def coinbase_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """Prices are given as amount and currency, or as plain text."""
    info = raw(row)
    return {"entryPrice": _value(info.get("avg_entry_price")), "markPrice": _value(info.get("current_price"))}


def _value(told: Any) -> Any:
    return told.get("value") if isinstance(told, dict) else told


def coinbase_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """A size in quote currency would have to be divided by the price, and would not be exact."""
    if raw(row).get("size_in_quote"):
        raise RowLeft("a fill sized in quote currency")
    return {}


def hyperliquid_position(_row: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt's mark price is a quotient cut off at 18 digits."""
    return {"markPrice": None}


def hyperliquid_fill(row: Mapping[str, Any]) -> dict[str, Any]:
    """`dir` tells who was liquidated; the other side of it is an ordinary fill."""
    return {"liquidation": str(raw(row).get("dir", "")).startswith("Liquidated")}


def bitfinex_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """The raw row is an array: symbol, status, signed amount, base price, …; ccxt leaves the amount out."""
    info = row.get("info")
    return _signed(dict(zip(("symbol", "status", "amount"), info or (), strict=False)), "amount")


def gate_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """`mode` tells the legs of a dual-mode account apart."""
    return {"hedged": str(raw(row).get("mode")).startswith("dual_")}


def kucoin_position(row: Mapping[str, Any]) -> dict[str, Any]:
    """`positionSide` is BOTH in one-way mode."""
    return {**_signed(raw(row), "currentQty"), "hedged": raw(row).get("positionSide") in ("LONG", "SHORT")}
