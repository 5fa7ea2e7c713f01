"""One venue under one key: what is tried again and what never, for how long, and what is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from tests.brokers.wire.wires import ONCE, wire
from tests.live.virtual import START, LoopClock, virtual

from tieout.brokers.wire.breaker import Tolerance
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.shared import Wires
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.clock import DEADLINE, Deadline, SystemClock
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceError,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

PATIENT = ReadPatience(tries_again=3, seconds=60, each_seconds=10)


class Venue:
    """Fails as it is told to, one question after the other, then answers; keeps when it was asked."""

    def __init__(self, clock: LoopClock, *failures: Exception | float) -> None:
        self._clock, self.failures = clock, list(failures)
        self.asked: list[float] = []

    async def ask(self) -> str:
        """Raise the next failure; a number is a silence of so many seconds."""
        self.asked.append(self._clock.passed())
        told = self.failures.pop(0) if self.failures else 0.0
        if isinstance(told, Exception):
            raise told
        await self._clock.sleep(told)
        return "answer"


def no(kind: type[SourceError] = SourceUnreachable, *more: object) -> SourceError:
    """A failure of that kind."""
    return kind("v", "s", "why", *more)


@pytest.mark.parametrize("kind", [SourceUnreachable, SourceTimeout, SourceThrottled])
def test_what_had_no_answer_is_tried_again(kind: type[SourceError]) -> None:
    """As often as told, each time after a longer wait with chance in it."""

    @virtual
    async def scenario(clock: LoopClock) -> None:
        venue, way = Venue(clock, *[no(kind)] * 3), wire(clock, PATIENT)
        assert await way.read("s", venue.ask) == "answer"
        waits = [after - before for before, after in zip(venue.asked, venue.asked[1:], strict=False)]
        assert [0.25 * 2**tried <= wait <= 0.5 * 2**tried for tried, wait in enumerate(waits)] == [True] * 3
        venue.failures = [no(kind)] * 4
        with pytest.raises(kind):
            await way.read("s", venue.ask)
        assert len(venue.asked) == 8

    scenario()


@pytest.mark.parametrize(
    "failure", [no(SourceRefused), no(SourceIncomplete, ("row",)), no(SourceError), ValueError("bug")]
)
def test_what_was_answered_is_not_asked_again(failure: Exception) -> None:
    """A wrong key stays wrong, a part is a part with its rows, and a bug is nobody's failure."""

    @virtual
    async def scenario(clock: LoopClock) -> None:
        venue = Venue(clock, failure)
        with pytest.raises(type(failure)) as raised:
            await wire(clock, PATIENT).read("s", venue.ask)
        assert (raised.value, venue.asked) == (failure, [0])

    scenario()


@virtual
async def test_a_malformed_answer_is_asked_for_once_more(clock: LoopClock) -> None:
    """Once, also where other failures come in between."""
    way = wire(clock, PATIENT)
    venue = Venue(clock, no(SourceMalformed))
    assert await way.read("s", venue.ask) == "answer"
    for failures in ([no(SourceMalformed)] * 2, [no(SourceMalformed), no(), no(SourceMalformed)]):
        venue = Venue(clock, *failures)
        with pytest.raises(SourceMalformed):
            await way.read("s", venue.ask)
        assert len(venue.asked) == len(failures)


@virtual
async def test_the_deadline_is_for_all_tries_together(clock: LoopClock) -> None:
    """Each try ends with its own time, the last with everybody's, and no wait is begun that would end too late."""
    way = wire(clock, ReadPatience(tries_again=9, seconds=25, each_seconds=10))
    venue = Venue(clock, *[99.0] * 9)
    with pytest.raises(SourceTimeout):
        await way.read("s", venue.ask)
    assert (len(venue.asked), clock.passed() <= 25) == (3, True)
    began = clock.passed()
    venue = Venue(clock, no(SourceThrottled, 24), 99.0)
    with pytest.raises(SourceTimeout):
        await way.read("s", venue.ask)
    assert (len(venue.asked), clock.passed()) == (2, began + 25)


@virtual
async def test_a_venue_that_says_how_long_is_given_that_long(clock: LoopClock) -> None:
    """By this question, and by everybody else who asks that venue meanwhile."""
    way, venue = wire(clock, PATIENT), Venue(clock, no(SourceThrottled, 7))
    other = Venue(clock)
    first = asyncio.create_task(way.read("s", venue.ask))
    await clock.sleep(1)
    assert await way.read("other", other.ask, endpoint="else") == await first
    assert (venue.asked[0], 7 <= venue.asked[1] < 7.1, other.asked) == (0, True, [7.001])
    venue.failures = [no(SourceThrottled, 61)]
    with pytest.raises(SourceThrottled) as failed:
        await way.read("s", venue.ask)
    assert failed.value.retry_after_s == 61
    with pytest.raises(SourceThrottled, match="our own limit"):
        await way.read("s", other.ask)
    with pytest.raises(ActionRefused, match="nothing was sent"):
        await way.act("submit", other.ask)
    assert (len(venue.asked), len(other.asked)) == (3, 1)


