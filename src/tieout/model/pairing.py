"""Which rows of two sides speak of the same thing: legs of an asset, orders, fills. Shared by comparing and explaining.

A fill is (asset, fill_id, side), and broker_order_id where both sides give it. Broker repeats that are identical count
once; local's repeats are kept, for they are how a double booking shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from tieout.model.align import unequal
from tieout.model.amounts import ONE, ZERO
from tieout.model.discrepancy import Key
from tieout.model.snapshot import Activity, Fill, Leg, Lookup, Order, Position, Snapshot


class LegPair(Struct, frozen=True):
    """One leg as both sides hold it, in the units that are compared: amount, or amount × multiplier where both give one."""

    leg: Leg
    local: Decimal
    broker: Decimal
    local_row: Position | None
    broker_row: Position | None
    local_scale: Decimal = ONE
    broker_scale: Decimal = ONE
    scaled: bool = False


def pair_legs(local: Sequence[Position], broker: Sequence[Position], unmanaged: Decimal = ZERO) -> tuple[LegPair, ...]:
    """The legs of one asset side by side. Zero rows mean no row; where one side nets, both are netted."""
    local, broker = _held(local), _held(broker)
    netted = any(row.leg == "net" for row in (*local, *broker)) or not (local or broker) or bool(unmanaged)
    legs: tuple[Leg, ...] = ("net",) if netted else ("long", "short")
    pairs = (_pair(leg, local, broker, unmanaged) for leg in legs)
    return tuple(pair for pair in pairs if netted or pair.local_row or pair.broker_row)


def _held(rows: Sequence[Position]) -> list[Position]:
    return [row for row in rows if row.amount]


def _pair(leg: Leg, local: Sequence[Position], broker: Sequence[Position], unmanaged: Decimal) -> LegPair:
    ours = [row for row in local if leg in ("net", row.leg)]
    theirs = [row for row in broker if leg in ("net", row.leg)]
    ours_row, theirs_row = next(iter(ours), None), next(iter(theirs), None)
    held, stated = sum((r.amount for r in ours), ZERO), sum((r.amount for r in theirs), ZERO) - unmanaged
    a = ours_row.multiplier if ours_row else None
    b = theirs_row.multiplier if theirs_row else None
    if a is None or b is None or (a == b == 1):
        return LegPair(leg, held, stated, ours_row, theirs_row)
    return LegPair(leg, held * a, stated * b, ours_row, theirs_row, a, b, scaled=True)


class OrderPair(Struct, frozen=True):
    """One order as both sides know it; one of them may not know it at all."""

    local: Order | None
    broker: Order | None

    @property
    def asset(self) -> str:
        """The order's asset, by whichever side knows it."""
        return (self.local or self.broker).asset  # type: ignore[union-attr]  # one of the two is there

    @property
    def client_order_id(self) -> str | None:
        """The client's id, by whichever side knows it."""
        return (self.local.client_order_id if self.local else None) or (
            self.broker.client_order_id if self.broker else None
        )

    @property
    def broker_order_id(self) -> str | None:
        """The broker's id, by whichever side knows it."""
        return (self.broker.broker_order_id if self.broker else None) or (
            self.local.broker_order_id if self.local else None
        )

    @property
    def key(self) -> Key:
        """The break that this pair would be: named by the id that the trading system chose, where there is one."""
        return Key("order", self.asset, "net", self.client_order_id or self.broker_order_id or "")


def pair_orders(local: Iterable[Order], broker: Iterable[Order]) -> Iterator[OrderPair]:
    """Every order once, as both sides know it."""
    ours, theirs = list(local), list(broker)
    by_broker_id = {order.broker_order_id: order for order in theirs if order.broker_order_id}
    by_client_id = {order.client_order_id: order for order in theirs if order.client_order_id}
    twins = [by_broker_id.get(order.broker_order_id) if order.broker_order_id else None for order in ours]
    taken = {id(twin) for twin in twins if twin is not None}
    for order, known in zip(ours, twins, strict=True):
        twin = known
        if twin is None and order.client_order_id:
            # A replaced order has a new id at the venue and keeps the client's.
            twin = by_client_id.get(order.client_order_id)
            twin = None if twin is None or id(twin) in taken else twin
        if twin is not None:
            taken.add(id(twin))
        yield OrderPair(order, twin)
    for order in theirs:
        if id(order) not in taken:
            yield OrderPair(None, order)


def paired_orders(local: Snapshot, broker: Snapshot, lookups: Iterable[Lookup] = ()) -> list[OrderPair]:
    """The orders that the two sides do not know alike, paired."""
    theirs = (*(broker.orders or ()), *_looked_up(broker.orders or (), lookups))
    names = unequal(local.orders or (), theirs, _order_name)
    # The sides may know an order by different ids, so whatever is named on either side is paired with everything.
    ours = [order for order in local.orders or () if _order_name(order) in names]
    rest = [order for order in theirs if _order_name(order) in names]
    return list(pair_orders(ours, rest))


def _looked_up(listed: Iterable[Order], lookups: Iterable[Lookup]) -> list[Order]:
    """Orders that only a lookup told of."""
    known = {order.broker_order_id for order in listed} | {order.client_order_id for order in listed}
    found = [lookup.order for lookup in lookups if lookup.order is not None]
    return [order for order in found if not {order.broker_order_id, order.client_order_id} - {None} & known]


