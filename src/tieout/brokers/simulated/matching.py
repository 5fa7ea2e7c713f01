"""When an order trades and at what price, what it locks, and why one is not taken. No state is moved here.

- A limit order that can trade when it arrives takes the market's price; one that rests trades at its own limit once
  the market touches it. Older orders go first, and each takes what is left of the size available at that price.
- A stop without a limit price becomes a market order when it is touched, with one it becomes a limit order.
- A market order that finds too little is filled with what there is, and its rest is cancelled.
- Orders for spot and cash instruments lock what they could cost at their limit (else stop) price, fee included where
  it is taken in what they pay with; margin and inverse orders lock nothing.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from tieout.brokers.base import OrderRequest
from tieout.errors import ActionRefused
from tieout.model.amounts import ZERO
from tieout.model.snapshot import Leg, Order, OrderSide

from .facts import Resting
from .instruments import Instrument, require_notional, require_number
from .state import Account, State

TYPES = {"limit": (True, False), "market": (False, False), "stop": (False, True), "stop_limit": (True, True)}


def touched(order: Order, price: Decimal) -> bool:
    """Whether the market at *price* sets a stop order off."""
    if order.stop_price is None:
        return True
    return price >= order.stop_price if order.side == "buy" else price <= order.stop_price


def trade_price(resting: Resting, price: Decimal, *, arriving: bool) -> Decimal | None:
    """The price at which an order trades while the market is at *price*; None where it does not."""
    order = resting.order
    if not (resting.triggered or touched(order, price)):
        return None
    if order.limit_price is None:
        return price
    reached = price <= order.limit_price if order.side == "buy" else price >= order.limit_price
    if not reached:
        return None
    just_set_off = order.stop_price is not None and not resting.triggered
    return price if arriving or just_set_off else order.limit_price


def locks(order: Order, instrument: Instrument) -> dict[str, Decimal]:
    """The funds that a live order holds back, by currency; unsigned."""
    price = order.limit_price or order.stop_price
    if not instrument.paid_in_full or price is None or not order.live:
        return {}
    return cost(instrument, order.side, order.remaining, price)


def cost(instrument: Instrument, side: OrderSide, quantity: Decimal, price: Decimal) -> dict[str, Decimal]:
    """What a trade takes out of the account, by currency, fee included where it is taken in the same."""
    if side == "buy":
        pays, amount = instrument.currency, instrument.notional(quantity, price)
    elif instrument.base is not None:
        pays, amount = instrument.base, quantity
    else:
        return {}
    if instrument.charged_in == pays:
        amount += max(instrument.fee(quantity, price), ZERO)
    return {pays: amount}


def locked(account: Account, state: State) -> dict[str, Decimal]:
    """The sum of what the account's live orders hold back, by currency."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    for resting in account.live.values():
        for currency, amount in locks(resting.order, state.instruments[resting.order.asset]).items():
            held[currency] += amount
    return held


def affordable(account: Account, state: State, needed: dict[str, Decimal], own: dict[str, Decimal]) -> bool:
    """Whether *needed* is available, counting what the order itself has locked (*own*)."""
    held = locked(account, state)
    cash = account.holdings.cash
    return all(
        amount <= cash.get(currency, ZERO) - held.get(currency, ZERO) + own.get(currency, ZERO)
        for currency, amount in needed.items()
    )


def closable(account: Account, asset: str, side: OrderSide, leg: Leg) -> Decimal:
    """How many units a reducing order on that side could still close; unsigned."""
    amount = account.leg(asset, leg)
    return max(ZERO, -amount if side == "buy" else amount)


def reduces(side: OrderSide, leg: Leg, *, reduce_only: bool) -> bool:
    """Whether an order may only close: it says so, or it goes against its leg."""
    return reduce_only or (leg, side) in (("long", "sell"), ("short", "buy"))


def require_order(state: State, account: Account, request: OrderRequest) -> None:
    """Raise `ActionRefused` with the reason where the venue does not take *request*."""
    action = "submit"
    if account.find(None, request.client_order_id) is not None:
        raise ActionRefused(action, "duplicate client order id")
    instrument = state.instrument(request.asset)
    _require_terms(action, request)
    price = request.limit_price or request.stop_price
    if price is None:
        if request.asset not in state.prices:
            raise ActionRefused(action, "no market for a market order")
        price = state.prices[request.asset].price
    require_notional(action, instrument, request.quantity, price)
    leg = _require_leg(action, account, instrument, request)
    only_reduces = reduces(request.side, leg, reduce_only=request.reduce_only)
    if only_reduces and not closable(account, request.asset, request.side, leg):
        raise ActionRefused(action, "nothing to reduce")
    if instrument.paid_in_full:
        needed = cost(instrument, request.side, request.quantity, price)
        if not affordable(account, state, needed, {}):
            raise ActionRefused(action, "insufficient funds")


def _require_terms(action: str, request: OrderRequest) -> None:
    if request.type not in TYPES:
        raise ActionRefused(action, "unknown order type")
    if not request.client_order_id:
        raise ActionRefused(action, "an empty client order id")
    wants_limit, wants_stop = TYPES[request.type]
    if (request.limit_price is not None) != wants_limit or (request.stop_price is not None) != wants_stop:
        raise ActionRefused(action, f"other prices than a {request.type} order has")
    require_number(action, "quantity", request.quantity)
    for price in (request.limit_price, request.stop_price):
        if price is not None:
            require_number(action, "price", price)


def _require_leg(action: str, account: Account, instrument: Instrument, request: OrderRequest) -> Leg:
    leg = request.position_side or "net"
    has_legs = account.hedge_mode and instrument.base is None
    if has_legs == (leg == "net"):
        raise ActionRefused(action, "a leg is needed where positions have legs, and only there")
    return leg
