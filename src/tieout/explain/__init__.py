"""Differences + evidence -> causes. Pure: it never fetches; what it lacks it names, and the next reading brings it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from tieout.explain.cases import build_cases, changes_of
from tieout.explain.doubt import Continuity
from tieout.explain.flight import (
    Listed,
    Span,
    accounts_for,
    is_young,
    listed_by_both,
    moved_while_reading,
    young_spans,
)
from tieout.explain.holdings import Evidence, Found, Later, explain_fully, explain_partly, weigh
from tieout.explain.market import Market, names_of
from tieout.explain.orders import OrderEvidence, explain_locked, explain_order, locks_of
from tieout.explain.records import Ages, OwnIds, Proof, Record, Standing, gather, plain_record
from tieout.model.amounts import ZERO, exact
from tieout.model.case import Explanation
from tieout.model.changes import AdoptOrder, BookFill, Change, UpdateOrder
from tieout.model.discrepancy import DOUBTS, Cause, CauseCode, Difference, DiscrepancyType, Key
from tieout.model.memory import Memory
from tieout.model.pairing import OrderPair, paired_orders, renamed_assets
from tieout.model.settings import Settings
from tieout.model.snapshot import Activity, Fill, Observation, Order, Snapshot

__all__ = ["explain"]


@exact
def explain(
    observation: Observation, differences: Sequence[Difference], memory: Memory, settings: Settings
) -> Explanation:
    """Name the cause of every difference, by exact sums over the records of both sides.

    Args:
        observation: Both sides; both must be snapshots.
        differences: What `compare` found.
        memory: What earlier readings taught.
        settings: The account's settings.
    """
    local, broker = observation.local, observation.broker
    assert isinstance(local, Snapshot) and isinstance(broker, Snapshot), "only two snapshots can be explained"
    ages = Ages(observation, local, broker, memory, settings)
    own = OwnIds(local, broker, memory)
    records = gather(local, broker, ages, own, settings, renamed_assets(broker.activities or ()))
    if not differences and not records:
        return Explanation({}, (), {}, {}, frozenset(), ids_unrelated=False)
    pairs = paired_orders(local, broker, observation.lookups or ())
    moving = [pair for pair in (*pairs, *_agreed(broker, pairs)) if is_young(pair, ages)]
    listed = listed_by_both(local, broker, ages) if differences else ()
    market = _market(local, broker, differences, records, (*pairs, *moving), listed, settings, memory)
    evidence = weigh(records, market, _later(local, market))
    reading = _Reading(observation, memory, evidence, young_spans(moving, market), listed)
    found = {d.key: reading.cause(d) for d in differences if d.key.domain in ("position", "balance")}
    order_evidence = OrderEvidence(local, broker, pairs, records, own)
    for difference in differences:
        if difference.key.domain == "order":
            found[difference.key] = explain_order(difference, order_evidence, ages, market)
    for difference in differences:
        if difference.type is DiscrepancyType.LOCKED_MISMATCH:
            found[difference.key] = explain_locked(difference, found, pairs, market)
    cited = _cited(found)
    for difference in differences:
        if difference.key.domain == "fill" and not cited & _names(difference):
            found[difference.key] = _explain_fill(difference, records)
    cases = build_cases(differences, found, evidence)
    causes = {key: value.cause for key, value in found.items()}
    orders = {d.key: order_evidence.pairs[d.key] for d in differences if d.key.domain == "order"}
    return Explanation(
        causes,
        cases,
        updates={key: change for key, pair in orders.items() if (change := _update(pair)) is not None},
        brought={key: _brought(pair, order_evidence, evidence) for key, pair in orders.items()},
        still_locked=_still_locked(differences, pairs, broker, market),
        ids_unrelated=_ids_unrelated(local, records),
    )


def _agreed(broker: Snapshot, pairs: Sequence[OrderPair]) -> list[OrderPair]:
    """Live orders that both sides know alike: one that is young may just have filled all the same."""
    differing = {id(pair.broker) for pair in pairs}
    return [OrderPair(order, order) for order in broker.orders or () if order.live and id(order) not in differing]


def _update(pair: OrderPair) -> Change | None:
    """What brings local's record of an order to the broker's: adopted where local has it no more, else updated."""
    ours, theirs = pair.local, pair.broker
    if theirs is not None and (ours is None or (theirs.live and not ours.live)):
        return AdoptOrder(theirs)
    if theirs is not None:
        return UpdateOrder(theirs)
    if ours is None:
        return None
    # Nobody at the broker knows it: what was filled stays filled, and the rest is gone.
    return UpdateOrder(replace(ours, status="cancelled" if ours.done else "rejected"))


def _brought(pair: OrderPair, orders: OrderEvidence, evidence: Evidence) -> dict[str, Decimal]:
    """The order's fills that local is to book, with their quantities in local's units."""
    rows = [record for record in orders.of_order(pair) if record.standing is not Standing.SURPLUS]
    changes = [change for record in rows for change in changes_of(record, evidence) if isinstance(change, BookFill)]
    return {f"fill {change.fill.fill_id}": change.fill.quantity for change in changes}


def _ids_unrelated(local: Snapshot, records: Sequence[Record]) -> bool:
    unknown = sum(1 for r in records if r.standing is Standing.SURPLUS and r.code is CauseCode.PHANTOM_FILL and r.fill)
    return unknown > 0 and unknown == len(local.fills or ())


class _Reading:
    """One observation's means of explaining a position or balance; continuity is set up only where it is asked for."""

    def __init__(
        self,
        observation: Observation,
        memory: Memory,
        evidence: Evidence,
        spans: tuple[Span, ...],
        listed: tuple[Listed, ...],
    ) -> None:
        self._observation, self._memory = observation, memory
        self._market, self._evidence, self._spans = evidence.market, evidence, spans
        self._listed = [(one.ref, evidence.effects((plain_record(one.row, Standing.MISSING),))) for one in listed]
        self._unproven = [record for record in evidence.records if record.proof in (Proof.IN_FLIGHT, Proof.LAGGING)]
        self._continuities: dict[int, Continuity] = {}

    def cause(self, difference: Difference) -> Found:
        """The first of the contract's causes that holds."""
        if difference.type is DiscrepancyType.COST_MISMATCH or difference.type is DiscrepancyType.LOCKED_MISMATCH:
            return Found(Cause(CauseCode.UNKNOWN, ZERO, difference.difference))
        return (
            self._rounding(difference)
            or self._in_flight(difference)
            or explain_fully(difference, self._evidence)
            or self._lagging(difference)
            or self._doubt(difference)
            or explain_partly(difference, self._evidence)
            or Found(Cause(CauseCode.UNKNOWN, ZERO, difference.difference))
        )

    def _rounding(self, difference: Difference) -> Found | None:
        settings, key = self._market.settings, difference.key
        if abs(difference.difference) > settings.rounding_unit(key.asset, cash=key.domain == "balance"):
            return None
        # One step of something dear is no rounding: above the cap the other causes are tried, and UNKNOWN is left.
        worth = difference.usd_value
        small = difference.within_tolerance or (worth is not None and worth <= settings.rounding_usd)
        return Found(Cause(CauseCode.ROUNDING, difference.difference, ZERO)) if small else None

    def _in_flight(self, difference: Difference) -> Found | None:
        key = difference.key
        young = self._moving(key, (Proof.IN_FLIGHT,))
        spans = [span for span in self._spans if span.key == key]
        both = [(ref, moves[key]) for ref, moves in self._listed if key in moves]
        effects = [amount for _, amount in young]
        effects += [way * amount for _, amount in both for way in (1, -1)]  # whichever side has not moved yet
        moved = moved_while_reading(key, difference.difference, self._observation.local_before, self._market)
        if not moved and not accounts_for(difference.difference, effects, spans):
            return None
        cited = (*(record.ref for record, _ in young), *(ref for ref, _ in both), *_refs(spans))
        records = tuple(record for record, _ in young)
        return Found(Cause(CauseCode.IN_FLIGHT, difference.difference, ZERO, cited), records)

    def _lagging(self, difference: Difference) -> Found | None:
        """Records of local's that the broker does not show, but may not have had the time to show."""
        rows = [
            (record, amount)
            for record, amount in self._moving(difference.key, (Proof.LAGGING, Proof.IN_FLIGHT))
            if record.standing is Standing.SURPLUS
        ]
        if not accounts_for(difference.difference, [amount for _, amount in rows], ()):
            return None
        cited = tuple(record.ref for record, _ in rows)
        behind = tuple(record for record, _ in rows)
        return Found(Cause(CauseCode.STALE_BROKER, difference.difference, ZERO, cited), cited=behind)

    def _doubt(self, difference: Difference) -> Found | None:
        baseline = self._memory.baseline(difference.key)
        if baseline is None:
            return None
        known = self._continuities.get(id(baseline))
        if known is None:
            broker = self._observation.broker
            assert isinstance(broker, Snapshot), "only two snapshots can be explained"
            known = Continuity(baseline, broker, self._market, self._evidence.settlements, self._memory)
            self._continuities[id(baseline)] = known
        doubt = known.doubt(difference.key, difference.difference)
        if doubt is None:
            return None
        return Found(Cause(doubt.code, doubt.by, difference.difference - doubt.by, doubt.evidence))

    def _moving(self, key: Key, proofs: tuple[Proof, ...]) -> list[tuple[Record, Decimal]]:
        rows = ((r, self._evidence.single[id(r)].get(key, ZERO)) for r in self._unproven if r.proof in proofs)
        return [(record, amount) for record, amount in rows if amount]


