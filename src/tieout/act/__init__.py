"""Approved decisions -> effects, once each, with an intent that is durable before the act and its end after it.

    Effect(plan, ended, why)         ended is None where nothing was tried; why says why not, or why it failed
    apply(plans, *, account, report_id, books, broker, journal, attempts, observed, waiting) -> tuple[Effect, ...]
    recover(unfinished, books, broker, journal, waiting) -> tuple[Effect, ...]
    read_back(intent, books, broker, waiting) -> tuple[Ended, str | None]
    Waiting                          how long an order that is sent is waited for, and on which clock
    Journal                          the record, as acting sees it: intend, conclude
    Unrecorded                       a journal that keeps nothing

Two things are asked of a broker: the end of an order that local never sent, and, in `sending`, one order that brings it
to local, under an id that is used once for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from tieout.act.carry import carry_out, read_back
from tieout.act.handing import (
    correction_id,
    elsewhere,
    giving_up,
    handing_over,
    unwanted,
    withdraw,
)
from tieout.act.sending import Waiting, already_there, client_order_id
from tieout.act.touched import Seen, digest, look, objection
from tieout.act.venue import BOOKS_MOVED
from tieout.books.base import BooksElsewhere, CanApply, LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.errors import BookError, RecordError, SourceError
from tieout.model.case import BOOKS_READ_ONLY, Approved
from tieout.model.intent import Ended, Intent
from tieout.model.snapshot import Snapshot
from tieout.spans import span

__all__ = ["Effect", "Journal", "Unrecorded", "Waiting", "apply", "read_back", "recover", "unwanted", "withdraw"]

NO_AUDIT, OUTCOME_UNKNOWN, NOT_READ = "no_audit", "outcome_unknown", "not_read"


class Effect(Struct, frozen=True):
    """What became of one approved case. `ended` is None where it was not tried; `why` is in words, without amounts.

    `sent` is the client id of the order that was sent for it, or may have been; `handed` the id under which whoever keeps
    the books was asked to book it.
    """

    plan: Approved
    ended: Ended | None
    why: str | None = None
    sent: str | None = None
    handed: str | None = None


class Journal(Protocol):
    """Where intents are kept."""

    async def intend(self, intent: Intent) -> None:
        """Keep an intent. It MUST be durable when this returns.

        Raises:
            RecordError: It may not have been kept: it is not acted on, nor is anything after it.
        """

    async def confirm(self, account: str) -> None:
        """Return where nobody else acts for *account* by now, which its intents were kept for.

        Raises:
            RecordError: Somebody does, or may: it is not acted on, and whoever does looks the intent up.
        """

    async def conclude(self, intent: Intent, ended: Ended, why: str | None) -> None:
        """Keep what became of an intent; repeating it MUST change nothing.

        Raises:
            RecordError: It may not have been kept: recovery will look the intent up.
        """


class Unrecorded:
    """A journal that keeps nothing: after a crash nobody knows what was tried, and only the next reading tells."""

    async def intend(self, intent: Intent) -> None:
        """Keep nothing."""

    async def confirm(self, account: str) -> None:
        """Ask nobody."""

    async def conclude(self, intent: Intent, ended: Ended, why: str | None) -> None:
        """Keep nothing."""


class _Round(Struct, frozen=True, kw_only=True):
    """What the acts of one round have in common."""

    account: str
    report_id: str
    books: LocalBooks
    broker: BrokerAdapter
    journal: Journal
    attempts: Mapping[str, int]
    observed: Snapshot | None
    waiting: Waiting


async def apply(
    plans: Iterable[Approved],
    *,
    account: str,
    report_id: str,
    books: LocalBooks,
    broker: BrokerAdapter,
    journal: Journal,
    attempts: Mapping[str, int] | None = None,
    observed: Snapshot | None = None,
    waiting: Waiting | None = None,
) -> tuple[Effect, ...]:
    """Carry out every plan in its order, each whole or not at all, and each at most once.

    Args:
        plans: What was approved.
        account: Whose breaks they are.
        report_id: The report that decided them.
        books: Where records are booked.
        broker: Where orders are cancelled.
        journal: Where intents are kept. Its first `RecordError` ends the round: what is left is skipped as `no_audit`.
        attempts: How often a plan, by its fingerprint, was intended and found never to have happened.
        observed: Local as it was when this was decided; a number is not set over a row that has moved since.
        waiting: How long an order that is sent is waited for, and on which clock; the machine's by default.

    Returns:
        One effect for each plan. After one whose outcome nobody knows, the rest is skipped as `outcome_unknown`.
    """
    acting = _Round(
        account=account,
        report_id=report_id,
        books=books,
        broker=broker,
        journal=journal,
        attempts=attempts or {},
        observed=observed,
        waiting=waiting or Waiting(),
    )
    approved = tuple(plans)
    if not approved:
        return ()
    with span("act"):
        return await _in_order(approved, acting)


async def _in_order(plans: Iterable[Approved], acting: _Round) -> tuple[Effect, ...]:
    effects: list[Effect] = []
    stop: str | None = None
    for plan in plans:
        if stop is not None:
            effects.append(Effect(plan, None, stop))
            continue
        effect, stop = await _act_on(plan, acting)
        effects.append(effect)
    return tuple(effects)


async def _act_on(plan: Approved, acting: _Round) -> tuple[Effect, str | None]:
    """What became of one plan, and why nothing more may be done in this round, if so."""
    if plan.bookings and acting.books.can_apply is CanApply.NOT:
        return Effect(plan, None, BOOKS_READ_ONLY), None
    try:
        seen = await look(plan, acting.books, acting.broker)
    except SourceError as error:
        return Effect(plan, None, f"{NOT_READ}: {error.source} ({error.code})"), None
    keeper = elsewhere(plan, acting.books)
    before = digest(plan, seen) or (None if keeper is None else "")  # whoever keeps them sees what they list
    if before is None:
        return Effect(plan, None, f"{NOT_READ}: local does not list what this has to be held against"), None
    against = objection(plan, seen, acting.observed)
    if against is not None:
        return Effect(plan, None, against), None
    intent = _intent(plan, before, acting)
    if plan.order is not None and (known := await already_there(intent, acting.broker)) is not None:
        return Effect(plan, None, known, client_order_id(intent)), None
    if keeper is not None:
        return await _hand_over(intent, keeper, seen, acting)
    return await _carried_out(intent, seen, acting)


async def _carried_out(intent: Intent, seen: Seen, acting: _Round) -> tuple[Effect, str | None]:
    # A crash up to here leaves nothing: the next reading shows the break again, and it is decided again.
    try:
        await acting.journal.intend(intent)
    except RecordError:
        return Effect(intent.plan, None, NO_AUDIT), NO_AUDIT
    # A crash here leaves an intent and nothing done: it reads back as UNDONE, and may be decided anew.
    late = None if elsewhere(intent.plan, acting.books) else await _moved_since(seen, intent, acting)
    if late is not None:
        return await _concluded(intent, Effect(intent.plan, Ended.UNDONE, late), acting.journal)
    try:
        # A process may have been paused since the intent was kept, for so long that another one goes on for it.
        await acting.journal.confirm(acting.account)
    except RecordError:
        return Effect(intent.plan, None, NO_AUDIT), NO_AUDIT
    ended, why = await carry_out(intent, acting.books, acting.broker, acting.waiting)
    # A crash here leaves it done, or refused, and nobody told: done reads back as DONE, refused as UNDONE.
    return await _concluded(intent, _effect(intent, ended, why), acting.journal)


async def _moved_since(seen: Seen, intent: Intent, acting: _Round) -> str | None:
    """What speaks against an act once its intent is kept: the disk takes its time, and the engine trades on meanwhile."""
    try:
        now = replace(seen, local=await acting.books.read())
    except SourceError as error:
        return f"{NOT_READ}: {error.source} ({error.code})"
    against = objection(intent.plan, now, acting.observed)
    return against or (None if digest(intent.plan, now) == intent.before else BOOKS_MOVED)


async def _hand_over(intent: Intent, keeper: BooksElsewhere, seen: Seen, acting: _Round) -> tuple[Effect, str | None]:
    """A plan for books that are kept elsewhere: handed over, or waited for, or given up."""
    plan, name = intent.plan, correction_id(acting.account, intent.plan)
    try:
        handed = await keeper.handed(name)
        if handed is None or handed.withdrawn:
            first = await keeper.held_up()
            if first is not None:
                return Effect(plan, Ended.HANDED, first), None
            return await _carried_out(handing_over(intent), seen, acting)
    except BookError as error:
        return Effect(plan, None, f"{NOT_READ}: {error.why}"), None
    if not handed.over:
        return Effect(plan, Ended.HANDED, handed.said, handed=name), None
    final = giving_up(intent)
    try:
        await acting.journal.intend(final)
    except RecordError:
        return Effect(plan, None, NO_AUDIT), NO_AUDIT
    # A crash here reads it back as FAILED, as it is.
    return await _concluded(final, Effect(plan, Ended.FAILED, handed.said, handed=name), acting.journal)


def _effect(intent: Intent, ended: Ended, why: str | None) -> Effect:
    sent = None if intent.plan.order is None else client_order_id(intent)
    handed = correction_id(intent.account, intent.plan) if ended is Ended.HANDED else None
    return Effect(intent.plan, ended, why, sent, handed)


async def _concluded(intent: Intent, effect: Effect, journal: Journal) -> tuple[Effect, str | None]:
    assert effect.ended is not None, "only what was tried is concluded"
    try:
        await journal.conclude(intent, effect.ended, effect.why)
    except RecordError:
        return effect, NO_AUDIT
    # A crash from here on leaves nothing to look up.
    return effect, OUTCOME_UNKNOWN if effect.ended is Ended.UNKNOWN else None


def _intent(plan: Approved, before: str, acting: _Round) -> Intent:
    """The intent of a plan. The same evidence and attempt give the same name, in whichever process."""
    tried = acting.attempts.get(plan.fingerprint, 0)
    named = "\n".join((acting.account, plan.fingerprint, f"{plan.attempt}.{tried}" if plan.attempt else str(tried)))
    return Intent(
        id=hashlib.sha256(named.encode()).hexdigest()[:40],
        account=acting.account,
        report_id=acting.report_id,
        plan=plan,
        before=before,
    )


async def recover(
    unfinished: Sequence[Intent],
    books: LocalBooks,
    broker: BrokerAdapter,
    journal: Journal,
    waiting: Waiting | None = None,
) -> tuple[Effect, ...]:
    """Find out what became of intents without an end, and conclude them. Books and sends nothing; ends an order of ours.

    A crash in here leaves the rest unfinished, and what was read back the same to be read back again.

    Raises:
        RecordError: An end could not be kept; what was not concluded stays unfinished.
    """
    effects = []
    for intent in unfinished:
        ended, why = await read_back(intent, books, broker, waiting)
        await journal.conclude(intent, ended, why)
        effects.append(_effect(intent, ended, why))
    return tuple(effects)