@virtual
async def test_whoever_called_may_have_less_time(clock: LoopClock) -> None:
    """A deadline that all reads of one side share comes before the wire's own."""
    way, venue = wire(clock, PATIENT), Venue(clock, 99.0, 99.0)
    token = DEADLINE.set(Deadline(clock, 3))
    with pytest.raises(SourceTimeout):
        await way.read("s", venue.ask)
    DEADLINE.reset(token)
    assert (clock.passed(), len(venue.asked)) == (3, 1)


@virtual
async def test_an_action_is_never_tried_again(clock: LoopClock) -> None:
    """Whatever becomes of it, it was sent once; silence is nobody's yes or no."""
    way = wire(clock, PATIENT)
    for failure in (OutcomeUnknown("a", "w"), ActionRefused("a", "w"), no(), no(SourceThrottled, 5)):
        venue = Venue(clock, failure)
        with pytest.raises((OutcomeUnknown, ActionRefused)) as failed:
            await way.act("a", venue.ask)
        assert len(venue.asked) == 1
        assert isinstance(failed.value, OutcomeUnknown) == (not isinstance(failure, ActionRefused))
    began, venue = clock.passed(), Venue(clock, 99.0)
    await clock.sleep(10)
    with pytest.raises(OutcomeUnknown):
        await way.act("a", venue.ask)
    assert (len(venue.asked), clock.passed()) == (1, began + 70)


@virtual
async def test_an_action_does_not_wait_long_for_its_turn(clock: LoopClock) -> None:
    """An order that would go out seconds late is refused instead, and nothing of it was sent."""
    way = wire(clock, PATIENT, limits=Limits(((1, 10_000),)))
    venue = Venue(clock)
    await way.act("a", venue.ask)
    with pytest.raises(ActionRefused, match="nothing was sent"):
        await way.act("b", venue.ask)
    assert (venue.asked, clock.passed()) == ([0], 0)


@virtual
async def test_turns_within_an_action_tell_what_was_sent(clock: LoopClock) -> None:
    """Refused as long as no request went out; unknown from the first one on."""
    way = wire(clock, PATIENT, limits=Limits(((1, 100_000),)))

    async def deed() -> None:
        await way.turn(1)
        await way.turn(1)

    with pytest.raises(OutcomeUnknown, match="after 1 requests"):
        await way.act("a", deed, cost=0)
    with pytest.raises(ActionRefused, match="nothing was sent"):
        await way.act("b", deed, cost=0)
    with pytest.raises(SourceThrottled):
        await way.read("s", lambda: way.turn(1), cost=0)
    assert way.measured["trade"].failures == {"over_limit": 2}


@virtual
async def test_half_open_lets_one_of_twenty_through(clock: LoopClock) -> None:
    """The others are told at once that it is not asked; an answer lets all through again."""
    way = wire(clock, ReadPatience(tries_again=0), tolerance=Tolerance(failures=5))
    dead = Venue(clock, *[no()] * 5)
    for _ in range(6):
        with pytest.raises(SourceUnreachable):
            await way.read("s", dead.ask)
    assert (len(dead.asked), way.measured["read"].breaker) == (5, "open")
    await clock.sleep(5)
    venue = Venue(clock, 1.0)
    ends = await asyncio.gather(*(way.read("s", venue.ask) for _ in range(20)), return_exceptions=True)
    assert len(venue.asked) == 1
    assert sorted(end if isinstance(end, str) else type(end).__name__ for end in ends) == ["CircuitOpen"] * 19 + [
        "answer"
    ]
    assert set(await asyncio.gather(*(way.read("s", venue.ask) for _ in range(20)))) == {"answer"}
    assert way.measured["read"].failures == {"circuit_open": 20, "unavailable": 5}


def asked_by(way: Wire, kind: str) -> Callable[[Callable[[], Awaitable[str]]], Awaitable[str]]:
    """A read or an action, by the name of the method."""
    ask = {"read": way.read, "act": way.act}[kind]
    return lambda question: ask("s", question, endpoint="e")


@pytest.mark.parametrize("kind", ["read", "act"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8])
def test_cancellation_leaks_no_permit(kind: str, steps: int) -> None:
    """Broken off at whatever point, the probe's permit is there for the next one, and no failure is counted."""

    @virtual
    async def scenario(clock: LoopClock) -> None:
        way = wire(clock, ReadPatience(tries_again=0), tolerance=Tolerance(failures=1))
        dead, venue = Venue(clock, no()), Venue(clock, 1.0)
        with pytest.raises((SourceUnreachable, OutcomeUnknown)):
            await asked_by(way, kind)(dead.ask)
        await clock.sleep(5)
        task = asyncio.ensure_future(asked_by(way, kind)(venue.ask))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert way.measured["e"].breaker == "half_open"
        assert await asked_by(way, kind)(venue.ask) == "answer"
        assert (way.measured["e"].breaker, way.measured["e"].opened) == ("closed", 1)

    scenario()


