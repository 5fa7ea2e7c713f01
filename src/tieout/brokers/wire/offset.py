"""By how much a venue's clock differs from ours, and how well that is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from msgspec import Struct

from tieout.clock import Clock

KEPT = 8
_DRIFT = 10_000  # clocks of machines part by 100 parts in a million at most: a second in 10,000 seconds


class Sample(Struct, frozen=True):
    """One comparison: the venue said *told* in the middle of a round trip, at *at_ns* of our monotonic clock.

    *error* is half of the round trip: the venue's clock was within that of *told* at that moment.
    """

    told: datetime
    at_ns: int
    error: timedelta


class ClockOffset:
    """The best of the last few comparisons. It rests on the monotonic clock: setting ours shows at once.

    A venue that tells whole seconds is known to half of one at best; that is not in `uncertainty`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    async def measure(self, server_time: Callable[[], Awaitable[datetime]]) -> datetime:
        """What *server_time* answers, noted as a comparison; waits and tries within it make it only less certain.

        Nothing is noted where it raises.
        """
        asked = self._clock.monotonic_ns()
        told = await server_time()
        self.note(told, asked, self._clock.monotonic_ns())
        return told

    def note(self, told: datetime, asked_ns: int, answered_ns: int) -> None:
        """Note that the venue said *told* (aware) between two moments of our monotonic clock."""
        assert told.tzinfo is not None, "an aware time"
        half = (answered_ns - asked_ns) // 2
        self._samples.append(Sample(told, asked_ns + half, timedelta(microseconds=half // 1000 + 1)))

    @property
    def ahead(self) -> timedelta | None:
        """The venue's clock minus ours, now; None before the first comparison."""
        now = self.now()
        return None if now is None else now - self._clock.now()

    @property
    def uncertainty(self) -> timedelta | None:
        """How wrong `ahead` and `now` may be, either way; it grows with the age of the comparison."""
        best = self._best()
        return None if best is None else self._error(best)

    def now(self) -> datetime | None:
        """What the venue's clock shows now; None before the first comparison."""
        best = self._best()
        return None if best is None else best.told + self._age(best)

    def _best(self) -> Sample | None:
        return min(self._samples, key=self._error, default=None)

    def _error(self, sample: Sample) -> timedelta:
        return sample.error + self._age(sample) / _DRIFT

    def _age(self, sample: Sample) -> timedelta:
        return timedelta(microseconds=(self._clock.monotonic_ns() - sample.at_ns) // 1000)
