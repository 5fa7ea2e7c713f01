"""Reading again by oneself: what one reading alone cannot confirm is looked at once more, after the settle window."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from tieout.clock import Clock
from tieout.model.report import ReconciliationReport, Trigger

MARGIN_MS = 50  # a reading a hair too early would confirm nothing


class Reconciles(Protocol):
    """What is asked for a reading."""

    async def reconcile(self, account: str, *, trigger: Trigger = "manual") -> ReconciliationReport:
        """One whole reconciliation."""


async def reconcile_until_settled(
    reconciler: Reconciles,
    account: str,
    clock: Clock,
    *,
    settle_seconds: Decimal,
    most: int = 4,
    trigger: Trigger = "manual",
) -> ReconciliationReport:
    """The report of the first reading in which nothing is left to confirm.

    Where a discrepancy is unconfirmed, the settle window is waited for and both sides are read again: at most *most*
    readings, and no more once one told nothing new.
    """
    wait = timedelta(milliseconds=int(settle_seconds * 1000) + MARGIN_MS).total_seconds()
    report = await reconciler.reconcile(account, trigger=trigger)
    for _ in range(most - 1):
        if not _unsettled(report):
            break
        await clock.sleep(wait)
        earlier, report = report, await reconciler.reconcile(account, trigger=trigger)
        if _told(report) == _told(earlier):
            break
    return report


def _unsettled(report: ReconciliationReport) -> bool:
    return any(not each.confirmed for each in report.discrepancies)


def _told(report: ReconciliationReport) -> object:
    """What a reading says of what differs."""
    rows = [(each.discrepancy_id, each.difference, each.cause.code, each.confirmed) for each in report.discrepancies]
    return report.status, rows
