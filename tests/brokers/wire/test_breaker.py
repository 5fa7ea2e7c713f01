"""The circuit breaker: when it opens, for how long, and that one question at a time finds out whether to go on."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.wire.breaker import Breaker, Permit, Tolerance
from tieout.clock import VirtualClock

START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def made(failures: int = 3, first_s: int = 5, longest_s: int = 18) -> tuple[Breaker, VirtualClock]:
    """A breaker in virtual time."""
    clock = VirtualClock(START)
    return Breaker(clock, Tolerance(failures=failures, first_s=first_s, longest_s=longest_s)), clock


def admitted(breaker: Breaker) -> Permit:
    """A permit that is due."""
    permit = breaker.admit()
    assert permit is not None
    return permit


def test_it_opens_after_failures_in_a_row() -> None:
    """An answer in between begins the count anew; what is broken off does not count at all."""
    breaker, _ = made()
    for step in ("failed", "failed", "answered", "failed", "give_back", "failed"):
        getattr(admitted(breaker), step)()
    assert (breaker.state, breaker.opened) == ("closed", 0)
    admitted(breaker).failed()
    assert (breaker.state, breaker.opened, breaker.wait_s, breaker.admit()) == ("open", 1, 5, None)


def test_it_waits_longer_each_time_up_to_a_limit() -> None:
    """Twice as long after each probe that fails; after one that is answered it begins anew."""
    breaker, clock = made(failures=1)
    admitted(breaker).failed()
    for seconds in (5, 10, 18, 18):
        clock.advance(seconds - 0.001)
        assert (breaker.state, breaker.wait_s, breaker.admit()) == ("open", 1, None)
        clock.advance(0.001)
        assert (breaker.state, breaker.wait_s) == ("half_open", 0)
        admitted(breaker).failed()
    clock.advance(18)
    admitted(breaker).answered()
    assert breaker.state == "closed"
    admitted(breaker).failed()
    assert (breaker.wait_s, breaker.opened) == (5, 6)


def test_half_open_gives_one_permit_at_a_time() -> None:
    """The next one is there when that one was given back, and not before."""
    breaker, clock = made(failures=1)
    admitted(breaker).failed()
    clock.advance(5)
    probe = admitted(breaker)
    assert (breaker.state, breaker.refuses, breaker.admit()) == ("half_open", True, None)
    probe.give_back()
    probe.give_back()
    second = admitted(breaker)
    probe.give_back()
    assert breaker.admit() is None
    second.answered()
    assert breaker.state == "closed"


def test_what_was_asked_before_says_nothing_about_now() -> None:
    """Answers and failures that come after the breaker changed its state neither close it nor hold the probe up."""
    breaker, clock = made(failures=1)
    early = [admitted(breaker) for _ in range(3)]
    early[0].failed()
    early[1].answered()
    assert breaker.admit() is None
    clock.advance(5)
    probe = admitted(breaker)
    early[2].failed()
    assert (breaker.state, breaker.admit()) == ("half_open", None)
    probe.answered()
    assert breaker.state == "closed"


STEPS = st.lists(
    st.one_of(
        st.just(("ask", 0)),
        st.tuples(st.sampled_from(["answered", "failed", "give_back"]), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(1, 20)),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_permit_is_ever_lost_or_doubled(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: open admits nobody, half open one, and in the end it can be closed again."""
    breaker, clock = made()
    out: list[Permit] = []
    probe: Permit | None = None
    for step, number in steps:
        if step == "wait":
            clock.advance(number)
        elif step == "ask":
            state = breaker.state
            permit = breaker.admit()
            assert (permit is None) == (
                state == "open" or (state == "half_open" and probe in out and probe is not None)
            )
            if permit is not None:
                probe = permit if state == "half_open" else None
                out.append(permit)
        elif out:
            getattr(out.pop(number % len(out)), step)()
    for permit in out:
        permit.give_back()
    clock.advance(18)
    admitted(breaker).answered()
    assert breaker.state == "closed"
