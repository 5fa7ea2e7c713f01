"""`StoreRecord`: the record in a database, under a log that nobody can quietly change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from tieout.clock import Clock
from tieout.errors import RecordUnavailable, in_words
from tieout.model.case import Approved
from tieout.model.intent import Ended, Intent
from tieout.record.accounts import Accounts
from tieout.record.base import Reading, Restored, Waits, Word
from tieout.record.drafts import intent_draft, outcome_draft, reading_drafts, word_draft
from tieout.record.entry import Draft, EntryKind
from tieout.record.fence import Alone, Fence
from tieout.record.payloads import Kept, Payloads, insert_fresh
from tieout.record.readings import contents, store
from tieout.record.restoring import configuration_of, heard_before, restore, undone, unfinished
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
from tieout.record.states import keep_state
from tieout.record.store.database import Database
from tieout.record.store.schema import actions, configurations
from tieout.record.words import Spoken, insert_word, what_waits, words_behind
from tieout.record.writer import Overtaken, Unit, Writer
from tieout.spans import span

T = TypeVar("T")
P = ParamSpec("P")
TRIES = 3
Guard = Callable[[], Awaitable[None]]
Stands = Callable[[Connection], bool]


def _made_anew(
    keep: Callable[Concatenate[StoreRecord, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[StoreRecord, P], Coroutine[Any, Any, T]]:
    """*keep*, repeated where another process stored, or erased, the same content after it was looked for."""

    @wraps(keep)
    async def kept(record: StoreRecord, /, *given: P.args, **named: P.kwargs) -> T:
        for _ in range(TRIES):
            try:
                return await keep(record, *given, **named)
            except (Overtaken, IntegrityError):
                record.payloads.forget()
        raise RecordUnavailable("another process changes the same rows all the time; let one process record an account")

    return kept


class StoreRecord:
    """A record in a database. `open_record` makes one.

    Args:
        database: Where it is kept.
        writer: Its one writer.
        payloads: What was sealed into it.
        clock: Where time comes from.
        run: Which start of which process this is.
        guard: Raises where acting is not allowed.
    """

    def __init__(
        self, database: Database, writer: Writer, payloads: Payloads, clock: Clock, *, run: str, guard: Guard
    ) -> None:
        self.database, self.payloads = database, payloads
        self.writer, self._clock, self._run, self._guard = writer, clock, run, guard
        self._accounts = Accounts(database)
        self.fence: Fence = Alone(database, self._accounts)
        self._spoken = Spoken(database, clock)
        self._decided: dict[str, bytes] = {}
        self._policies: dict[str, str] = {}

    async def claim(self, account: str) -> int:
        """Be the one process that reconciles an account, until this is closed, the process dies, or its lease runs out."""
        return await self.fence.claim(account)

    @_made_anew
    async def configure(self, account: str, configuration: bytes) -> str:
        """Keep settings and policy, and that the account started under them."""
        name = hashlib.sha256(configuration).hexdigest()[:12]
        row = await self._accounts.row(account)
        kept = (await self.payloads.share(account, {"configuration": configuration}))["configuration"]
        mark = self.fence.mark(account)
        draft = Draft(
            event=":".join(("configure", self._run, account, name, *mark.values())),
            kind=EntryKind.CONFIGURE,
            account=account,
            policy=name,
            refs={"start": self._run, **mark},
            commitments={"configuration": kept.commitment},
        )

        def rows(connection: Connection, entries: Sequence[int]) -> None:
            self.fence.check(connection, account)
            insert_fresh(connection, [kept])
            known = select(configurations.c.entry).where(configurations.c.account == row, configurations.c.name == name)
            if connection.execute(known).first() is None:
                values = {"account": row, "name": name, "entry": entries[0], "body": kept.id}
                connection.execute(insert(configurations).values(values))

        await self.write(Unit((draft,), rows), [kept])
        self._policies[account] = name
        return name

    async def configuration(self, account: str, name: str) -> bytes:
        """Settings and policy by name."""
        return await self.database.read(lambda connection: configuration_of(connection, self.payloads, account, name))

    async def restore(self, account: str) -> Restored:
        """The last whole state and the readings since."""
        return await self.database.read(lambda connection: restore(connection, self.payloads, account))

    async def reading(self, reading: Reading) -> None:
        """Keep one reconciliation in one transaction: the entries, what both sides said, and the rows people search."""
        with span("record"):
            await self._reading(reading)

    @_made_anew
    async def _reading(self, reading: Reading) -> None:
        account, report = reading.observation.account, reading.report
        row = await self._accounts.row(account)
        said = await asyncio.to_thread(contents, reading.observation, report)  # orders do not wait for it
        sealed = await self.payloads.share(account, said)
        stored = store(reading.observation, report, sealed, heard=reading.heard)
        decided = await _changed_plans(self.payloads, self._decided, reading)
        state = None if reading.state_before is None else self.payloads.seal(reading.state_before)
        drafts = reading_drafts(reading, stored.commitment, None if decided is None else decided.commitment)
        kept = [*stored.kept, *(each for each in (decided, state) if each is not None)]

        def rows(connection: Connection, entries: Sequence[int]) -> None:
            self.fence.check(connection, account)
            insert_fresh(connection, kept)
            insert_reading(connection, row, entries[0], reading, stored)
            if reading.look:
                return
            follow_breaks(connection, row, entries[0], report)
            keep_positions(connection, row, entries[0], reading)
            insert_alerts(connection, row, entries[0], report)
            if decided is not None:
                insert_decisions(connection, row, entries[1], reading, decided.id)
            placed = {draft.kind: entry for draft, entry in zip(drafts, entries, strict=True)}
            if EntryKind.HALT in placed:
                set_halts(connection, row, placed[EntryKind.HALT], report)
            if EntryKind.RESUME in placed:
                heard = heard_before(connection, account, entries[0]), reading.heard
                lift_halts(connection, row, placed[EntryKind.RESUME], report, heard)
            if state is not None:
                keep_state(connection, row, entries[0], report.started_at, body=state.id, gap=reading.gap)

        await self.write(Unit(drafts, rows), kept)
        if decided is not None:
            self._decided[account] = decided.commitment

    async def say(self, word: Word, *, stands: Stands | None = None) -> None:
        """Keep a person's word, its text sealed.

        Args:
            word: What is said.
            stands: Whether what it is about stands as it was looked up, asked in the transaction that keeps it.

        Raises:
            Overtaken: It does not; nothing was kept.
        """
        row = await self._accounts.row(word.account)
        kept, at = self.payloads.seal(word.text.encode()), self._clock.now()
        draft = word_draft(word, at, kept.commitment, self._policies.get(word.account))

        def rows(connection: Connection, entries: Sequence[int]) -> None:
            if stands is not None and not stands(connection):
                raise Overtaken
            insert_fresh(connection, [kept])
            insert_word(connection, row, entries[0], word, said_at=at, body=kept.id)

        await self.write(Unit((draft,), rows), [kept])
        self._spoken.look_again()

    async def words(self, account: str, *, after: int) -> tuple[Word, ...]:
        """What people said behind an entry."""
        return await self.database.read(lambda connection: words_behind(connection, account, after))

    async def waits(self, account: str, *, after: int) -> Waits:
        """What there is to look up of an account: most often nothing, which one short question finds out."""
        row = await self._accounts.row(account)
        return await self.database.ask(lambda connection: what_waits(connection, row, after))

    async def spoken(self) -> Mapping[str, int]:
        """Where the last word of each account stands."""
        return await self._spoken.newest()

    async def permit(self) -> None:
        """Return where acting is allowed."""
        await self._guard()

    async def confirm(self, account: str) -> None:
        """Return where no other process has taken the account over since it was claimed."""
        await self.fence.confirm(account)

    async def intend(self, intent: Intent) -> None:
        """Keep an intent, before it is acted on."""
        row = await self._accounts.row(intent.account)
        kept, at = self.payloads.seal(msgspec.json.encode(intent)), self._clock.now()
        draft = intent_draft(intent, at, kept.commitment, self._policies.get(intent.account))

        def rows(connection: Connection, entries: Sequence[int]) -> None:
            self.fence.check(connection, intent.account)
            insert_fresh(connection, [kept])
            connection.execute(
                insert(actions).values(
                    id=intent.id,
                    account=row,
                    report_id=intent.report_id,
                    kind=intent.plan.strategy,
                    fingerprint=intent.plan.fingerprint,
                    break_ids=join_ids(intent.plan.discrepancy_ids),
                    body=kept.id,
                    intent=entries[0],
                    intended_at=at,
                    status="intended",
                )
            )

        written = await self.writer.write(Unit((draft,), rows))
        if written.before:
            raise RecordUnavailable(f"action {intent.id} was intended before; what became of it is looked up first")

    async def conclude(self, intent: Intent, ended: Ended, why: str | None = None) -> None:
        """Keep what became of an intent; `unknown` leaves it open."""
        at = self._clock.now()
        draft = outcome_draft(intent, at, ended, self._policies.get(intent.account))
        final = ended is not Ended.UNKNOWN

        def rows(connection: Connection, entries: Sequence[int]) -> None:
            self.fence.check(connection, intent.account)
            values: dict[str, object] = {"status": str(ended), "why": None if why is None else in_words(why)}
            if final:
                values |= {"outcome": entries[0], "ended_at": at}
            connection.execute(update(actions).where(actions.c.id == intent.id).values(values))

        await self.write(Unit((draft,), rows))

    async def attempts(self, account: str) -> Mapping[str, int]:
        """How often a case never happened although it was intended."""
        return await self.database.read(lambda connection: undone(connection, account))

    async def unfinished(self, account: str) -> Sequence[Intent]:
        """Intents without an outcome, oldest first."""
        return await self.database.read(lambda connection: unfinished(connection, self.payloads, account))

    async def heartbeat(self) -> None:
        """Log that the watchman lives: a log that says nothing for long was stopped, or cut."""
        event = f"heartbeat:{self._run}:{self._clock.monotonic_ns()}"
        await self.write(Unit((Draft(event=event, kind=EntryKind.HEARTBEAT),)))

    async def write(self, unit: Unit, kept: Sequence[Kept] = ()) -> tuple[int, ...]:
        """Record a unit of another part of the record; returns where its entries stand."""
        written = await self.writer.write(unit)
        if not written.before:
            self.payloads.written(kept)
        return written.entries

    async def close(self) -> None:
        """Wait for what is under way and close the database. Safe to repeat."""
        await self.writer.close()
        await self.database.close()


async def _changed_plans(payloads: Payloads, decided: dict[str, bytes], reading: Reading) -> Kept | None:
    """The plans, where they are not those that were *decided* before: a decision that stands is logged once."""
    account = reading.observation.account
    if not reading.plans:
        decided.pop(account, None)
        return None
    content = msgspec.json.encode([_tagged(plan) for plan in reading.plans])
    kept = (await payloads.share(account, {"plans": content}))["plans"]
    return None if decided.get(account) == kept.commitment else kept


def _tagged(plan: object) -> tuple[bool, object]:
    return isinstance(plan, Approved), plan
