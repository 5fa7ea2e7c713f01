"""Raw rows of positions, read here: ccxt's parsers take five times as long, for figures that nobody asks for.

They also leave out what has no entry price, and take a side from a notional that is 0 without a mark price. Each gives the
fields that `parse.position` takes, and the venue's id of the market: a contract, but where `contract` says otherwise; or the
coin, of which ccxt knows the market.
"""

from __future__ import annotations

from tieout.brokers.ccxt.calls import Json
from tieout.brokers.ccxt.parse import RowError

_BYBIT_LEGS = {"0": "", "1": "long", "2": "short"}
_BYBIT_SIDES = {"Buy": "long", "Sell": "short"}


def binance(row: Json) -> Json:
    """A position at Binance's futures: signed by its amount; only rows of LONG and SHORT are legs.

    Raises:
        RowError: It has no market, or no amount.
    """
    amount = row.get("positionAmt")
    return {
        "market": market_id(row, "symbol"),
        "contracts": unsigned(amount),
        "side": "short" if str(amount).startswith("-") else "long",
        "hedged": row.get("positionSide") in ("LONG", "SHORT"),
        "entryPrice": row.get("entryPrice"),
        "markPrice": row.get("markPrice"),
    }


def bybit(row: Json) -> Json:
    """A position of Bybit's: the legs of a hedged account have numbers, and all else a side.

    Raises:
        RowError: It has no market, or a number that means nothing here.
    """
    leg = _BYBIT_LEGS.get(str(row.get("positionIdx")))
    if leg is None:
        raise RowError("positionIdx is no leg")
    return {
        "market": market_id(row, "symbol"),
        "contracts": row.get("size"),
        "side": leg or _BYBIT_SIDES.get(str(row.get("side"))),
        "hedged": bool(leg),
        "entryPrice": row.get("avgPrice"),
        "markPrice": row.get("markPrice"),
    }


def okx(row: Json) -> Json:
    """A position of OKX's: signed by its amount in net mode, by its leg else. Those on spot margin are `mend`'s to read.

    Raises:
        RowError: It has no market, no amount or no leg.
    """
    amount, leg = row.get("pos"), row.get("posSide")
    if leg not in ("net", "long", "short"):
        raise RowError("posSide is no leg")
    return {
        "market": market_id(row, "instId"),
        "contract": row.get("instType") != "MARGIN",
        "contracts": unsigned(amount),
        "side": leg if leg != "net" else "short" if str(amount).startswith("-") else "long",
        "hedged": leg != "net",
        "entryPrice": row.get("avgPx"),
        "markPrice": row.get("markPx"),
    }


def hyperliquid(row: Json) -> Json:
    """A position at Hyperliquid, of which there is one a coin: signed by its size. No price is told, and none is worked out.

    Raises:
        RowError: It has no coin, or no size.
    """
    held = row.get("position")
    if not isinstance(held, dict):
        raise RowError("no position in the row")
    size = held.get("szi")
    return {
        "coin": market_id(held, "coin"),
        "contracts": unsigned(size),
        "side": "short" if str(size).startswith("-") else "long",
        "entryPrice": held.get("entryPx"),
    }


def market_id(row: Json, field: str) -> str:
    """The venue's id of the row's market.

    Raises:
        RowError: There is none.
    """
    told = row.get(field)
    if not isinstance(told, str) or not told:
        raise RowError(f"{field} is missing")
    return told


def unsigned(amount: object) -> object:
    """A number's text without its minus; what is no text is left to whoever reads the number."""
    return str(abs(amount)) if type(amount) is int else amount.removeprefix("-") if isinstance(amount, str) else amount
