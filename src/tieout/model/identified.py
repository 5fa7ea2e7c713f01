"""What a side said -> the same under one name an asset, in local's units. Pure and exact; what does not add up is refused.

A row without another name comes out as it went in. Names are matched whole: `XBT/EUR` is not `XBT`, but it is paid in EUR and
buys what XBT means.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from tieout.errors import SourceMalformed
from tieout.model.amounts import ZERO, divided, exact, fits
from tieout.model.identity import Identity, Sayer
from tieout.model.netted import netted
from tieout.model.rules import contradictions
from tieout.model.snapshot import (
    SECTIONS,
    Activity,
    Coverage,
    Fill,
    Lookup,
    Observation,
    Order,
    Position,
    Row,
    Section,
    SideError,
    SideFailure,
    Snapshot,
)

NAMED = ("asset", "currency", "base", "quote", "fee_currency", "new_asset")
COUNTED: dict[type[Row], tuple[str, ...]] = {
    Position: ("amount",),
    Order: ("quantity", "filled"),
    Fill: ("quantity",),
    Activity: ("amount",),
}
PRICED: dict[type[Row], tuple[str, ...]] = {
    Position: ("average_price", "market_price"),
    Order: ("limit_price", "stop_price"),
    Fill: ("price",),
    Activity: (),
}
R = TypeVar("R", bound=Row)


def identified(side: Snapshot, identity: Identity) -> Snapshot:
    """*side* with every asset under its one name, amounts in local's units.

    Raises:
        SourceMalformed: Rows fall together that cannot be one, or an amount cannot be converted exactly.
    """
    if not identity:
        return side
    sayer = Sayer(identity, side.source, side.as_of)
    sections = {name: getattr(side, name) for name in SECTIONS}
    return replace(
        side,
        **{name: identified_rows(name, rows, sayer) for name, rows in sections.items() if rows},
    )


class Meant(NamedTuple):
    """A reading under one name an asset, and in a sentence each what could not be brought there."""

    observation: Observation
    refusals: tuple[str, ...] = ()


def meant(observation: Observation, identity: Identity) -> Meant:
    """One reading under one name an asset; a section that cannot be brought there is one that was not read."""
    if not identity:
        return Meant(observation)
    refusals: list[str] = []
    before = observation.local_before and _side(observation.local_before, identity, [])
    sayer = Sayer(identity, "broker", observation.at)
    seen = replace(
        observation,
        local=_side(observation.local, identity, refusals),
        broker=_side(observation.broker, identity, refusals),
        local_before=before if isinstance(before, Snapshot) else None,
        lookups=observation.lookups and tuple(_looked_up(each, sayer) for each in observation.lookups),
    )
    return Meant(seen, tuple(refusals))


def _side(side: Snapshot | SideError, identity: Identity, refusals: list[str]) -> Snapshot | SideError:
    if not isinstance(side, Snapshot):
        return side
    sayer, sections = Sayer(identity, side.source, side.as_of), dict[Section, tuple[Row, ...] | None]()
    failed: dict[Section, Coverage] = {}
    for name in SECTIONS:
        try:
            rows = getattr(side, name)
            sections[name] = identified_rows(name, rows, sayer) if rows else rows
        except SourceMalformed as error:
            sections[name], failed[name] = None, "failed"
            refusals.append(f"{error}.")
    if failed and all(rows is None for rows in sections.values()):
        return SideError(SideFailure.MALFORMED)
    if not failed:
        return replace(side, **sections)
    vouched = {f"{name}_since": None for name in failed if name in ("fills", "activities")}
    return replace(side, **sections, **vouched, coverage={**(side.coverage or {}), **failed})


def _looked_up(answer: Lookup, sayer: Sayer) -> Lookup:
    """An answer about an order; one that cannot be brought under its name proves nothing."""
    try:
        order = answer.order and identified_row("orders", answer.order, sayer)
    except SourceMalformed:
        return replace(answer, order=None, error=SideFailure.MALFORMED)
    return replace(answer, order=order)


@exact
def identified_rows(section: Section, rows: Sequence[R], sayer: Sayer) -> tuple[R, ...]:
    """The rows of one section under one name an asset.

    Raises:
        SourceMalformed: Rows fall together that cannot be one, or an amount cannot be converted exactly.
    """
    now = [identified_row(section, row, sayer) for row in rows]
    said: list[Any] = list(zip(rows, now, strict=True))
    if section in ("positions", "balances"):
        return tuple(netted(section, said, sayer))
    if section == "fills":
        _require_apart(said, sayer)
    return tuple(now)


@exact
def identified_row(section: Section, row: R, sayer: Sayer) -> R:
    """One row under its asset's one name, in local's units; the row itself where both are so already.

    Raises:
        SourceMalformed: An amount cannot be converted exactly.
    """
    meant: Any = _inward(row, sayer) if isinstance(row, Activity) else renamed(row, lambda n: _named(n, sayer))
    if isinstance(meant, Fill):
        meant = _paired(meant, sayer)
    size = sayer.identity.sizes.get(getattr(meant, "asset", None) or "")
    if size is not None and sayer.source == "broker":
        meant = _converted(meant, size, section, sayer)
    if isinstance(meant, Activity) and meant.new_amount is not None and sayer.source == "broker":
        new_size = sayer.identity.sizes.get(meant.new_asset or "")
        meant = meant if new_size is None else replace(meant, new_amount=meant.new_amount * new_size)
    if meant is not row and not fits(*(v for v in _numbers(meant) if v is not None)):
        raise sayer.refuse(section, "an amount in local's unit has more digits than can be carried")
    return meant  # type: ignore[no-any-return]


def renamed(row: R, name: Callable[[str], str]) -> R:
    """*row* with every name of an asset or currency in it replaced; the row itself where none changes."""
    changed = {}
    for field in NAMED:
        said = getattr(row, field, None)
        if said is not None and (now := name(said)) != said:
            changed[field] = now
    return replace(row, **changed) if changed else row


def _named(said: str, sayer: Sayer) -> str:
    return sayer.identity.name(said, sayer.day)


def _inward(row: Activity, sayer: Sayer) -> Activity:
    """An activity within one identity moves nothing but what is left over; a corporate action of a twin is the twin's own."""
    before, after = row.asset, row.new_asset
    if row.kind == "split" and before in sayer.identity.twins:
        return row
    if before and after and before != after and _named(before, sayer) == _named(after, sayer):
        if row.kind == "symbol_change":
            return row  # which says that both are one
        left = (row.amount or ZERO) + (row.new_amount or ZERO)
        row = replace(row, asset=_named(before, sayer), amount=left, new_asset=None, new_amount=None)
    return renamed(row, lambda name: _named(name, sayer))


