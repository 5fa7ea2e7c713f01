"""A circuit breaker: after failures in a row nothing is asked for a while, then one question finds out whether to go on."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tieout.clock import Clock

State = Literal["closed", "open", "half_open"]


class Tolerance(Struct, frozen=True):
    """How much a breaker bears. Times in seconds.

    Attributes:
        failures: In a row, until it opens.
        first_s: For how long it opens first; each time that the probe fails, twice as long as before.
        longest_s: But never longer than this.
    """

    failures: int = 5
    first_s: int = 5
    longest_s: int = 120


TOLERANCE = Tolerance()


class Permit:
    """Leave to ask once. It MUST be ended by exactly one of `answered`, `failed` and `give_back`; further ones do nothing."""

    def __init__(self, breaker: Breaker, turn: int) -> None:
        self._breaker, self._turn = breaker, turn
        self._ended = False

    def answered(self) -> None:
        """There was an answer, whatever it says."""
        if self._end():
            self._breaker._close()

    def failed(self) -> None:
        """There was none."""
        if self._end():
            self._breaker._count()

    def give_back(self) -> None:
        """Nobody found out: it was broken off. The next one may try."""
        if self._end():
            self._breaker._release()

    def _end(self) -> bool:
        """Whether it counts: what was asked before the breaker last changed its state says nothing about now."""
        ended, self._ended = self._ended, True
        return not ended and self._turn == self._breaker._turn


class Breaker:
    """Closed while answers come; open after failures in a row; then half open, where one probe at a time decides."""

    def __init__(self, clock: Clock, tolerance: Tolerance = TOLERANCE) -> None:
        self._clock, self._tolerance = clock, tolerance
        self._failures = 0
        self._opened_in_a_row = 0
        self._open_until: int | None = None
        self._probing = False
        self._turn = 0  # counts changes of state
        self.opened = 0

    @property
    def state(self) -> State:
        """What it is now."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock.monotonic_ns() < self._open_until else "half_open"

    @property
    def refuses(self) -> bool:
        """Whether `admit` would give no permit now."""
        return self.state == "open" or self._probing

    @property
    def wait_s(self) -> int:
        """Whole seconds until it may be tried again, rounded up; 0 where that is now."""
        left = 0 if self._open_until is None else self._open_until - self._clock.monotonic_ns()
        return max(0, -(-left // 10**9))

    def admit(self) -> Permit | None:
        """Leave to ask now, None where there is none. In half open there is one until that one has ended."""
        if self.refuses:
            return None
        self._probing = self._open_until is not None
        return Permit(self, self._turn)

    def _close(self) -> None:
        self._failures = self._opened_in_a_row = 0
        if self._open_until is not None:
            self._change(None)

    def _count(self) -> None:
        self._failures += 1
        if self._open_until is not None or self._failures >= self._tolerance.failures:
            seconds = min(self._tolerance.first_s << min(self._opened_in_a_row, 20), self._tolerance.longest_s)
            self._opened_in_a_row += 1
            self.opened += 1
            self._change(self._clock.monotonic_ns() + seconds * 10**9)

    def _change(self, open_until: int | None) -> None:
        self._open_until, self._probing, self._failures = open_until, False, 0
        self._turn += 1

    def _release(self) -> None:
        self._probing = False
