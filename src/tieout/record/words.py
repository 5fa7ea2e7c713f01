"""What people said, in the tables that are searched; the words themselves are sealed."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import Connection, Row, insert, select

from tieout.model.discrepancy import ReconciliationStrategy
from tieout.record.base import Verdict, Word
from tieout.record.drafts import word_event
from tieout.record.log import places_of
from tieout.record.rows import upsert
from tieout.record.store.schema import accounts, approvals, known_breaks


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
            strategy=word.strategy,
            plan=word.plan,
            assignee=word.assignee,
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


def words_behind(connection: Connection, account: str, after: int, until: int | None = None) -> tuple[Word, ...]:
    """What people said of an account behind the entry *after*, and up to *until*, without the texts."""
    query = (
        select(approvals)
        .join(accounts, accounts.c.id == approvals.c.account)
        .where(accounts.c.name == account, approvals.c.entry > after)
        .order_by(approvals.c.entry)
    )
    if until is not None:
        query = query.where(approvals.c.entry <= until)
    return tuple(_word(account, row) for row in connection.execute(query))


def word_by_id(connection: Connection, name: str) -> Word | None:
    """The word that was kept under a name, without its text; None where there is none."""
    event = word_event(name)
    entry = places_of(connection, [event]).get(event)
    query = select(approvals, accounts.c.name).join(accounts, accounts.c.id == approvals.c.account)
    row = None if entry is None else connection.execute(query.where(approvals.c.entry == entry)).first()
    return None if row is None else replace(_word(row.name, row), id=name)


def _word(account: str, row: Row[*tuple[object, ...]]) -> Word:
    return Word(
        id=str(row.id),
        account=account,
        subject=row.subject,
        verdict=Verdict(row.verdict),
        actor=row.actor,
        text="",
        until=row.expires_at,
        strategy=None if row.strategy is None else ReconciliationStrategy(row.strategy),
        plan=row.plan,
        assignee=row.assignee,
        at=row.at,
        entry=row.entry,
    )
