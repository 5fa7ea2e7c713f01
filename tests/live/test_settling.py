"""Reading again by oneself: as long as it tells something, and no longer."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.decide.building import Side, pos, side
from tests.observe.test_reading import Books, Venue, failure
from tieout.clock import VirtualClock
from tieout.errors import SourceUnreachable
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.settling import reconcile_until_settled
from tieout.model.report import ReconciliationReport, Trigger

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
SETTLE = Decimal(2)


class Counting:
    """A reconciler that counts its readings, each with the moment at which it was asked for."""

    def __init__(self, clock: VirtualClock, venue: Venue, *local: Side) -> None:
        account = Account(name="main", local=Books(*local), broker=venue)
        self._reconciler, self._clock = PositionReconciler({"main": account}, clock), clock
        self.asked: list[float] = []

    async def reconcile(self, account: str, *, trigger: Trigger = "manual") -> ReconciliationReport:
        self.asked.append((self._clock.now() - START).total_seconds())
        return await self._reconciler.reconcile(account, trigger=trigger)


async def settled(counting: Counting, clock: VirtualClock, most: int = 4) -> ReconciliationReport:
    """Its report once it is settled."""
    return await reconcile_until_settled(counting, "main", clock, settle_seconds=SETTLE, most=most)


async def test_a_match_is_read_once() -> None:
    """There is nothing to confirm."""
    clock, same = VirtualClock(START), side(pos("X", "1"))
    counting = Counting(clock, Venue(same), same)
    assert (await settled(counting, clock)).status == "matched"
    assert counting.asked == [0]


async def test_a_difference_is_read_twice_a_settle_window_apart() -> None:
    """The second reading confirms it; there is no third."""
    clock = VirtualClock(START)
    counting = Counting(clock, Venue(side(pos("X", "100"))), side(pos("X", "103")))
    report = await settled(counting, clock)
    assert [row.confirmed for row in report.discrepancies] == [True]
    assert counting.asked == [0, pytest.approx(2.05)]


async def test_what_goes_away_by_itself_is_a_match() -> None:
    """A difference that was only on its way is not reported."""
    clock, venue = VirtualClock(START), Venue(side(pos("X", "103")))
    before, after = side(pos("X", "100")), side(pos("X", "103"))
    counting = Counting(clock, venue, before, before, after)
    assert (await settled(counting, clock)).status == "matched"
    assert len(counting.asked) == 2


async def test_what_keeps_moving_is_read_four_times_at_most() -> None:
    """Another difference each time confirms nothing; it ends all the same, unconfirmed."""
    clock = VirtualClock(START)
    moving = [side(pos("X", str(amount))) for amount in range(110, 150)]
    counting = Counting(clock, Venue(side(pos("X", "100"))), *moving)
    report = await settled(counting, clock)
    assert (len(counting.asked), [row.confirmed for row in report.discrepancies]) == (4, [False])


async def test_a_reading_that_tells_nothing_new_is_the_last() -> None:
    """A side that is away stays away for this check: no waiting for what cannot be confirmed."""
    clock, local = VirtualClock(START), side(pos("X", "100"))
    venue = Venue(side(pos("X", "103")))
    counting = Counting(clock, venue, local)
    assert len((await settled(counting, clock, most=1)).discrepancies) == 1
    venue.answers["positions"] = failure(SourceUnreachable)
    report = await settled(counting, clock)
    assert report.status == "incomplete"
    assert len(counting.asked) <= 3
