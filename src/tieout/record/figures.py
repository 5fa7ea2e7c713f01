"""How it went: breaks that opened and closed, how long until they were seen and until they were over.

No amounts, but for the exposure, which takes the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import Connection, func, select

from tieout.model.amounts import ZERO, exact
from tieout.record.history import read_report
from tieout.record.payloads import Payloads
from tieout.record.store.schema import accounts, break_history, breaks, observations, reports

COMPLETE = ("matched", "discrepancies")


class Stood(Struct, frozen=True, kw_only=True):
    """When one break was seen and was over.

    Attributes:
        unseen: How long it can have stood before it was seen: since the complete reading before; None where there was none.
    """

    account: str
    severity: str
    first_seen: datetime
    closed_at: datetime | None
    unseen: timedelta | None


class Exposure(Struct, frozen=True):
    """What was open at a moment, in USD; `unknown` breaks have no value in USD."""

    at: datetime
    usd: Decimal
    unknown: int


def breaks_since(connection: Connection, names: Sequence[str], since: datetime, most: int) -> tuple[Stood, ...]:
    """The breaks of accounts that opened or closed since, the newest first and no more than *most*."""
    first = (
        select(func.min(break_history.c.entry)).where(break_history.c.break_id == breaks.c.id).scalar_subquery()
    )  # fmt: skip
    before = (
        select(reports.c.started_at)
        .join(observations, observations.c.entry == reports.c.entry)
        .where(reports.c.account == breaks.c.account, reports.c.entry < first, reports.c.status.in_(COMPLETE))
        .where(~observations.c.look)  # it saw a part of the account only
        .order_by(reports.c.entry.desc())
        .limit(1)
        .correlate(breaks)
        .scalar_subquery()
    )
    query = (
        select(breaks, accounts.c.name, before.label("before"))
        .join(accounts, accounts.c.id == breaks.c.account)
        .where(accounts.c.name.in_(list(names)), (breaks.c.first_seen >= since) | (breaks.c.closed_at >= since))
        .order_by(breaks.c.first_seen.desc())
        .limit(most)
    )
    return tuple(
        Stood(
            account=row.name,
            severity=row.severity,
            first_seen=row.first_seen,
            closed_at=row.closed_at,
            unseen=None if row.before is None else max(row.first_seen - row.before, timedelta()),
        )
        for row in connection.execute(query)
    )


@exact
def exposure_at(connection: Connection, sealed: Payloads, names: Sequence[str], at: datetime) -> Exposure:
    """What stood open in accounts at a moment, by the last reading of each before it.

    Raises:
        LogBroken: What is stored is not what was recorded.
    """
    usd, unknown = ZERO, 0
    for name in _with_breaks(connection, names, at):
        query = (
            select(reports.c.entry)
            .join(accounts, accounts.c.id == reports.c.account)
            .join(observations, observations.c.entry == reports.c.entry)
            .where(accounts.c.name == name, reports.c.started_at < at, ~observations.c.look)
            .where(reports.c.status.in_(COMPLETE))
            .order_by(reports.c.entry.desc())
            .limit(1)
        )
        entry = connection.execute(query).scalar()
        report = None if entry is None else read_report(connection, sealed, entry)
        for item in () if report is None else report.discrepancies:
            if item.within_tolerance:
                continue
            usd += item.usd_value or ZERO
            unknown += item.usd_value is None
    return Exposure(at, usd, unknown)


def _with_breaks(connection: Connection, names: Sequence[str], at: datetime) -> list[str]:
    """Those of the accounts in which any break stood then: the others need no look at their reports."""
    query = (
        select(accounts.c.name)
        .join(breaks, breaks.c.account == accounts.c.id)
        .where(accounts.c.name.in_(list(names)), breaks.c.first_seen < at)
        .where(breaks.c.closed_at.is_(None) | (breaks.c.closed_at >= at))
        .distinct()
    )
    return sorted(connection.execute(query).scalars())
