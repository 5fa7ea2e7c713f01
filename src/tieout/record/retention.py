"""Forgetting what has outlived its time: content is erased for good, and every proof over it still stands.

What both sides said, reports and plans are payloads under keys of their own. Erasing one deletes its key and its ciphertext;
the record of the reading, which holds no amounts, stays, and so does the commitment that the log signed. That something was
erased is an entry itself, which says how much, and a digest over the commitments of it all. Rows that people search are
deleted outright.

Never forgotten are intents that nobody saw the end of, and the readings that an account's next start goes on from.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, delete, or_, select, update

from tieout.record.entry import Draft, EntryKind
from tieout.record.payloads import id_of
from tieout.record.readings import commitments_of, decode_record, statements_of
from tieout.record.recorder import StoreRecord
from tieout.record.restoring import read_statements
from tieout.record.settings import Retention
from tieout.record.states import delete_states, newest_states, states_before
from tieout.record.store.database import Database
from tieout.record.store.schema import (
    actions,
    alerts,
    approvals,
    break_history,
    breaks,
    decisions,
    log_head,
    observations,
    payloads,
    reports,
)
from tieout.record.writer import Overtaken, Unit

AT_ONCE = 1000  # payloads that one entry erases: whoever records meanwhile waits for that long
SPAN = 5000  # entries whose readings are looked at before others may read
_TICK = timedelta(microseconds=1)

# Whether of a reading what was said is meant, and whether what was reported is.
Choice = Callable[[Row[*tuple[object, ...]]], tuple[bool, bool]]


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

    Safe to repeat and to break off: what one entry says was erased is erased whole, or not at all.

    Raises:
        RecordError: It cannot be read or written; what is left is erased the next time.
    """
    before = cutoffs(retention, now)
    doomed, seen = await _doomed(record.database, before)
    batches: list[tuple[int, ...]] = list(_batched(doomed))
    if not batches and await record.database.read(lambda connection: _rows_expired(connection, before)):
        batches = [()]
    erased, moment = 0, now
    for batch in batches:
        done = False
        while not done:
            done, count = await _erase(record, batch, before, moment, seen)
            erased += count
            moment += _TICK  # the entry's name: each erasure has a moment of its own
    if batches:
        record.payloads.forget()
        await record.database.scrub()
    return erased


async def _erase(
    record: StoreRecord, batch: Sequence[int], before: Cutoffs, moment: datetime, seen: int
) -> tuple[bool, int]:
    """Erase one batch under one entry. Not done where another erasure bears that moment already."""
    commitments = await record.database.read(lambda connection: _commitments(connection, batch))
    written = False

    def rows(connection: Connection, _: Sequence[int]) -> None:
        nonlocal written
        # Readings since the scan may say again what was said years ago; that has to stay.
        if not _recent(connection, seen).isdisjoint(batch):
            raise Overtaken
        erased = update(payloads).where(payloads.c.id.in_(batch), payloads.c.sealed.is_not(None))
        values = erased.values(wrapped_key=None, sealed=None, digest=None, erased_at=moment)
        if connection.execute(values).rowcount != len(batch):
            raise Overtaken  # another process erased some of them: the entry's count has to be true
        _delete_rows(connection, before)
        written = True

    refs = {
        "payloads": str(len(batch)),
        "before": min(before.observations, before.reports).isoformat(),
        "erased": hashlib.sha256(b"".join(commitments)).hexdigest(),
    }
    draft = Draft(event=f"erase:{moment.isoformat()}", kind=EntryKind.ERASE, refs=refs)
    try:
        await record.write(Unit((draft,), rows))
    except Overtaken:
        return True, 0  # the next time looks again
    return written, len(batch) if written else 0


async def _doomed(database: Database, before: Cutoffs) -> tuple[set[int], int]:
    """The payloads that nothing younger refers to, and the last entry that was looked at."""
    seen = await database.read(_last_entry)
    restart = await database.read(newest_states)

    def young(row: Row[*tuple[object, ...]]) -> tuple[bool, bool]:
        needed = not row.look and row.entry >= restart.get(row.account, seen + 1)
        return needed or row.at >= before.observations, needed or row.at >= before.reports

    def old(row: Row[*tuple[object, ...]]) -> tuple[bool, bool]:
        said, reported = young(row)
        return not said, not reported

    at = observations.c.at
    doomed = await database.read(lambda connection: _decided_and_done(connection, before))
    async for found in _pages(database, seen, at < max(before.observations, before.reports), old):
        doomed |= found
    if doomed:
        first = min(restart.values(), default=seen + 1)
        some = or_(at >= min(before.observations, before.reports), observations.c.entry >= first)
        async for found in _pages(database, seen, some, young):
            doomed -= found
    return doomed, seen


