"""Looking back at reports: which there were, and one as it was made, with what became of its actions.

Everything here reads only, and runs beside a service that writes. Amounts come out of sealed payloads alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from tieout.model.changes import KIND_OF_CHANGE
from tieout.model.discrepancy import ActionStatus
from tieout.model.report import Action, ReconciliationReport
from tieout.record.payloads import Payloads
from tieout.record.readings import decode_record, report_of
from tieout.record.rows import split_ids
from tieout.record.store.schema import accounts, actions, break_history, breaks, observations, reports

CARRIED_OUT = frozenset(KIND_OF_CHANGE.values())


class Wanted(Struct, frozen=True, kw_only=True):
    """Which reports or breaks are asked for; what is empty filters nothing, and a `limit` of 0 is none.

    `status` is a report's; `since` (inclusive) and `until` (exclusive) hold a report's start, or when a break stood.
    """

    account: tuple[str, ...] = ()
    asset: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 0


class ReportRow(Struct, frozen=True, kw_only=True):
    """A report as the list shows it: no amounts. `entry` is its reading's in the log; `look` means nothing was decided."""

    entry: int
    report_id: str
    account: str
    trigger: str
    look: bool
    started_at: datetime
    finished_at: datetime
    status: str
    severity: str | None
    breaks: int
    configuration: str


class Fate(Struct, frozen=True, kw_only=True):
    """What became of one approved case. `status` is intended, done, failed, undone or unknown; entries are the log's."""

    action_id: str
    report_id: str
    strategy: str
    discrepancy_ids: tuple[str, ...]
    intent: int
    intended_at: datetime
    outcome: int | None
    ended_at: datetime | None
    status: str
    why: str | None


class Listed(Struct, frozen=True):
    """Reports in the order of time: the last ones that were asked for, and how many there are in all."""

    rows: tuple[ReportRow, ...]
    total: int


def list_reports(connection: Connection, wanted: Wanted) -> Listed:
    """The last reports that fit, the newest last."""
    filters = _report_filters(wanted)
    # Only what is filtered by is joined: every report there ever was is counted.
    among = reports.join(accounts, accounts.c.id == reports.c.account) if wanted.account else reports
    total = connection.execute(select(func.count()).select_from(among).where(*filters)).scalar_one()
    newest = _report_query().where(*filters).order_by(reports.c.entry.desc())
    rows = connection.execute(newest.limit(wanted.limit) if wanted.limit else newest).all()[::-1]
    counts = _counts(connection, rows[0].entry) if rows else {}
    return Listed(tuple(_report_row(row, counts.get(row.entry, 0)) for row in rows), total)


def find_reports(connection: Connection, prefix: str) -> tuple[ReportRow, ...]:
    """The reports whose id begins with *prefix*; two at most, which is one too many."""
    query = _report_query().where(reports.c.report_id.startswith(prefix, autoescape=True)).limit(2)
    return tuple(_report_row(row, 0) for row in connection.execute(query))


def readings_behind(connection: Connection, entry: int, since: datetime) -> tuple[int, ...]:
    """Where the readings stand behind *entry* that began at *since* or later, in the order of the log."""
    query = select(reports.c.entry).where(reports.c.entry > entry, reports.c.started_at >= since)
    return tuple(connection.execute(query.order_by(reports.c.entry)).scalars())


def _report_query() -> Select[tuple[object, ...]]:
    return (
        select(reports, observations.c.look, accounts.c.name)
        .join(observations, observations.c.entry == reports.c.entry)
        .join(accounts, accounts.c.id == reports.c.account)
    )


def _report_row(row: Row[tuple[object, ...]], count: int) -> ReportRow:
    named = {name: getattr(row, name) for name in ReportRow.__struct_fields__ if name not in ("account", "breaks")}
    return ReportRow(account=row.name, breaks=count, **named)


def _report_filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        column.in_(values)
        for column, values in (
            (accounts.c.name, wanted.account),
            (reports.c.severity, wanted.severity),
            (reports.c.status, wanted.status),
        )
        if values
    ]
    if wanted.since is not None:
        found.append(reports.c.started_at >= wanted.since)
    if wanted.until is not None:
        found.append(reports.c.started_at < wanted.until)
    shown = [break_history.c.cause.in_(wanted.cause)] if wanted.cause else []
    shown += [breaks.c.asset.in_(wanted.asset)] if wanted.asset else []
    if shown:
        entries = select(break_history.c.entry).join(breaks, breaks.c.id == break_history.c.break_id)
        found.append(reports.c.entry.in_(entries.where(break_history.c.event == "reading", *shown)))
    return found


def _counts(connection: Connection, first: int) -> dict[int, int]:
    """How many breaks each reading from the entry *first* on showed."""
    query = (
        select(break_history.c.entry, func.count())
        .where(break_history.c.event == "reading", break_history.c.entry >= first)
        .group_by(break_history.c.entry)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def read_report(connection: Connection, sealed: Payloads, entry: int) -> ReconciliationReport | None:
    """The report of the reading at *entry* as it was made, before anything was done; None where it was erased.

    Raises:
        LogBroken: It is not what was recorded.
    """
    raw = connection.execute(select(observations.c.record).where(observations.c.entry == entry)).scalar_one()
    record = decode_record(raw, entry)
    opened = sealed.open(connection, [record.report])[record.report]
    return None if opened is None else report_of(record, opened.payload)


def fates_of_report(connection: Connection, report_id: str) -> tuple[Fate, ...]:
    """What became of the cases that a report decided to act on."""
    query = select(actions).where(actions.c.report_id == report_id).order_by(actions.c.intent)
    return tuple(fate(row) for row in connection.execute(query))


def fate(row: Row[tuple[object, ...]]) -> Fate:
    """A row of the table of actions."""
    same = ("report_id", "intent", "intended_at", "outcome", "ended_at", "status", "why")
    ids = split_ids(row.break_ids)
    return Fate(action_id=row.id, strategy=row.kind, discrepancy_ids=ids, **{name: getattr(row, name) for name in same})


def with_outcomes(report: ReconciliationReport, fates: Sequence[Fate]) -> ReconciliationReport:
    """The report with what became of its actions; `detail` says where the log has intent and outcome."""
    by_break = {name: each for each in fates for name in each.discrepancy_ids}
    return replace(report, actions=tuple(_with_outcome(action, by_break) for action in report.actions))


def _with_outcome(action: Action, fates: dict[str, Fate]) -> Action:
    found = next((fates[name] for name in action.discrepancy_ids if name in fates), None)
    if found is None or action.action not in CARRIED_OUT or action.status is not ActionStatus.PLANNED:
        return action
    detail = {**action.detail, "intent_entry": str(found.intent)}
    if found.outcome is not None:
        detail["outcome_entry"] = str(found.outcome)
    failure = _FAILURES.get(found.status)
    if found.status != "done" and (found.why or failure):
        detail["failure"] = ": ".join(filter(None, (failure, found.why)))
    return replace(action, status=_STATUS.get(found.status, ActionStatus.PLANNED), detail=detail)


_STATUS = {
    "done": ActionStatus.DONE,
    "failed": ActionStatus.FAILED,
    "undone": ActionStatus.FAILED,
    "unknown": ActionStatus.FAILED,
}
_FAILURES = {
    "undone": "read back, it never happened",
    "unknown": "nobody knows yet whether it happened",
    "intended": "its end was not recorded yet",
}
