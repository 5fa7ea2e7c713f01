"""Orders: paired by the broker's id, else by the client's; a pair that lives on either side yields at most one difference."""

from __future__ import annotations

from decimal import Decimal

from tieout.model.amounts import ZERO, percent
from tieout.model.discrepancy import Difference, DiscrepancyType, Severity
from tieout.model.pairing import OrderPair
from tieout.model.settings import Settings
from tieout.model.snapshot import Order
from tieout.model.tolerance import band


def compare_pair(
    pair: OrderPair, settings: Settings, *, absent_locally: bool, absent_at_broker: bool
) -> Difference | None:
    """The difference of one order, or None.

    Args:
        pair: The order as both sides know it.
        settings: The account's settings.
        absent_locally: Whether local not listing an order means that it has none such.
        absent_at_broker: The same for the broker.
    """
    ours, theirs = pair.local, pair.broker
    if (ours and ours.status == "unknown") or (theirs and theirs.status == "unknown"):
        return None
    if not (ours and ours.live) and not (theirs and theirs.live):
        return None
    if theirs is None:
        return _orphan(pair, DiscrepancyType.ORPHANED_LOCAL) if absent_at_broker else None
    if ours is None:
        return _orphan(pair, DiscrepancyType.ORPHANED_BROKER) if absent_locally else None
    if theirs.live and not ours.live:
        return _orphan(pair, DiscrepancyType.ORPHANED_BROKER)
    return _terms_difference(pair, ours, theirs, settings) or _progress_difference(pair, ours, theirs, settings)


def _orphan(pair: OrderPair, kind: DiscrepancyType) -> Difference:
    held = pair.local.remaining if pair.local else ZERO
    stated = pair.broker.remaining if pair.broker else ZERO
    return _build(pair, kind, (held, stated), percent(stated - held, held, stated), Severity.MODERATE)


def _terms_difference(pair: OrderPair, ours: Order, theirs: Order, settings: Settings) -> Difference | None:
    kind = DiscrepancyType.TERMS_MISMATCH
    if ours.side != theirs.side:
        amounts = ours.quantity * ours.sign, theirs.quantity * theirs.sign
        return _build(pair, kind, amounts, percent(amounts[1] - amounts[0], *amounts), Severity.CRITICAL)
    terms = (
        (ours.quantity, theirs.quantity),
        (ours.limit_price, theirs.limit_price),
        (ours.stop_price, theirs.stop_price),
    )
    for held, stated in terms:
        if held is not None and stated is not None and held != stated:
            share = percent(stated - held, held, stated)
            return _build(pair, kind, (held, stated), share, band(share, settings))
    return None


def _progress_difference(pair: OrderPair, ours: Order, theirs: Order, settings: Settings) -> Difference | None:
    if ours.status != theirs.status:
        kind = DiscrepancyType.STATUS_MISMATCH
    elif ours.done != theirs.done:
        kind = DiscrepancyType.FILLED_MISMATCH
    else:
        return None
    difference = theirs.done - ours.done
    share = percent(difference, ours.quantity, theirs.quantity)
    tiny = kind is DiscrepancyType.FILLED_MISMATCH and abs(difference) <= settings.smallest_unit(pair.asset, cash=False)
    severity = Severity.MINOR if tiny else band(share, settings)
    return _build(pair, kind, (ours.done, theirs.done), share, severity, within=tiny)


def _build(
    pair: OrderPair,
    kind: DiscrepancyType,
    amounts: tuple[Decimal, Decimal],
    share: Decimal,
    severity: Severity,
    *,
    within: bool = False,
) -> Difference:
    return Difference(
        key=pair.key,
        type=kind,
        local_amount=amounts[0],
        broker_amount=amounts[1],
        difference=amounts[1] - amounts[0],
        percent=share,
        usd_value=None,
        severity=severity,
        within_tolerance=within,
        broker_order_id=pair.broker_order_id,
        client_order_id=pair.client_order_id,
    )
