"""What the times in a log say of the clocks that wrote them: never back, and wall time as fast as monotonic time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from tieout.record.entry import Entry

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
US = timedelta(microseconds=1)
TOLERANCE_US = 2_000_000  # a clock that is slewed, or processes of several machines, differ by less
MOST = 100  # jumps that are told; more of them tell no more


class Mark(Struct):
    """Where one run's clocks stood when it wrote *entry*: wall (microseconds since 1970), monotonic (nanoseconds)."""

    entry: int
    wall_us: int
    mono_ns: int


class Jump(Struct, frozen=True):
    """At *entry* the wall clock had moved by *by_us* microseconds against the monotonic one, or lay behind the log."""

    entry: int
    by_us: int


class Clocks(Struct):
    """The clocks of a stretch of entries; `see` is called with them in their order.

    Attributes:
        first_at: Time of the first entry.
        last_at: Time of the last entry.
        firsts: Where each run's clocks stood first.
        lasts: Where they stand.
        jumps: Where a wall clock was moved.
        back: The first entry that is dated before the one before it.
    """

    first_at: datetime | None = None
    last_at: datetime | None = None
    firsts: dict[str, Mark] = {}
    lasts: dict[str, Mark] = {}
    jumps: list[Jump] = []
    back: int | None = None

    def see(self, indices: Sequence[int], entries: Sequence[Entry]) -> None:
        """Take in more entries."""
        last = None
        for index, entry in zip(indices, entries, strict=True):
            stamp = (entry.mono_ns, entry.at, entry.run)
            if stamp != last:  # else it was written in the same commit
                self._see(index, entry)
                last = stamp

    def _see(self, index: int, entry: Entry) -> None:
        at = entry.at
        if self.last_at is None:
            self.first_at = at
        elif at < self.last_at:
            self._went_back(index)
        self.last_at = at
        last = self.lasts.get(entry.run)
        mark = Mark(index, (at - EPOCH) // US - entry.behind_us, entry.mono_ns)
        if last is None:
            self.firsts[entry.run] = mark
            if entry.behind_us > TOLERANCE_US:
                self._jumped(Jump(index, -entry.behind_us))
        else:
            self._compare(last, mark)
        self.lasts[entry.run] = mark

    def join(self, later: Clocks) -> None:
        """Take in the stretch that follows."""
        first = next(iter(later.firsts.values()), None)
        before, after = self.last_at, later.first_at
        if first is not None and before is not None and after is not None and after < before:
            self._went_back(first.entry)
        if self.first_at is None:
            self.first_at = later.first_at
        for run, mark in later.firsts.items():
            if run in self.lasts:
                self._compare(self.lasts[run], mark)
            else:
                self.firsts[run] = mark
        self.lasts |= later.lasts
        for jump in later.jumps:
            self._jumped(jump)
        if later.back is not None:
            self._went_back(later.back)
        self.last_at = later.last_at or self.last_at

    def _compare(self, last: Mark, mark: Mark) -> None:
        if mark.mono_ns < last.mono_ns:
            self._went_back(mark.entry)
        by = (mark.wall_us - last.wall_us) - (mark.mono_ns - last.mono_ns) // 1000
        if abs(by) > TOLERANCE_US:
            self._jumped(Jump(mark.entry, by))

    def _jumped(self, jump: Jump) -> None:
        if len(self.jumps) < MOST:
            self.jumps.append(jump)

    def _went_back(self, index: int) -> None:
        self.back = index if self.back is None else min(self.back, index)
