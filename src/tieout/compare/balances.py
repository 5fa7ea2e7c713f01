"""Cash, currency by currency: totals first, and where they agree what is locked."""

from __future__ import annotations

from decimal import Decimal

from tieout.compare.values import Prices
from tieout.model.amounts import ZERO, percent
from tieout.model.discrepancy import Difference, DiscrepancyType, Key, Severity
from tieout.model.settings import Settings
from tieout.model.snapshot import Balance
from tieout.model.tolerance import band


def compare_currency(
    currency: str,
    local: Balance | None,
    broker: Balance | None,
    settings: Settings,
    prices: Prices,
    *,
    unmanaged: Decimal = ZERO,
) -> Difference | None:
    """The difference of one currency, or None. A zero row means no row; *unmanaged* is taken off the broker's total."""
    held = local.total if local else ZERO
    stated = (broker.total if broker else ZERO) - unmanaged
    if held != stated:
        return _total_difference(currency, held, stated, settings, prices)
    return _locked_difference(currency, local, broker, settings, prices)


def _total_difference(currency: str, held: Decimal, stated: Decimal, settings: Settings, prices: Prices) -> Difference:
    difference = stated - held
    share = percent(difference, held, stated)
    worth = _worth(difference, currency, prices)
    tiny = abs(difference) <= settings.smallest_unit(currency, cash=True)
    within = tiny or _tolerated(share, worth, settings)
    kind = _type(held, stated, tiny=tiny)
    missing = kind in (DiscrepancyType.MISSING_LOCAL, DiscrepancyType.MISSING_BROKER)
    severity = Severity.CRITICAL if missing else band(share, settings)
    return _build(currency, kind, held, stated, severity, (share, worth, within))


def _type(held: Decimal, stated: Decimal, *, tiny: bool) -> DiscrepancyType:
    if not held:
        return DiscrepancyType.MISSING_LOCAL
    if not stated:
        return DiscrepancyType.MISSING_BROKER
    return DiscrepancyType.PRECISION if tiny else DiscrepancyType.BALANCE_MISMATCH


def _locked_difference(
    currency: str, local: Balance | None, broker: Balance | None, settings: Settings, prices: Prices
) -> Difference | None:
    ours, theirs = locked(local), locked(broker)
    if ours is None or theirs is None or ours == theirs:
        return None
    difference = theirs - ours
    share, worth = percent(difference, ours, theirs), _worth(difference, currency, prices)
    within = abs(difference) <= settings.smallest_unit(currency, cash=True) or _tolerated(share, worth, settings)
    return _build(currency, DiscrepancyType.LOCKED_MISMATCH, ours, theirs, Severity.MINOR, (share, worth, within))


def locked(row: Balance | None) -> Decimal | None:
    """What a row says is locked, by itself or as total - available; None where it does not say."""
    if row is None:
        return None
    if row.locked is not None:
        return row.locked
    return row.total - row.available if row.available is not None else None


def _worth(difference: Decimal, currency: str, prices: Prices) -> Decimal | None:
    usd = prices.usd(currency)
    return None if usd is None else abs(difference) * usd


def _tolerated(share: Decimal, worth: Decimal | None, settings: Settings) -> bool:
    return share <= settings.unvalued_percent if worth is None else worth <= settings.threshold_usd


def _build(
    currency: str,
    kind: DiscrepancyType,
    held: Decimal,
    stated: Decimal,
    severity: Severity,
    judged: tuple[Decimal, Decimal | None, bool],
) -> Difference:
    share, worth, within = judged
    return Difference(
        key=Key("balance", currency),
        type=kind,
        local_amount=held,
        broker_amount=stated,
        difference=stated - held,
        percent=share,
        usd_value=worth,
        severity=Severity.MINOR if within else severity,
        within_tolerance=within,
    )