@virtual
async def test_who_waited_for_a_turn_is_not_sent_through_an_open_breaker(clock: LoopClock) -> None:
    """Questions that queued up while the venue was up do not reach it when their turn comes and it is down."""
    way = wire(
        clock, ReadPatience(tries_again=0, seconds=100), tolerance=Tolerance(failures=1), limits=Limits(((1, 1000),))
    )
    venue = Venue(clock, no())
    await asyncio.gather(*(way.read("s", venue.ask) for _ in range(4)), return_exceptions=True)
    assert (len(venue.asked), way.measured["read"].failures) == (1, {"circuit_open": 3, "unavailable": 1})


@virtual
async def test_classes_of_endpoints_fail_apart(clock: LoopClock) -> None:
    """Orders may go out while a reading's endpoints are down, and a refused read is an answer."""
    way = wire(clock, ReadPatience(tries_again=0), tolerance=Tolerance(failures=2))
    venue = Venue(clock, no(), no(SourceRefused), no(), no())
    for _ in range(5):
        with pytest.raises(SourceError):
            await way.read("s", venue.ask)
    assert len(venue.asked) == 4
    assert await way.act("a", venue.ask) == "answer"
    assert {name: each.breaker for name, each in way.measured.items()} == {"read": "open", "trade": "closed"}


@virtual
async def test_what_was_measured(clock: LoopClock) -> None:
    """Requests, tries again, failures by kind, and the time that passed in them and before them."""
    way = wire(clock, PATIENT, limits=Limits(((2, 10_000),)))
    venue = Venue(clock, no(SourceTimeout), 2.0, 3.0)
    for _ in range(2):
        await way.patient(ReadPatience(seconds=99)).read("s", venue.ask)
    told = way.measured["read"]
    assert (told.requests, told.retries, told.failures, told.asked_ms) == (3, 1, {"timeout": 1}, 5000)
    assert (7000 <= told.waited_ms <= 8300, told.breaker, told.opened) == (True, "closed", 0)


@virtual
async def test_the_venue_s_clock_is_measured(clock: LoopClock) -> None:
    """Half of the round trip is its uncertainty; the best of the last few counts; setting our own clock shows at once."""
    way = wire(clock, PATIENT)
    assert (way.offset.ahead, way.offset.now(), way.offset.uncertainty) == (None, None, None)

    async def server_time(there: float, back: float) -> datetime:
        await clock.sleep(there)
        told = START + timedelta(seconds=clock.passed() + 30)
        await clock.sleep(back)
        return told

    async def gone() -> datetime:
        raise no()

    await way.server_time(lambda: server_time(0.01, 0.03))
    assert way.offset.ahead == timedelta(seconds=29.99)
    for _ in range(3):
        await way.server_time(lambda: server_time(0.0, 2.0))
    ahead, error = way.offset.ahead, way.offset.uncertainty
    assert ahead is not None
    assert error is not None
    assert abs(ahead - timedelta(seconds=30)) <= error < timedelta(seconds=0.03)
    clock.wall = timedelta(hours=1)
    assert way.offset.ahead == ahead - timedelta(hours=1)
    for _ in range(8):
        await way.server_time(lambda: server_time(0.5, 0.5))
    assert way.offset.ahead == timedelta(seconds=30 - 3600)
    with pytest.raises(SourceUnreachable):
        await way.patient(ReadPatience(tries_again=0)).server_time(gone)
    assert way.offset.ahead == timedelta(seconds=30 - 3600)


@virtual
async def test_an_open_breaker_uses_up_no_room(clock: LoopClock) -> None:
    """What is refused at once takes nothing of the limit from what may be asked."""
    way = wire(clock, ReadPatience(tries_again=0), tolerance=Tolerance(failures=1), limits=Limits(((3, 10_000),)))
    venue = Venue(clock, no())
    for _ in range(5):
        with pytest.raises(SourceUnreachable):
            await way.read("s", venue.ask)
    assert await way.read("s", venue.ask, endpoint="else") == await way.read("s", venue.ask, endpoint="else")
    assert clock.passed() == 0


async def test_wires_are_shared_by_venue_and_key() -> None:
    """One wire for a venue and key, each account with its own patience; a limiter of all keys where addresses are counted."""
    wires = Wires(SystemClock(), random.Random(7))
    first, second = wires.wire("okx", "a", ONCE), wires.wire("okx", "a", PATIENT)
    other, tested = wires.wire("okx", "b", ONCE), wires.wire("okx", "a", ONCE, place="sandbox")
    assert (first.patience, second.patience) == (ONCE, PATIENT)
    assert first.limiter is second.limiter
    assert len({id(each.limiter) for each in (first, other, tested)}) == 3
    assert wires.wire("binance", "a", ONCE).limiter is wires.wire("binance", "b", ONCE).limiter
    await first.read("s", lambda: asyncio.sleep(0, "x"))
    told = wires.measured
    assert list(told) == ["okx", "okx #2", "okx sandbox", "binance", "binance #2"]
    assert (told["okx"]["read"].requests, second.measured["read"].requests, dict(told["okx #2"])) == (1, 1, {})
    assert first.measured["read"] == told["okx"]["read"]
