"""An order's terms as Alpaca wants them."""

from __future__ import annotations

from tieout.brokers.alpaca.fields import RowLeft
from tieout.brokers.alpaca.symbols import COIN, EQUITY, asset
from tieout.brokers.base import OrderRequest
from tieout.errors import ActionRefused
from tieout.model.amounts import plain

_TYPES = frozenset(("market", "limit", "stop", "stop_limit"))


def body(request: OrderRequest, action: str) -> dict[str, str]:
    """The body of a POST: every digit as it was asked for.

    Orders rest until they are cancelled where Alpaca lets them (coins, and whole shares that do not trade at once), else for
    the day: fractions, options and market orders of shares.

    Raises:
        ActionRefused: Alpaca has no such order; nothing was sent.
    """
    if request.reduce_only or request.position_side not in (None, "net"):
        raise ActionRefused(action, "Alpaca has neither legs nor orders that may only reduce")
    if request.type not in _TYPES:
        raise ActionRefused(action, "an order type that is not sent from here")
    try:
        kind = asset(request.asset).kind
    except RowLeft as error:
        raise ActionRefused(action, str(error)) from None
    whole = request.quantity == request.quantity.to_integral_value()
    rests = kind == COIN or (kind == EQUITY and whole and request.type != "market")
    told = {
        "symbol": request.asset,
        "qty": plain(request.quantity),
        "side": request.side,
        "type": request.type,
        "time_in_force": "gtc" if rests else "day",
        "client_order_id": request.client_order_id,
    }
    prices = {"limit_price": request.limit_price, "stop_price": request.stop_price}
    return told | {name: plain(price) for name, price in prices.items() if price is not None}
