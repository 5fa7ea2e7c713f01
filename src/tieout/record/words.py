"""What people said, in the tables that are searched; the words themselves are sealed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from tieout.record.base import Verdict, Word
from tieout.record.rows import upsert
from tieout.record.store.schema import approvals, known_breaks


def insert_word(connection: Connection, account: int, entry: int, word: Word, *, said_at: datetime, body: int) -> None:
    """A person's word, and until when a break is known by it.

    Args:
        connection: Inside the transaction of its entry.
        account: Whose, by row.
        entry: Where it stands in the log.
        word: What was said.
        said_at: When.
        body: The payload that holds its text.
    """
    connection.execute(
        insert(approvals).values(
            entry=entry,
            account=account,
            subject=word.subject,
            verdict=word.verdict,
            actor=word.actor,
            at=said_at,
            expires_at=word.until,
            body=body,
        )
    )
    if word.verdict is Verdict.KNOWN:
        assert word.until is not None, "a break is known until a date"
        known = {
            "break_id": word.subject,
            "account": account,
            "entry": entry,
            "actor": word.actor,
            "until": word.until,
        }
        upsert(connection, known_breaks, [known], ["break_id"])
