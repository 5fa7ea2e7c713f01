"""Why positions and balances differ: causes tried in the contract's order, the first that leaves nothing wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from tieout.explain.market import Market
from tieout.explain.projection import Effects, Projection, total
from tieout.explain.records import Proof, Record, Standing, in_time
from tieout.explain.search import only_subset
from tieout.explain.settle import Settlements, choose
from tieout.model.amounts import ZERO
from tieout.model.discrepancy import Cause, CauseCode, Difference, Key

Later = Callable[[Key, Record], Decimal]
Pick = Callable[[Record], bool]
RESHAPING = frozenset(("split", "symbol_change"))


class Found(Struct, frozen=True):
    """A cause with the records behind it.

    `cited` are records that are evidence and not to be booked; `age` is in seconds, where an order's own record is the
    evidence.
    """

    cause: Cause
    records: tuple[Record, ...] = ()
    cited: tuple[Record, ...] = ()
    age: Decimal | None = None


class Evidence:
    """The usable records of one observation and what they would change on a copy of local."""

    def __init__(self, records: Sequence[Record], market: Market, later: Later, settlements: Settlements) -> None:
        self.records = records
        self.market, self._later, self.settlements = market, later, settlements
        self.facts = facts_of(records)
        self.single = {id(record): total((record,), market, settlements, later) for record in records}
        reshaped = any(record.activity is not None and record.activity.kind in RESHAPING for record in records)
        # Without averages and splits, what records change together is what they change one by one.
        self._additive = not reshaped and all(settlement == "cash" for settlement in settlements.values())
        self._touching: dict[Key, list[Record]] = defaultdict(list)
        carried = self._carried()
        for record in self.facts:
            for key in {*self.single[id(record)], *carried.get(id(record), ())}:
                self._touching[key].append(record)
        self._sums: dict[str, Effects] = {}
        self._subsets: dict[tuple[str, Key], frozenset[int] | None] = {}

    def _carried(self) -> dict[int, set[Key]]:
        """What records move only together: a fill before a split or a rename is multiplied or carried over by it."""
        moved: dict[int, set[Key]] = defaultdict(set)
        if not any(record.activity is not None and record.activity.kind in RESHAPING for record in self.facts):
            return moved
        copy = Projection(self.market, self.settlements, self.market.held, self._later)
        before: dict[Key, list[Record]] = defaultdict(list)
        for record in self.facts:
            was = dict(copy.changes)
            copy.apply(record)
            touched = {key for key, amount in copy.changes.items() if amount != was.get(key, ZERO)}
            behind = [record]
            if record.activity is not None and record.activity.kind in RESHAPING:
                behind += [one for key in touched for one in before[key]]
            for key in touched:
                before[key] += [one for one in behind if one not in before[key]]
                for one in behind:
                    moved[id(one)].add(key)
        return moved

    def effects(self, records: Sequence[Record]) -> Effects:
        """What *records* together change, in the order of time."""
        if not self._additive or any(id(record) not in self.single for record in records):
            return total(records, self.market, self.settlements, self._later)
        together: Effects = {}
        for record in records:
            for key, amount in self.single[id(record)].items():
                together[key] = together.get(key, ZERO) + amount
        return {key: amount for key, amount in together.items() if amount}

    def touching(self, key: Key, pick: Pick) -> tuple[Record, ...]:
        """The facts of one kind that move *key* by themselves."""
        return tuple(record for record in self._touching[key] if pick(record))

    def sum(self, name: str, pick: Pick, key: Key) -> Decimal:
        """What all facts of one kind together change on *key*."""
        if name not in self._sums:
            self._sums[name] = self.effects([record for record in self.facts if pick(record)])
        return self._sums[name].get(key, ZERO)

    def subset(self, name: str, pick: Pick, key: Key) -> tuple[Record, ...] | None:
        """The only proper subset of one kind that closes *key* and every row that its records move; None if there is none."""
        records, keys = self._component(key, pick)
        memo = (name, min(keys))
        if memo not in self._subsets:
            self._subsets[memo] = self._search(records, sorted(keys))
        chosen = self._subsets[memo]
        if chosen is None:
            return None
        return tuple(record for record in records if id(record) in chosen and key in self.single[id(record)]) or None

    def _search(self, records: Sequence[Record], keys: Sequence[Key]) -> frozenset[int] | None:
        market = self.market
        judged = [key for key in keys if market.listed(key) or market.difference(key)]
        # What moves only a currency that neither side lists can neither close a row nor keep one from closing.
        records = [record for record in records if any(key in self.single[id(record)] for key in judged)]
        if not all(market.compared(key) for key in judged) or len(records) < 2:
            return None
        if not any(key.domain == "balance" for key in judged) and not market.balances_compared:
            return None
        vectors = [tuple(self.single[id(record)].get(key, ZERO) for key in judged) for record in records]
        target = tuple(market.difference(key) for key in judged)
        found = only_subset(vectors, target, market.settings.search_states)
        if found is None or len(found) == len(records):
            return None
        chosen = [records[index] for index in found]
        together = self.effects(chosen)
        # Records are not always additive (a realised profit depends on what came before): the answer is checked whole.
        if any(together.get(key, ZERO) != market.difference(key) for key in judged):
            return None
        return frozenset(id(record) for record in chosen)

    def _component(self, start: Key, pick: Pick) -> tuple[list[Record], set[Key]]:
        """All records and rows that hang together with *start*."""
        keys, todo = {start}, [start]
        chosen: dict[int, Record] = {}
        while todo:
            for record in self.touching(todo.pop(), pick):
                if id(record) in chosen:
                    continue
                chosen[id(record)] = record
                fresh = set(self.single[id(record)]) - keys
                keys |= fresh
                todo += fresh
        return sorted(chosen.values(), key=in_time), keys


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


def facts_of(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records that may be used to explain."""
    return tuple(record for record in records if _is_fact(record))


def _is_fact(record: Record) -> bool:
    if record.standing is Standing.SURPLUS and record.code is CauseCode.PHANTOM_FILL:
        return record.proof is Proof.FACT
    return record.proof is not Proof.NONE


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
    return _found(difference, touching, residual) if not residual else None


def _part(difference: Difference, evidence: Evidence, name: str, pick: Pick) -> Found | None:
    chosen = evidence.subset(name, pick, difference.key)
    return _found(difference, chosen, ZERO) if chosen else None


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