def _market(
    local: Snapshot,
    broker: Snapshot,
    differences: Sequence[Difference],
    records: Sequence[Record],
    pairs: Sequence[OrderPair],
    listed: Sequence[Listed],
    settings: Settings,
    memory: Memory,
) -> Market:
    known = [one.row for one in listed]
    fills = [fill for record in records for fill in (record.fill, record.other) if fill is not None]
    fills += [row for row in known if isinstance(row, Fill)]
    rows = [record.activity for record in records if record.activity is not None]
    rows += [row for row in known if isinstance(row, Activity)]
    others = [name for row in rows for name in (row.asset, row.new_asset, row.currency)]
    others += [pair.asset for pair in pairs]
    names = names_of(differences, fills, others)
    renamed = renamed_assets(broker.activities or ())
    return Market(local, broker, differences, names, settings, memory.ever_positioned(names), renamed)


def _later(local: Snapshot, market: Market) -> Later:
    """What local booked of an asset after a record's time: it is in new units already, and is not split again."""

    def later(key: Key, record: Record) -> Decimal:
        fills = (fill for fill in local.fills or () if fill.asset == key.asset and fill.at > record.at)
        mine = (
            fill for fill in fills if key.domain == "position" and market.leg(fill.asset, fill.position_side) == key
        )
        return sum((fill.signed * market.scale(fill.asset, of_broker=False) for fill in mine), ZERO)

    return later


