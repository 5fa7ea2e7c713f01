"""An order's terms as TWS is told them, every digit as it was asked for, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout.brokers.base import OrderRequest
from tieout.errors import ActionRefused
from tieout.model.amounts import dec, plain
from tieout.model.snapshot import Order

DIGITS = 15  # of which TWS's own binary numbers hold any; it would round what has more without a word
KINDS = {
    "market": ("MKT", False, False),
    "limit": ("LMT", True, False),
    "stop": ("STP", False, True),
    "stop_limit": ("STP LMT", True, True),
}
LONGEST_ID = 128


def require_sendable(request: OrderRequest, action: str) -> None:
    """Return if TWS can be told *request* just so.

    Raises:
        ActionRefused: It cannot; nothing was sent.
    """
    if request.reduce_only or request.position_side not in (None, "net"):
        raise ActionRefused(action, "TWS has neither legs nor orders that may only reduce")
    if request.type not in KINDS:
        raise ActionRefused(action, "an order type that is not sent from here")
    _, *wanted = KINDS[request.type]
    if [request.limit_price is not None, request.stop_price is not None] != wanted:
        raise ActionRefused(action, "other prices than an order of its type has")
    if request.quantity <= 0:
        raise ActionRefused(action, "a quantity that is not above zero")
    for told in (request.quantity, request.limit_price, request.stop_price):
        if told is not None and len(told.normalize().as_tuple().digits) > DIGITS:
            raise ActionRefused(action, f"a number of more than {DIGITS} digits, which TWS would round")
    name = request.client_order_id
    if not (name and name.isascii() and name.isprintable() and name == name.strip() and len(name) <= LONGEST_ID):
        raise ActionRefused(action, "a client id that TWS would not give back as it was told")


def made(request: OrderRequest, account: str) -> Any:
    """ib_async's order. Numbers go as decimals, which it writes as their text.

    A market order is for the day; all others rest until they are cancelled. Whether they trade outside regular hours is left
    as TWS has it.
    """
    from ib_async import Order as IbOrder

    order = IbOrder(
        account=account,
        action="BUY" if request.side == "buy" else "SELL",
        totalQuantity=_exact(request.quantity),  # type: ignore[arg-type]
        orderType=KINDS[request.type][0],
        tif="DAY" if request.type == "market" else "GTC",
        orderRef=request.client_order_id,
        transmit=True,
    )
    if request.limit_price is not None:
        order.lmtPrice = _exact(request.limit_price)
    if request.stop_price is not None:
        order.auxPrice = _exact(request.stop_price)
    return order


def as_asked(request: OrderRequest, order: Order) -> bool:
    """Whether *order*, as TWS lists it, bears the id and the terms of *request*."""
    told = order.client_order_id, order.side, order.quantity, order.type, order.limit_price, order.stop_price
    return told == (
        request.client_order_id,
        request.side,
        request.quantity,
        request.type,
        request.limit_price,
        request.stop_price,
    )


def _exact(value: Decimal) -> Decimal:
    return dec(plain(value))
