"""Rate limits: never more than the limit in any window, in the order of asking, and no wait that is for nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrate_limiter import RateItem
from tests.live.virtual import LoopClock, virtual, virtually
from tests.proving import PROVE

from tieout.brokers.wire.limits import MARGIN_MS, Limiter, Limits, OverLimit, bucket_of, spaced
from tieout.brokers.wire.shared import Wires
from tieout.brokers.wire.tries import PATIENCE
from tieout.brokers.wire.venues import LIMITS

LATE_NS = 10**18


class Sent(NamedTuple):
    """A request as the venue would count it: at a moment, in milliseconds."""

    at: int
    weight: int
    number: int


def most_in_a_window(sent: Sequence[Sent], window_ms: int) -> int:
    """The largest weight in any closed window, counted anew from each request: the slow and plain way."""
    return max((sum(other.weight for other in sent if 0 <= other.at - one.at <= window_ms) for one in sent), default=0)


def earliest(arrivals: Sequence[tuple[int, int]], limits: Limits) -> list[int]:
    """When each of (moment, weight) could go at the earliest, first come first served: the slow and plain way."""
    gone = list[Sent]()
    for number, (moment, weight) in enumerate(arrivals):
        at = max([moment, *(one.at for one in gone[-1:])])
        while any(
            sum(one.weight for one in gone if one.at >= at - window - MARGIN_MS) + weight > most
            for most, window in limits.rates
        ):
            at += 1
        gone.append(Sent(at, weight, number))
    return [one.at for one in gone]


RATES = st.sampled_from(
    [
        ((1, 1000),),
        ((3, 700),),
        ((5, 2000),),
        ((2, 500), (5, 3000)),
        ((10, 1000), (12, 4000)),
        ((4, 300), (6, 900), (9, 5000)),
    ]
)
ASKING = st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 4), st.booleans()), max_size=14)


async def send_all(clock: LoopClock, limiter: Limiter, asking: Sequence[tuple[int, int, bool]]) -> list[Sent]:
    """Ask at the given pauses for the given weights; True gives up after 10 ms."""
    sent = list[Sent]()

    async def one(number: int, weight: int) -> None:
        await limiter.take(weight, scope="all", until_ns=LATE_NS)
        sent.append(Sent(clock.monotonic_ns() // 10**6, min(weight, limiter.limits.rates[0][0]), number))

    tasks = []
    for number, (pause, weight, gives_up) in enumerate(asking):
        await clock.sleep(pause / 1000)
        tasks.append(asyncio.create_task(one(number, weight)))
        if gives_up:
            asyncio.get_running_loop().call_later(0.01, tasks[-1].cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    return sent


@given(RATES, ASKING)
def test_no_window_ever_holds_more(rates: tuple[tuple[int, int], ...], asking: list[tuple[int, int, bool]]) -> None:
    """However requests come, and whoever gives up while waiting: no window of any rate holds more than its limit."""
    limits = Limits(rates)

    async def scenario(clock: LoopClock) -> list[Sent]:
        return await send_all(clock, Limiter("v", limits, clock), asking)

    sent = virtually(scenario)
    assert [one.number for one in sent] == sorted(one.number for one in sent)
    for most, window in limits.rates:
        assert most_in_a_window(sent, window) <= most
    patient = [number for number, (_, _, gives_up) in enumerate(asking) if not gives_up]
    assert {one.number for one in sent} >= set(patient)


@given(RATES, ASKING)
def test_nobody_waits_for_nothing(rates: tuple[tuple[int, int], ...], asking: list[tuple[int, int, bool]]) -> None:
    """Each goes at the first millisecond at which the limits, with their margin, allow it."""
    limits = Limits(rates)

    async def scenario(clock: LoopClock) -> list[Sent]:
        return await send_all(
            clock, Limiter("v", limits, clock), [(pause, weight, False) for pause, weight, _ in asking]
        )

    sent = virtually(scenario)
    moments, now = [], 0
    for pause, weight, _ in asking:
        now += pause
        moments.append((now, min(weight, *(most for most, _ in rates))))
    late = [one.at - best for one, best in zip(sent, earliest(moments, limits), strict=True)]
    assert all(0 <= each <= 2 * (number + 1) for number, each in enumerate(late)), late


@virtual
async def test_a_wait_that_is_too_long_is_not_begun(clock: LoopClock) -> None:
    """Neither by who is first in line nor by who would come after others; and it costs no room."""
    limiter = Limiter("v", Limits(((1, 10_000),)), clock)
    await limiter.take(1, scope="a", until_ns=LATE_NS)
    with pytest.raises(OverLimit) as failed:
        await limiter.take(1, scope="b", until_ns=5 * 10**9)
    assert (failed.value.scope, failed.value.retry_after_s, clock.passed()) == ("b", 11, 0)
    waiting = [asyncio.create_task(limiter.take(1, scope="c", until_ns=LATE_NS)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OverLimit) as failed:
        await limiter.take(1, scope="d", until_ns=30 * 10**9)
    assert (failed.value.retry_after_s, clock.passed()) == (31, 0)
    assert await asyncio.gather(*waiting) == [10_251, 20_502]


@virtual
async def test_a_pause_is_for_all_who_wait(clock: LoopClock) -> None:
    """Who was in line already waits for its end too, or learns at once that it is too late; a shorter one changes nothing."""
    limiter = Limiter("v", Limits(((1, 1000),)), clock)
    await limiter.take(1, scope="a", until_ns=LATE_NS)
    patient = asyncio.create_task(limiter.take(1, scope="b", until_ns=LATE_NS))
    hurried = asyncio.create_task(limiter.take(1, scope="c", until_ns=20 * 10**9))
    await clock.sleep(0.5)
    limiter.pause(60)
    limiter.pause(1)
    with pytest.raises(OverLimit, match="turn did not come"):
        await hurried
    assert clock.passed() == 20
    assert await patient == 60_501
    limiter.pause(10**9)
    with pytest.raises(OverLimit) as failed:
        await limiter.take(1, scope="d", until_ns=100 * 10**9)
    assert failed.value.retry_after_s == 3601


@virtual
async def test_who_is_free_does_not_wait(clock: LoopClock) -> None:
    """As much as the window has room for goes at once; the deadline may have passed already."""
    limiter = Limiter("v", Limits(((100, 1000),)), clock)
    assert [await limiter.take(10, scope="a", until_ns=0) for _ in range(10)] == [0] * 10
    assert clock.passed() == 0


async def test_what_ccxt_calls_a_cost_becomes_a_weight() -> None:
    """Rounded up, never nothing, and never more than a window ever has room for."""
    limits = Limits(((100, 1000), (300, 5000)), per_cost=5)
    assert [limits.weight(cost) for cost in (0, 0.2, "0.25", 1, 4, 40)] == [1, 1, 2, 5, 20, 100]
    assert spaced(110).rates == ((9, 1000),)
    assert spaced(3000).rates == ((1, 3000),)
    assert spaced(0).rates == ((1000, 1000),)


@pytest.mark.parametrize("venue", sorted(LIMITS) if PROVE else ["alpaca", "bybit", "kraken", "okx"])
def test_no_limit_of_any_venue_is_ever_exceeded(venue: str) -> None:
    """Bursts at random from several keys, judged by a log of what was sent: by endpoint, the rest, and from the address."""
    limits, chance = LIMITS[venue], random.Random(venue)
    names = [*limits.own, "a", "b"]
    span_s, accounts = 1800 if PROVE else 30, 3

    async def one(limiter: Limiter, clock: LoopClock, log: list[tuple[str, Sent]], number: int) -> None:
        endpoint, weight = chance.choice(names), limits.weight(chance.choice(("0.33", 1, 2, 5)))
        try:
            until = clock.monotonic_ns() + chance.choice((1, 30)) * 10**9
            await limiter.take(weight, scope="s", until_ns=until, endpoint=endpoint)
        except OverLimit:
            return
        own = endpoint in limits.own
        log.append((endpoint if own else "", Sent(clock.monotonic_ns() // 10**6, 1 if own else weight, number)))

    async def scenario(clock: LoopClock) -> list[list[tuple[str, Sent]]]:
        together = bucket_of(limits.together) if limits.together else None
        limiters = [Limiter("v", limits, clock, together) for _ in range(accounts)]
        logs: list[list[tuple[str, Sent]]] = [[] for _ in limiters]
        tasks = list[asyncio.Task[None]]()
        while clock.passed() < span_s:
            for _ in range(chance.choice((1, 40, 150))):
                which = chance.randrange(accounts)
                tasks.append(asyncio.create_task(one(limiters[which], clock, logs[which], len(tasks))))
            await clock.sleep(chance.choice((0.01, 0.4, 1)))
        await asyncio.gather(*tasks)
        return logs

    logs = virtually(scenario)
    for log in logs:
        for line in {"", *limits.own}:
            sent = [request for name, request in log if name == line]
            for most, window in limits.own.get(line, limits.rates):
                assert sent and most_sent(sent, window) <= most
    everything = sorted((request._replace(weight=1) for log in logs for _, request in log), key=lambda one: one.at)
    for most, window in limits.together:
        assert most_sent(everything, window) <= most


def most_sent(sent: Sequence[Sent], window_ms: int) -> int:
    """The largest weight in any closed window, of many that are in order."""
    first = held = most = 0
    for one in sent:
        held += one.weight
        while sent[first].at < one.at - window_ms:
            held -= sent[first].weight
            first += 1
        most = max(most, held)
    return most


@virtual
async def test_a_line_that_is_full_keeps_no_other_waiting(clock: LoopClock) -> None:
    """An endpoint with a limit of its own uses up nothing of the others', and waits for none of them."""
    limiter = Limiter("v", Limits(((1, 10_000),), own={"fills": ((2, 1000),), "bills": ((1, 5000),)}), clock)
    assert await limiter.take(9, scope="a", until_ns=LATE_NS) == 0
    assert [await limiter.take(9, scope="a", until_ns=LATE_NS, endpoint="fills") for _ in range(2)] == [0, 0]
    assert await limiter.take(9, scope="a", until_ns=LATE_NS, endpoint="bills") == 0
    with pytest.raises(OverLimit):
        await limiter.take(1, scope="a", until_ns=10**9, endpoint="unheard of")
    assert await limiter.take(1, scope="a", until_ns=LATE_NS, endpoint="fills") == 1251
    assert limiter.taken == {"": 1, "fills": 3, "bills": 1}