def _order_name(row: Order) -> str:
    return row.broker_order_id or row.client_order_id or ""


class Pairing(Struct, frozen=True):
    """Two lists of records, matched: what only one side has, what local has twice, and what is the same record."""

    missing: tuple[Fill, ...]
    unknown: tuple[Fill, ...]
    repeated: tuple[Fill, ...]
    same: tuple[tuple[Fill, Fill], ...]


def pair_fills(local: Sequence[Fill], broker: Sequence[Fill], renamed: Mapping[str, str]) -> Pairing:
    """Match two lists of fills; *renamed* gives the present name of assets that the broker has renamed."""
    if local == broker and len(set(map(_name, broker))) == len(broker):
        return Pairing((), (), (), ())
    theirs: dict[tuple[str, str, str], list[Fill]] = defaultdict(list)
    for fill in broker:
        rows = theirs[_named(fill, renamed)]
        if fill not in rows:
            rows.append(fill)
    unknown, repeated, same = [], [], []
    matched: set[int] = set()
    for fill in _likeliest_first(local, theirs, renamed):
        twin = _twin(fill, theirs.get(_named(fill, renamed), ()), matched)
        if twin is None:
            unknown.append(fill)
        elif id(twin) in matched:
            repeated.append(fill)
        else:
            matched.add(id(twin))
            same.append((fill, twin))
    missing = tuple(row for rows in theirs.values() for row in rows if id(row) not in matched)
    again, once = _repeats(unknown)
    return Pairing(missing, once, (*repeated, *again), tuple(same))


def _name(fill: Fill) -> tuple[str, str, str]:
    return fill.asset, fill.fill_id, fill.side


def _named(fill: Fill, renamed: Mapping[str, str]) -> tuple[str, str, str]:
    return renamed.get(fill.asset, fill.asset), fill.fill_id, fill.side


def _likeliest_first(
    local: Sequence[Fill], theirs: Mapping[tuple[str, str, str], Sequence[Fill]], renamed: Mapping[str, str]
) -> Iterator[Fill]:
    """Local's fills; of those with one name, the one that is the broker's to the letter comes first, in any file's order."""
    seen: dict[tuple[str, str, str], list[Fill]] = {}
    for fill in local:
        seen.setdefault(_named(fill, renamed), []).append(fill)
    for name, rows in seen.items():
        if len(rows) > 1:
            twins = theirs.get(name, ())
            rows.sort(key=lambda row: (row not in twins, row.broker_order_id is None, repr(row)))
        yield from rows


def _twin(fill: Fill, rows: Sequence[Fill], matched: set[int]) -> Fill | None:
    """The broker's record of *fill*: one of the same order, and rather one that no other booking stands for."""
    twins = [row for row in rows if _one_order(fill, row)]
    return next((row for row in twins if id(row) not in matched), next(iter(twins), None))


def _one_order(ours: Fill, theirs: Fill) -> bool:
    return (
        ours.broker_order_id is None or theirs.broker_order_id is None or ours.broker_order_id == theirs.broker_order_id
    )


def same_quantity(ours: Fill, theirs: Fill, local: Snapshot, broker: Snapshot) -> bool:
    """Whether two records of a fill tell of one size, each in the units that its side counts."""
    if ours.quantity == theirs.quantity:
        return True
    a, b = _multiplier(local, ours.asset), _multiplier(broker, theirs.asset)
    return a is not None and b is not None and ours.quantity * a == theirs.quantity * b


def _multiplier(side: Snapshot, asset: str) -> Decimal | None:
    return next((row.multiplier for row in side.positions or () if row.asset == asset and row.amount), None)


def _repeats(fills: Iterable[Fill]) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
    """Those that repeat an earlier one, and the first of each."""
    again: list[Fill] = []
    once: list[Fill] = []
    seen: set[tuple[str, str, str, str | None]] = set()
    for fill in fills:
        identity = (*_name(fill), fill.broker_order_id)
        (again if identity in seen else once).append(fill)
        seen.add(identity)
    return tuple(again), tuple(once)


def vouched_from(since: datetime | None, records: Iterable[Fill] | Iterable[Activity] | None) -> datetime | None:
    """From when on a list is complete: as it says, else from its oldest record on; None where it vouches for nothing."""
    if since is not None:
        return since
    return min((record.at for record in records or ()), default=None)


def fills_vouched_from(side: Snapshot) -> datetime | None:
    """From when on a side's list of fills is complete; None where it is not fetched whole or vouches for nothing."""
    return vouched_from(side.fills_since, side.fills) if side.covers("fills") == "complete" else None


def activities_vouched_from(side: Snapshot) -> datetime | None:
    """The same for activities."""
    return vouched_from(side.activities_since, side.activities) if side.covers("activities") == "complete" else None


def renamed_assets(activities: Iterable[Activity]) -> dict[str, str]:
    """Old name -> present name, by the broker's own symbol changes."""
    return {
        row.asset: row.new_asset for row in activities if row.kind == "symbol_change" and row.asset and row.new_asset
    }
