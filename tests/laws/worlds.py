"""Accounts whose two sides were kept by the same plain bookkeeping, from histories that differ in known ways.

The bookkeeping here is this suite's own: a few lines over amounts by name, that share nothing with the code under test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from tests.explain.building import bal, moment, pos, side
from tieout.model.changes import BookActivity, BookFill, Change, ReverseActivity, ReverseFill
from tieout.model.snapshot import Activity, Fill, Order, Snapshot

ASSETS = ("X", "Y")
SIZES = st.integers(1, 6).map(lambda n: Decimal(n) / 2)
Amounts = defaultdict[str, Decimal]


class World(Struct, frozen=True):
    """Both sides of an account, and whether anything but their records sets them apart."""

    local: Snapshot
    broker: Snapshot
    noise: bool


def keep(amounts: Amounts, row: Fill | Activity, way: int = 1) -> None:
    """Book one record, or take it back: shares against dollars, fees and activities in dollars."""
    if isinstance(row, Fill):
        signed = way * (row.quantity if row.side == "buy" else -row.quantity)
        amounts[row.asset] += signed
        amounts["USD"] -= signed * row.price + way * (row.fee or 0)
    else:
        amounts["USD"] += way * (row.amount or 0)


def cured(world: World, changes: Iterable[Change]) -> Amounts:
    """What local would hold after *changes*."""
    amounts = held(world.local)
    for change in changes:
        if isinstance(change, (BookFill, ReverseFill)):
            keep(amounts, change.fill, 1 if isinstance(change, BookFill) else -1)
        elif isinstance(change, (BookActivity, ReverseActivity)):
            keep(amounts, change.activity, 1 if isinstance(change, BookActivity) else -1)
        else:
            raise AssertionError(f"no record is behind {change}")
    return amounts


def held(snapshot: Snapshot) -> Amounts:
    """What a side holds, by name."""
    amounts: Amounts = defaultdict(Decimal)
    for row in snapshot.positions or ():
        amounts[row.asset] += row.amount
    for balance in snapshot.balances or ():
        amounts[balance.currency] += balance.total
    return amounts


@st.composite
def fills(draw: st.DrawFn, number: int) -> Fill:
    """A fill of an own or a stranger's order, of any age."""
    return Fill(
        fill_id=str(number),
        asset=draw(st.sampled_from(ASSETS)),
        side=draw(st.sampled_from(["buy", "sell"])),
        quantity=draw(SIZES),
        price=draw(st.sampled_from([Decimal(100), Decimal("101.5")])),
        at=moment(-draw(st.sampled_from([1, 30, 90, 600, 700]))),
        client_order_id=draw(st.sampled_from(["c-0", "zz", None])),
        fee=draw(st.sampled_from([None, Decimal(0), Decimal("0.25")])),
        fee_currency="USD",
        liquidation=draw(st.sampled_from([None, False, True])),
    )


@st.composite
def activities(draw: st.DrawFn, number: int) -> Activity:
    """A cash movement."""
    kind: Any = draw(st.sampled_from(["deposit", "withdrawal", "fee", "funding", "dividend"]))
    amount = Decimal(draw(st.sampled_from([-40, -15, 25, 300])))
    return Activity(f"a{number}", kind, moment(-draw(st.sampled_from([1, 90, 800]))), currency="USD", amount=amount)


def _local_version(draw: st.DrawFn, row: Fill | Activity) -> list[Fill | Activity]:
    """How local booked it: as it is, not at all, twice, or wrongly."""
    fate = draw(st.sampled_from(["same", "same", "missing", "twice", "price", "quantity", "fee"]))
    if fate == "missing":
        return []
    if fate == "twice":
        return [row, row]
    if isinstance(row, Fill) and fate == "price":
        return [replace(row, price=row.price + 1)]
    if isinstance(row, Fill) and fate == "quantity":
        return [replace(row, quantity=row.quantity + 1)]
    if isinstance(row, Fill) and fate == "fee":
        return [replace(row, fee=None)]
    return [row]


@st.composite
def worlds(draw: st.DrawFn, *, noise: bool = True) -> World:
    """An account of two shares and dollars, settled in cash, with up to six records."""
    rows: list[Fill | Activity] = [draw(st.one_of(fills(n), activities(n))) for n in range(draw(st.integers(0, 6)))]
    phantom = [draw(fills(n)) for n in range(90, 90 + draw(st.integers(0, 2)))]
    mine = [version for row in rows for version in _local_version(draw, row)] + phantom
    start = {"X": Decimal(40), "Y": Decimal(-30), "USD": Decimal(5000)}
    here, there = (defaultdict(Decimal, start) for _ in range(2))
    for row in mine:
        keep(here, row)
    for row in rows:
        keep(there, row)
    moved = noise and draw(st.booleans())
    if moved:
        there[draw(st.sampled_from([*ASSETS, "USD"]))] += draw(st.sampled_from([Decimal("-0.5"), Decimal(3)]))
    ours = draw(st.lists(_orders(), max_size=2, unique_by=lambda order: order.client_order_id))
    theirs = draw(st.lists(_orders(), max_size=2, unique_by=lambda order: order.client_order_id))
    since = draw(st.sampled_from([None, -9000, -300]))
    return World(
        local=side("local", *_rows(here), *mine, *ours, fills_since=draw(st.sampled_from([None, -9000]))),
        broker=side("broker", *_rows(there), *rows, *theirs, fills_since=since, activities_since=since),
        noise=moved,
    )


@st.composite
def _orders(draw: st.DrawFn) -> Order:
    status: Any = draw(st.sampled_from(["pending", "open", "cancelled", "rejected", "unknown"]))
    return Order(
        asset=draw(st.sampled_from(ASSETS)),
        side=draw(st.sampled_from(["buy", "sell"])),
        quantity=draw(SIZES),
        status=status,
        client_order_id=draw(st.sampled_from(["c-0", "c-1", "c-2"])),
        limit_price=draw(st.sampled_from([None, Decimal(100)])),
        updated_at=moment(-draw(st.sampled_from([1, 100]))),
    )


def _rows(amounts: Amounts) -> list[Any]:
    shares = [pos(asset, amounts[asset], settlement="cash") for asset in ASSETS]
    return [*shares, bal("USD", amounts["USD"], usd_price="1", locked="0")]
