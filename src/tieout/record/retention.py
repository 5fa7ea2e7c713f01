"""Forgetting what has outlived its time: content is erased for good, and every proof over it still stands.

What both sides said, reports and plans are payloads under keys of their own. Erasing one deletes its key and its ciphertext;
the record of the reading, which holds no amounts, stays, and so does the commitment that the log signed. That something was
erased is an entry itself. Rows that people search are deleted outright.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, delete, or_, select, update

from tieout.record.entry import Draft, EntryKind
from tieout.record.payloads import id_of
from tieout.record.readings import commitments_of, decode_record, statements_of
from tieout.record.recorder import StoreRecord
from tieout.record.restoring import read_statements
from tieout.record.settings import Retention
from tieout.record.store.schema import (
    actions,
    alerts,
    break_history,
    breaks,
    decisions,
    observations,
    payloads,
    reports,
)
from tieout.record.writer import Unit

AT_ONCE = 1000


class Cutoffs(Struct, frozen=True):
    """Before when what of each kind is to be forgotten."""

    observations: datetime
    reports: datetime
    breaks: datetime
    decisions: datetime
    actions: datetime
    alerts: datetime


def cutoffs(retention: Retention, now: datetime) -> Cutoffs:
    """Before when what of each kind is to be forgotten."""
    return Cutoffs(*(now - timedelta(days=getattr(retention, name)) for name in Cutoffs.__struct_fields__))


async def erase_expired(record: StoreRecord, retention: Retention, now: datetime) -> int:
    """Erase what is older than *retention* lets it be; returns how many payloads that were.

    Safe to repeat and to break off: a crash leaves it all as it was, or erased with its entry.

    Raises:
        RecordError: It cannot be read or written.
    """
    before = cutoffs(retention, now)
    doomed, seen = await record.database.read(lambda connection: _doomed(connection, before))
    if not doomed:
        return 0

    def rows(connection: Connection, _: Sequence[int]) -> None:
        # Readings since the scan may say again what was said years ago; that has to stay.
        recent = _references(connection, observations.c.entry > seen, observations.c.entry > seen)[0]
        ids = sorted(doomed - recent)
        for start in range(0, len(ids), AT_ONCE):
            connection.execute(
                update(payloads)
                .where(payloads.c.id.in_(ids[start : start + AT_ONCE]))
                .values(wrapped_key=None, sealed=None, digest=None, erased_at=now)
            )
        _delete_rows(connection, before)

    refs = {"payloads": str(len(doomed)), "before": min(before.observations, before.reports).isoformat()}
    await record.write(Unit((Draft(event=f"erase:{now.isoformat()}", kind=EntryKind.ERASE, refs=refs),), rows))
    record.payloads.forget()
    return len(doomed)


def _doomed(connection: Connection, before: Cutoffs) -> tuple[set[int], int]:
    """The payloads that nothing younger refers to, and the last reading that was looked at."""
    at = observations.c.at
    old, _ = _references(connection, at < before.observations, at < before.reports)
    kept, last = _references(connection, at >= before.observations, at >= before.reports)
    decided = select(decisions.c.body).join(reports, reports.c.report_id == decisions.c.report_id)
    old |= _ids(connection, decided.where(reports.c.started_at < before.decisions))
    kept |= _ids(connection, decided.where(reports.c.started_at >= before.decisions))
    # An intent that nobody saw the end of is never forgotten: it has to be looked up.
    ended = actions.c.outcome.is_not(None) & (actions.c.ended_at < before.actions)
    old |= _ids(connection, select(actions.c.body).where(ended))
    erased = _ids(connection, select(payloads.c.id).where(payloads.c.erased_at.is_not(None)))
    return old - kept - erased, last


def _references(
    connection: Connection, said: ColumnElement[bool], reported: ColumnElement[bool]
) -> tuple[set[int], int]:
    """The payloads of what was *said* and what was *reported*, and the last entry among those readings."""
    found: set[int] = set()
    last = -1
    query = select(observations.c.entry, observations.c.record, said.label("said"), reported.label("reported"))
    for rows in connection.execute(query.where(or_(said, reported))).partitions(AT_ONCE):
        records = [(row, decode_record(row.record, row.entry)) for row in rows]
        statements = read_statements(connection, {each for _, record in records for each in statements_of(record)})
        for row, record in records:
            last = max(last, row.entry)
            sections = commitments_of(record, statements) - {record.report}
            found |= {id_of(each) for each in sections} if row.said else set()
            found |= {id_of(record.report)} if row.reported else set()
    return found, last


def _ids(connection: Connection, query: Select[int]) -> set[int]:
    return {row[0] for row in connection.execute(query)}


def _delete_rows(connection: Connection, before: Cutoffs) -> None:
    """Closed breaks and their lives, and alerts that went out."""
    closed = select(breaks.c.id).where(breaks.c.closed_at < before.breaks)
    connection.execute(delete(break_history).where(break_history.c.break_id.in_(closed)))
    connection.execute(delete(breaks).where(breaks.c.closed_at < before.breaks))
    connection.execute(delete(alerts).where(alerts.c.at < before.alerts, alerts.c.delivered_at.is_not(None)))
