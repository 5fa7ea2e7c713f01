"""Raw rows of positions, read here: ccxt's parsers take five times as long, for figures that nobody asks for.

They also leave out what has no entry price, and take a side from a notional that is 0 without a mark price. Each gives the
fields that `parse.position` takes, and the venue's id of the market.
"""

from __future__ import annotations

from tieout.brokers.ccxt.calls import Json
from tieout.brokers.ccxt.parse import RowError


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
