"""A reading's rows in the tables that people search: report, breaks and their lives, decisions, alerts, halts, positions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tieout.model.amounts import plain
from tieout.model.case import Approved
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.model.snapshot import Snapshot
from tieout.record.base import Reading
from tieout.record.payloads import id_of
from tieout.record.plain import change, change_each, fetch
from tieout.record.readings import Stored
from tieout.record.store.schema import (
    alerts,
    approvals,
    break_history,
    breaks,
    decisions,
    halts,
    live_positions,
)
from tieout.record.store.types import micro

LONGEST = 255  # of an asset's name, in a column
SECTION_OF = {"position": "positions", "balance": "balances", "order": "orders", "fill": "fills"}


def upsert(
    connection: Connection,
    table: Table,
    rows: list[dict[str, object]],
    keys: Iterable[str],
    *,
    once: Iterable[str] = (),
) -> None:
    """Insert *rows*, or replace what stands under their *keys*, but for the columns that are written *once*."""
    if not rows:
        return
    names = tuple(keys)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in (*names, *once)}
    if changed:
        connection.execute(statement.on_conflict_do_update(index_elements=list(names), set_=changed), rows)
    else:
        connection.execute(statement.on_conflict_do_nothing(index_elements=list(names)), rows)


def insert_reading(connection: Connection, account: int, entry: int, reading: Reading, stored: Stored) -> None:
    """The observation and its statements, and the report."""
    change_each(connection, _STATE, [(id_of(digest), digest, body) for digest, body in stored.statements.items()])
    observation, report = reading.observation, reading.report
    change(connection, _OBSERVE, (entry, account, micro(observation.at), reading.look, stored.record))
    times = micro(report.started_at), micro(report.finished_at)
    said = str(report.status), None if report.severity is None else str(report.severity)
    values = (entry, account, report.report_id, report.trigger, *times, *said, reading.configuration)
    change(connection, _REPORT, values)


def follow_breaks(connection: Connection, account: int, entry: int, report: ReconciliationReport) -> None:
    """Each break that the report shows, and those that it shows gone: a section that was compared and lacks them."""
    at = report.started_at
    upsert(
        connection, breaks, [_break_row(account, row, at) for row in report.discrepancies], ["id"], once=["first_seen"]
    )
    shown = {row.discrepancy_id for row in report.discrepancies}
    gone = [
        name
        for name, domain in fetch(connection, _OPEN, (account,))
        if name not in shown and report.coverage.get(SECTION_OF[domain]) == "compared"
    ]
    if gone:
        connection.execute(update(breaks).where(breaks.c.id.in_(gone)).values(closed_at=at))
    history = [_shown_row(entry, row, at) for row in report.discrepancies]
    history += [_gone_row(entry, name, at) for name in gone]
    if history:
        connection.execute(insert(break_history), history)


def _break_row(account: int, row: Discrepancy, at: datetime) -> dict[str, object]:
    return {
        "id": row.discrepancy_id,
        "account": account,
        "domain": row.domain,
        "discrepancy_type": row.discrepancy_type,
        "asset": fitting(row.asset),
        "first_seen": at,
        "last_seen": at,
        "closed_at": None,
        "severity": row.severity,
        "cause": row.cause.code,
        "strategy": row.strategy,
        "confirmed": row.confirmed,
    }


def _shown_row(entry: int, row: Discrepancy, at: datetime) -> dict[str, object]:
    return {
        "break_id": row.discrepancy_id,
        "entry": entry,
        "at": at,
        "event": "reading",
        "severity": row.severity,
        "cause": row.cause.code,
        "strategy": row.strategy,
        "confirmed": row.confirmed,
    }


def _gone_row(entry: int, name: str, at: datetime) -> dict[str, object]:
    blank = dict.fromkeys(("severity", "cause", "strategy", "confirmed"))
    return {"break_id": name, "entry": entry, "at": at, "event": "closed", **blank}


def insert_decisions(connection: Connection, account: int, entry: int, reading: Reading, body: int) -> None:
    """Each plan, approved or refused, with the payload that holds them all."""
    rows = [
        {
            "entry": entry,
            "account": account,
            "report_id": reading.report.report_id,
            "fingerprint": plan.fingerprint,
            "strategy": plan.strategy,
            "approved": isinstance(plan, Approved),
            "reason": plan.reason,
            "break_ids": join_ids(plan.discrepancy_ids),
            "body": body,
        }
        for plan in reading.plans
    ]
    connection.execute(insert(decisions), rows)


def insert_alerts(connection: Connection, account: int, entry: int, report: ReconciliationReport) -> None:
    """What people are to be told, put where it is sent from. No amounts: the text names breaks, causes and reasons."""
    rows = [
        {
            "account": account,
            "entry": entry,
            "key": notice.subject,
            "kind": notice.kind,
            "severity": notice.severity,
            "text": notice.text.replace("\0", ""),  # PostgreSQL's text holds every character but this
            "at": report.finished_at,
            "next_at": report.finished_at,
        }
        for notice in report.notices
    ]
    if rows:
        connection.execute(insert(alerts), rows)


def set_halts(connection: Connection, account: int, entry: int, report: ReconciliationReport) -> None:
    """The halts that stand after a reading and were not known before it."""
    known = set(connection.execute(select(halts.c.name).where(halts.c.account == account)).scalars())
    rows = [
        {
            "account": account,
            "asset": None if halt.asset is None else fitting(halt.asset),
            "reason": halt.reason,
            "entry": entry,
            "set_at": halt.since,
            "name": halt.id,
        }
        for halt in report.halts
        if halt.id not in known
    ]
    if rows:
        connection.execute(insert(halts), rows)


def lift_halts(
    connection: Connection, account: int, entry: int, report: ReconciliationReport, heard: tuple[int, int]
) -> None:
    """The end of the halts that do not stand any more after a reading: somebody's word, or enough evidence.

    *heard* is the last word that the reading before knew of, and the last that this one did: who resumed spoke between them.
    """
    stand, (before, last) = [halt.id for halt in report.halts], heard
    resumed = select(approvals.c.actor).where(
        approvals.c.account == account,
        approvals.c.verdict == "resume",
        approvals.c.entry > before,
        approvals.c.entry <= last,
    )
    by = connection.execute(resumed.order_by(approvals.c.entry.desc()).limit(1)).scalar()
    over = update(halts).where(halts.c.account == account, halts.c.lifted_at.is_(None), halts.c.name.not_in(stand))
    connection.execute(over.values(lifted_entry=entry, lifted_at=report.finished_at, lifted_by=by))


def keep_positions(connection: Connection, account: int, entry: int, reading: Reading) -> None:
    """The broker's word on each position that was compared whole and found equal, or within tolerance."""
    broker, report = reading.observation.broker, reading.report
    if not isinstance(broker, Snapshot) or report.coverage.get("positions") != "compared":
        return
    beyond = {
        fitting(row.asset) for row in report.discrepancies if row.domain == "position" and not row.within_tolerance
    }
    named = {(fitting(row.asset), row.side or "net"): row.amount for row in broker.positions or ()}
    held = {key: amount for key, amount in named.items() if key[0] not in beyond}
    standing = {(asset, side): amount for asset, side, amount in fetch(connection, _STANDING, (account,))}
    changed = {key: amount for key, amount in held.items() if standing.get(key) != plain(amount)}
    same = {"account": account, "at": report.started_at, "entry": entry}
    rows = [{**same, "asset": asset, "side": side, "amount": amount} for (asset, side), amount in changed.items()]
    upsert(connection, live_positions, rows, ("account", "asset", "side"))
    gone = [key for key in standing if key[0] not in beyond and key not in held]
    for asset, side in gone:
        connection.execute(
            live_positions.delete().where(
                live_positions.c.account == account, live_positions.c.asset == asset, live_positions.c.side == side
            )
        )


_STATE = "INSERT INTO snapshots (id, digest, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_OBSERVE = "INSERT INTO observations (entry, account, at, look, record) VALUES (?, ?, ?, ?, ?)"
_REPORT = (
    'INSERT INTO reports (entry, account, report_id, "trigger", started_at, finished_at, status, severity, configuration) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OPEN = "SELECT id, domain FROM breaks WHERE account = ? AND closed_at IS NULL"
_STANDING = "SELECT asset, side, amount FROM live_positions WHERE account = ?"


def fitting(name: str) -> str:
    """An asset's name as every database takes it: what a venue calls a coin may be of any length, and hold any character."""
    if len(name) <= LONGEST and "\0" not in name:
        return name
    return f"{name[:64]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}".replace("\0", "")


def join_ids(names: Iterable[str]) -> str:
    """Ids as one column holds them."""
    return msgspec.json.encode(list(names)).decode()


def split_ids(text: str) -> tuple[str, ...]:
    """Ids from one column."""
    return msgspec.json.decode(text, type=tuple[str, ...])
