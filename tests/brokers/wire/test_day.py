"""A day at a venue that fails at random, in virtual time: what was sent, judged by its log alone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from functools import partial
from typing import NamedTuple

import pytest
from tests.live.virtual import LoopClock, virtually
from tests.proving import PROVE

from tieout.brokers.wire.breaker import Tolerance
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.errors import (
    ActionError,
    OutcomeUnknown,
    SourceError,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceUnreachable,
)

HOURS = 24 if PROVE else 2
RATES = ((40, 10_000), (130, 60_000))
TOLERANCE = Tolerance(failures=5, first_s=5, longest_s=120)
DOWN = ("down", "silent", "busy", "asks to wait")


class Outage(NamedTuple):
    """From when to when (seconds) the venue fails, and how."""

    start: float
    end: float
    kind: str


class Event(NamedTuple):
    """A request's start, or its end ("ok", "gone" where the client broke off, or how it failed). Times in seconds."""

    at: float
    number: int
    name: str
    weight: int
    what: str


class Venue:
    """Answers, or fails as its outages say, and keeps a log of every request."""

    def __init__(self, clock: LoopClock, outages: list[Outage]) -> None:
        self._clock, self.outages = clock, outages
        self.log: list[Event] = []
        self.silences: list[tuple[float, float]] = []  # from when to when it asked for silence
        self.broken_off: set[str] = set()  # what a caller did not wait for to its end
        self._sent = 0

    async def serve(self, name: str, weight: int) -> str:
        """One request."""
        self._sent += 1
        number, what = self._sent, "gone"
        self._note(number, name, weight, "start")
        try:
            await self._clock.sleep(0.05)
            what = self._kind()
            return await self._answer(what)
        except asyncio.CancelledError:
            what = "gone"
            raise
        finally:
            self._note(number, name, weight, what)

    async def _answer(self, kind: str) -> str:
        if kind == "silent":
            await self._clock.sleep(10_000)
        if kind == "asks to wait":
            now = self._clock.passed()
            self.silences.append((now, now + 20))
        failures: dict[str, SourceError] = {
            "down": SourceUnreachable("v", "s", "HTTP 503"),
            "busy": SourceThrottled("v", "s", "HTTP 429"),
            "asks to wait": SourceThrottled("v", "s", "HTTP 429", 20),
            "nonsense": SourceMalformed("v", "s", "HTML"),
            "no": SourceRefused("v", "s", "HTTP 401"),
        }
        if kind in failures:
            raise failures[kind]
        return "answer"

    def _kind(self) -> str:
        now = self._clock.passed()
        return next((outage.kind for outage in self.outages if outage.start <= now < outage.end), "ok")

    def _note(self, number: int, name: str, weight: int, what: str) -> None:
        self.log.append(Event(self._clock.passed(), number, name, weight, what))


def outages(chance: random.Random) -> list[Outage]:
    """Some an hour, from seconds to many minutes, of every kind."""
    found, now = list[Outage](), 300.0
    kinds = [*DOWN, "nonsense", "no"]
    while now < HOURS * 3600 - 1800:
        found.append(
            Outage(now, now + chance.choice([3, 20, 90, 400, 900]) * chance.uniform(0.5, 1.5), kinds[len(found) % 6])
        )
        now = found[-1].end + 300 + chance.random() * 600
    return found


async def trade(way: Wire, venue: Venue, account: int, chance: random.Random, clock: LoopClock) -> Counter[str]:
    """Read five scopes every half minute, and act now and then; some readings are broken off. How all of it ended."""
    ends = Counter[str]()
    while clock.passed() < HOURS * 3600:
        name = moment = f"{account} {int(clock.passed())}"
        try:
            async with asyncio.timeout(chance.choice([2, 40, 40, 40])):
                for scope in ("time", "orders", "positions", "balances", "fills"):
                    name, weight = f"read {moment} {scope}", chance.randint(1, 9)
                    question = partial(venue.serve, name, weight)
                    ends[await end(way.read(scope, question, cost=weight))] += 1
        except TimeoutError:
            venue.broken_off.add(name)
        if chance.random() < 0.3:
            ends["act " + await end(way.act(moment, partial(deed, venue, f"act {moment}")))] += 1
        await clock.sleep(20 + chance.random() * 20)
    return ends


async def deed(venue: Venue, name: str) -> str:
    """An order of weight 1, in the words of actions."""
    try:
        return await venue.serve(name, 1)
    except SourceError as error:
        raise OutcomeUnknown(name, error.why) from error


