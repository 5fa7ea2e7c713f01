"""The records that a ledger is made of. Nothing in it is ever changed or taken away; a reversal is an entry of its own."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from tieout.books.instruments import HeldIn, Instrument, Terms
from tieout.model.snapshot import Activity, Balance, Fill, Leg, Position


class PositionOpened(Struct, frozen=True, tag="position_opened"):
    """A position that was there when the books were opened."""

    position: Position


class BalanceOpened(Struct, frozen=True, tag="balance_opened"):
    """A balance that was there when the books were opened."""

    balance: Balance


class FillOpened(Struct, frozen=True, tag="fill_opened"):
    """A fill that the opening amounts already contain, once for each time it was booked; it moves nothing."""

    fill: Fill


class ActivityOpened(Struct, frozen=True, tag="activity_opened"):
    """An activity that the opening amounts already contain; it moves nothing."""

    activity: Activity


class FillBooked(Struct, frozen=True, tag="fill_booked"):
    """A fill and the terms it was booked under."""

    fill: Fill
    terms: Terms


class FillReversed(Struct, frozen=True, tag="fill_reversed"):
    """Takes the fill of entry *booking* back out; `terms` are given where that was an opening entry."""

    fill: Fill
    booking: int
    terms: Terms | None = None


class ActivityBooked(Struct, frozen=True, tag="activity_booked"):
    """An activity with its full effect."""

    activity: Activity


class ActivityReversed(Struct, frozen=True, tag="activity_reversed"):
    """Takes the activity of entry *booking* back out; `opened` where that was an opening entry."""

    activity: Activity
    booking: int
    opened: bool = False


class PositionSet(Struct, frozen=True, tag="position_set"):
    """An adjustment: the leg was brought to `amount`, by `change` (both signed)."""

    asset: str
    leg: Leg
    amount: Decimal
    change: Decimal
    average_price: Decimal | None = None


class BalanceSet(Struct, frozen=True, tag="balance_set"):
    """An adjustment: the currency was brought to `total`, by `change` (signed)."""

    currency: str
    total: Decimal
    change: Decimal


Record = (
    PositionOpened
    | BalanceOpened
    | FillOpened
    | ActivityOpened
    | FillBooked
    | FillReversed
    | ActivityBooked
    | ActivityReversed
    | PositionSet
    | BalanceSet
)


class Entry(Struct, frozen=True):
    """One line of the ledger; numbers start at 1 and have no gap."""

    number: int
    record: Record
    reason: str = ""


class LedgerState(Struct, frozen=True):
    """All that a ledger is: its entries, what it knows of assets, and where it holds a pair that it does not know."""

    entries: tuple[Entry, ...]
    instruments: dict[str, Instrument]
    pairs_in: HeldIn
