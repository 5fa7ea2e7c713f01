"""Why orders differ, and what they lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from tieout.explain.flight import is_young
from tieout.explain.holdings import Found, contract_factors
from tieout.explain.market import Market
from tieout.explain.records import Ages, Proof, Record, Standing, is_own
from tieout.model.amounts import ZERO
from tieout.model.discrepancy import Cause, CauseCode, Difference, DiscrepancyType, Key
from tieout.model.pairing import OrderPair
from tieout.model.settings import Settings
from tieout.model.snapshot import Fill, Order, Snapshot


class OrderEvidence:
    """What the sides say about orders, and the records that belong to them."""

    def __init__(
        self,
        local: Snapshot,
        broker: Snapshot,
        pairs: Sequence[OrderPair],
        records: Sequence[Record],
        own: Container[str],
    ) -> None:
        self.pairs: Mapping[Key, OrderPair] = {pair.key: pair for pair in pairs}
        self.own = own
        self._fills = {"local": local.fills or (), "broker": broker.fills or ()}
        self._records: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
        for index, record in enumerate(records):
            for name in _names(record.fill) if record.fill is not None else ():
                self._records[name][index] = record

    def of_order(self, pair: OrderPair) -> tuple[Record, ...]:
        """The records of evidence that are fills of this order."""
        found: dict[int, Record] = {}
        for name in _names(pair):
            found.update(self._records.get(name, {}))
        return tuple(found[index] for index in sorted(found))

    def listed(self, pair: OrderPair, side: str) -> Decimal:
        """The quantity that a side's list of fills gives for this order, unsigned; repeats count once."""
        fills = {fill.fill_id: fill.quantity for fill in self._fills[side] if _of(fill, pair)}
        return sum(fills.values(), ZERO)


def _names(one: Fill | OrderPair) -> list[tuple[str, str]]:
    names = (("client", one.client_order_id), ("broker", one.broker_order_id))
    return [(kind, name) for kind, name in names if name is not None]


def _of(fill: Fill, pair: OrderPair) -> bool:
    by_client = fill.client_order_id is not None and fill.client_order_id == pair.client_order_id
    return by_client or (fill.broker_order_id is not None and fill.broker_order_id == pair.broker_order_id)


def explain_order(difference: Difference, evidence: OrderEvidence, ages: Ages, market: Market) -> Found:
    """The cause of one order's difference."""
    pair = evidence.pairs[difference.key]
    if is_young(pair, ages):
        return _whole(CauseCode.IN_FLIGHT, difference, pair)
    return replace(_settled(difference, pair, evidence, market), age=_age(pair, ages))


def _age(pair: OrderPair, ages: Ages) -> Decimal | None:
    """How long the broker's record of an order has stood, in seconds; None where it does not say."""
    at = pair.broker.touched_at if pair.broker is not None else None
    return None if at is None else ages.age(f"order {pair.broker.name if pair.broker else ''}", at, "broker")


def _settled(difference: Difference, pair: OrderPair, evidence: OrderEvidence, market: Market) -> Found:
    if difference.type is DiscrepancyType.ORPHANED_LOCAL:
        return _unknown(difference)
    if difference.type is DiscrepancyType.ORPHANED_BROKER:
        return _orphan(difference, pair, evidence, market.settings)
    if difference.type is DiscrepancyType.TERMS_MISMATCH:
        return _terms(difference, pair, market)
    return _progress(difference, pair, evidence)


def _orphan(difference: Difference, pair: OrderPair, evidence: OrderEvidence, settings: Settings) -> Found:
    if pair.local is not None and pair.local.status == "filled":
        known = evidence.listed(pair, "local") or evidence.listed(pair, "broker")
        return _whole(CauseCode.STALE_BROKER, difference, pair) if known else _unknown(difference)
    own = is_own(pair.client_order_id, pair.broker_order_id, evidence.own, settings)
    return _whole(CauseCode.LOST_SUBMISSION if own else CauseCode.EXTERNAL_ORDER, difference, pair)


