"""What the books refuse before they book: what the contract's reader would refuse, and an adjustment without a reason."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tieout.errors import BookError
from tieout.model.amounts import fits
from tieout.model.rules import finding
from tieout.model.snapshot import Activity, Balance, Fill, Position


def check_row(row: Position | Balance | Fill | Activity) -> None:
    """Refuse what the contract's reader would refuse: a record made in code has met no such check.

    Raises:
        BookError: With the rule that it breaks.
    """
    named = f"{type(row).__name__.lower()} {_name_of(row)}"
    broken = finding(row)
    if broken is not None:
        raise BookError(named, f"{broken[1]}; {broken[2]}")
    for field in row.__struct_fields__:
        value = getattr(row, field)
        if isinstance(value, Decimal) and not fits(value):
            raise BookError(named, f"{field} is not a finite decimal of at most 64 digits")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise BookError(named, f"{field} has no offset; give an aware time")


def _name_of(row: Position | Balance | Fill | Activity) -> str:
    if isinstance(row, Fill):
        return row.fill_id
    if isinstance(row, Activity):
        return row.activity_id
    return row.asset if isinstance(row, Position) else row.currency


def check_reason(record: str, reason: str) -> None:
    """Refuse an adjustment that does not say why.

    Raises:
        BookError: It does not.
    """
    if not reason.strip():
        raise BookError(record, "an adjustment needs a reason")
