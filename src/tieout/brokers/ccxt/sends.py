"""Which orders may be sent to a venue, as data: what is not listed is refused, for ccxt sends much as something else.

Measured with ccxt 4.5.90: what leaves is held, field by field, to what was asked for (`tests/brokers/ccxt/test_sends.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec import field as default

from tieout.brokers.base import OrderRequest
from tieout.errors import ActionRefused
from tieout.model.amounts import plain

Json = dict[str, Any]
Kind = Literal["spot", "linear", "inverse"]
_PRICES = {"market": (False, False), "limit": (True, False), "stop": (False, True), "stop_limit": (True, True)}
_CLOSING = frozenset((("long", "sell"), ("short", "buy")))


class Way(Struct, frozen=True):
    """One type of order in one kind of market, and how ccxt has to be told it.

    Attributes:
        type: The port's word for it: market, limit, stop, stop_limit.
        market: Spot pairs, or perpetual contracts that settle in their quote currency (linear) or in their coin (inverse).
        client_id: ccxt's parameter for the client's id.
        trigger: The same for the price of a stop.
        by_side: What is said beside, by the side of the order.
        reduce_only: Whether that is sent.
        legs: How the leg of a hedge-mode account is named; without, an order for one is refused.
        legs_close: An order against its leg can only close it, and must not say so.
        sides: Which of them go out right.
        fits: Which markets of the sort it is for.
    """

    type: str
    market: Kind
    client_id: str = "clientOrderId"
    trigger: str = "triggerPrice"
    by_side: Mapping[str, Json] = default(default_factory=dict)
    reduce_only: bool = False
    legs: Mapping[str, Json] = default(default_factory=dict)
    legs_close: bool = False
    sides: tuple[str, ...] = ("buy", "sell")
    fits: Callable[[Mapping[str, Any]], bool] = bool

    def params(self, request: OrderRequest, client_id: str) -> Json:
        """ccxt's parameters for *request*, which this way is for."""
        said: Json = {self.client_id: client_id, **self.by_side.get(request.side, {})}
        if request.stop_price is not None:
            said[self.trigger] = plain(request.stop_price)
        leg = self.legs.get(request.position_side or "net", {})
        if request.reduce_only and not (leg and self.legs_close):
            said["reduceOnly"] = True
        return said | leg


def ways(market: Kind, *types: str, **more: Any) -> tuple[Way, ...]:
    """A way for each of *types*, all alike."""
    return tuple(Way(kind, market, **more) for kind in types)


def way_for(sends: tuple[Way, ...], market: Mapping[str, Any], request: OrderRequest, action: str) -> Way:
    """The way that *request* goes out.

    Raises:
        ActionRefused: None is known to send just this.
    """
    if request.type not in _PRICES:
        raise ActionRefused(action, "orders of this type are not sent")
    if (request.limit_price is not None, request.stop_price is not None) != _PRICES[request.type]:
        raise ActionRefused(action, "other prices than an order of its type has")
    sort = _sort(market)
    found = next((way for way in sends if (way.type, way.market) == (request.type, sort) and way.fits(market)), None)
    if found is None or request.side not in found.sides:
        raise ActionRefused(action, "this type of order is not sent to this market of this venue")
    leg = request.position_side or "net"
    if leg != "net" and leg not in found.legs:
        raise ActionRefused(action, "this adapter cannot name the leg at this venue")
    if request.reduce_only and not found.reduce_only:
        raise ActionRefused(action, "reduce-only is not sent to this market of this venue")
    if request.reduce_only and leg != "net" and (leg, request.side) not in _CLOSING:
        raise ActionRefused(action, "reduce-only, and it would open its leg")
    return found


def _sort(market: Mapping[str, Any]) -> Kind | None:
    if market.get("spot"):
        return "spot"
    if not market.get("swap"):
        return None
    return "linear" if market.get("linear") else "inverse" if market.get("inverse") else None
