"""Attacks on acting, recording and starting anew: nothing is acted on twice, and a start judges as the process would have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.live.failing_record import FailingRecord, How
from tests.live.recorded import RecordedDesk
from tests.record.test_recording import missed_fill, statuses
from tests.record.test_replaying import judged
from tieout.brokers.simulated import Fault, FaultRule
from tieout.errors import OutcomeUnknown
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import Change
from tieout.model.discrepancy import ActionStatus
from tieout.model.report import ReconciliationReport
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings


@pytest.fixture
def settings(tmp_path: Path) -> RecordSettings:
    """A record of its own, its keys made."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))


class FailingDesk(RecordedDesk):
    """A desk whose record fails when it is told to."""

    failing: FailingRecord

    async def begin(self) -> FailingRecord:
        """A start of its process."""
        if self.record is not None:
            await self.record.close()
        self.record = await open_record(self.settings, self.clock)
        self.failing = FailingRecord(self.record)
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.failing, alarm=self)
        return self.failing

    async def end(self) -> None:
        """Close its record."""
        assert self.record is not None
        await self.record.close()

    async def all_same(self) -> list[bool]:
        """Of each reading in the record, whether it is judged again as it was."""
        assert self.record is not None
        return [one.same for one in await judged(self.record, "main")]


def rows(report: ReconciliationReport) -> list[tuple[object, ...]]:
    """What a report found and plans, without the name of the report."""
    found = [(row.discrepancy_id, row.strategy, row.confirmed) for row in report.discrepancies]
    return [*found, *((action.action, action.status, dict(action.detail)) for action in report.actions)]


class Doubtful:
    """Books whose next booking is lost on the way, with nobody knowing; while `dark` they cannot be read, either."""


async def test_a_reading_that_was_not_kept_leaves_a_record_that_can_still_be_judged_again(
    settings: RecordSettings,
) -> None:
    """One reading fails to be recorded; those after it, and those after later starts on that day, repeat to the byte."""
    desk = FailingDesk(settings)
    failing = await desk.begin()
    missed_fill(desk)
    for number in range(4):
        if number == 2:
            failing.fail_next("reading", "refused")
        await desk.read()
    for _ in range(2):
        await desk.begin()
        desk.world.trade("main", "AAPL", "sell", 1, 190)
        await desk.read()
        await desk.read()
    assert await desk.all_same() == [True] * 7
    await desk.end()
