"""Looks at one account's broker: every question only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.examined import Examinable, Examined, KeyRights
from tieout.brokers.wire.reach import reach
from tieout.brokers.wire.wire import Wire
from tieout.clock import Clock
from tieout.errors import SourceError, SourceIncomplete, SourceUnreachable, in_words
from tieout.model.settings import Settings
from tieout.model.snapshot import SECTIONS, Section
from tieout.observe.reading import READ_ORDER, Statement
from tieout.serve.doctor.facts import ClockSeen, Examination, Pace, SectionSeen, Seen
from tieout.serve.doctor.instruments import with_listed
from tieout.serve.doctor.judge import judged

COMPARISONS = 3
Rows = tuple[Any, ...]
_MS = timedelta(milliseconds=1)


class Case(Struct, frozen=True):
    """Whom to look at, and what is configured for it. Times in seconds."""

    account: str
    venue: str
    broker: BrokerAdapter
    acts: bool
    interval_seconds: int
    history_seconds: int
    timeout_seconds: int
    settings: Settings = Settings()


async def examine(case: Case, clock: Clock) -> Examination:
    """What is seen of *case* now, judged. A failure is a fact here, and never raised."""
    bare = Examination(account=case.account, venue=case.venue, acts=case.acts)
    if not isinstance(case.broker, Examinable):
        sections, rows = await _sections(case, clock, {})
        bare = replace(bare, sections=sections)
        return judged(await with_listed(bare, case.broker, case.settings, rows, clock), clock.now())
    seen = case.broker.examined()
    reached = await reach(seen.origin, clock)
    if reached.failed is not None:  # every further question would wait for the same
        return judged(replace(bare, reached=reached), clock.now())
    clocks = await compared(case, seen.wire, clock)
    rights, why = await _rights(case, seen)
    began, before = clock.monotonic_ns(), _spent(seen.wire)
    sections, rows = await _sections(case, clock, seen.gaps)
    took = (clock.monotonic_ns() - began) // 10**6
    age = None if seen.markets_at is None else int((clock.now() - seen.markets_at).total_seconds())
    whole = replace(
        bare,
        reached=reached,
        clock=clocks,
        rights=rights,
        rights_why=why,
        sections=sections,
        pace=_pace(case, seen.wire, before, took),
        markets_age_s=age,
    )
    return judged(await with_listed(whole, case.broker, case.settings, rows, clock), clock.now())


async def compared(case: Case, wire: Wire | None, clock: Clock) -> ClockSeen:
    """The venue's clock against ours."""
    told = list[datetime]()
    try:
        for _ in range(COMPARISONS):
            began = clock.now()
            async with asyncio.timeout(case.timeout_seconds):
                told.append(await case.broker.server_time())
    except TimeoutError:
        return ClockSeen(why="no answer in time")
    except SourceError as error:
        return ClockSeen(why=in_words(error.why))
    if wire is not None and wire.offset.ahead is not None and wire.offset.uncertainty is not None:
        ahead, within = wire.offset.ahead, wire.offset.uncertainty
    else:
        ahead, within = told[-1] - began, clock.now() - began
    if all(each.microsecond == 0 for each in told):  # it tells whole seconds: what they cut off is not known
        ahead, within = ahead + 500 * _MS, within + 500 * _MS
    return ClockSeen(ahead_ms=round(ahead / _MS), within_ms=-(-within // _MS))


async def _rights(case: Case, seen: Examined) -> tuple[KeyRights | None, str]:
    try:
        async with asyncio.timeout(case.timeout_seconds):
            return await seen.get_rights(), ""
    except TimeoutError:
        return None, "no answer in time"
    except SourceIncomplete as error:
        return KeyRights(), in_words(error.why)
    except SourceError as error:
        return None, in_words(error.why)


async def _sections(
    case: Case, clock: Clock, gaps: Mapping[Section, str]
) -> tuple[tuple[SectionSeen, ...], dict[Section, Rows]]:
    """Each section, read as a reconciliation reads it: the venue's time first; with the rows of those that came whole."""
    if isinstance(case.broker, Statement):
        return await _stated(case, case.broker), {}
    since = await _time(case, clock) - timedelta(seconds=case.history_seconds)
    offered, found, kept = case.broker.capabilities().sections, dict[Section, SectionSeen](), dict[Section, Rows]()
    for row in READ_ORDER:
        asked = [section for section in row if section in offered]
        for each, rows in await asyncio.gather(*(_section(case, section, since) for section in asked)):
            found[each.section] = replace(each, gap=gaps.get(each.section, ""))
            kept[each.section] = rows
    return tuple(found.get(each) or SectionSeen(section=each, seen="not read") for each in SECTIONS), kept


async def _time(case: Case, clock: Clock) -> datetime:
    """The venue's time; ours where it does not tell."""
    try:
        async with asyncio.timeout(case.timeout_seconds):
            return await case.broker.server_time()
    except (TimeoutError, SourceError):
        return clock.now()


async def _section(case: Case, section: Section, since: datetime) -> tuple[SectionSeen, Rows]:
    try:
        async with asyncio.timeout(case.timeout_seconds):
            rows = await _reader(case.broker, section, since)()
        return SectionSeen(section=section, seen="complete", rows=len(rows)), rows
    except TimeoutError:
        failed: SourceError = SourceUnreachable(case.venue, section, "no answer in time")
    except SourceError as error:
        failed = error
    part = isinstance(failed, SourceIncomplete) and bool(failed.rows)
    how: Seen = "partial" if part else "failed"
    return SectionSeen(section=section, seen=how, why=in_words(failed.why), code=failed.code), ()


def _reader(broker: BrokerAdapter, section: Section, since: datetime) -> Callable[[], Awaitable[Rows]]:
    readers: dict[Section, Callable[[], Awaitable[Rows]]] = {
        "positions": broker.get_positions,
        "balances": broker.get_balances,
        "orders": broker.get_open_orders,
        "fills": lambda: broker.get_fills(since),
        "activities": lambda: broker.get_activities(since),
    }
    return readers[section]


async def _stated(case: Case, broker: Statement) -> tuple[SectionSeen, ...]:
    """What a file states, by its own word."""
    try:
        async with asyncio.timeout(case.timeout_seconds):
            stated = await broker.get_statement()
    except TimeoutError:
        return tuple(SectionSeen(section=each, seen="failed", why="no answer in time") for each in SECTIONS)
    except SourceError as error:
        why = in_words(error.why)
        return tuple(SectionSeen(section=each, seen="failed", why=why, code=error.code) for each in SECTIONS)
    found = []
    for section in SECTIONS:
        rows = getattr(stated, section)
        seen = "not read" if rows is None else stated.covers(section)
        found.append(SectionSeen(section=section, seen=seen, rows=len(rows) if seen == "complete" else None))
    return tuple(found)


def _spent(wire: Wire | None) -> tuple[int, int, Mapping[str, int]]:
    """Requests, milliseconds of waiting, and weight by line so far."""
    if wire is None:
        return 0, 0, {}
    told = wire.measured.values()
    return sum(each.requests for each in told), sum(each.waited_ms for each in told), wire.limiter.taken


def _pace(case: Case, wire: Wire | None, before: tuple[int, int, Mapping[str, int]], took_ms: int) -> Pace | None:
    if wire is None:
        return None
    (requests, waited, taken), limits = _spent(wire), wire.limiter.limits
    weights = {line: weight - before[2].get(line, 0) for line, weight in taken.items()}
    needs = [(weight, rates) for line, weight in weights.items() for rates in limits.own.get(line, limits.rates)]
    every_ms = max(-(-weight * window // most) for weight, (most, window) in needs)
    return Pace(
        rates=limits.rates,
        by=limits.by,
        own=len(limits.own),
        requests=requests - before[0],
        weight=sum(weights.values()),
        took_ms=took_ms,
        waited_ms=waited - before[1],
        every_s=max(1, -(-every_ms // 1000)),
        configured_s=case.interval_seconds,
    )
