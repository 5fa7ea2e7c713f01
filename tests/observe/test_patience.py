"""Trying a read again: what for, how often, and never for longer than it may take."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.decide.building import START
from tests.observe.test_reading import FULL, Books, Venue, failure
from tieout.brokers.base import Capabilities
from tieout.clock import DEADLINE, VirtualClock
from tieout.errors import (
    SourceError,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)
from tieout.model.snapshot import Observation, SideError, SideFailure, Snapshot
from tieout.observe.reading import Reach, read_account


class Flaky(Venue):
    """A venue that fails so many times at a question before it answers."""

    def __init__(self, question: str, *failures: SourceError) -> None:
        super().__init__()
        self.question, self.failures = question, list(failures)

    async def _answer(self, question: str, default: object = None) -> object:
        if question == self.question and self.failures:
            self.asked.append(question)
            raise self.failures.pop(0)
        return await super()._answer(question, default)


async def read(venue: Venue, reach: Reach, *local: object) -> tuple[Observation, int]:
    """One reading, and how many seconds it waited for."""
    clock = VirtualClock(START)
    books = Books(*(local or (FULL,)))  # type: ignore[arg-type]
    observation = await read_account("main", books, venue, clock, reach)
    return observation, int((clock.now() - START).total_seconds() * 10)


@pytest.mark.parametrize("question", ["time", "positions", "fills"])
@pytest.mark.parametrize("kind", [SourceUnreachable, SourceTimeout, SourceThrottled])
async def test_a_read_without_an_answer_is_tried_again(question: str, kind: type[SourceError]) -> None:
    """As often as configured, waiting half a second, then one; what comes then is whole."""
    venue = Flaky(question, failure(kind), failure(kind))
    one, tenths = await read(venue, Reach(retry_count=2))
    assert isinstance(one.broker, Snapshot)
    assert one.broker.coverage is None
    assert (venue.asked.count(question), tenths) == (3, 15)


async def test_the_count_is_kept() -> None:
    """One failure more than tries is a failed section."""
    venue = Flaky("positions", *(failure(SourceUnreachable) for _ in range(3)))
    one, _ = await read(venue, Reach(retry_count=2))
    assert isinstance(one.broker, Snapshot)
    assert (one.broker.positions, venue.asked.count("positions")) == (None, 3)


@pytest.mark.parametrize("kind", [SourceRefused, SourceMalformed, SourceIncomplete])
async def test_what_was_answered_is_not_asked_again(kind: type[SourceError]) -> None:
    """A wrong key stays wrong (and asking on would lock it), a malformed answer is one, a part is a part."""
    venue = Flaky("positions", failure(kind))
    one, tenths = await read(venue, Reach(retry_count=5))
    assert isinstance(one.broker, Snapshot)
    assert (one.broker.positions, venue.asked.count("positions"), tenths) == (None, 1, 0)


async def test_a_broker_that_says_how_long_is_given_that_long() -> None:
    """Its own word counts over ours."""
    venue = Flaky("positions", failure(SourceThrottled, 7))
    one, tenths = await read(venue, Reach(retry_count=1))
    assert isinstance(one.broker, Snapshot)
    assert (one.broker.coverage, tenths) == (None, 70)


async def test_no_wait_is_begun_that_ends_too_late() -> None:
    """A broker that asks for longer than a side may take is not waited for at all."""
    venue = Flaky("positions", failure(SourceThrottled, 30))
    one, tenths = await read(venue, Reach(retry_count=5, timeout_seconds=30))
    assert isinstance(one.broker, Snapshot)
    assert (one.broker.positions, venue.asked.count("positions"), tenths) == (None, 1, 0)


async def test_all_sections_share_the_time() -> None:
    """What one section waited, another cannot wait again."""
    venue = Venue(fills=failure(SourceThrottled, 6), orders=failure(SourceThrottled, 6))
    one, tenths = await read(venue, Reach(retry_count=1, timeout_seconds=10))
    assert isinstance(one.broker, Snapshot)
    assert (venue.asked.count("fills"), venue.asked.count("orders"), tenths) == (2, 1, 60)


async def test_local_is_tried_again_too() -> None:
    """Books that were being written just now are read a moment later."""
    one, tenths = await read(Venue(), Reach(retry_count=1), failure(SourceUnreachable), FULL)
    assert isinstance(one.local, Snapshot)
    assert (one.local_before is not None, tenths) == (True, 5)


async def test_without_tries_nothing_is_tried_again() -> None:
    """The first failure is the last."""
    venue = Flaky("time", failure(SourceUnreachable))
    one, tenths = await read(venue, Reach(retry_count=0))
    assert (one.broker, tenths) == (SideError(SideFailure.UNAVAILABLE), 0)


class TryingAgain(Flaky):
    """A venue whose adapter tries again by itself, and notes how long it was given."""

    left: list[float]

    def capabilities(self) -> Capabilities:
        """As before, and that."""
        return replace(super().capabilities(), tries_again=True)

    async def _answer(self, question: str, default: object = None) -> object:
        deadline = DEADLINE.get()
        assert deadline is not None
        self.left = [*getattr(self, "left", []), deadline.left_ns() / 1e9]
        return await super()._answer(question, default)


async def test_what_tries_again_by_itself_is_asked_once() -> None:
    """And every one of its reads knows when the whole side has to be read."""
    venue = TryingAgain("positions", failure(SourceUnreachable))
    one, tenths = await read(venue, Reach(retry_count=5, timeout_seconds=9))
    assert isinstance(one.broker, Snapshot)
    assert (one.broker.positions, venue.asked.count("positions"), tenths) == (None, 1, 0)
    assert set(venue.left) == {9}
    assert DEADLINE.get() is None
