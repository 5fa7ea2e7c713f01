"""What one side holds at one moment: `tieout.snapshot/1`, record by record.

Signs and units: an *amount* is signed (short is negative) in units of the asset, a *quantity* and *filled* are unsigned, a
price is in quote currency a unit, a *fee* above 0 was paid. Times are aware. A section that is None was not fetched.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1)]
Moment = Annotated[datetime, Meta(tz=True)]

Leg = Literal["net", "long", "short"]
OrderSide = Literal["buy", "sell"]
Settlement = Literal["cash", "margin", "inverse"]
OrderStatus = Literal["pending", "open", "partially_filled", "filled", "cancelled", "rejected", "expired", "unknown"]
Coverage = Literal["complete", "partial", "failed"]
Section = Literal["positions", "balances", "orders", "fills", "activities"]
Source = Literal["local", "broker"]
ActivityKind = Literal[
    "deposit", "withdrawal", "transfer", "fee", "funding", "interest", "dividend", "rebate", "cash_in_lieu",
    "split", "symbol_change", "expiry", "assignment", "merger", "spin_off", "conversion",
]  # fmt: skip

SECTIONS: tuple[Section, ...] = ("positions", "balances", "orders", "fills", "activities")
LIVE: frozenset[str] = frozenset(("pending", "open", "partially_filled"))
CASH_KINDS: frozenset[str] = frozenset(
    ("deposit", "withdrawal", "transfer", "fee", "funding", "interest", "dividend", "rebate", "cash_in_lieu")
)
CORPORATE_KINDS: frozenset[str] = frozenset(("expiry", "assignment", "merger", "spin_off", "conversion"))


class SideFailure(StrEnum):
    """Why a side could not be read at all."""

    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    AUTHENTICATION = "authentication"
    MALFORMED = "malformed"
    OTHER = "other"


class Position(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One row of holdings; `amount` counts what the venue counts (contracts, shares, coins)."""

    asset: Name
    amount: Decimal
    side: Leg | None = "net"
    average_price: Decimal | None = None
    market_price: Decimal | None = None
    currency: Name | None = None
    multiplier: Decimal | None = None
    settlement: Settlement | None = None
    base: Name | None = None
    quote: Name | None = None

    @property
    def leg(self) -> Leg:
        """The leg with null read as net."""
        return self.side or "net"


class Balance(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Cash of one currency: total = available + locked, without unrealised profit."""

    currency: Name
    total: Decimal
    available: Decimal | None = None
    locked: Decimal | None = None
    usd_price: Decimal | None = None


class Order(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An order as one side knows it; at least one of the two ids is there."""

    asset: Name
    side: OrderSide
    quantity: Decimal
    status: OrderStatus
    broker_order_id: Name | None = None
    client_order_id: Name | None = None
    type: str | None = None
    filled: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    position_side: Leg | None = None

    @property
    def live(self) -> bool:
        """Whether it can still trade."""
        return self.status in LIVE

    @property
    def done(self) -> Decimal:
        """The quantity filled so far, unsigned."""
        return self.filled or Decimal(0)

    @property
    def remaining(self) -> Decimal:
        """The quantity still open while it lives, unsigned; 0 once it ended."""
        return self.quantity - self.done if self.live else Decimal(0)

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1

    @property
    def touched_at(self) -> datetime | None:
        """When it last changed, as far as this side says."""
        return self.updated_at or self.created_at

    @property
    def name(self) -> str:
        """The id a person would look for: the client's, else the broker's."""
        return self.client_order_id or self.broker_order_id or ""


class Fill(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One execution; `fee` above 0 was paid, below 0 was a rebate."""

    fill_id: Name
    asset: Name
    side: OrderSide
    quantity: Decimal
    price: Decimal
    at: Moment
    broker_order_id: Name | None = None
    client_order_id: Name | None = None
    fee: Decimal | None = None
    fee_currency: Name | None = None
    liquidation: bool | None = None
    settlement: Settlement | None = None
    base: Name | None = None
    quote: Name | None = None
    position_side: Leg | None = None

    @property
    def signed(self) -> Decimal:
        """The quantity, above 0 for a buy and below 0 for a sell."""
        return self.quantity if self.side == "buy" else -self.quantity


class Activity(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Anything but a trade that changes holdings; amounts are signed."""

    activity_id: Name
    kind: ActivityKind
    at: Moment
    currency: Name | None = None
    asset: Name | None = None
    amount: Decimal | None = None
    ratio: Name | None = None
    new_asset: Name | None = None
    new_amount: Decimal | None = None


class Snapshot(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole statement of one side. Sections that are None were not fetched; empty ones are known to be empty."""

    schema: Literal["tieout.snapshot/1"]
    account: Name
    source: Source
    as_of: Moment
    positions: tuple[Position, ...] | None = None
    balances: tuple[Balance, ...] | None = None
    orders: tuple[Order, ...] | None = None
    fills: tuple[Fill, ...] | None = None
    activities: tuple[Activity, ...] | None = None
    coverage: dict[Section, Coverage] | None = None
    fills_since: Moment | None = None
    activities_since: Moment | None = None

    def covers(self, section: Section) -> Coverage:
        """How far *section* was read: one that is not there counts as failed."""
        if getattr(self, section) is None:
            return "failed"
        return (self.coverage or {}).get(section, "complete")


class SideError(Struct, frozen=True, forbid_unknown_fields=True):
    """A side that could not be read: nothing is known about it, least of all that it is flat."""

    error: SideFailure


class Lookup(Struct, frozen=True, forbid_unknown_fields=True):
    """What the broker answered when asked for one order: the order, none such, or an error (which proves nothing)."""

    broker_order_id: Name | None = None
    client_order_id: Name | None = None
    order: Order | None = None
    error: SideFailure | None = None


class Observation(Struct, frozen=True, forbid_unknown_fields=True):
    """Both sides at one moment. `local_before` is the first of the two local readings around the broker's."""

    at: Moment
    account: Name
    local: Snapshot | SideError
    broker: Snapshot | SideError
    local_before: Snapshot | None = None
    lookups: tuple[Lookup, ...] | None = None


Row = Position | Balance | Order | Fill | Activity
Json = dict[str, Any]
