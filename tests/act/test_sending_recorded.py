"""Orders of ours on a real record: a process that dies at any point, and is started again, sends no second one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.act.desk import Power, PowerCut
from tests.act.sending_desk import Desk
from tieout.brokers.simulated import Fault
from tieout.decide import Policy, Rule
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.amounts import dec
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.word import Verdict, Word
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings

ASKS = Policy(rules=(Rule(strategy=ReconciliationStrategy.SYNC_TO_LOCAL, domain=("position",)),))


class RecordedDesk(Desk):
    """A trading desk with a real record; `start` is a start of its process."""

    record: StoreRecord | None = None
    road: PositionReconciler

    def at(self, folder: Path) -> RecordedDesk:
        """Keep the record there."""
        folder.mkdir()
        keys.create(folder / "keys", "tieout-test")
        self.settings = RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))
        return self

    async def start(self) -> None:
        """Begin anew, on what the record kept."""
        self.wire(None)
        if self.record is not None:
            await self.record.close()
        self.record = await open_record(self.settings, self.clock)
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy)
        self.road = PositionReconciler({"main": account}, self.clock, record=self.record, alarm=self)

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Listen to nothing."""

    async def round(self, power: Power | None = None) -> ReconciliationReport:
        """One reconciliation, half a minute on; it may die on the way."""
        self.clock.advance(30)
        self.wire(power)
        try:
            return await self.road.reconcile("main")
        finally:
            self.wire(None)

    async def close(self) -> None:
        """Leave."""
        if self.record is not None:
            await self.record.close()


@pytest.mark.parametrize("market", [("50", None), ("45", None), ("50", "2")])
async def test_a_process_that_dies_anywhere_sends_the_order_once(
    tmp_path: Path, market: tuple[str, str | None]
) -> None:
    """Die at any call to the venue or wait, twice, start again: one order arrived, and the halt is not forgotten."""
    step = 1 if market[0] == "50" and market[1] is None else 17
    for lasts in range(0, 80, step):
        desk = RecordedDesk().at(tmp_path / f"{lasts}")
        desk.broker.market = (dec(market[0]), None if market[1] is None else dec(market[1]))
        await desk.start()
        await desk.round()
        died = 0
        for left in (lasts, 1):
            try:
                await desk.round(Power(left))
            except PowerCut:
                died += 1
                await desk.start()
        for _ in range(8):
            report = await desk.round()
        await desk.start()
        report = await desk.round()
        assert max(Counter(request.client_order_id for request in desk.broker.asked).values()) == 1
        assert len(desk.ours()) == 1 and not [order for order in desk.ours() if order.live]
        filled = desk.ours()[0].done
        assert desk.stated() == 10 - filled
        standing = {halt.reason for halt in report.halts}
        assert standing == (set() if filled == 6 else {"did_not_converge"})
        await desk.close()
        if not died:
            break
    assert lasts > 0


async def test_a_lost_request_is_waited_out_over_a_restart(tmp_path: Path) -> None:
    """The request was lost and the process died: nothing is sent before a minute has gone, then once, under another id."""
    desk = RecordedDesk().at(tmp_path / "r")
    await desk.start()
    await desk.round()
    desk.fault(Fault.LOST_REQUEST, "submit_order")
    with pytest.raises(PowerCut):
        await desk.round(Power(10))
    began = desk.clock.now()
    while len(desk.broker.asked) == 1:
        await desk.start()
        await desk.round()
    assert (desk.clock.now() - began).total_seconds() >= 50
    names = [request.client_order_id for request in desk.broker.asked]
    assert len(set(names)) == len(names) == 2 and desk.stated() == 4
    for _ in range(3):
        report = await desk.round()
    assert len(desk.broker.asked) == 2 and not report.halts
    await desk.close()


async def test_approved_it_is_sent_once_and_a_restart_does_not_send_it_again(tmp_path: Path) -> None:
    """A person approves the plan that waits: the next reading sends it; before that, and after a restart, nothing is sent."""
    desk = RecordedDesk(policy=ASKS).at(tmp_path / "r")
    await desk.start()
    for _ in range(3):
        await desk.round()
    (plan,) = desk.road.plans["main"]
    assert desk.broker.asked == []
    desk.broker.market = (dec("50"), dec("2"))
    word = Word(id="w", account="main", subject="main", verdict=Verdict.APPROVE, actor="ann", text="yes",
                plan=plan.fingerprint)  # fmt: skip
    await desk.road.say(word)
    await desk.start()
    await desk.round()
    assert len(desk.broker.asked) == 1 and desk.stated() == 8
    for _ in range(4):
        await desk.start()
        report = await desk.round()
    assert len(desk.broker.asked) == 1
    assert {halt.reason for halt in report.halts} == {"did_not_converge"}
    await desk.close()
