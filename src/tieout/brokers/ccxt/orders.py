"""Orders on their way out: ccxt's arguments for a request, checked to the digit, and the order as it was acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tieout.brokers.base import OrderRequest
from tieout.brokers.ccxt import parse
from tieout.brokers.ccxt.ids import told_id
from tieout.brokers.ccxt.sends import way_for
from tieout.brokers.ccxt.venues import Venue
from tieout.errors import ActionRefused
from tieout.model.amounts import dec, plain
from tieout.model.snapshot import Order


def arguments(client: Any, venue: Venue, request: OrderRequest, action: str) -> dict[str, Any]:
    """The arguments of ccxt's `create_order`, with every number as text.

    Raises:
        ActionRefused: The venue's steps would change a number, or the request cannot be said there.
    """
    if request.asset not in client.markets:
        raise ActionRefused(action, "no such market")
    way = way_for(venue.sends, client.market(request.asset), request, action)
    name = told_id(venue.ids, request.client_order_id, action)
    _in_steps(client.amount_to_precision, request.asset, request.quantity, action)
    for told in (request.limit_price, request.stop_price):
        if told is not None:
            _in_steps(client.price_to_precision, request.asset, told, action)
    return {
        "symbol": request.asset,
        "type": "market" if request.limit_price is None else "limit",
        "side": request.side,
        "amount": plain(request.quantity),
        "price": None if request.limit_price is None else plain(request.limit_price),
        "params": way.params(request, name),
    }


def ids_alone(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an acknowledgement is believed that does not tell how the order stands: its ids, and a no."""
    said = {name: row.get(name) for name in ("id", "clientOrderId", "symbol")}
    return said | ({"status": "rejected"} if row.get("status") == "rejected" else {})


def _in_steps(rounded: Any, asset: str, told: Decimal, action: str) -> None:
    """ccxt rounds silently to the market's step; an order of another size or price than asked for is never sent."""
    if dec(str(rounded(asset, plain(told)))) != told:
        raise ActionRefused(action, "not a multiple of the market's step")


def acknowledged(request: OrderRequest, heard: Callable[[str], str], row: Mapping[str, Any]) -> Order:
    """The order as the venue acknowledged it; what an acknowledgement leaves out is taken from the request.

    Args:
        heard: Gives a client's id as its owner wrote it.

    Raises:
        RowError: What it does say makes no sense, or is another client's id: another look-up would find it than ours.
    """
    told = {name: value for name, value in row.items() if value is not None}
    asked = {"symbol": request.asset, "amount": plain(request.quantity), "side": request.side, "type": request.type}
    name = request.client_order_id
    order = parse.order({**asked, "clientOrderId": name, **told})
    if heard(order.client_order_id or name) != request.client_order_id and order.client_order_id != name:
        raise parse.RowError("acknowledged under another client's id")
    return replace(
        order,
        client_order_id=request.client_order_id,
        limit_price=order.limit_price or request.limit_price,
        stop_price=order.stop_price or request.stop_price,
        position_side=order.position_side or request.position_side,
    )


def as_asked(request: OrderRequest, order: Order) -> bool:
    """Whether *order*, as the venue has it, bears the id and terms of *request*; what is not told is not there."""
    told = order.client_order_id, order.side, order.quantity, order.stop_price
    wanted = request.client_order_id, request.side, request.quantity, request.stop_price
    return told == wanted and request.limit_price in (None, order.limit_price)
