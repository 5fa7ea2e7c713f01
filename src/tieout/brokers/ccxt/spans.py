"""How venues are asked for stretches of time: in windows without a gap between them, each in the venue's own words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from tieout.brokers.ccxt.parse import at_milliseconds, milliseconds

Json = dict[str, Any]

_AHEAD = timedelta(hours=1)  # the venue's clock may be ahead of ours: the last window ends after its present


class Span(Struct, frozen=True):
    """How a venue is told a stretch of time.

    Attributes:
        start: The parameter for its beginning.
        end: The one for its end; None where there is none.
        days: How long it may be; None for as long as one likes.
        unit: How a moment is written.
        early_ms: How much earlier to begin, where the venue leaves out its very start.
        kept_days: For how long the venue keeps such rows; what is asked from before is not complete.
    """

    start: str
    end: str | None = None
    days: int | None = None
    unit: str = "ms"
    early_ms: int = 0
    kept_days: int | None = None

    def windows(self, since: datetime, now: datetime) -> Iterator[Json]:
        """The stretches from *since* to beyond *now*, the earliest first, without a gap between them.

        One at least: a clock that stands before *since* must not end in a list that nobody asked for.
        """
        begin = milliseconds(max(since, self.oldest(now) or since)) - self.early_ms
        if self.days is None:
            yield {self.start: self._said(begin)}
            return
        length, stop = self.days * 86_400_000, max(begin, milliseconds(now + _AHEAD))
        while begin <= stop:
            told = {self.start: self._said(begin)}
            yield told if self.end is None else {**told, self.end: self._said(begin + length - 1)}
            begin += length

    def oldest(self, now: datetime) -> datetime | None:
        """The moment from which on the venue keeps its rows."""
        return None if self.kept_days is None else now - timedelta(days=self.kept_days)

    def _said(self, at: int) -> Any:
        if self.unit == "iso":
            return iso(at)
        return at // 1000 if self.unit == "s" else at


def iso(at: int) -> str:
    """A moment in milliseconds since 1970 as an ISO date."""
    return at_milliseconds(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
