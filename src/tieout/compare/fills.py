"""Fills by identity: which one side lacks, has twice, or has with other values, where the lists vouch for the time."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tieout.model.amounts import ZERO, percent
from tieout.model.discrepancy import Difference, DiscrepancyType, Key, Severity
from tieout.model.pairing import fills_vouched_from, pair_fills, same_quantity
from tieout.model.settings import Settings
from tieout.model.snapshot import Fill, Snapshot
from tieout.model.tolerance import band


def compare_fills(
    local: Snapshot, broker: Snapshot, settings: Settings, renamed: Mapping[str, str]
) -> list[Difference]:
    """Fill-domain differences, within the time that the other side's list vouches for."""
    if local.fills is None or broker.fills is None:
        return []
    scope = settings.scope.admits
    pairing = pair_fills(local.fills, broker.fills, renamed)
    ours_from, theirs_from = fills_vouched_from(local), fills_vouched_from(broker)
    found = [
        _missing(fill, DiscrepancyType.MISSING_LOCAL, (ZERO, fill.quantity))
        for fill in pairing.missing
        if ours_from is not None and fill.at >= ours_from and scope(fill.asset)
    ]
    for fill in (*pairing.unknown, *pairing.repeated):
        if theirs_from is not None and fill.at >= theirs_from and scope(fill.asset):
            found.append(_missing(fill, DiscrepancyType.MISSING_BROKER, (fill.quantity, ZERO)))
    for ours, theirs in pairing.same:
        alike = same_quantity(ours, theirs, local, broker)
        changed = _changed(ours, theirs, settings, same_size=alike)
        if changed is not None and scope(ours.asset):
            found.append(changed)
    return found


def _missing(fill: Fill, kind: DiscrepancyType, amounts: tuple[Decimal, Decimal]) -> Difference:
    return _build(fill, kind, amounts, Severity.MINOR)


def _changed(ours: Fill, theirs: Fill, settings: Settings, *, same_size: bool) -> Difference | None:
    """The first that differs of quantity, price and fee; what is null is not compared."""
    pairs = (ours.quantity, theirs.quantity), (ours.price, theirs.price), (ours.fee, theirs.fee)
    for held, stated in pairs[same_size:]:
        if held is not None and stated is not None and held != stated:
            share = percent(stated - held, held, stated)
            return _build(theirs, DiscrepancyType.FILL_MISMATCH, (held, stated), band(share, settings))
    return None


def _build(fill: Fill, kind: DiscrepancyType, amounts: tuple[Decimal, Decimal], severity: Severity) -> Difference:
    held, stated = amounts
    return Difference(
        key=Key("fill", fill.asset, "net", "/".join((fill.fill_id, fill.side, fill.broker_order_id or ""))),
        type=kind,
        local_amount=held,
        broker_amount=stated,
        difference=stated - held,
        percent=percent(stated - held, held, stated),
        usd_value=None,
        severity=severity,
        within_tolerance=False,
        broker_order_id=fill.broker_order_id,
        client_order_id=fill.client_order_id,
        fill_id=fill.fill_id,
    )
