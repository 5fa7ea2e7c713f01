"""The bands of severity, and whether a part of a difference would be within tolerance: shared by the stages."""

from __future__ import annotations

from decimal import Decimal

from tieout.model.amounts import percent, ratio
from tieout.model.discrepancy import Difference, Severity
from tieout.model.settings import Settings


def band(percent: Decimal, settings: Settings) -> Severity:
    """The severity of a percentage alone."""
    if percent < settings.moderate_from_percent:
        return Severity.MINOR
    return Severity.MODERATE if percent <= settings.critical_above_percent else Severity.CRITICAL


def within(difference: Difference, residual: Decimal, settings: Settings) -> bool:
    """Whether a part of a difference, by itself, would be within tolerance."""
    cash = difference.key.domain == "balance"
    if abs(residual) <= settings.smallest_unit(difference.key.asset, cash=cash):
        return True
    worth = _worth(difference, residual)
    if cash and worth is None:
        return percent(residual, difference.local_amount, difference.broker_amount) <= settings.unvalued_percent
    cap = settings.threshold_usd if cash else settings.position_threshold_usd
    return worth is not None and cap is not None and worth <= cap


def _worth(difference: Difference, residual: Decimal) -> Decimal | None:
    if difference.usd_value is None or not difference.difference:
        return None
    return difference.usd_value * ratio(abs(residual), abs(difference.difference))
