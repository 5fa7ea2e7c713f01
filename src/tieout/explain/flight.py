"""What is too young for a verdict: young records, orders that may just have filled, and books that moved while we read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from tieout.explain.market import Market
from tieout.explain.records import Ages
from tieout.model.amounts import ZERO, ratio
from tieout.model.discrepancy import Key
from tieout.model.pairing import OrderPair, pair_legs
from tieout.model.snapshot import Activity, Fill, Order, Snapshot

MAX_SUMS = 4096
FEE_ALLOWANCE = Decimal("0.01")  # of a young order's worth; its fee is not known before its fill is


class Span(Struct, frozen=True):
    """An order that may have filled by anything from nothing to all that was open: per key, the least and the most."""

    ref: str
    key: Key
    low: Decimal
    high: Decimal


def young_spans(pairs: Iterable[OrderPair], market: Market) -> tuple[Span, ...]:
    """What *pairs*, orders that changed too recently for a verdict, may have moved."""
    spans: list[Span] = []
    for pair in pairs:
        open_quantity = max((order.remaining for order in (pair.local, pair.broker) if order is not None), default=ZERO)
        order = pair.broker or pair.local
        if order is not None and open_quantity:
            spans += _spans(order, open_quantity, market)
    return tuple(spans)


def is_young(pair: OrderPair, ages: Ages) -> bool:
    """Whether either side's record of an order changed too recently for a verdict."""
    for side, order in (("local", pair.local), ("broker", pair.broker)):
        if order is None or order.touched_at is None:
            continue
        ref = f"order {order.name}"
        if ages.in_flight(ages.age(ref, order.touched_at, side), side):
            return True
    return False


def _spans(order: Order, quantity: Decimal, market: Market) -> list[Span]:
    ref, signed = f"order {order.name}", quantity * order.sign
    probe = Fill(
        fill_id=ref, asset=order.asset, side=order.side, quantity=quantity, price=ZERO,
        at=order.touched_at or order.created_at, position_side=order.position_side,  # type: ignore[arg-type]
    )  # fmt: skip
    key = market.leg(order.asset, order.position_side)
    quote, base = market.quote(probe), market.base(probe)
    spans = [Span(ref, Key("balance", quote), *_cash(probe, key, market, _prices(order, market)))] if quote else []
    if market.spot(probe):
        assert base is not None
        return [*spans, _span(ref, Key("balance", base), signed)]
    scale = market.scale(order.asset, of_broker=True)
    return [*spans, _span(ref, key, signed * scale)] if key is not None else spans


def _cash(probe: Fill, key: Key | None, market: Market, prices: Iterable[Decimal]) -> tuple[Decimal, Decimal]:
    """The least and the most that a trade up to this size moves in cash: its price, or the profit it realises."""
    ends = [ZERO]
    settlement = "cash" if market.spot(probe) else market.settlement(probe)
    for price in prices:
        worth = price * probe.signed * market.multiplier(probe.asset)
        fee = abs(worth) * FEE_ALLOWANCE
        if settlement in (None, "cash"):
            ends.append(-worth - fee if worth > 0 else -worth)
        else:
            ends.append(-fee)
        if settlement != "cash" and key is not None and price:
            profit = _profit(probe, key, market, price)
            ends += [profit - fee, profit + fee] if profit else []
    return min(ends), max(ends)


def _profit(probe: Fill, key: Key, market: Market, price: Decimal) -> Decimal:
    """What closing all that the trade can close at *price* would realise."""
    held, average = market.held(key), market.average(key)
    size = probe.signed * market.scale(probe.asset, of_broker=True)
    if average is None or held * size >= 0:
        return ZERO
    closed = min(abs(held), abs(size)) * (1 if held > 0 else -1)
    factor = ratio(market.multiplier(probe.asset), market.scale(probe.asset, of_broker=True))
    return closed * factor * (price - average)


def _span(ref: str, key: Key, most: Decimal) -> Span:
    return Span(ref, key, min(ZERO, most), max(ZERO, most))


def _prices(order: Order, market: Market) -> tuple[Decimal, ...]:
    """At what an order may trade, as far as anything says: its own price, and the market's."""
    marked = next((row.market_price for row in market.rows(order.asset) if row.market_price is not None), None)
    stated = order.limit_price or order.stop_price or marked or ZERO
    return (stated,) if marked is None else (stated, marked)


class Listed(Struct, frozen=True):
    """A young record that both sides list: either side's holdings may not have moved with it yet."""

    ref: str
    row: Fill | Activity


def listed_by_both(local: Snapshot, broker: Snapshot, ages: Ages) -> tuple[Listed, ...]:
    """Records too young for a verdict on the holdings, though both sides have them."""
    fills = {(fill.asset, fill.fill_id, fill.side) for fill in broker.fills or ()}
    rows = [
        Listed(f"fill {fill.fill_id}", fill)
        for fill in local.fills or ()
        if (fill.asset, fill.fill_id, fill.side) in fills
    ]
    ids = {row.activity_id for row in broker.activities or ()}
    rows += [Listed(f"activity {row.activity_id}", row) for row in local.activities or () if row.activity_id in ids]
    young = (one for one in rows if ages.in_flight(ages.age(one.ref, one.row.at, "local"), "local"))
    return tuple(sorted(young, key=lambda one: (one.row.at, one.ref, repr(one.row))))


def accounts_for(difference: Decimal, effects: Sequence[Decimal], spans: Sequence[Span]) -> bool:
    """Whether some of the young records and open orders can make up the whole difference. Doubt needs no uniqueness."""
    if not effects and not spans:
        return False
    low, high = sum((span.low for span in spans), ZERO), sum((span.high for span in spans), ZERO)
    sums = {ZERO}
    for effect in effects:
        sums |= {reached + effect for reached in sums}
        if len(sums) > MAX_SUMS:
            sums = {ZERO, sum(effects, ZERO)}
            break
    return any(low <= difference - reached <= high for reached in sums)


def moved_while_reading(key: Key, difference: Decimal, before: Snapshot | None, market: Market) -> bool:
    """Whether local moved between its two readings, and the broker stands where local was, or on the way."""
    if before is None or before.covers("positions" if key.domain == "position" else "balances") != "complete":
        return False
    if key.domain == "balance":
        was = next((row.total for row in before.balances or () if row.currency == key.asset), ZERO)
    else:
        rows = [row for row in before.positions or () if row.asset == key.asset]
        pairs = pair_legs(rows, market.broker_rows.get(key.asset, ()))
        was = next((pair.local for pair in pairs if pair.leg == key.leg), ZERO)
    step = was - market.held(key)
    return min(ZERO, step) <= difference <= max(ZERO, step) and bool(step)