@virtual
async def test_a_pause_holds_every_line(clock: LoopClock) -> None:
    """Where a venue says to wait, no endpoint is asked meanwhile, its own limit or not."""
    limiter = Limiter("v", Limits(((9, 1000),), own={"fills": ((9, 1000),)}), clock)
    limiter.pause(20)
    asked = (limiter.take(1, scope="a", until_ns=LATE_NS, endpoint=path) for path in ("fills", "other"))
    assert set(await asyncio.gather(*asked)) == {20_001}


@virtual
async def test_what_is_counted_by_address_is_shared_by_all_keys_of_a_venue(clock: LoopClock) -> None:
    """Two keys have lines of their own, and one count of what leaves for the venue; its test network has another."""
    wires = Wires(clock, random.Random(1))
    one, other, test = (
        wires.wire("bybit", key, PATIENCE, place=place) for key, place in (("k", ""), ("l", ""), ("k", "test"))
    )
    limits = LIMITS["bybit"]
    ((most, window),) = limits.together
    for wire in (one, other):
        for path, ((room, _),) in limits.own.items():
            for _ in range(room):
                assert await wire.limiter.take(1, scope="s", until_ns=LATE_NS, endpoint=path) == 0
    left = most - one.limiter.taken[""] - 2 * sum(one.limiter.taken.values())
    assert [await one.limiter.take(1, scope="s", until_ns=LATE_NS) for _ in range(left)] == [0] * left
    assert await test.limiter.take(1, scope="s", until_ns=LATE_NS) == 0
    assert await other.limiter.take(1, scope="s", until_ns=LATE_NS) == window + MARGIN_MS + 1


def test_a_falling_counter_is_never_above_its_most_whatever_its_windows_let_through() -> None:
    """Kraken's counter of 15 that falls by one in 3 s, kept as windows: asked as fast as they allow it never overflows."""
    rates, chance = LIMITS["kraken"].rates, random.Random(7)
    bucket, now, counter, sent = bucket_of(rates), 0, Decimal(0), 0
    for _ in range(20_000):
        passed, weight = chance.choice((0, 0, 50, 500, 3000)), chance.choice((3, 6))
        now, counter = now + passed, max(Decimal(0), counter - Decimal(passed) / 1000)
        bucket.leak(now)
        if bucket.put(RateItem("kraken", now, weight)):
            counter, sent = counter + weight, sent + weight
            assert counter <= rates[0][0]
    assert sent > now / 1000 * 0.85  # of the one a second that it falls by
