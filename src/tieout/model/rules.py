"""What a well-typed row must still fulfil, said once for the fast and the thorough reading. Findings carry no amounts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from msgspec.structs import replace

from tieout.model.amounts import fraction
from tieout.model.snapshot import (
    CASH_KINDS,
    CORPORATE_KINDS,
    SECTIONS,
    Activity,
    Balance,
    Fill,
    Order,
    Position,
    Row,
    Snapshot,
)

Finding = tuple[str, str, str]  # field, what is wrong, how to mend it


def position_finding(row: Position) -> Finding | None:
    """The first rule that a position row breaks."""
    if row.side == "short" and row.amount > 0:
        return "amount", "a short leg with an amount above 0", 'write it negative, or call the side "long"'
    if row.side == "long" and row.amount < 0:
        return "amount", "a long leg with an amount below 0", 'write it positive, or call the side "short"'
    if row.multiplier is not None and row.multiplier <= 0:
        return "multiplier", "a multiplier that is not above 0", "write the contract size, or leave it out"
    return None


def order_finding(row: Order) -> Finding | None:
    """The first rule that an order breaks."""
    if row.broker_order_id is None and row.client_order_id is None:
        return "client_order_id", "an order without any id", "give broker_order_id or client_order_id"
    if row.quantity < 0:
        return "quantity", "a quantity below 0", "quantities are unsigned; the side says which way"
    if row.filled is not None and not 0 <= row.filled <= row.quantity:
        return "filled", "a filled quantity outside 0 to quantity", "check which of the two is wrong"
    return None


def fill_finding(row: Fill) -> Finding | None:
    """The first rule that a fill breaks."""
    if row.quantity < 0:
        return "quantity", "a quantity below 0", "quantities are unsigned; the side says which way"
    if row.fee and row.fee_currency is None:
        return "fee_currency", "a fee without a currency", "say in which currency it was taken"
    return None


def activity_finding(row: Activity) -> Finding | None:
    """The first rule that an activity breaks: what its kind needs is in the contract, section 1."""
    if row.kind in CASH_KINDS:
        if row.amount is None:
            return "amount", f"a {row.kind} without an amount", "give the signed amount"
        if (row.currency is None) == (row.asset is None):
            return "currency", f"a {row.kind} needs a currency or an asset, and not both", "name the one that moved"
    elif row.kind == "split":
        return _split_finding(row)
    elif row.asset is None:
        return "asset", f"a {row.kind} without an asset", "name the asset"
    elif row.kind == "symbol_change" and row.new_asset is None:
        return "new_asset", "a symbol_change without a new_asset", "name what it is called now"
    elif row.kind in CORPORATE_KINDS and row.amount is None:
        return "amount", f"a {row.kind} without an amount", "give the signed amount of the asset"
    elif row.kind in CORPORATE_KINDS and (row.new_asset is None) != (row.new_amount is None):
        return "new_amount", "new_asset and new_amount go together", "give both or neither"
    return None


def _split_finding(row: Activity) -> Finding | None:
    if row.asset is None or row.ratio is None:
        return "ratio", "a split needs an asset and a ratio", 'write new units for one old, such as "4" or "1/6"'
    try:
        fraction(row.ratio)
    except ValueError:
        return "ratio", "a ratio that is no number above 0", 'write new units for one old, such as "4" or "1/6"'
    return None


def identity(row: Row) -> tuple[tuple[str, Hashable], ...]:
    """The fields that must be unique within a section, each with the value that a second row may not bear."""
    if isinstance(row, Position):
        return (("asset", (row.asset, row.leg)),)
    if isinstance(row, Balance):
        return (("currency", row.currency),)
    if isinstance(row, Order):
        ids = ("broker_order_id", row.broker_order_id), ("client_order_id", row.client_order_id)
        return tuple((field, value) for field, value in ids if value is not None)
    return ()


def distinct(rows: Sequence[Row]) -> bool:
    """Whether no two rows of one section have the same identity."""
    columns = _IDENTITY.get(type(rows[0]), ())
    if all(_once([value for value in map(attrgetter(name), rows) if value is not None]) for name in columns):
        return True
    return _once([pair for row in rows for pair in identity(row)])


_IDENTITY: dict[type[Row], tuple[str, ...]] = {
    Position: ("asset",),
    Balance: ("currency",),
    Order: ("broker_order_id", "client_order_id"),
}


def _once(values: Sequence[Hashable]) -> bool:
    return len(set(values)) == len(values)


def finding(row: Row) -> Finding | None:
    """The first rule that *row* breaks, whatever it is."""
    rule = _RULES.get(type(row))
    return rule(row) if rule is not None else None


_RULES: dict[type[Row], Callable[[Any], Finding | None]] = {
    Position: position_finding,
    Order: order_finding,
    Fill: fill_finding,
    Activity: activity_finding,
}


def snapshot_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Rules between the rows and the sections of one snapshot."""
    for section in SECTIONS:
        stated = (snapshot.coverage or {}).get(section)
        if stated == "complete" and getattr(snapshot, section) is None:
            yield (
                f"coverage.{section}",
                "coverage calls a section complete that is not there",
                "give the section, or do not call it complete",
            )
    if snapshot.source == "broker":
        yield from contradictions(snapshot.fills or ())


def contradictions(fills: Sequence[Fill]) -> Iterator[Finding]:
    """A broker's fills of one identity with other values; a record without an order id must fit one that has it."""
    finding = "two records of one fill with different values", "keep the one that is right"
    seen: dict[tuple[str, str, str], dict[str | None, Fill]] = {}
    for index, fill in enumerate(fills):
        known = seen.setdefault(_triple(fill), {}).setdefault(fill.broker_order_id, fill)
        if known is not fill and known != fill:
            yield f"fills[{index}]", *finding
    for index, fill in enumerate(fills):
        alike = seen[_triple(fill)]
        if fill.broker_order_id is None and len(alike) > 1 and not any(_fits(fill, other) for other in alike.values()):
            yield f"fills[{index}]", *finding


def _triple(fill: Fill) -> tuple[str, str, str]:
    return fill.asset, fill.fill_id, fill.side


def _fits(fill: Fill, other: Fill) -> bool:
    return other.broker_order_id is not None and replace(other, broker_order_id=None) == fill
