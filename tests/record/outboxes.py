"""Rows in an outbox, put there as a reading would."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from tieout.model.discrepancy import Severity
from tieout.model.notice import NoticeKind
from tieout.record.recorder import StoreRecord
from tieout.record.rows import upsert
from tieout.record.store.schema import accounts, alerts


async def put(
    record: StoreRecord,
    key: str,
    at: datetime,
    *,
    kind: NoticeKind = NoticeKind.OPENED,
    severity: Severity = Severity.CRITICAL,
    account: str = "main",
    text: str | None = None,
) -> int:
    """One alert; returns its id."""

    def insert_row(connection: Connection) -> int:
        upsert(connection, accounts, [{"name": account}], ["name"])
        row = connection.execute(select(accounts.c.id).where(accounts.c.name == account)).scalar_one()
        entry = len(connection.execute(select(alerts.c.id)).all())
        values = {
            "account": row, "entry": entry, "key": key, "kind": kind, "severity": severity,
            "text": text or f"{account}: {key} differs", "at": at, "next_at": at,
        }  # fmt: skip
        found: int = connection.execute(insert(alerts).values(values).returning(alerts.c.id)).scalar_one()
        return found

    return await record.database.write(insert_row)
