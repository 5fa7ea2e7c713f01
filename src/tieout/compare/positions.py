"""Positions, netted or by leg: one asset's rows on both sides -> its differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tieout.compare.values import Prices
from tieout.model.amounts import HUNDRED, percent
from tieout.model.discrepancy import Difference, DiscrepancyType, Key, Severity
from tieout.model.pairing import LegPair
from tieout.model.settings import Settings
from tieout.model.tolerance import band


def compare_asset(asset: str, pairs: Sequence[LegPair], settings: Settings, prices: Prices) -> Iterator[Difference]:
    """The differences of one asset, at most one a leg."""
    for pair in pairs:
        if pair.local != pair.broker:
            yield _difference(asset, pair, settings, prices)
        elif settings.compare_cost and _cost_differs(pair, settings):
            yield _cost_difference(asset, pair)


def _difference(asset: str, pair: LegPair, settings: Settings, prices: Prices) -> Difference:
    difference = pair.broker - pair.local
    share = percent(difference, pair.local, pair.broker)
    kind = _type(pair)
    worth = prices.position_value(difference, pair.local_row, pair.broker_row, scaled=pair.scaled)
    cap = settings.position_threshold_usd
    within = abs(difference) <= settings.smallest_unit(asset, cash=False)
    within = within or (cap is not None and worth is not None and worth <= cap)
    severity = band(share, settings) if kind is DiscrepancyType.QUANTITY_MISMATCH else Severity.CRITICAL
    return Difference(
        key=Key("position", asset, pair.leg),
        type=kind,
        local_amount=pair.local,
        broker_amount=pair.broker,
        difference=difference,
        percent=share,
        usd_value=worth,
        severity=Severity.MINOR if within else severity,
        within_tolerance=within,
        local_scale=pair.local_scale,
        average_price=_stated_price(pair),
        position_side=None if pair.leg == "net" else pair.leg,
    )


def _stated_price(pair: LegPair) -> Decimal | None:
    """The broker's average price; None where the sum of its legs was compared, each of which has its own."""
    row = pair.broker_row
    return row.average_price if row is not None and row.leg == pair.leg else None


def _type(pair: LegPair) -> DiscrepancyType:
    if not pair.local:
        return DiscrepancyType.MISSING_LOCAL
    if not pair.broker:
        return DiscrepancyType.MISSING_BROKER
    if (pair.local > 0) != (pair.broker > 0):
        return DiscrepancyType.SIDE_MISMATCH
    return DiscrepancyType.QUANTITY_MISMATCH


def _cost_differs(pair: LegPair, settings: Settings) -> bool:
    ours = pair.local_row.average_price if pair.local_row else None
    theirs = pair.broker_row.average_price if pair.broker_row else None
    if ours is None or theirs is None:
        return False
    return HUNDRED * abs(theirs - ours) > settings.cost_percent * max(abs(ours), abs(theirs))


def _cost_difference(asset: str, pair: LegPair) -> Difference:
    assert pair.local_row is not None and pair.broker_row is not None
    ours, theirs = pair.local_row.average_price, pair.broker_row.average_price
    assert ours is not None and theirs is not None
    return Difference(
        key=Key("position", asset, pair.leg),
        type=DiscrepancyType.COST_MISMATCH,
        local_amount=ours,
        broker_amount=theirs,
        difference=theirs - ours,
        percent=percent(theirs - ours, ours, theirs),
        usd_value=None,
        severity=Severity.MINOR,
        within_tolerance=False,
        position_side=None if pair.leg == "net" else pair.leg,
    )
