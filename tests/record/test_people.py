"""What people say is kept, counts in the next reading, and is refused in a sentence where it cannot count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from tests.live.recorded import RecordedDesk
from tests.live.test_reconciler import actions
from tieout.brokers.base import OrderRequest
from tieout.clock import Clock
from tieout.decide import Policy
from tieout.errors import RecordUnavailable, WordRefused
from tieout.live.gate import Gate
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Fill
from tieout.model.word import Verdict, Word
from tieout.record.opening import open_record
from tieout.record.people import People
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import approvals, breaks, payloads

S = ReconciliationStrategy
WHY = "I saw 12.5 more of it on the phone"


class Floor(RecordedDesk):
    """A recorded desk with a gate, and a service beside which people speak through another opening of the same record."""

    def __init__(self, settings: RecordSettings, policy: Policy | None = None) -> None:
        super().__init__(settings, policy=policy)
        self.gate = Gate()

    async def start(self, clock: Clock | None = None) -> StoreRecord:
        """Begin anew."""
        record = await super().start(clock)
        self.gate = Gate()
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy, gate=self.gate)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=record, alarm=self)
        return record

    async def strange(self, quantity: int = 40) -> ReconciliationReport:
        """Somebody else buys, and the account halts."""
        self.world.trade("main", "AAPL", "buy", Decimal(quantity), Decimal(190))
        await self.read()
        return await self.read()

    def may_buy(self) -> bool:
        """Whether an opening order passes the gate."""
        self.gate.open()
        order = OrderRequest(client_order_id="own-9", asset="AAPL", side="buy", quantity=Decimal(1))
        return self.gate.refusal(order, local=Decimal(100), broker=Decimal(100), enforced=True) is None


@dataclass
class House:
    """The floor and the people, who have a connection of their own."""

    floor: Floor
    people: People
    other: StoreRecord


def position(report: ReconciliationReport) -> str:
    """The position's break."""
    return next(row.discrepancy_id for row in report.discrepancies if row.domain == "position")


@pytest.fixture
async def house(settings: RecordSettings) -> AsyncIterator[House]:
    """A floor that was read once, and people."""
    async for each in housing(settings, Policy()):
        yield each


async def housing(settings: RecordSettings, policy: Policy) -> AsyncIterator[House]:
    floor = Floor(settings, policy)
    await floor.start()
    await floor.read()
    other = await open_record(settings, floor.clock)
    yield House(floor, People(other, floor.clock), other)
    await other.close()
    assert floor.record is not None
    await floor.record.close()


async def refusal(attempt: object) -> str:
    """Why it was refused."""
    with pytest.raises(WordRefused) as caught:
        await attempt  # type: ignore[misc]
    return caught.value.why


async def words(house: House) -> int:
    """How many words were kept."""
    return len(await house.other.database.read(lambda connection: connection.execute(select(approvals)).all()))


async def test_an_approved_plan_is_carried_out_by_the_next_reading(house: House) -> None:
    """Approved by the begin of an id: the books equal the broker after the next reading, and the halt stands on."""
    floor = house.floor
    report = await floor.strange()
    before = await floor.held()
    said = await house.people.approve(position(report)[:8], actor="ann", why=WHY)
    assert said.plan is not None
    assert [action.action for action in said.plan.actions] == [ActionKind.BOOK_FILL]
    assert said.plan.until == report.started_at - timedelta(seconds=30) + timedelta(days=1)
    assert {row.domain for row in said.breaks} == {"position", "balance"}
    assert [halt.reason for halt in said.halts] == ["somebody_else"]
    assert (said.word.at, said.word.plan, said.discrepancies) == (floor.clock.now(), said.plan.plan, ())
    assert await floor.held() == before
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.DONE]
    assert await floor.held() == floor.stated()
    assert not floor.may_buy()