def _paired(fill: Fill, sayer: Sayer) -> Fill:
    """A trade of a pair that bears another name of a currency says what it moves: the name alone would not any more."""
    base, slash, rest = fill.asset.partition(":")[0].partition("/")
    if not slash or not base or not rest:
        return fill
    stated = {"base": (fill.base, base), "quote": (fill.quote, rest)}
    meant = {
        field: _named(part, sayer)
        for field, (told, part) in stated.items()
        if told is None and _named(part, sayer) != part
    }
    return replace(fill, **meant) if meant else fill


def _converted(row: Any, size: Decimal, section: Section, sayer: Sayer) -> Any:
    """A row of the broker's in local's units; prices stay, for they are per unit of what a contract is made of.

    A pack is priced as a whole: its prices become those of a unit, and what a unit is worth times its number stays.
    """
    changed = {name: value * size for name in COUNTED[type(row)] if (value := getattr(row, name)) is not None}
    if row.asset in sayer.identity.packs:
        return replace(row, **changed, **dict(_unpacked(row, size, section, sayer)))
    if isinstance(row, Position) and row.multiplier is not None:
        multiplier = divided(row.multiplier, size)
        if multiplier is None:
            raise sayer.refuse(section, f"{row.asset}: the multiplier stated contradicts contract_size")
        changed["multiplier"] = multiplier
    return replace(row, **changed)


def _unpacked(row: Any, size: Decimal, section: Section, sayer: Sayer) -> Iterator[tuple[str, Decimal | None]]:
    """The prices of a unit; one that has no exact value is left out where a side need not tell it."""
    for name in PRICED[type(row)]:
        value = getattr(row, name)
        each = None if value is None else divided(value, size)
        if value is not None and each is None and not isinstance(row, Position):
            raise sayer.refuse(section, f"{row.asset}: the price of a unit of a pack has no exact value")
        yield name, each


def _numbers(row: Row) -> Iterator[Decimal | None]:
    named = (*COUNTED.get(type(row), ()), *(("multiplier",) if isinstance(row, Position) else ()))
    return (getattr(row, name) for name in (*named, *(("new_amount",) if isinstance(row, Activity) else ())))


def _require_apart(said: Sequence[tuple[Fill, Fill]], sayer: Sayer) -> None:
    """Refuse two trades of two assets that would look like one, or like one that was booked twice."""
    seen: dict[Hashable, tuple[Fill, Fill]] = {}
    for row, meant in said:
        other, alike = seen.setdefault((meant.asset, meant.fill_id, meant.side, meant.broker_order_id), (row, meant))
        if other.asset == row.asset:
            continue
        twins = {other.asset, row.asset} & sayer.identity.twins
        if twins or (sayer.source == "broker" and alike != meant):
            raise sayer.refuse("fills", f"{other.asset} and {row.asset} have different fills of one id")
    if sayer.source != "broker" or all(row is meant for row, meant in said):
        return
    # A record without an order's id may only now stand beside the one that has it.
    if any(contradictions([meant for _, meant in said])) and not any(contradictions([row for row, _ in said])):
        raise sayer.refuse("fills", "under one name two of them are records of one fill with different values")
