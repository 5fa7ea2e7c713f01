"""A break's whole life: every reading that showed it, what was decided and done, what people said, and its end.

Each step stands with its entry in the log, so that it can be proved. Without the master key, or once they were erased, the
amounts are lacking and everything else is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection, Row, select

from tieout.model.report import Action, Discrepancy, ReconciliationReport
from tieout.record.breaks import BreakRow
from tieout.record.history import Fate, fate
from tieout.record.payloads import Payloads, id_of
from tieout.record.readings import ReadingRecord, decode_record, report_of
from tieout.record.store.schema import (
    accounts,
    actions,
    alerts,
    approvals,
    break_history,
    decisions,
    halts,
    observations,
    payloads,
    reports,
)

AT_ONCE = 500
StepKind = Literal["reading", "closed", "decision", "intent", "outcome", "alert", "halt", "resume", "word"]


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to a break.

    Attributes:
        entry: Where the log has it.
        report_id: The report of a reading, or the one that decided.
        severity: With `cause`, `strategy` and `confirmed`: what a reading showed.
        discrepancy: The same with its amounts; None where they cannot be shown.
        actions: What that reading's report listed for it, as planned.
        verdict: Of a decision: approved or refused. Of an outcome: what became of it. Of a person's word: which.
        text: Why, in the words of whoever decided, refused, alerted, halted or wrote.
        actor: Whose word it was.
        until: How long an acceptance holds.
        assignee: Who is to look after it, from then on.
        action_id: Which action.
    """

    entry: int
    at: datetime
    kind: StepKind
    report_id: str | None = None
    severity: str | None = None
    cause: str | None = None
    strategy: str | None = None
    confirmed: bool | None = None
    discrepancy: Discrepancy | None = None
    actions: tuple[Action, ...] = ()
    verdict: str | None = None
    text: str | None = None
    actor: str | None = None
    until: datetime | None = None
    assignee: str | None = None
    action_id: str | None = None


class Life(Struct, frozen=True, kw_only=True):
    """A break and its steps in the order of the log. `erased` counts readings whose amounts were erased."""

    head: BreakRow
    steps: tuple[Step, ...]
    erased: int = 0


def read_life(connection: Connection, sealed: Payloads | None, head: BreakRow) -> Life:
    """The life of a break; without *sealed* its readings have no amounts.

    Raises:
        LogBroken: What is stored is not what was recorded.
    """
    history = connection.execute(
        select(break_history)
        .where(break_history.c.break_id == head.discrepancy_id)
        .order_by(break_history.c.entry, break_history.c.id)
    ).all()
    readings = [row for row in history if row.event == "reading"]
    found, erased = _reports(connection, sealed, [row.entry for row in readings])
    steps = [_reading(row, found.get(row.entry), head.discrepancy_id) for row in readings]
    steps += [_word_or_end(row) for row in history if row.event != "reading"]
    span = _span(history)
    fates = _fates(connection, head)
    steps += [*_decisions(connection, head), *(step for each in fates for step in _fate_steps(each))]
    steps += [*_alerts(connection, head, readings), *_halts(connection, head, span)]
    steps += _words(connection, sealed, {head.discrepancy_id, *(each.action_id for each in fates)})
    steps.sort(key=lambda step: (step.entry, _ORDER.index(step.kind)))
    return Life(head=head, steps=tuple(steps), erased=erased)


_ORDER: tuple[StepKind, ...] = (
    "reading",
    "closed",
    "decision",
    "halt",
    "alert",
    "intent",
    "outcome",
    "resume",
    "word",
)


def _span(history: Sequence[Row[tuple[object, ...]]]) -> tuple[int, int | None]:
    """The entries between which a break stood; open ones have no end."""
    if not history:
        return 0, 0
    last = history[-1]
    return history[0].entry, last.entry if last.event == "closed" else None


def _reports(
    connection: Connection, sealed: Payloads | None, entries: Sequence[int]
) -> tuple[dict[int, ReadingRecord | ReconciliationReport], int]:
    """What each reading reported, as far as it can be opened, and how many were erased."""
    found: dict[int, ReadingRecord | ReconciliationReport] = {}
    templates: dict[bytes, bytes | None] = {}
    erased = 0
    for start in range(0, len(entries), AT_ONCE):
        chosen = observations.c.entry.in_(entries[start : start + AT_ONCE])
        rows = connection.execute(select(observations.c.entry, observations.c.record).where(chosen))
        records = {row.entry: decode_record(row.record, row.entry) for row in rows}
        if sealed is not None:
            # Readings that say the same share one payload, which is opened once.
            fresh = {record.report for record in records.values()} - templates.keys()
            opened = sealed.open(connection, fresh)
            templates |= {name: None if each is None else each.payload for name, each in opened.items()}
        for entry, record in records.items():
            template = templates.get(record.report)
            erased += sealed is not None and template is None
            found[entry] = record if template is None else report_of(record, template)
    return found, erased


