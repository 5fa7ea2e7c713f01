"""Continuity: between two broker snapshots, what it holds now = what it held + its own fills + its own activities.

Where that does not hold, the snapshot contradicts itself, and nothing that it says of the row is acted on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from tieout.explain.market import Market, names_of
from tieout.explain.projection import Projection
from tieout.explain.records import Record, Standing, in_time, plain_record
from tieout.model.amounts import ZERO, ratio
from tieout.model.discrepancy import CauseCode, Key
from tieout.model.memory import Memory
from tieout.model.pairing import pair_fills
from tieout.model.snapshot import Activity, Fill, Settlement, Snapshot

MAX_LATE = 6
MAX_SUMS = 4096


class Doubt(Struct, frozen=True):
    """The broker's answer contradicts itself about a key, by *by* = what it says now - what it must hold."""

    code: CauseCode
    by: Decimal
    evidence: tuple[str, ...] = ()


class Continuity:
    """Holds one broker snapshot against an earlier one.

    Args:
        baseline: The last snapshot that was continuous.
        broker: The present one.
        market: The present observation, whose keys are asked about.
        settlements: How assets settle, as far as it was found out.
        memory: What earlier readings showed as positions.
    """

    def __init__(
        self,
        baseline: Snapshot,
        broker: Snapshot,
        market: Market,
        settlements: Mapping[str, Settlement],
        memory: Memory,
    ) -> None:
        self._baseline, self._broker, self._outer = baseline, broker, market
        records = _new_records(baseline, broker)
        self._certain = tuple(row for row in records if row.at > baseline.as_of)
        self._ambiguous = tuple(row for row in records if row.at <= baseline.as_of)
        # Both sides may agree on an asset whose trades moved the cash that is asked about.
        fills, others = _touched(records)
        names = names_of(market.differences.values(), fills, others)
        names |= frozenset((*market.local_rows, *market.broker_rows, *market.local_cash, *market.broker_cash))
        settings = replace(market.settings, unmanaged={})
        self._market = Market(baseline, broker, (), names, settings, memory.ever_positioned(names))
        told = {fill.asset: way for fill in fills if (way := self._market.settlement(fill)) is not None}
        self._settlements: dict[str, Settlement] = {**told, **settlements}

    def doubt(self, key: Key, difference: Decimal) -> Doubt | None:
        """What is wrong with the broker's word on *key*; None where it is continuous, or cannot be judged.

        Where nothing says how trades settle, a way that accounts for the whole *difference* counts before any other.
        """
        if not self._vouches(key):
            return None
        now, before, factor = self._now(key), self._before(key), self._factor(key)
        ways = [[(now - expected) * factor for expected in way] for way in self._expected(key, before)]
        broken = [gaps for gaps in ways if all(gaps)]
        if len(broken) < len(ways) and not any(difference in gaps for gaps in broken):
            return None
        touching = self._touching(key)
        lost = before and not now and not touching
        by = min((gap for gaps in broken for gap in gaps), key=lambda gap: (gap != difference, abs(gap), gap))
        return Doubt(CauseCode.PARTIAL_RESPONSE if lost else CauseCode.STALE_BROKER, by, touching)

    def _vouches(self, key: Key) -> bool:
        """Whether the broker's lists tell of everything since the baseline."""
        baseline, broker = self._baseline, self._broker
        if key.domain == "balance":
            reach = (broker.fills_since, broker.activities_since)
            lists = broker.covers("fills") == broker.covers("activities") == "complete"
            return lists and all(since is not None and since <= baseline.as_of for since in reach)
        if broker.covers("fills") != "complete":
            return False
        # For a row in doubt an empty list means: no fills since then.
        oldest = broker.fills_since or min((fill.at for fill in broker.fills or ()), default=baseline.as_of)
        return oldest <= baseline.as_of or (broker.fills_since is None and self._list_only_grew())

    def _list_only_grew(self) -> bool:
        """Whether all that the baseline listed is listed still, so that nothing since then can have dropped out."""
        baseline, broker = self._baseline, self._broker
        if baseline.covers("fills") != "complete":
            return False
        return {_name(fill) for fill in baseline.fills or ()} <= {_name(fill) for fill in broker.fills or ()}

    def _keys(self, key: Key) -> list[Key]:
        if key.domain == "balance" or key.leg != "net":
            return [key]
        return [Key("position", key.asset, pair.leg) for pair in self._market.legs(key.asset)]

    def _now(self, key: Key) -> Decimal:
        if key.domain == "balance":
            row = self._market.broker_cash.get(key.asset)
            return row.total if row is not None else ZERO
        legs = {pair.leg: pair.broker for pair in self._market.legs(key.asset)}
        return sum((legs.get(part.leg, ZERO) for part in self._keys(key)), ZERO)

    def _before(self, key: Key) -> Decimal:
        return sum((self._market.held(part) for part in self._keys(key)), ZERO)

    def _expected(self, key: Key, before: Decimal) -> list[list[Decimal]]:
        """What the row may rightly say now, for each way to settle.

        A fill that was listed late may or may not have been in the baseline.
        """
        choices: list[Mapping[str, Settlement]] = [self._settlements]
        if key.domain == "balance":
            assets = {row.fill.asset for row in (*self._certain, *self._ambiguous) if row.fill is not None}
            margin: dict[str, Settlement] = dict.fromkeys(assets - set(self._settlements), "margin")
            choices.append({**margin, **self._settlements})
        ways = []
        for settlements in choices:
            expected = []
            for late in self._late(key):
                copy = Projection(self._market, settlements, self._market.held, lambda _key, _record: ZERO)
                for record in (*late, *self._certain):
                    copy.apply(record)
                expected.append(before + sum((copy.changes[part] for part in self._keys(key)), ZERO))
            ways.append([value + other for value in expected for other in self._of_either_leg(key)])
        return ways

    def _late(self, key: Key) -> list[tuple[Record, ...]]:
        """The sets of late records that the baseline may have lacked: none, all, and any of a few."""
        mine = [record for record in self._ambiguous if self._moves(record, key)]
        if len(mine) > MAX_LATE:
            return [(), self._ambiguous]
        return [rows for size in range(len(mine) + 1) for rows in combinations(mine, size)]

    def _of_either_leg(self, key: Key) -> set[Decimal]:
        """What fills that name no leg of a hedged asset may have added to this one, or to the net of both."""
        sums = {ZERO}
        if key.domain != "position":
            return sums
        for record in (*self._ambiguous, *self._certain):
            fill = record.fill
            if fill is None or fill.asset != key.asset or self._market.leg(fill.asset, fill.position_side) is not None:
                continue
            amount = fill.signed * self._market.scale(fill.asset, of_broker=True)
            sums |= {reached + amount for reached in sums}
            if len(sums) > MAX_SUMS:
                break
        return sums

    def _touching(self, key: Key) -> tuple[str, ...]:
        return tuple(record.ref for record in (*self._ambiguous, *self._certain) if self._moves(record, key))

    def _moves(self, record: Record, key: Key) -> bool:
        copy = Projection(self._market, self._settlements, self._market.held, lambda _key, _record: ZERO)
        copy.apply(record)
        return any(copy.changes[part] for part in self._keys(key))

    def _factor(self, key: Key) -> Decimal:
        """From the units that the broker's snapshots share into the units that this observation compares."""
        if key.domain == "balance":
            return Decimal(1)
        inner = self._market.scale(key.asset, of_broker=True)
        return ratio(self._outer.scale(key.asset, of_broker=True), inner)


def _touched(records: Iterable[Record]) -> tuple[list[Fill], list[str | None]]:
    """The fills of *records*, and what their activities name."""
    rows = [record.activity for record in records if record.activity is not None]
    names = [name for row in rows for name in (row.asset, row.new_asset, row.currency)]
    return [record.fill for record in records if record.fill is not None], names


def _new_records(baseline: Snapshot, broker: Snapshot) -> list[Record]:
    """The broker's records that the baseline did not list, oldest first."""
    fills: tuple[Fill, ...]
    if baseline.fills is None:
        fills = tuple(fill for fill in broker.fills or () if fill.at > baseline.as_of)
    else:
        fills = pair_fills(baseline.fills, broker.fills or (), {}).missing
    known = {row.activity_id for row in baseline.activities or ()}
    activities: list[Activity] = [
        row
        for row in broker.activities or ()
        if row.activity_id not in known and (baseline.activities is not None or row.at > baseline.as_of)
    ]
    records = [plain_record(row, Standing.MISSING) for row in fills]
    records += [plain_record(row, Standing.MISSING) for row in activities]
    return sorted(records, key=in_time)


def _name(fill: Fill) -> tuple[str, str, str]:
    return fill.asset, fill.fill_id, fill.side