def _refs(spans: Iterable[Span]) -> tuple[str, ...]:
    return tuple(sorted({span.ref for span in spans}))


def _cited(found: Mapping[Key, Found]) -> set[tuple[str, ...]]:
    """Every fill that stands as evidence: by its own name, or by what a doubt about its asset or about cash cites."""
    rows = [record.fill for value in found.values() for record in (*value.records, *value.cited) if record.fill]
    cited: set[tuple[str, ...]] = {(fill.asset, fill.fill_id, fill.side) for fill in rows}
    for key, value in found.items():
        if value.cause.code in DOUBTS:
            cited |= {(key.asset if key.domain == "position" else "", ref) for ref in value.cause.evidence}
    return cited


def _names(difference: Difference) -> set[tuple[str, ...]]:
    """The ways in which a fill's own difference may be cited."""
    assert difference.fill_id is not None
    ref, asset = f"fill {difference.fill_id}", difference.key.asset
    return {(asset, difference.fill_id, _side(difference)), (asset, ref), ("", ref)}


def _side(difference: Difference) -> str:
    # The key's record is id/side/order, and ids may contain anything.
    assert difference.fill_id is not None
    return difference.key.record[len(difference.fill_id) + 1 :].partition("/")[0]


def _explain_fill(difference: Difference, records: Sequence[Record]) -> Found:
    """A fill by itself: whose it is, or in which way it was booked wrongly."""
    ref = f"fill {difference.fill_id}"
    mine = (difference.key.asset, difference.fill_id, _side(difference))
    record = next((r for r in records if r.fill and (r.fill.asset, r.fill.fill_id, r.fill.side) == mine), None)
    if record is None or record.proof is Proof.NONE:
        return Found(Cause(CauseCode.UNKNOWN, ZERO, difference.difference))
    code = record.code
    if record.proof is Proof.IN_FLIGHT:
        code = CauseCode.IN_FLIGHT
    elif record.proof is Proof.LAGGING:
        code = CauseCode.STALE_BROKER
    return Found(Cause(code, difference.difference, ZERO, (ref,)), (record,))


def _still_locked(
    differences: Sequence[Difference], pairs: Sequence[OrderPair], broker: Snapshot, market: Market
) -> frozenset[Key]:
    """Orders that only local knows, and for which the broker still seems to hold funds back."""
    orphans = {d.key for d in differences if d.type is DiscrepancyType.ORPHANED_LOCAL}
    if not orphans:
        return frozenset()
    held = set()
    for pair in pairs:
        if pair.key in orphans and pair.local is not None and _holds_back(pair.local, broker, market):
            held.add(pair.key)
    return frozenset(held)


def _holds_back(order: Order, broker: Snapshot, market: Market) -> bool:
    for row in broker.balances or ():
        mine = locks_of(order, row.currency, market)
        if not mine or row.locked is None:
            continue
        others = sum((locks_of(other, row.currency, market) for other in broker.orders or ()), ZERO)
        if row.locked - others >= mine:
            return True
    return False
