"""What people said, in the tables that are searched; the words themselves are sealed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import Connection, Row, func, insert, select

from tieout.clock import Clock
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.record.base import Verdict, Waits, Word
from tieout.record.drafts import word_event
from tieout.record.log import places_of
from tieout.record.plain import fetch
from tieout.record.rows import upsert
from tieout.record.store.database import Database
from tieout.record.store.schema import accounts, approvals, known_breaks

FRESH_NS = 1_000_000_000  # schedules that ask at the same time are told the same


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


def what_waits(connection: Connection, account: int, after: int) -> Waits:
    """What there is to look up of an account, by its row: open intents, and words behind the entry *after*."""
    ((intents, words),) = fetch(connection, _WAITS, (account, account, after))
    return Waits(bool(intents), bool(words))


_WAITS = (
    "SELECT EXISTS (SELECT 1 FROM actions WHERE account = ? AND outcome IS NULL), "
    "EXISTS (SELECT 1 FROM approvals WHERE account = ? AND entry > ?)"
)


class Spoken:
    """Where the last word stands that people said of each account, read on from where it was read last.

    Entries are committed in their order, so that nothing comes later before what was read.

    Args:
        database: Where it is read.
        clock: Measures how old an answer is.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._said: dict[str, int] = {}
        self._last, self._read_ns = -1, -FRESH_NS

    async def newest(self) -> Mapping[str, int]:
        """By account, as of a moment ago.

        Raises:
            RecordUnavailable: It cannot be read.
        """
        now, after = self._clock.monotonic_ns(), self._last
        if now - self._read_ns >= FRESH_NS:
            found = await self._database.ask(lambda connection: _said_behind(connection, after))
            self._said |= {name: max(entry, self._said.get(name, -1)) for name, entry in found.items()}
            self._last, self._read_ns = max(self._last, *found.values(), -1), now
        return self._said

    def look_again(self) -> None:
        """Somebody said something here."""
        self._read_ns = self._clock.monotonic_ns() - FRESH_NS


def _said_behind(connection: Connection, after: int) -> dict[str, int]:
    query = (
        select(accounts.c.name, func.max(approvals.c.entry))
        .join(accounts, accounts.c.id == approvals.c.account)
        .where(approvals.c.entry > after)
        .group_by(accounts.c.name)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


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
