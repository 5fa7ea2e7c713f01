"""What a fill of an asset moves: the registry of instruments, and the terms that one fill was booked under."""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from tieout.model.amounts import ONE
from tieout.model.snapshot import Fill, Position, Settlement

HeldIn = Literal["positions", "balances"]


class Instrument(Struct, frozen=True, kw_only=True):
    """What is known of an asset; what is None is taken from the fill, the position row or the name.

    `held_in` says where the asset stands: a row of its own, or (a spot pair) the balances of its base and quote currency.
    """

    asset: str
    settlement: Settlement | None = None
    multiplier: Decimal | None = None
    currency: str | None = None
    base: str | None = None
    quote: str | None = None
    held_in: HeldIn | None = None

    def completed_by(self, row: Position) -> Instrument:
        """The same instrument, its gaps filled from a position row."""
        return replace(
            self,
            settlement=self.settlement or row.settlement,
            multiplier=self.multiplier or row.multiplier,
            currency=self.currency or row.currency,
            base=self.base or row.base,
            quote=self.quote or row.quote,
            held_in=self.held_in or "positions",
        )


class Terms(Struct, frozen=True, kw_only=True):
    """How one fill moves cash; written down with the booking, so that a replay books it the same way.

    Without a `quote` no cash effect is claimed but the fee's.
    """

    settlement: Settlement
    multiplier: Decimal
    base: str | None
    quote: str | None
    held_in: HeldIn

    @property
    def inverse(self) -> bool:
        """Whether profit is counted in the base coin."""
        return self.settlement == "inverse"


def name_parts(asset: str) -> tuple[str | None, str | None]:
    """Base and quote currency as the name tells: split at "/" (up to ":"), or at "-" where that gives two parts."""
    head = asset.partition(":")[0]
    parts = head.split("/", 1) if "/" in head else head.split("-")
    if len(parts) != 2 or not all(parts):
        return None, None
    return parts[0], parts[1]


def terms_of(fill: Fill, known: Instrument | None, *, held_in: HeldIn) -> Terms:
    """The terms of *fill*: its own word first, then the instrument's, then the name's.

    Args:
        fill: The record to be booked.
        known: The registered instrument of its asset, if there is one.
        held_in: Where the asset is held when the instrument does not say.
    """
    known = known or Instrument(asset=fill.asset)
    base, quote = name_parts(fill.asset)
    return Terms(
        settlement=fill.settlement or known.settlement or "cash",
        multiplier=known.multiplier or ONE,
        base=fill.base or known.base or base,
        quote=fill.quote or known.quote or known.currency or quote,
        held_in=known.held_in or held_in,
    )


def reads_as_pair(fill: Fill, known: Instrument | None, listed: Container[str]) -> bool:
    """Tell whether an asset that never had a row is a spot pair, held as the balances of its two currencies.

    A dash alone is weak evidence (class B shares bear one too), so there the quote currency must be *listed*.
    """
    known = known or Instrument(asset=fill.asset)
    settlement = fill.settlement or known.settlement or "cash"
    if settlement != "cash" or fill.position_side in ("long", "short") or ":" in fill.asset:
        return False
    base, quote = fill.base or known.base, fill.quote or known.quote
    named_base, named_quote = name_parts(fill.asset)
    if (base or named_base) is None or (quote or named_quote) is None:
        return False
    if "/" in fill.asset or (base is not None and quote is not None):
        return True
    return named_quote in listed and quote in (None, named_quote)
