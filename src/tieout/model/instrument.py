"""What a venue itself says of an instrument that it lists. What it does not say is None, and never a default."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tieout.model.amounts import fits
from tieout.model.snapshot import Moment, Name, Settlement

Standing = Literal["active", "suspended", "delisted", "expired"]


class Instrument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One instrument, in the venue's own units.

    Attributes:
        asset: Its name, as the venue's rows bear it.
        names: Other names under which the venue itself lists it.
        base, quote, settle: What it is of, what its price is in, and what its profit is paid in.
        settlement: How a trade in it moves cash.
        contract_size: How much one contract is of; None where it is not counted in contracts.
        quantity_step, min_quantity: Of orders, in what the venue counts.
        price_tick: The step of its prices, where that is one number.
        smallest_unit: The least amount of it that the venue keeps.
        status: Whether it is traded there: `suspended` may come back, the last two do not.
        expiry: When it ends; None where it does not, or nobody says.
    """

    asset: Name
    names: tuple[Name, ...] = ()
    base: Name | None = None
    quote: Name | None = None
    settle: Name | None = None
    settlement: Settlement | None = None
    contract_size: Decimal | None = None
    quantity_step: Decimal | None = None
    min_quantity: Decimal | None = None
    price_tick: Decimal | None = None
    smallest_unit: Decimal | None = None
    status: Standing | None = None
    expiry: Moment | None = None


SIZES = ("contract_size", "quantity_step", "min_quantity", "price_tick", "smallest_unit")


def wrong_in(row: Instrument) -> str | None:
    """What in *row* no instrument can have, in words without numbers; None where all is in order."""
    for name in SIZES:
        value: Decimal | None = getattr(row, name)
        if value is not None and (not fits(value) or value <= 0):
            return f"{name} is not above 0"
    if row.asset in row.names:
        return "its own name is among its others"
    return None
