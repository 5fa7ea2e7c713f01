"""Changes by name: which record each is about, and what somebody has to book who books it himself. Never an amount."""

from __future__ import annotations

from collections.abc import Iterable

from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    CancelOrder,
    Change,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)


def names_of(change: Change | CancelOrder) -> dict[str, str]:
    """Which record a change is about, by its ids."""
    if isinstance(change, (BookFill, ReverseFill)):
        return {"fill_id": change.fill.fill_id, "asset": change.fill.asset}
    if isinstance(change, (BookActivity, ReverseActivity)):
        return {"activity_id": change.activity.activity_id}
    if isinstance(change, (UpdateOrder, AdoptOrder, CancelOrder)):
        order = change.order
        ids = {"client_order_id": order.client_order_id, "broker_order_id": order.broker_order_id}
        state = {} if isinstance(change, CancelOrder) else {"status": order.status, "asset": order.asset}
        return {**state, **{name: text for name, text in ids.items() if text}}
    if isinstance(change, SetPosition):
        return {"asset": change.asset, "position_side": change.leg}
    return {"currency": change.currency}


def said_of(changes: Iterable[Change]) -> str:
    """What to book, record by record, as a person reads it; the figures stand in the broker's own record."""
    return "; ".join(map(_said, changes))


def _said(change: Change) -> str:
    match change:
        case BookFill(fill):
            return f"book the broker's fill {fill.fill_id} of {fill.asset}, a {fill.side}"
        case ReverseFill(fill):
            return f"take fill {fill.fill_id} of {fill.asset}, a {fill.side}, out once"
        case BookActivity(activity):
            return f"book the broker's {activity.kind} {activity.activity_id}"
        case ReverseActivity(activity):
            return f"take the {activity.kind} {activity.activity_id} out once"
        case UpdateOrder(order):
            return f"bring order {order.name} of {order.asset} to the broker's record of it, {order.status}"
        case AdoptOrder(order):
            return f"take the broker's live order {order.name} of {order.asset} into the books"
        case SetPosition():
            leg = "" if change.leg == "net" else f" ({change.leg})"
            return f"set {change.asset}{leg} to what the broker holds"
        case SetBalance():
            return f"set the cash in {change.currency} to what the broker has"
