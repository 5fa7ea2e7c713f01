"""The tables that people search, made anew from what the log commits to, in memory, and held against those that are stored.

It is done with the very functions that wrote them. What was erased cannot be made anew, so of an account that lost readings
only the rows of single readings are compared, and not those that came of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, create_engine, select

from tieout.errors import LogBroken
from tieout.model.case import Approved, Refused
from tieout.model.intent import Intent
from tieout.record.audit.content import MOST
from tieout.record.audit.encoding import bytes_of
from tieout.record.audit.exporting import Placed, read_entries
from tieout.record.audit.fetching import rows_of
from tieout.record.audit.finding import Finding, Kind
from tieout.record.audit.scanned import READING, RECORD_BYTES, Scanned
from tieout.record.audit.wording import named
from tieout.record.base import Reading
from tieout.record.entry import Entry, EntryKind
from tieout.record.payloads import Kept, Payloads, id_of
from tieout.record.readings import Stored, commitments_of, decode_record, observation_of, report_of, statements_of
from tieout.record.restoring import read_statements
from tieout.record.rows import (
    follow_breaks,
    insert_alerts,
    insert_decisions,
    insert_reading,
    join_ids,
    keep_positions,
    lift_halts,
    set_halts,
)
from tieout.record.store.schema import (
    accounts,
    actions,
    alerts,
    break_history,
    breaks,
    decisions,
    halts,
    live_positions,
    metadata,
    observations,
    payloads,
    reports,
)

READINGS = 5_000  # up to so many the tables are made anew: a thousand takes some seconds

# What each table is compared by: the columns that the log decides. The others are of the service's own housekeeping.
_OF_ONE: dict[Table, tuple[str, ...]] = {
    reports: (
        "entry",
        "account",
        "report_id",
        "trigger",
        "started_at",
        "finished_at",
        "status",
        "severity",
        "configuration",
    ),
    alerts: ("entry", "account", "key", "kind", "severity", "text", "at"),
    decisions: ("entry", "account", "report_id", "fingerprint", "strategy", "approved", "reason", "break_ids", "body"),
}
_OF_ALL: dict[Table, tuple[str, ...]] = {
    break_history: ("entry", "break_id", "at", "event", "severity", "cause", "strategy", "confirmed", "note"),
    breaks: (
        "id", "account", "domain", "discrepancy_type", "asset", "first_seen", "last_seen", "closed_at", "severity", "cause",
        "strategy", "confirmed",
    ),
    halts: ("entry", "account", "asset", "reason", "set_at", "name", "lifted_entry", "lifted_at"),
    live_positions: ("account", "asset", "side", "amount", "at", "entry"),
}  # fmt: skip


class Rebuilt(Struct):
    """What was found; how many readings were made anew, and how many could not be, for they were erased."""

    findings: list[Finding] = []
    readings: int = 0
    lost: int = 0


class _Made(Struct):
    """The state of making anew: entries done, and the accounts of which something is missing."""

    done: set[int]
    partial: set[int]


def check_rebuilt(connection: Connection, sealed: Payloads, scanned: Scanned) -> Rebuilt:
    """Make the tables anew from the readings that the log commits to, and compare."""
    found, made = Rebuilt(), _Made(set(), set())
    names = {row.name: row.id for row in connection.execute(select(accounts.c.id, accounts.c.name))}
    with create_engine("sqlite://").connect() as memory:
        metadata.create_all(memory)
        last: Reading | None = None
        for placed in _about_readings(connection, scanned):
            account = names.get(placed.entry.account or "")
            if account is None:
                continue
            if READING in placed.entry.commitments:
                last = _reading(connection, sealed, placed.index, placed.entry)
                found.readings += last is not None
                if last is None:
                    found.lost += 1
                    made.partial.add(account)
                else:
                    _keep(memory, account, placed.index, last, placed.entry)
            elif last is not None:
                _follow(connection, memory, sealed, (placed.index, placed.entry, account, last))
            if last is not None:
                made.done.add(placed.index)
        for place, table in (*_differences(connection, memory, made), *_intents(connection, sealed)):
            if len(found.findings) < MOST:
                what = f"a row of the table {table} says something else than the log, or is one too many or too few"
                where = named(rows_of(connection), place)
                found.findings.append(Finding(Kind.ROW, f"{what}, at {where.removesuffix(',')}", place))
    return found


def _about_readings(connection: Connection, scanned: Scanned) -> Iterator[Placed]:
    """The entries of readings, and those right behind each: its decision, the halts it set, and those it lifted."""
    raw = scanned.readings
    places = [int.from_bytes(raw[place : place + 8]) for place in range(0, len(raw), RECORD_BYTES)]
    for place, following in pairwise((*places, scanned.stop)):
        yield from read_entries(connection, place, min(place + 4, following))


def _reading(connection: Connection, sealed: Payloads, index: int, entry: Entry) -> Reading | None:
    """The reading, as it was recorded; None where some of it was erased, or is not what it was, which is told elsewhere."""
    row = connection.execute(select(observations).where(observations.c.entry == index)).first()
    if row is None:
        return None
    try:
        record = decode_record(row.record, index)
        said = read_statements(connection, statements_of(record))
        opened = sealed.open(connection, commitments_of(record, said))
        content = {commitment: each.payload for commitment, each in opened.items() if each is not None}
        if len(content) < len(opened):
            return None
        observation = observation_of(record, entry.account or "", said, content)
        report = report_of(record, content[record.report])
    except (LogBroken, msgspec.MsgspecError):
        return None
    return Reading(
        observation=observation, report=report, plans=(), configuration=entry.policy or "", look=bool(row.look)
    )


def _keep(memory: Connection, account: int, index: int, reading: Reading, entry: Entry) -> None:
    stored = Stored(b"", {}, (), Kept(bytes_of(entry.commitments[READING])))
    insert_reading(memory, account, index, reading, stored)
    if not reading.look:
        follow_breaks(memory, account, index, reading.report)
        keep_positions(memory, account, index, reading)
        insert_alerts(memory, account, index, reading.report)


def _follow(
    connection: Connection, memory: Connection, sealed: Payloads, about: tuple[int, Entry, int, Reading]
) -> None:
    """An entry that belongs to the reading just before it."""
    index, entry, account, last = about
    if not entry.event.endswith(f":{last.report.report_id}"):
        return
    if entry.kind is EntryKind.HALT:
        set_halts(memory, account, index, last.report)
    elif entry.kind is EntryKind.RESUME:
        lift_halts(memory, account, index, last.report, (-1, -1))
    elif entry.kind is EntryKind.DECIDE:
        commitment = bytes_of(entry.commitments["plans"])
        try:
            opened = sealed.open(connection, [commitment])[commitment]
        except LogBroken:
            return
        if opened is not None:
            decided = msgspec.structs.replace(last, plans=_plans(opened.payload))
            insert_decisions(memory, account, index, decided, id_of(commitment))


def _plans(raw: bytes) -> tuple[Approved | Refused, ...]:
    tagged = msgspec.json.decode(raw, type=list[tuple[bool, msgspec.Raw]])
    kinds = {True: _approved, False: _refused}
    return tuple(kinds[approved].decode(plan) for approved, plan in tagged)


_approved: msgspec.json.Decoder[Approved | Refused] = msgspec.json.Decoder(Approved)
_refused: msgspec.json.Decoder[Approved | Refused] = msgspec.json.Decoder(Refused)


def _intents(connection: Connection, sealed: Payloads) -> Iterator[tuple[int, str]]:
    """Actions whose row is not what their intent says."""
    query = select(actions, payloads.c.commitment).join(payloads, payloads.c.id == actions.c.body)
    for row in connection.execute(query).all():
        opened = sealed.open(connection, [row.commitment])[row.commitment]
        if opened is None:
            continue
        intent = _intent.decode(opened.payload)
        plan = intent.plan
        said = (intent.id, intent.report_id, plan.strategy, plan.fingerprint, join_ids(plan.discrepancy_ids))
        if said != (row.id, row.report_id, row.kind, row.fingerprint, row.break_ids):
            yield row.intent, "actions"


_intent = msgspec.json.Decoder(Intent)


def _differences(connection: Connection, memory: Connection, made: _Made) -> Iterator[tuple[int, str]]:
    for table, columns in _OF_ONE.items():
        yield from _unlike(table, _rows(connection, table, columns), _rows(memory, table, columns), made.done)
    histories = {row.id: row.account for row in connection.execute(select(breaks.c.id, breaks.c.account))}
    for table, columns in _OF_ALL.items():
        both = []
        for where in (connection, memory):
            some = _rows(where, table, columns)
            both.append({row for row in some if _account(row, columns, histories) not in made.partial})
        yield from _unlike(table, both[0], both[1], None)


def _account(row: tuple[Any, ...], columns: tuple[str, ...], histories: dict[str, int]) -> int | None:
    return row[columns.index("account")] if "account" in columns else histories.get(row[columns.index("break_id")])


def _rows(connection: Connection, table: Table, columns: tuple[str, ...]) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)))}


def _unlike(
    table: Table, stored: set[tuple[Any, ...]], made: set[tuple[Any, ...]], done: set[int] | None
) -> Iterator[tuple[int, str]]:
    names = list(_OF_ONE.get(table) or _OF_ALL[table])
    place = names.index("entry") if "entry" in names else None
    for row in sorted(stored ^ made, key=repr):
        entry = 0 if place is None else row[place]
        if done is None or entry in done:
            yield entry, table.name
