"""The records of one reading as evidence: which rows each of them moves, what they change together, which hang together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal

from tieout.explain.market import Market
from tieout.explain.projection import Effects, Projection, total
from tieout.explain.records import Proof, Record, Standing, in_time
from tieout.explain.search import only_subset
from tieout.explain.settle import Settlements
from tieout.model.amounts import ZERO
from tieout.model.discrepancy import CauseCode, Key

Later = Callable[[Key, Record], Decimal]
Pick = Callable[[Record], bool]
RESHAPING = frozenset(("split", "symbol_change"))


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
        self._moves = {id(record): {*self.single[id(record)], *carried.get(id(record), ())} for record in self.facts}
        for record in self.facts:
            for key in self._moves[id(record)]:
                self._touching[key].append(record)
        self._sums: dict[str, Effects] = {}
        self._subsets: dict[tuple[str, Key], frozenset[int] | None] = {}

    def _carried(self) -> dict[int, set[Key]]:
        """What records move only together: a fill before a split or a rename is multiplied or carried over by it, and one
        that closes what another one opened realises its profit."""
        moved: dict[int, set[Key]] = defaultdict(set)
        if self._additive:
            return moved
        copy = Projection(self.market, self.settlements, self.market.held, self._later)
        before: dict[Key, set[int]] = defaultdict(set)
        for record in self.facts:
            was = dict(copy.changes)
            copy.apply(record)
            touched = {key for key, amount in copy.changes.items() if amount != was.get(key, ZERO)}
            behind = {id(record)}
            if record.activity is not None and record.activity.kind in RESHAPING:
                behind.update(*(before[key] for key in touched))
            for key in touched:
                before[key] |= behind
                for one in behind:
                    moved[one].add(key)
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
        """The only proper subset of one kind that closes every row that hangs together with *key*; None if there is none."""
        records, keys = self._component(key, pick)
        memo = (name, min(keys))
        if memo not in self._subsets:
            self._subsets[memo] = self._search(records, sorted(keys))
        chosen = self._subsets[memo]
        if chosen is None:
            return None
        return tuple(record for record in records if id(record) in chosen)

    def together(self, records: Sequence[Record], name: str, pick: Pick) -> tuple[Record, ...]:
        """*records*, and those of the same kind that offset them on rows which do not differ: without them these would."""
        found, todo, seen = {id(record): record for record in records}, list(records), set[Key]()
        while todo:
            for key in self._moves[id(todo.pop())] - seen:
                seen.add(key)
                if not self._may_begin_to_differ(key) or self.sum(name, pick, key):
                    continue
                fresh = [record for record in self.touching(key, pick) if id(record) not in found]
                found |= {id(record): record for record in fresh}
                todo += fresh
        return tuple(sorted(found.values(), key=in_time))

    def _may_begin_to_differ(self, key: Key) -> bool:
        """Whether both sides agree on a row that is compared. A currency that neither lists holds no booking up."""
        unlisted = key.domain == "balance" and not self.market.listed(key)
        return self.market.compared(key) and not self.market.difference(key) and not unlisted

    def explains_any(self, record: Record) -> bool:
        """Whether a record moves a row that differs."""
        return any(self.market.difference(key) for key in self._moves[id(record)])

    def _search(self, records: Sequence[Record], keys: Sequence[Key]) -> frozenset[int] | None:
        market = self.market
        judged = [key for key in keys if market.difference(key) or self._may_begin_to_differ(key) or market.listed(key)]
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


def facts_of(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records that may be used to explain."""
    return tuple(record for record in records if _is_fact(record))


def _is_fact(record: Record) -> bool:
    if record.standing is Standing.SURPLUS and record.code is CauseCode.PHANTOM_FILL:
        return record.proof is Proof.FACT
    return record.proof is not Proof.NONE
