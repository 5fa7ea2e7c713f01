"""One request through ccxt's unified methods, and raw rows through its parsers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tieout.brokers.ccxt import parse
from tieout.brokers.ccxt.calls import Call
from tieout.model.snapshot import Section

Json = dict[str, Any]


async def one_page(
    client: Any, section: Section, call: Call, *, asset: str | None, since: datetime | None
) -> list[Json]:
    """One page through ccxt's unified method."""
    params = dict(call.params)
    if section == "positions":
        found = await client.fetch_positions(None, params)
    elif section == "orders":
        found = await client.fetch_open_orders(asset, None, None, params)
    else:
        start = None if since is None else parse.milliseconds(since)
        found = await client.fetch_my_trades(asset, start, None, params)
    return list(found)


def unified(client: Any, section: Section, call: Call, rows: list[Json], asset: str | None) -> Any:
    """The venue's rows through ccxt's parsers, told what the rows do not say: ids repeat between categories.

    For Bybit's orders ccxt goes by whether a row has a `tpslMode`, which rows of spot orders may have as well.
    """
    if call.own is not None:
        return [_own(client, call.own(row), row) for row in rows]
    if "category" in call.told:
        rows = [{"tpslMode": None, **row} for row in rows]
    rows = [{**row, **call.told} for row in rows]
    if call.told.get("category") == "spot":
        rows = [{name: value for name, value in row.items() if name != "tpslMode"} for row in rows]
    if section == "positions":
        return client.parse_positions(rows)
    market = None if asset is None else client.market(asset)
    return client.parse_orders(rows, market) if section == "orders" else client.parse_trades(rows, market)


def _own(client: Any, told: Json, row: Json) -> Json:
    """A row as it was read here, under ccxt's name of its market; an id that no market of that sort, or two, have stays."""
    if "coin" in told:
        return {**told, "symbol": client.safe_symbol(client.coin_to_market_id(told["coin"])), "info": row}
    named, contract = told["market"], told.get("contract", True)
    symbols = {each["symbol"] for each in client.markets_by_id.get(named, ()) if each["contract"] is contract}
    return {**told, "symbol": symbols.pop() if len(symbols) == 1 else named, "info": row}
