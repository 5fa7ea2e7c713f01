"""Corrections that nobody wants any more are taken back by whoever may act for the account, and by nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.books.test_pushed import Shelf
from tests.live.failing_record import FailingRecord
from tests.live.recorded import RecordedDesk
from tieout.books.corrections import CorrectionState
from tieout.books.pushed import PushedBooks
from tieout.errors import AccountTaken
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import SetPosition
from tieout.model.report import ReconciliationReport
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings


class TakenRecord(FailingRecord):
    """A record whose account another process has taken, from the call that it is told on."""

    def __init__(self, record: StoreRecord) -> None:
        super().__init__(record)
        self.taken_at: str | None = None

    async def claim(self, account: str) -> int:
        self._look("claim")
        return await super().claim(account)

    async def confirm(self, account: str) -> None:
        self._look("confirm")
        await super().confirm(account)

    def _look(self, call: str) -> None:
        if self.taken_at == call:
            raise AccountTaken("another process reconciles main")


class PushingDesk(RecordedDesk):
    """A desk whose books another program keeps; a correction waits there that no reading wants."""

    async def begin(self) -> None:
        """Start, with both sides alike."""
        self.record = await open_record(self.settings, self.clock)
        self.failing = TakenRecord(self.record)
        self.pushed = PushedBooks("main", Shelf(), self.clock)
        account = Account(name="main", local=self.pushed, broker=self.broker, policy=self.policy)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.failing, alarm=self)
        await self.push()
        change = SetPosition("AAPL", "net", Decimal(100), "unexplained")
        await self.pushed.hand_over("c-1", [change], reason="unexplained")

    async def push(self) -> None:
        """Push what the broker holds."""
        self.clock.advance(1)
        await self.pushed.put(replace(self.world.snapshot("main"), source="local", as_of=self.clock.now()))

    async def state(self) -> CorrectionState:
        """How the correction stands."""
        (found,) = await self.pushed.corrections(ended=True)
        return found.state


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[PushingDesk]:
    """A desk with a record of its own."""
    keys.create(tmp_path / "keys", "tieout-test")
    made = PushingDesk(RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys")))
    await made.begin()
    yield made
    assert made.record is not None
    await made.record.close()


def refused(report: ReconciliationReport) -> bool:
    """Whether a report says that nothing was acted on."""
    return any(warning.startswith("Nothing was acted on") for warning in report.summary.warnings)


async def test_who_may_act_takes_back_what_no_reading_wants(desk: PushingDesk) -> None:
    """A matched reading wants nothing: what waits is withdrawn, once it is confirmed that nobody else acts."""
    report = await desk.read(1)
    assert (report.status, refused(report)) == ("matched", False)
    assert await desk.state() is CorrectionState.WITHDRAWN
    assert desk.failing.calls.index("permit") < desk.failing.calls.index("confirm")
    calls = len(desk.failing.calls)
    await desk.read(1)
    assert not {"permit", "confirm"} & set(desk.failing.calls[calls:])  # there is nothing left to ask for


@pytest.mark.parametrize("call", ["claim", "confirm"])
async def test_who_is_not_the_one_writer_leaves_what_was_handed_over(desk: PushingDesk, call: str) -> None:
    """Whoever has the account may want it: a process that was refused it, or paused until it lost it, takes nothing back."""
    desk.failing.taken_at = call
    assert refused(await desk.read(1))
    assert await desk.state() is CorrectionState.WAITS
    desk.failing.taken_at = None
    assert not refused(await desk.read(1))
    assert await desk.state() is CorrectionState.WITHDRAWN


@pytest.mark.parametrize("call", ["configure", "reading", "permit", "confirm"])
async def test_where_the_record_fails_nothing_is_taken_back(desk: PushingDesk, call: str) -> None:
    """Nothing is acted on then, and that is an act: it waits until the record is there again."""
    desk.failing.fail_next(call, "refused")
    assert refused(await desk.read(1))
    assert await desk.state() is CorrectionState.WAITS
    await desk.read(1)
    assert await desk.state() is CorrectionState.WITHDRAWN