def _terms(difference: Difference, pair: OrderPair, market: Market) -> Found:
    assert pair.local is not None and pair.broker is not None
    if pair.local.side != pair.broker.side:
        return _unknown(difference)
    held, stated = pair.local.quantity, pair.broker.quantity
    factors = contract_factors(pair.asset, market)
    by_contract = any(held * factor == stated or stated * factor == held for factor in factors)
    code = CauseCode.MULTIPLIER if held != stated and by_contract else CauseCode.MISSED_UPDATE
    return _whole(code, difference, pair)


def _progress(difference: Difference, pair: OrderPair, evidence: OrderEvidence) -> Found:
    """A status or a filled quantity differs: the broker's word counts, unless local is ahead of it."""
    if difference.difference >= 0:
        behind = tuple(record for record in evidence.of_order(pair) if record.standing is Standing.MISSING)
        return _whole(CauseCode.MISSED_UPDATE, difference, pair, behind)
    surplus = [record for record in evidence.of_order(pair) if record.standing is Standing.SURPLUS]
    facts = [record for record in surplus if record.proof is Proof.FACT]
    for code in (CauseCode.DUPLICATE_FILL, CauseCode.PHANTOM_FILL):
        same = tuple(record for record in facts if record.code is code)
        if same and sum((record.fill.quantity for record in same if record.fill), ZERO) == -difference.difference:
            return _whole(code, difference, pair, same)
    lagging = any(record.proof is Proof.LAGGING for record in surplus)
    if lagging or evidence.listed(pair, "broker") == difference.local_amount:
        return _whole(CauseCode.STALE_BROKER, difference, pair, tuple(surplus))
    return _unknown(difference)


def _whole(code: CauseCode, difference: Difference, pair: OrderPair, records: tuple[Record, ...] = ()) -> Found:
    cited = (f"order {pair.client_order_id or pair.broker_order_id}", *(record.ref for record in records))
    return Found(Cause(code, difference.difference, ZERO, cited), records)


def _unknown(difference: Difference) -> Found:
    return Found(Cause(CauseCode.UNKNOWN, ZERO, difference.difference))


def explain_locked(
    difference: Difference, causes: Mapping[Key, Found], pairs: Iterable[OrderPair], market: Market
) -> Found:
    """Which orders' differences lock the funds that differ."""
    locks: dict[Key, Decimal] = {}
    for pair in pairs:
        theirs = locks_of(pair.broker, difference.key.asset, market) if pair.broker else ZERO
        ours = locks_of(pair.local, difference.key.asset, market) if pair.local else ZERO
        if pair.key in causes and theirs != ours:
            locks[pair.key] = theirs - ours
    residual = difference.difference - sum(locks.values(), ZERO)
    codes = {causes[key].cause.code for key in locks}
    if not locks or abs(residual) >= abs(difference.difference):
        return _unknown(difference)
    refs = {key: next(iter(causes[key].cause.evidence), f"order {key.record}") for key in locks}
    cited = tuple(sorted(refs.values()))
    if codes == {CauseCode.UNKNOWN}:
        # Orders whose own cause is not known explain nothing, but where they lock just this much they are cited.
        return Found(Cause(CauseCode.UNKNOWN, ZERO, difference.difference, () if residual else cited))
    if len(codes) == 1:
        return Found(Cause(codes.pop(), difference.difference - residual, residual, cited))
    each = tuple(sorted(f"{causes[key].cause.code} {ref}" for key, ref in refs.items()))
    return Found(Cause(CauseCode.MULTIPLE, difference.difference - residual, residual, each))


def locks_of(order: Order, currency: str, market: Market) -> Decimal:
    """What a live order holds back of *currency*: its worth for a buy, the coins themselves for a sale."""
    if not order.live:
        return ZERO
    price = order.limit_price or order.stop_price or ZERO
    probe = Fill(
        fill_id="", asset=order.asset, side=order.side, quantity=order.remaining, price=price,
        at=order.touched_at, position_side=order.position_side,  # type: ignore[arg-type]
    )  # fmt: skip
    if order.side == "buy" and market.quote(probe) == currency:
        return order.remaining * price * market.multiplier(order.asset)
    return order.remaining if order.side == "sell" and market.base(probe) == currency else ZERO