async def _pages(database: Database, seen: int, some: ColumnElement[bool], choose: Choice) -> AsyncIterator[set[int]]:
    """The payloads that *some* readings up to *seen* refer to, a stretch of the log at a time."""
    for first in range(0, seen + 1, SPAN):
        span = observations.c.entry.between(first, min(first + SPAN - 1, seen))
        yield await database.read(lambda connection, where=some & span: _references(connection, where, choose))  # type: ignore[misc]


def _references(connection: Connection, where: ColumnElement[bool], choose: Choice) -> set[int]:
    """The stored payloads that readings refer to, of each what is chosen."""
    found: set[int] = set()
    query = select(observations).where(where)
    for rows in connection.execute(query).partitions(AT_ONCE):
        records = [(row, decode_record(row.record, row.entry)) for row in rows]
        statements = read_statements(connection, {each for _, record in records for each in statements_of(record)})
        for row, record in records:
            said, reported = choose(row)
            if said:
                found |= {id_of(each) for each in commitments_of(record, statements) - {record.report}}
            if reported:
                found.add(id_of(record.report))
    return _stored(connection, found)


def _recent(connection: Connection, seen: int) -> set[int]:
    """What was recorded after the scan refers to."""
    found = _references(connection, observations.c.entry > seen, lambda _: (True, True))
    return found | _ids(connection, select(decisions.c.body).where(decisions.c.entry > seen))


def _decided_and_done(connection: Connection, before: Cutoffs) -> set[int]:
    """What was planned in reports that are old, but for what is still planned; and intents that ended long ago."""
    decided = select(decisions.c.body).join(reports, reports.c.report_id == decisions.c.report_id)
    old = _ids(connection, decided.where(reports.c.started_at < before.decisions))
    young = _ids(connection, decided.where(reports.c.started_at >= before.decisions))
    # An intent that nobody saw the end of is never forgotten: it has to be looked up.
    ended = actions.c.outcome.is_not(None) & (actions.c.ended_at < before.actions)
    # A person's word goes with the decisions, once it holds no longer.
    until = approvals.c.expires_at
    lapsed = (approvals.c.at < before.decisions) & or_(until.is_(None), until < before.decisions)
    done = _ids(connection, select(actions.c.body).where(ended)) | _ids(
        connection, select(approvals.c.body).where(lapsed)
    )
    return _stored(connection, (old - young) | done)


def _stored(connection: Connection, wanted: Iterable[int]) -> set[int]:
    """Those of *wanted* that were not erased before."""
    found: set[int] = set()
    for some in _batched(wanted):
        found |= _ids(connection, select(payloads.c.id).where(payloads.c.id.in_(some), payloads.c.sealed.is_not(None)))
    return found


def _commitments(connection: Connection, batch: Sequence[int]) -> list[bytes]:
    rows = connection.execute(
        select(payloads.c.commitment).where(payloads.c.id.in_(batch)).order_by(payloads.c.commitment)
    )
    return [row.commitment for row in rows]


def _last_entry(connection: Connection) -> int:
    size: int = connection.execute(select(log_head.c.size)).scalar_one()
    return size - 1


def _ids(connection: Connection, query: Select[int]) -> set[int]:
    return {row[0] for row in connection.execute(query)}


def _batched(ids: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """*ids* in their order, as many at once as one statement takes."""
    rest = iter(sorted(ids))
    return iter(lambda: tuple(islice(rest, AT_ONCE)), ())


def _rows_expired(connection: Connection, before: Cutoffs) -> bool:
    """Whether there are rows that `_delete_rows` would delete."""
    found = (select(table.c.id).where(where).limit(1) for table, where in _expired(before))
    return any(connection.execute(query).first() is not None for query in found) or bool(
        states_before(connection, before.observations)
    )


def _delete_rows(connection: Connection, before: Cutoffs) -> None:
    """Closed breaks and their lives, alerts that went out, and states that nothing starts from."""
    for table, where in _expired(before):
        if table is breaks:
            lives = select(breaks.c.id).where(where)
            connection.execute(delete(break_history).where(break_history.c.break_id.in_(lives)))
        connection.execute(delete(table).where(where))
    delete_states(connection, states_before(connection, before.observations))


def _expired(before: Cutoffs) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    sent = alerts.c.delivered_at.is_not(None)
    return (breaks, breaks.c.closed_at < before.breaks), (alerts, (alerts.c.at < before.alerts) & sent)