def _reading(row: Row[tuple[object, ...]], report: ReadingRecord | ReconciliationReport | None, break_id: str) -> Step:
    item: Discrepancy | None = None
    mine: tuple[Action, ...] = ()
    if isinstance(report, ReconciliationReport):
        item = next((each for each in report.discrepancies if each.discrepancy_id == break_id), None)
        mine = tuple(action for action in report.actions if break_id in action.discrepancy_ids)
    return Step(
        entry=row.entry,
        at=row.at,
        kind="reading",
        report_id=None if report is None else report.report_id,
        severity=row.severity,
        cause=row.cause,
        strategy=row.strategy,
        confirmed=row.confirmed,
        discrepancy=item,
        actions=mine,
    )


def _word_or_end(row: Row[tuple[object, ...]]) -> Step:
    if row.event == "closed":
        return Step(entry=row.entry, at=row.at, kind="closed", text=row.note)
    return Step(entry=row.entry, at=row.at, kind="word", verdict=row.event, text=row.note)


def _decisions(connection: Connection, head: BreakRow) -> Iterator[Step]:
    """Each decision that differed from the one before it: one that stands is logged once."""
    query = (
        select(decisions, reports.c.started_at)
        .join(accounts, accounts.c.id == decisions.c.account)
        .join(reports, reports.c.report_id == decisions.c.report_id)
        .where(accounts.c.name == head.account, decisions.c.break_ids.contains(f'"{head.discrepancy_id}"'))
    )
    for row in connection.execute(query):
        yield Step(
            entry=row.entry,
            at=row.started_at,
            kind="decision",
            report_id=row.report_id,
            strategy=row.strategy,
            verdict="approved" if row.approved else "refused",
            text=row.reason,
        )


def _fates(connection: Connection, head: BreakRow) -> list[Fate]:
    query = (
        select(actions)
        .join(accounts, accounts.c.id == actions.c.account)
        .where(accounts.c.name == head.account, actions.c.break_ids.contains(f'"{head.discrepancy_id}"'))
    )
    return [fate(row) for row in connection.execute(query)]


def _fate_steps(found: Fate) -> Iterator[Step]:
    yield Step(
        entry=found.intent,
        at=found.intended_at,
        kind="intent",
        report_id=found.report_id,
        strategy=found.strategy,
        verdict=found.status,
        action_id=found.action_id,
    )
    if found.outcome is not None and found.ended_at is not None:
        yield Step(
            entry=found.outcome,
            at=found.ended_at,
            kind="outcome",
            verdict=found.status,
            text=found.why,
            action_id=found.action_id,
        )


def _alerts(connection: Connection, head: BreakRow, readings: Sequence[Row[tuple[object, ...]]]) -> Iterator[Step]:
    """The alerts of its readings that name it: an alert's text names assets and causes."""
    causes = {row.entry: row.cause for row in readings}
    entries = list(causes)
    for start in range(0, len(entries), AT_ONCE):
        query = select(alerts).where(alerts.c.entry.in_(entries[start : start + AT_ONCE]))
        for row in connection.execute(query):
            if f"{head.asset} {causes[row.entry]}" in row.text:
                sent = "delivered" if row.delivered_at is not None else "waiting to be sent"
                yield Step(entry=row.entry, at=row.at, kind="alert", verdict=sent, text=row.text)


def _halts(connection: Connection, head: BreakRow, span: tuple[int, int | None]) -> Iterator[Step]:
    """Halts of its account, or asset, that were set while it stood, and their end."""
    first, last = span
    query = select(halts).join(accounts, accounts.c.id == halts.c.account).where(accounts.c.name == head.account)
    query = query.where(halts.c.entry >= first, halts.c.asset.is_(None) | (halts.c.asset == head.asset))
    if last is not None:
        query = query.where(halts.c.entry < last)
    for row in connection.execute(query):
        yield Step(entry=row.entry, at=row.set_at, kind="halt", text=row.reason)
        if row.lifted_entry is not None:
            yield Step(entry=row.lifted_entry, at=row.lifted_at, kind="resume", actor=row.lifted_by)


def _words(connection: Connection, sealed: Payloads | None, subjects: set[str]) -> list[Step]:
    """What people said of it, or of an action that it called for."""
    query = (
        select(approvals, payloads.c.commitment)
        .join(payloads, payloads.c.id == approvals.c.body)
        .where(approvals.c.subject.in_(sorted(subjects)))
    )
    rows = connection.execute(query).all()
    opened = {} if sealed is None else sealed.open(connection, {row.commitment for row in rows})
    found = {id_of(name): each.payload.decode("utf-8", "replace") for name, each in opened.items() if each is not None}
    return [
        Step(
            entry=row.entry,
            at=row.at,
            kind="word",
            verdict=row.verdict,
            actor=row.actor,
            until=row.expires_at,
            assignee=row.assignee,
            text=found.get(row.body),
        )
        for row in rows
    ]
