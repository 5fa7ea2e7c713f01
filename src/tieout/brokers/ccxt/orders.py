"""Orders on their way out: ccxt's arguments for a request, checked to the digit, and the order as it was acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tieout.brokers.base import OrderRequest
from tieout.brokers.ccxt import parse
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
    if request.position_side in ("long", "short") and request.position_side not in venue.legs:
        raise ActionRefused(action, "this adapter cannot name the leg at this venue")
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
        "params": _params(venue, request),
    }


def _params(venue: Venue, request: OrderRequest) -> dict[str, Any]:
    params: dict[str, Any] = {venue.sent_client_id: request.client_order_id}
    if request.stop_price is not None:
        params["triggerPrice"] = plain(request.stop_price)
    if request.reduce_only:
        params["reduceOnly"] = True
    return params | venue.legs.get(request.position_side or "net", {})


def _in_steps(rounded: Any, asset: str, told: Decimal, action: str) -> None:
    """ccxt rounds silently to the market's step; an order of another size or price than asked for is never sent."""
    if dec(str(rounded(asset, plain(told)))) != told:
        raise ActionRefused(action, "not a multiple of the market's step")


def acknowledged(request: OrderRequest, row: Mapping[str, Any]) -> Order:
    """The order as the venue acknowledged it; what an acknowledgement leaves out is taken from the request.

    Raises:
        RowError: What it does say makes no sense.
    """
    told = {name: value for name, value in row.items() if value is not None}
    asked = {"symbol": request.asset, "amount": plain(request.quantity), "side": request.side, "type": request.type}
    order = parse.order({**asked, "clientOrderId": request.client_order_id, **told})
    return replace(
        order,
        client_order_id=request.client_order_id,
        limit_price=order.limit_price or request.limit_price,
        stop_price=order.stop_price or request.stop_price,
        position_side=order.position_side or request.position_side,
    )
