"""What may be written into local books, one record a change, and what may be asked of the broker instead.

A case's changes are booked together or not at all.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from tieout.model.discrepancy import ActionKind
from tieout.model.snapshot import Activity, Fill, Leg, Order, OrderSide


class BookFill(Struct, frozen=True, tag="book_fill"):
    """Book the broker's record of a fill; `position_side` and `settlement` are filled in where they were found out."""

    fill: Fill


class ReverseFill(Struct, frozen=True, tag="reverse_fill"):
    """Take one booking of this fill back out, fee included; the entry stays in history, with its reversal."""

    fill: Fill


class BookActivity(Struct, frozen=True, tag="book_activity"):
    """Book the broker's record of an activity."""

    activity: Activity


class ReverseActivity(Struct, frozen=True, tag="reverse_activity"):
    """Take one booking of an activity back out (booked twice, or unknown to the broker)."""

    activity: Activity


class UpdateOrder(Struct, frozen=True, tag="update_order"):
    """Bring local's record of an order to `order`: status, filled quantity and terms."""

    order: Order


class AdoptOrder(Struct, frozen=True, tag="adopt_order"):
    """Take the broker's live order into local's own again."""

    order: Order


class SetPosition(Struct, frozen=True, tag="set_position"):
    """Last resort: set a leg to a signed amount. Visible as an adjustment for ever."""

    asset: str
    leg: Leg
    amount: Decimal
    reason: str
    average_price: Decimal | None = None


class SetBalance(Struct, frozen=True, tag="set_balance"):
    """Last resort: set a currency's total. Visible as an adjustment for ever."""

    currency: str
    total: Decimal
    reason: str


class CancelOrder(Struct, frozen=True, tag="cancel_order"):
    """End the broker's live order that local never sent: asked of the broker, and never given to books."""

    order: Order


class SubmitOrder(Struct, frozen=True, kw_only=True, tag="submit_order"):
    """Send one limit order that brings the broker to local: asked of the broker, and never given to books.

    Attributes:
        asset: What is traded.
        side: Buy or sell.
        quantity: Unsigned, in the broker's units.
        limit_price: The worst price that is taken, in quote currency a unit.
        reduce_only: It only makes the broker's position smaller; sent so where the venue enforces it.
        position_side: The leg that it trades.
        usd: What it is worth at most, in USD.
        local_amount: What local held as this was decided, in its own units, signed.
        broker_amount: What the broker then held, in its own units, signed.
        leaves: The signed difference that a whole fill leaves, in the units compared.
    """

    asset: str
    side: OrderSide
    quantity: Decimal
    limit_price: Decimal
    reduce_only: bool
    position_side: Leg
    usd: Decimal
    local_amount: Decimal
    broker_amount: Decimal
    leaves: Decimal


Change = BookFill | ReverseFill | BookActivity | ReverseActivity | UpdateOrder | AdoptOrder | SetPosition | SetBalance
"""What books take."""

Remedy = Change | CancelOrder | SubmitOrder
"""What an approved case may call for."""

KIND_OF_CHANGE: dict[type, ActionKind] = {
    BookFill: ActionKind.BOOK_FILL,
    ReverseFill: ActionKind.REVERSE_FILL,
    BookActivity: ActionKind.BOOK_ACTIVITY,
    ReverseActivity: ActionKind.REVERSE_FILL,
    UpdateOrder: ActionKind.UPDATE_ORDER,
    AdoptOrder: ActionKind.ADOPT_ORDER,
    SetPosition: ActionKind.SET_POSITION,
    SetBalance: ActionKind.SET_BALANCE,
    CancelOrder: ActionKind.CANCEL_ORDER,
    SubmitOrder: ActionKind.SUBMIT_ORDER,
}
