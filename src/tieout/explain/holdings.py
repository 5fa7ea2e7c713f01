"""Why positions and balances differ: causes tried in the contract's order, the first that leaves nothing wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tieout.explain.evidence import Evidence, Later, Pick, facts_of
from tieout.explain.market import Market
from tieout.explain.projection import total
from tieout.explain.records import Record, Standing
from tieout.explain.settle import choose
from tieout.model.amounts import ZERO
from tieout.model.discrepancy import Cause, CauseCode, Difference


class Found(Struct, frozen=True):
    """A cause with the records behind it.

    `cited` are records that are evidence and not to be booked; `age` is in seconds, where an order's own record is the
    evidence.
    """

    cause: Cause
    records: tuple[Record, ...] = ()
    cited: tuple[Record, ...] = ()
    age: Decimal | None = None


def weigh(records: Sequence[Record], market: Market, later: Later) -> Evidence:
    """The evidence, with trades settled in the way that explains the most.

    The way that closes the cash of all records together counts; where none does, a part of them may, and the likeliest of
    all-cash and all-margin is tried too.
    """
    facts = facts_of(records)
    choices = choose(
        facts, market, lambda chosen: total(facts, market, chosen, later), market.settings.settlement_choices
    )
    tried = [Evidence(records, market, later, choice) for choice in choices]
    if len(tried) == 1:
        return tried[0]
    return max(tried, key=_explained)


def _explained(evidence: Evidence) -> int:
    """How many rows are fully explained; of ways that explain as many, the first counts."""
    rows = [row for key, row in evidence.market.differences.items() if key.domain in ("position", "balance")]
    return sum(1 for row in rows if explain_fully(row, evidence) is not None)


def is_plain(record: Record) -> bool:
    """A record that one side lacks or has twice."""
    return record.standing is not Standing.CORRECTED


def is_fee(record: Record) -> bool:
    """The same fill with another fee."""
    return record.standing is Standing.CORRECTED and record.code is CauseCode.FEE


def is_wrong(record: Record) -> bool:
    """The same fill with another quantity or price."""
    return record.standing is Standing.CORRECTED and record.code is CauseCode.WRONG_FILL


def is_any(_record: Record) -> bool:
    """Every record."""
    return True


PHASES: tuple[tuple[str, Pick, CauseCode | None], ...] = (
    ("plain", is_plain, None),
    ("fee", is_fee, CauseCode.FEE),
    ("wrong", is_wrong, CauseCode.WRONG_FILL),
    ("all", is_any, None),
)


def explain_fully(difference: Difference, evidence: Evidence) -> Found | None:
    """The first cause, in the contract's order, that leaves no residual: records, multiplier, fee, wrong fill, several."""
    for name, pick, _ in PHASES:
        found = _whole(difference, evidence, name, pick)
        if found is None and name in ("plain", "all"):
            found = _part(difference, evidence, name, pick)
        if found is None and name == "plain" and is_multiplier(difference, evidence.market):
            fills = evidence.touching(difference.key, is_any)
            cause = Cause(CauseCode.MULTIPLIER, difference.difference, ZERO, tuple(record.ref for record in fills))
            found = Found(cause, cited=fills)
        if found is not None:
            return found
    return None


def _whole(difference: Difference, evidence: Evidence, name: str, pick: Pick) -> Found | None:
    touching = evidence.touching(difference.key, pick)
    if not touching:
        return None
    residual = difference.difference - evidence.sum(name, pick, difference.key)
    # Rounding to whole units after a split is the venue's own, and not ours to chase.
    if any(record.code is CauseCode.SPLIT for record in touching):
        unit = evidence.market.settings.smallest_unit(difference.key.asset, cash=False)
        residual = ZERO if abs(residual) <= unit else residual
    return None if residual else _with_all(difference, touching, evidence, name, pick)


def _part(difference: Difference, evidence: Evidence, name: str, pick: Pick) -> Found | None:
    chosen = evidence.subset(name, pick, difference.key) or ()
    mine = tuple(record for record in chosen if difference.key in evidence.single[id(record)])
    ids = {id(record) for record in chosen}
    name = f"{name}, of which {difference.key}"
    return _with_all(difference, mine, evidence, name, lambda record: id(record) in ids) if mine else None


def _with_all(difference: Difference, mine: Sequence[Record], evidence: Evidence, name: str, pick: Pick) -> Found:
    """*mine* explain it wholly. What has to be booked with them is named, too, unless another row is where it is named."""
    records, ids = evidence.together(mine, name, pick), {id(record) for record in mine}
    named = [record for record in records if id(record) in ids or not evidence.explains_any(record)]
    return replace(_found(difference, named, ZERO), records=records)


def explain_partly(difference: Difference, evidence: Evidence) -> Found | None:
    """The explanation with the smallest residual, where that is smaller than the difference itself."""
    codes = {record.code for record in evidence.touching(difference.key, is_any)}
    groups: list[tuple[str, Pick]] = [(name, pick) for name, pick, _ in PHASES]
    groups += [(f"code {code}", _of_code(code)) for code in sorted(codes)]
    best: Found | None = None
    for name, pick in groups:
        touching = evidence.touching(difference.key, pick)
        residual = difference.difference - evidence.sum(name, pick, difference.key)
        if not touching or not residual or abs(residual) >= abs(difference.difference):
            continue
        if best is None or abs(residual) < abs(best.cause.residual):
            best = _found(difference, touching, residual)
    return best


def _of_code(code: CauseCode) -> Pick:
    return lambda record: record.code is code


def _found(difference: Difference, records: Sequence[Record], residual: Decimal) -> Found:
    code, evidence = name_cause(records)
    return Found(Cause(code, difference.difference - residual, residual, evidence), tuple(records))


def name_cause(records: Iterable[Record]) -> tuple[CauseCode, tuple[str, ...]]:
    """The code of a set of records, and how they are cited: each behind its code where there are several."""
    rows = list(records)
    codes = {record.code for record in rows}
    if len(codes) == 1:
        return codes.pop(), tuple(record.ref for record in rows)
    return CauseCode.MULTIPLE, tuple(f"{record.code} {record.ref}" for record in rows)


def is_multiplier(difference: Difference, market: Market) -> bool:
    """Whether one side counts contracts and the other what is in them."""
    pair = market.pair(difference.key) if difference.key.domain == "position" else None
    if pair is None or not pair.local or not pair.broker:
        return False
    factors = contract_factors(difference.key.asset, market)
    return any(pair.local * factor == pair.broker or pair.broker * factor == pair.local for factor in factors)


def contract_factors(asset: str, market: Market) -> set[Decimal]:
    """By what a side that counts what is in the contracts is off."""
    told = {market.settings.asset(asset).multiplier, market.settings.listed_size(asset)}
    given = {row.multiplier for row in market.rows(asset)} | told
    return {factor for factor in given if factor is not None and factor != 1}
