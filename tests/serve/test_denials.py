"""Denials are counted until they are in the log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest

from tieout.clock import VirtualClock
from tieout.errors import RecordUnavailable
from tieout.record.grants import Denial, Grants
from tieout.serve.access.denials import Denials


class Flaky:
    """A log that cannot be written now and then."""

    def __init__(self) -> None:
        self.away, self.logged = False, list[int]()

    async def denied(self, denial: Denial, now: datetime, *, count: int, once: str) -> None:
        """Log it, or not."""
        if self.away:
            raise RecordUnavailable("the disk is full")
        self.logged.append(count)


async def test_a_denial_that_could_not_be_logged_is_counted_on() -> None:
    """Whatever was counted while the log could not be written is told once it can be."""
    log, clock = Flaky(), VirtualClock(datetime(2026, 11, 20, 10, tzinfo=UTC))
    denials = Denials(cast(Grants, log), clock)
    denial = Denial(who="ann", origin="127.0.0.1", what="GET /v1/breaks", why="may not see", account=None)
    for _ in range(3):
        await denials.note(denial)
    clock.advance(120)
    log.away = True
    with pytest.raises(RecordUnavailable):
        await denials.note(denial)
    log.away = False
    await denials.tell_rest()
    assert log.logged == [1, 3]
