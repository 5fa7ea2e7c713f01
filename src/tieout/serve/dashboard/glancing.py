"""What the page of accounts shows, read from the store; no amounts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from tieout.brokers.wire.measured import EndpointMeasured
from tieout.model.discrepancy import SEVERITY_RANK, Severity
from tieout.record.breaks import BreakRow
from tieout.record.overview import Glance
from tieout.serve.access.roles import Caller
from tieout.serve.desk import AccountState, Desk
from tieout.serve.render.saying import minute, plan_words
from tieout.serve.render.words import counted, listed

NAMED = 5  # accounts in a sentence
REST = 4  # times as long as a reading took: thousands of accounts are not read without a pause


class Waiting(Struct, frozen=True, kw_only=True):
    """A break that waits for a person: what would be done, and until when it may be said; `answer` is what was said."""

    row: BreakRow
    plan: str
    until: datetime | None
    answer: str


class Everything(Struct, frozen=True, kw_only=True):
    """How everything stands that somebody may see, what needs a person first."""

    waiting: tuple[Waiting, ...]
    accounts: tuple[AccountState, ...]
    venues: dict[str, tuple[str, ...]]

    def named(self, text: str) -> list[AccountState]:
        """The accounts with *text* in their name, in their order."""
        return [state for state in self.accounts if text.casefold() in state.account.casefold()]


class Glances:
    """Reads how everything stands once for all who look at the same time, and rests after a long reading.

    Args:
        desk: What is read.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._lock, self._due_ns = desk, asyncio.Lock(), 0
        self._states: tuple[AccountState, ...] = ()
        self._waiting: tuple[Waiting, ...] = ()

    async def read(self, caller: Caller) -> Everything:
        """How the accounts stand that *caller* may see.

        Raises:
            RecordUnavailable: The record cannot be read now.
        """
        async with self._lock:
            if self._desk.clock.monotonic_ns() >= self._due_ns:
                await self._read()
        venues = {
            venue: tuple(_trouble(name, each) for name, each in endpoints.items() if each.breaker != "closed")
            for venue, endpoints in self._desk.running.measured.items()
            if may_know(self._desk, caller, venue)
        }
        return Everything(
            waiting=tuple(each for each in self._waiting if caller.is_for(each.row.account)),
            accounts=tuple(state for state in self._states if caller.is_for(state.account)),
            venues={name: told for name, told in venues.items() if told},
        )

    async def _read(self) -> None:
        desk, began_ns = self._desk, self._desk.clock.monotonic_ns()
        seen = await desk.glances(desk.accounts)
        # The browser counts the age: here it would make news of each look.
        states = [replace(desk.state(each), age_seconds=None) for each in seen]
        self._states = tuple(sorted(states, key=_urgency))
        self._waiting = tuple(sorted((waits for each in seen for waits in _waiting(each)), key=_worst_first))
        ended_ns = desk.clock.monotonic_ns()
        self._due_ns = ended_ns + REST * (ended_ns - began_ns)


def may_know(desk: Desk, caller: Caller, venue: str) -> bool:
    """Whether one of the caller's accounts is at a venue."""
    mine = {each.broker.name.partition(":")[0] for name, each in desk.running.accounts.items() if caller.is_for(name)}
    return caller.accounts is None or venue.partition(" ")[0] in mine


def headline(everything: Everything) -> tuple[str, ...]:
    """What is wrong and how bad, in sentences; that nothing is, where nothing is."""
    states = everything.accounts
    halted = [state.account for state in states if state.halts]
    unread = [state.account for state in states if state.status in ("failed", "incomplete") or state.troubles]
    new = [state.account for state in states if state.status is None and not state.troubles]
    count = sum(sum(state.open_breaks.values()) for state in states)
    worst = max((Severity(state.worst) for state in states if state.worst), key=SEVERITY_RANK.__getitem__, default=None)
    told = [
        f"Trading is HALTED in {some(halted)}." if halted else "",
        f"{counted(len(everything.waiting), 'break')} {'waits' if len(everything.waiting) == 1 else 'wait'} for approval."
        if everything.waiting
        else "",
        f"{counted(count, 'break')} {'is' if count == 1 else 'are'} open, {'' if count == 1 else 'the worst '}{worst}."
        if count
        else "",
        f"{some(unread)} {'is' if len(unread) == 1 else 'are'} not read well." if unread else "",
        f"{some(new)} {'was' if len(new) == 1 else 'were'} not read yet." if new else "",
    ]
    found = tuple(filter(None, told))
    return found or (f"Books and brokers agree in {_all(len(states))}, and nothing is halted.",)


def some(names: Sequence[str]) -> str:
    """The names as a phrase; of many the first ones, and how many more."""
    return listed(names) if len(names) <= NAMED else listed([*names[:NAMED], f"{len(names) - NAMED:,} more"])


def _all(number: int) -> str:
    return "the one account" if number == 1 else f"all {number} accounts"


def _waiting(seen: Glance) -> Iterator[Waiting]:
    for row in seen.breaks:
        plan = None if seen.standing is None else seen.standing.plan_of(row.discrepancy_id)
        if not row.awaits or plan is None or seen.standing is None:
            continue
        word = seen.standing.answer(plan.plan)
        answer = (
            "" if word is None else f"{word.actor} said {word.verdict} at {minute(word.at)}, and it is not heard yet"
        )
        yield Waiting(row=row, plan=plan_words(plan), until=row.awaits_until, answer=answer)


def _worst_first(each: Waiting) -> tuple[object, ...]:
    return -SEVERITY_RANK[Severity(each.row.severity)], each.row.first_seen


def _urgency(state: AccountState) -> tuple[object, ...]:
    worst = -1 if state.worst is None else SEVERITY_RANK[Severity(state.worst)]
    return not state.awaits, not state.halts, -worst, not state.troubles, state.status == "matched", state.account


def _trouble(name: str, measured: EndpointMeasured) -> str:
    state = {"open": "is not asked", "half_open": "is asked now and then"}.get(measured.breaker, measured.breaker)
    return f"{name} {state}: it failed too often ({counted(sum(measured.failures.values()), 'failure')} so far)"
