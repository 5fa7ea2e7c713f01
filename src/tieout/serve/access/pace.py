"""How often somebody may ask: so many in a minute each, counted on our clock."""

from __future__ import annotations

from collections import OrderedDict

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from tieout.clock import Clock

KNOWN = 10_000  # callers that are counted at a time; who asked longest ago is forgotten first
MINUTE_MS = 60_000


class Pace:
    """Lets each of many callers through so many times in any minute."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most, self._clock = most, clock
        self._buckets: OrderedDict[str, InMemoryBucket] = OrderedDict()

    def wait_seconds(self, caller: str) -> int:
        """0 where *caller* may ask now, which is then counted; else how long to wait."""
        bucket = self._buckets.pop(caller, None) or InMemoryBucket([Rate(self._most, MINUTE_MS)])
        self._buckets[caller] = bucket
        if len(self._buckets) > KNOWN:
            self._buckets.popitem(last=False)
        now = self._clock.monotonic_ns() // 10**6
        bucket.leak(now)
        item = RateItem(caller, now, 1)
        if bucket.put(item):
            return 0
        wait = bucket.waiting(item)
        assert isinstance(wait, int), "a bucket in memory answers at once"
        return max(1, -(-wait // 1000))
