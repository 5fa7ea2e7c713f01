"""Which breaks there are and were, as they were last seen: no amounts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, select

from tieout.model.discrepancy import SEVERITY_RANK, Severity
from tieout.model.word import Verdict
from tieout.record.history import Wanted
from tieout.record.store.schema import accounts, approvals, break_history, breaks, known_breaks


class BreakRow(Struct, frozen=True, kw_only=True):
    """A break as it was last seen: no amounts. `known_until` is set where a person, `known_by`, accepted it until then.

    `assignee` is who looks after it, where somebody was named.
    `awaits` is set where a plan for it waits for a person's approval, until `awaits_until`: that takes the key.
    """

    discrepancy_id: str
    account: str
    domain: str
    discrepancy_type: str
    asset: str
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None
    severity: str
    cause: str
    strategy: str
    confirmed: bool
    known_until: datetime | None
    readings: int
    known_by: str | None = None
    assignee: str | None = None
    awaits: bool = False
    awaits_until: datetime | None = None


_WORST_FIRST = case(
    (breaks.c.closed_at.is_not(None), 1), *((breaks.c.severity == each, -SEVERITY_RANK[each]) for each in Severity)
)


def list_breaks(
    connection: Connection, wanted: Wanted, *, closed: bool = False, offset: int = 0
) -> tuple[BreakRow, ...]:
    """The breaks that fit: open ones, the worst first; then, if *closed*, those that are closed, the latest first.

    The first *offset* of them are left out, and what is beyond the wanted limit.
    """
    query = _break_query().where(*_break_filters(wanted, closed))
    # A position before the balance that moved with it; and the same order on each page.
    alike = (breaks.c.domain.desc(), breaks.c.asset, breaks.c.id)
    query = query.order_by(_WORST_FIRST, breaks.c.last_seen.desc(), *alike).offset(offset or None)
    return tuple(_break_row(row) for row in connection.execute(query.limit(wanted.limit or None)))


def count_breaks(connection: Connection, wanted: Wanted, *, closed: bool = False) -> int:
    """How many breaks fit, whatever the wanted limit."""
    joined = breaks.join(accounts, accounts.c.id == breaks.c.account)
    query = select(func.count()).select_from(joined).where(*_break_filters(wanted, closed))
    return connection.execute(query).scalar_one()


def find_breaks(connection: Connection, prefix: str) -> tuple[BreakRow, ...]:
    """The breaks whose id begins with *prefix*; two at most, which is one too many."""
    query = _break_query().where(breaks.c.id.startswith(prefix, autoescape=True)).limit(2)
    return tuple(_break_row(row) for row in connection.execute(query))


def breaks_by_id(connection: Connection, names: Collection[str]) -> tuple[BreakRow, ...]:
    """Breaks by their whole ids, those that are there."""
    return tuple(_break_row(row) for row in connection.execute(_break_query().where(breaks.c.id.in_(list(names)))))


def _break_query() -> Select[tuple[object, ...]]:
    readings = (
        select(func.count())
        .where(break_history.c.break_id == breaks.c.id, break_history.c.event == "reading")
        .scalar_subquery()
    )
    assignee = (
        select(approvals.c.assignee)
        .where(approvals.c.subject == breaks.c.id, approvals.c.verdict == Verdict.ASSIGN)
        .order_by(approvals.c.entry.desc())
        .limit(1)
        .correlate(breaks)
        .scalar_subquery()
    )
    seen = (readings.label("readings"), assignee.label("assignee"))
    return (
        select(breaks, accounts.c.name, known_breaks.c.until, known_breaks.c.actor, *seen)
        .join(accounts, accounts.c.id == breaks.c.account)
        .outerjoin(known_breaks, known_breaks.c.break_id == breaks.c.id)
    )


def _break_row(row: Row[tuple[object, ...]]) -> BreakRow:
    other = {"discrepancy_id": row.id, "account": row.name, "known_until": row.until, "known_by": row.actor}
    later = ("awaits", "awaits_until")
    same = {name: getattr(row, name) for name in BreakRow.__struct_fields__ if name not in (*other, *later)}
    return BreakRow(**other, **same)


def _break_filters(wanted: Wanted, closed: bool) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        column.in_(values)
        for column, values in (
            (accounts.c.name, wanted.account),
            (breaks.c.asset, wanted.asset),
            (breaks.c.cause, wanted.cause),
            (breaks.c.severity, wanted.severity),
        )
        if values
    ]
    if not closed:
        found.append(breaks.c.closed_at.is_(None))
    if wanted.since is not None:
        found.append(breaks.c.last_seen >= wanted.since)
    if wanted.until is not None:
        found.append(breaks.c.first_seen < wanted.until)
    return found
