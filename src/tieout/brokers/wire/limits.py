"""Rate limits: strict sliding windows over what is sent to one venue, first come, first served.

Where a venue limits some endpoints by themselves, each of these has windows and a line of its own. pyrate-limiter keeps the
windows; the time is ours, and so is the waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from msgspec import Struct
from pyrate_limiter import InMemoryBucket, Rate, RateItem

from tieout.clock import Clock
from tieout.errors import SourceThrottled

MARGIN_MS = 250  # requests do not travel at one speed: windows are longer by this than the venue's
LONGEST_PAUSE_S = 3600  # whatever a venue says, it is asked once more after an hour


Rates = tuple[tuple[int, int], ...]


class Limits(Struct, frozen=True):
    """What a venue allows.

    Attributes:
        rates: So much weight in any window of so many milliseconds; all of them hold.
        own: By the end of an endpoint's path, so many requests to it in any window; it does not count in `rates`.
        together: So many requests of all kinds from one address in any window.
        by: What the venue counts by: the key, or the address that the requests come from.
        per_cost: The weight of what ccxt calls a cost of 1; a request weighs it times its cost, rounded up.
    """

    rates: Rates
    by: Literal["key", "address"] = "key"
    per_cost: int = 1
    own: Mapping[str, Rates] = {}
    together: Rates = ()

    def weight(self, cost: int | float | str | Decimal) -> int:
        """The weight of a request that ccxt gives *cost*: at least 1, and at most what a window ever has room for."""
        exact = Decimal(str(cost)) * self.per_cost
        whole = int(exact.to_integral_value(ROUND_CEILING))
        return max(1, min(whole, *(weight for weight, _ in self.rates)))


def spaced(milliseconds: int) -> Limits:
    """One request for every *milliseconds*, counted over a second at least."""
    window = max(milliseconds, 1000)
    return Limits(((max(1, window // max(milliseconds, 1)), window),), by="address")


class OverLimit(SourceThrottled):
    """Our own no: a wait for the limit would be longer than anybody waits for. Nothing was sent."""


class _Line:
    """Those who wait for room in the same windows, in order."""

    def __init__(self, rates: Rates) -> None:
        self.rates, self.bucket = rates, bucket_of(rates)
        self.most = min(weight for weight, _ in rates)
        self.turn = asyncio.Lock()  # its waiters are served in order
        self.ahead: deque[int] = deque()  # weights of those who wait, the first included
        self.taken = 0


class Limiter:
    """Lets requests through as *limits* allow, those of one line in the order in which they asked.

    *together* counts what others send from the same address, too.
    """

    def __init__(self, source: str, limits: Limits, clock: Clock, together: InMemoryBucket | None = None) -> None:
        self._source, self.limits, self._clock = source, limits, clock
        self._rest = _Line(limits.rates)
        self._own = {endpoint: _Line(rates) for endpoint, rates in limits.own.items()}
        self._together = together or (bucket_of(limits.together) if limits.together else None)
        self._paused_until_ms = 0

    @property
    def taken(self) -> Mapping[str, int]:
        """The weight of all so far, by endpoints with a limit of their own; that of the rest under ""."""
        return {"": self._rest.taken, **{endpoint: line.taken for endpoint, line in self._own.items()}}

    async def take(self, weight: int, *, scope: str, until_ns: int, endpoint: str = "") -> int:
        """Wait for room for *weight*, and take it; how long that was, in milliseconds.

        Whoever is let through sends at once: the window counts from the moment this returns. A request to an *endpoint*
        with a limit of its own counts as one there, whatever its weight elsewhere.

        Raises:
            OverLimit: It would last beyond *until_ns* (`Clock.monotonic_ns`); such a wait is not begun, or ends at once.
        """
        began, line = self._now_ms(), self._own.get(endpoint, self._rest)
        weight = 1 if line is not self._rest else min(weight, line.most)
        if line.ahead:
            self._require(self._estimate(line, weight), scope, until_ns)
        line.ahead.append(weight)
        try:
            async with asyncio.timeout(max(0, until_ns - self._clock.monotonic_ns()) / 1e9):
                await self._room(line, weight, scope, until_ns)
        except TimeoutError:  # those ahead have more time, and took it
            raise OverLimit(self._source, scope, "its turn did not come in time") from None
        finally:
            line.ahead.remove(weight)  # equal weights are equal here
        line.taken += weight
        return self._now_ms() - began

    def pause(self, seconds: int) -> None:
        """Let nothing through for *seconds*, an hour at most; a pause that lasts longer already stays."""
        until = self._now_ms() + 1 + min(seconds, LONGEST_PAUSE_S) * 1000  # a part of a millisecond counts as one
        self._paused_until_ms = max(self._paused_until_ms, until)

    async def _room(self, line: _Line, weight: int, scope: str, until_ns: int) -> None:
        async with line.turn:
            while (wait := self._wait_ms(line, weight)) > 0:
                self._require(wait, scope, until_ns)
                await self._clock.sleep(wait / 1000)

    def _wait_ms(self, line: _Line, weight: int) -> int:
        """How long to wait before asking again; 0 where the room was taken."""
        now = self._now_ms()
        if now < self._paused_until_ms:
            return self._paused_until_ms - now
        line.bucket.leak(now)
        wait = _put(line.bucket, RateItem(self._source, now, weight))
        if wait or self._together is None:
            return wait
        self._together.leak(now)
        wait = _put(self._together, RateItem(self._source, now, 1))
        if wait:
            del line.bucket.items[-weight:]  # nothing is taken anywhere, where there is no room everywhere
        return wait

    def _estimate(self, line: _Line, weight: int) -> int:
        """How long *weight* would wait if it came last and nothing else happened, in milliseconds."""
        now = self._now_ms()
        at = max(now, self._paused_until_ms)
        twin = bucket_of(line.rates)
        twin.items.extend(line.bucket.items)
        for each in (*line.ahead, weight):
            while wait := _put(twin, RateItem(self._source, at, each)):
                at += wait
        return at - now

    def _require(self, wait_ms: int, scope: str, until_ns: int) -> None:
        if wait_ms and self._clock.monotonic_ns() + wait_ms * 10**6 > until_ns:
            raise OverLimit(self._source, scope, "our own limit for this venue is used up", -(-wait_ms // 1000))

    def _now_ms(self) -> int:
        return self._clock.monotonic_ns() // 10**6


def _put(bucket: InMemoryBucket, item: RateItem) -> int:
    """0 where there was room, which is taken; else how long to wait, in milliseconds."""
    if bucket.put(item):
        return 0
    wait = bucket.waiting(item)
    assert isinstance(wait, int) and wait >= 0, "a weight that no window has room for"
    return max(1, wait)


def bucket_of(rates: Rates) -> InMemoryBucket:
    """Empty windows of *rates*, each longer by what requests may gain on each other."""
    return InMemoryBucket([Rate(weight, window + MARGIN_MS) for weight, window in rates])