async def end(asked: Awaitable[str]) -> str:
    """How it ended, in a word."""
    try:
        return await asked
    except (SourceError, ActionError) as error:
        return type(error).__name__


def day(seed: int) -> tuple[Venue, Counter[str], Wire]:
    """What the venue saw, and how everything ended."""
    chance = random.Random(seed)

    async def scenario(clock: LoopClock) -> tuple[Venue, Counter[str], Wire]:
        venue = Venue(clock, outages(chance))
        patience = ReadPatience(tries_again=2, seconds=30, each_seconds=10)
        way = Wire("v", clock=clock, limits=Limits(RATES), random=chance, patience=patience, tolerance=TOLERANCE)
        accounts = (
            trade(way.patient(patience), venue, account, random.Random(seed + account), clock) for account in range(4)
        )
        ends = sum(await asyncio.gather(*accounts), Counter[str]())
        return venue, ends, way

    return virtually(scenario)


def most_in_a_window(venue: Venue, window_s: float) -> int:
    """The largest weight that was sent in any closed window."""
    starts = [event for event in venue.log if event.what == "start"]
    first, held, most = 0, 0, 0
    for event in starts:
        held += event.weight
        while starts[first].at < event.at - window_s:
            held -= starts[first].weight
            first += 1
        most = max(most, held)
    return most


def sent_through_an_open_breaker(venue: Venue, kind: str) -> tuple[list[Event], int]:
    """What was sent while a breaker, built anew from the log alone, forbade it; and how often that one opened.

    It opens with the fifth failure in a row, for 5 s, then doubled up to 120 s; one request at a time tries to close it.
    """
    wrong, under_way, opened = list[Event](), dict[int, int](), 0
    failures = in_a_row = turn = 0
    until: float | None = None
    probe: int | None = None
    for event in (event for event in venue.log if event.name.startswith(kind)):
        if event.what == "start":
            if until is not None and (event.at < until or probe is not None):
                wrong.append(event)
            probe = event.number if until is not None else None
            under_way[event.number] = turn
            continue
        probe = None if event.number == probe else probe
        if under_way.pop(event.number) != turn or broken_off(venue, event):
            continue
        if event.what not in (*DOWN, "gone"):
            failures, in_a_row, until, turn = 0, 0, None, turn + (until is not None)
            continue
        failures += 1
        if until is not None or failures == TOLERANCE.failures:
            until, in_a_row, opened = event.at + min(5 * 2**in_a_row, 120), in_a_row + 1, opened + 1
            failures, turn = 0, turn + 1
    return wrong, opened


def broken_off(venue: Venue, event: Event) -> bool:
    """Whether nobody waited for its end any more; else it was gone because its own time was up."""
    if event.what != "gone" or event.name not in venue.broken_off:
        return False
    later = venue.log[venue.log.index(event) + 1 :][:200]
    return not any(other.name == event.name for other in later)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [7, 8, 9] if PROVE else [7])
def test_a_day_with_random_outages(seed: int) -> None:
    """No window above the limit, nothing sent through an open breaker or into a silence, nothing tried again in vain."""
    venue, ends, way = day(seed)
    sent = [event for event in venue.log if event.what == "start"]
    print(f"seed {seed}: {len(sent)} requests, {len(venue.outages)} outages, {dict(ends)}")  # noqa: T201
    for name, told in way.measured.items():
        print(f"  {name}: {told}")  # noqa: T201

    for most, window_ms in RATES:
        assert 0.8 * most < most_in_a_window(venue, window_ms / 1000) <= most

    for kind, endpoint in (("read", "read"), ("act", "trade")):
        wrong, opened = sent_through_an_open_breaker(venue, kind)
        assert (wrong, opened) == ([], way.measured[endpoint].opened)
        assert opened > 0 or endpoint == "trade"

    for begin, until in venue.silences:
        assert not [event for event in sent if begin < event.at < until]

    times = Counter(event.name for event in sent)
    assert all(times[name] == 1 for name in times if name.startswith("act"))
    said = Counter((event.name, event.what) for event in venue.log)
    assert all(count == 1 for (_, what), count in said.items() if what == "no")
    assert all(count <= 2 for (_, what), count in said.items() if what == "nonsense")
    assert all(count <= 3 for count in times.values())
    last = {event.name: event.what for event in venue.log}
    assert all(last[name] == "no" for name, what in said if what == "no")

    good = [event.at for event in venue.log if event.what == "ok" and event.name.startswith("read")]
    for outage in venue.outages:
        assert min(at for at in good if at >= outage.end) < outage.end + 120 + 40
    assert way.measured["read"].breaker == "closed"
