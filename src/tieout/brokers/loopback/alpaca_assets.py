"""The world's instruments as Alpaca's assets and option contracts."""

from __future__ import annotations

from collections.abc import Iterable

from tieout.brokers.simulated import Instrument

from .alpaca_rows import Json, alpaca_id, kind_of
from .bodies import text

_OPTIONS = "/v2/options/"


def instrument_row(listed: Iterable[Instrument], symbol: str, path: str) -> Json | None:
    """What is told of *symbol* at *path*, with its slash or without; None where there is no such thing."""
    for row in listed:
        kind = kind_of(row.asset, row.multiplier)
        if symbol in (row.asset, row.asset.replace("/", "")) and (kind == "us_option") == path.startswith(_OPTIONS):
            return _contract(row) if kind == "us_option" else _asset(row, kind)
    return None


def _asset(row: Instrument, kind: str) -> Json:
    steps = {"min_order_size": text(row.unit), "min_trade_increment": text(row.unit), "price_increment": text(row.unit)}
    return {
        "id": alpaca_id(row.asset), "class": kind, "exchange": "CRYPTO" if kind == "crypto" else "NASDAQ",
        "symbol": row.asset, "name": row.asset, "status": "active", "tradable": True, "marginable": kind != "crypto",
        "shortable": kind != "crypto", "easy_to_borrow": kind != "crypto", "fractionable": True,
    } | (steps if kind == "crypto" else {})  # fmt: skip


def _contract(row: Instrument) -> Json:
    root = row.asset.rstrip("0123456789CP")
    return {
        "id": alpaca_id(row.asset), "symbol": row.asset, "name": row.asset, "status": "active", "tradable": True,
        "expiration_date": f"20{row.asset[-15:-13]}-{row.asset[-13:-11]}-{row.asset[-11:-9]}", "root_symbol": root,
        "underlying_symbol": root, "type": "call", "style": "american", "size": text(row.multiplier),
        "multiplier": text(row.multiplier),
    }  # fmt: skip
