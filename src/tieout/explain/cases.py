"""Breaks that share a record of evidence are one case: cured by the same changes, in one booking or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tieout.explain.holdings import Evidence, Found
from tieout.explain.market import Market
from tieout.explain.records import Record, Standing, in_time
from tieout.model.amounts import ONE, ZERO, ratio
from tieout.model.case import Case
from tieout.model.changes import BookActivity, BookFill, Change, ReverseActivity, ReverseFill
from tieout.model.discrepancy import DOUBTS, FOREIGN, CauseCode, Difference, Key
from tieout.model.snapshot import Fill
from tieout.model.tolerance import within


def build_cases(differences: Sequence[Difference], found: Mapping[Key, Found], evidence: Evidence) -> tuple[Case, ...]:
    """Group positions and balances by shared records; orders and fills are cases of their own."""
    cases = []
    counted = {key.asset for key, value in found.items() if value.cause.code is CauseCode.MULTIPLIER}
    for keys in _groups(differences, found):
        records = _distinct(record for key in keys for record in found[key].records)
        usable = [] if any(found[key].cause.code in DOUBTS for key in keys) else records
        # Fills of an asset that the sides only count otherwise are in the books already.
        usable = [record for record in usable if record.fill is None or record.fill.asset not in counted]
        cases.append(
            Case(
                keys=keys,
                parts={key: _parts(found[key]) for key in keys},
                changes=tuple(change for record in usable for change in changes_of(record, evidence)),
                refs=tuple(record.ref for record in usable),
                closes=_closes(keys, usable, found, evidence),
                youngest=min((record.age for record in records), default=found[keys[0]].age),
                foreign={key: _foreign(key, found[key], evidence) for key in keys},
            )
        )
    return tuple(cases)


def _groups(differences: Sequence[Difference], found: Mapping[Key, Found]) -> list[tuple[Key, ...]]:
    keys = [d.key for d in differences if d.key in found]
    leader = {key: key for key in keys}

    def root(key: Key) -> Key:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    owner: dict[int, Key] = {}
    for key in keys:
        if key.domain not in ("position", "balance"):
            continue
        for record in found[key].records:
            first = owner.setdefault(id(record), key)
            leader[root(key)] = root(first)
    groups: dict[Key, list[Key]] = defaultdict(list)
    for key in keys:
        groups[root(key)].append(key)
    return [tuple(group) for group in groups.values()]


def _distinct(records: Iterable[Record]) -> list[Record]:
    rows = {id(record): record for record in records}
    return sorted(rows.values(), key=in_time)


def _parts(found: Found) -> frozenset[str]:
    if found.cause.code not in (CauseCode.MULTIPLE, CauseCode.WRONG_FILL):
        return frozenset((found.cause.code,))
    return frozenset(_part(record) for record in found.records)


def _foreign(key: Key, found: Found, evidence: Evidence) -> tuple[tuple[str, datetime, Decimal], ...]:
    rows = (record for record in found.records if _part(record) in FOREIGN and key.domain in ("position", "balance"))
    return tuple((record.ref, record.at, evidence.single[id(record)].get(key, ZERO)) for record in rows)


def _part(record: Record) -> str:
    if record.code is not CauseCode.WRONG_FILL:
        return record.code
    return "WRONG_FILL_QUANTITY" if record.wrong_quantity else "WRONG_FILL_PRICE"


def changes_of(record: Record, evidence: Evidence) -> tuple[Change, ...]:
    """What books one record: a wrong or fee-less fill is taken back out and booked again."""
    if record.activity is not None:
        surplus = record.standing is Standing.SURPLUS
        return (ReverseActivity(record.activity) if surplus else BookActivity(record.activity),)
    assert record.fill is not None
    if record.standing is Standing.SURPLUS:
        return (ReverseFill(record.fill),)
    booked = BookFill(_as_local_books_it(record.fill, evidence))
    return (booked,) if record.other is None else (ReverseFill(record.other), booked)


def _as_local_books_it(fill: Fill, evidence: Evidence) -> Fill:
    """The broker's fill in local's units, with the leg and the settlement that were found out."""
    market: Market = evidence.market
    key = market.leg(fill.asset, fill.position_side)
    theirs, ours = market.scale(fill.asset, of_broker=True), market.scale(fill.asset, of_broker=False)
    settlement = None if market.spot(fill) else evidence.settlements.get(fill.asset)
    return replace(
        fill,
        quantity=fill.quantity if theirs == ours else fill.quantity * ratio(theirs, ours or ONE),
        position_side=key.leg if key is not None and key.leg != "net" else fill.position_side,
        settlement=fill.settlement or settlement,
    )


def _closes(keys: tuple[Key, ...], records: Sequence[Record], found: Mapping[Key, Found], evidence: Evidence) -> bool:
    if not records:
        return False
    market = evidence.market
    if any(
        not market.spot(r.fill) and market.leg(r.fill.asset, r.fill.position_side) is None for r in records if r.fill
    ):
        return False  # nothing says on which leg it is to be booked
    moved, guessed = evidence.effects(records), _guessed(records, market)
    for key in {*keys, *moved, *guessed}:
        if key.domain not in ("position", "balance") or not market.compared(key):
            continue
        if not market.listed(key) and not market.difference(key) and _only_fees(key, records):
            continue  # a fee in a currency that neither side lists does not hold a booking up
        residual = found[key].cause.residual if key in found else ZERO
        left = market.difference(key) - moved.get(key, ZERO)
        if key in moved and key in found and found[key].cause.code in DOUBTS:
            return False  # nothing is booked into a row that the broker contradicts itself about
        if key in guessed and left and not _tolerated(key, left, market):
            return False  # how these trades settled was guessed, and the cash does not bear the guess out
        if left != residual and not _split_rounding(key, left - residual, records, market):
            return False
    return True


def _guessed(records: Sequence[Record], market: Market) -> set[Key]:
    """The cash rows of trades of which nothing says how they settle."""
    fills = [r.fill for r in records if r.fill is not None and not market.spot(r.fill)]
    quotes = {market.quote(fill) for fill in fills if market.settlement(fill) is None}
    return {Key("balance", name) for name in quotes if name is not None}


def _tolerated(key: Key, left: Decimal, market: Market) -> bool:
    difference = market.differences.get(key)
    return difference is not None and within(difference, left, market.settings)


def _only_fees(key: Key, records: Sequence[Record]) -> bool:
    return any(record.fill is not None and record.fill.fee_currency == key.asset for record in records)


def _split_rounding(key: Key, gap: Decimal, records: Sequence[Record], market: Market) -> bool:
    unit = market.settings.smallest_unit(key.asset, cash=False)
    return any(record.code is CauseCode.SPLIT for record in records) and abs(gap) <= unit
