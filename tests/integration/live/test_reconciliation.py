"""The engine with reconciliation, end to end: schedule, gate, books and broker, before and after."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.live.trading import Told, TradingDesk
from tests.live.virtual import LoopClock, virtual
from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule, Instrument, World
from tieout.brokers.streams.polled import Polled
from tieout.decide import Policy, Rule
from tieout.errors import OrderRefused
from tieout.live.engine import LiveTradingEngine
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.schedule import Cadence, Schedule
from tieout.live.strategy import EngineSettings, Scheduling
from tieout.model.discrepancy import CauseCode, ReconciliationStrategy, Severity
from tieout.model.report import ReconciliationReport


class ScheduledDesk(TradingDesk):
    """A desk whose engines reconcile by themselves, every five minutes and after what matters."""

    cadence = Cadence()

    def engine(self, strategy: Told | None = None) -> LiveTradingEngine:
        """An engine with a schedule."""
        self.strategy = strategy or Told()
        plain = super().engine(self.strategy)
        account = Account(name="main", local=plain.books, broker=self.broker, policy=self.policy)
        return LiveTradingEngine(
            self.strategy, account, settings=self.settings, clock=self.clock, alarm=self.alarm, reported=self._keep,
            schedule=self._schedule,
        )  # fmt: skip

    def _schedule(self, reconciler: PositionReconciler, account: Account) -> Scheduling:
        return Schedule(reconciler, {account.name: account}, self.cadence, clock=self.clock, alarm=self.alarm)

    @property
    def last(self) -> ReconciliationReport:
        """The last report."""
        return self.reports[-1]


async def opens(engine: LiveTradingEngine) -> bool:
    """Whether an order that opens something leaves."""
    try:
        await engine.submit("AAPL", "buy", Decimal(1), limit_price=Decimal(1))
    except OrderRefused:
        return False
    return True


@virtual
async def test_every_five_minutes_and_nothing_found(clock: LoopClock) -> None:
    """A trading account that agrees with its broker is reconciled at its interval, matches, and is never disturbed."""
    desk = ScheduledDesk(clock)
    engine = await desk.started()
    await engine.submit("AAPL", "buy", Decimal(3))
    await engine.submit("AAPL", "sell", Decimal(2))
    await clock.sleep(1510)
    await engine.stop()
    assert [report.trigger for report in desk.reports].count("schedule") == 5
    assert {report.status for report in desk.reports} == {"matched"}
    assert desk.alarm.sentences == []
    assert await desk.held() == desk.stated()
    assert desk.stated()[0] == {"AAPL": Decimal(101)}


@virtual
async def test_a_large_fill_and_a_reconnect_are_followed_by_a_reconciliation(clock: LoopClock) -> None:
    """A fill of a tenth of the position is, a small one is not; a broker that answers again is."""
    desk = ScheduledDesk(clock)
    engine = await desk.started()
    await engine.submit("AAPL", "buy", Decimal(1))
    await clock.sleep(30)
    assert "event" not in [report.trigger for report in desk.reports]
    await engine.submit("AAPL", "buy", Decimal(30))
    await clock.sleep(30)
    assert [report.trigger for report in desk.reports].count("event") == 1
    desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=3))
    await clock.sleep(30)
    assert [report.trigger for report in desk.reports].count("event") == 2
    await engine.stop()
    assert await desk.held() == desk.stated()


@pytest.mark.parametrize(
    ("quantity", "severity", "strategy", "booked", "trades_on"),
    [
        ("0.5", Severity.MINOR, ReconciliationStrategy.WARN_ONLY, False, True),
        ("1", Severity.MODERATE, ReconciliationStrategy.SYNC_TO_BROKER, True, True),
        ("5", Severity.MODERATE, ReconciliationStrategy.SYNC_TO_BROKER, True, True),
        ("6", Severity.CRITICAL, ReconciliationStrategy.HALT_AND_ALERT, False, False),
    ],
)
def test_somebody_elses_trade_by_its_severity(
    quantity: str,
    severity: Severity,
    strategy: ReconciliationStrategy,
    booked: bool,
    trades_on: bool,
) -> None:
    """Below 1 % it is told, up to 5 % booked and told to the strategy, above it stops the next order."""

    @virtual
    async def scenario(clock: LoopClock) -> None:
        desk = ScheduledDesk(clock)
        engine = await desk.started()
        before = await desk.held()
        desk.world.trade("main", "AAPL", "sell", Decimal(quantity), Decimal(190))
        await clock.sleep(620)
        first = next(report for report in desk.reports if report.discrepancies)
        row = next(row for row in first.discrepancies if row.domain == "position")
        assert (row.severity, row.strategy, row.cause.code) == (severity, strategy, CauseCode.EXTERNAL_TRADE)
        assert (await desk.held() == desk.stated()) == booked
        assert (await desk.held() == before) != booked
        assert [str(fill.quantity) for fill in desk.strategy.fills] == ([quantity] if booked else [])
        assert await opens(engine) == trades_on
        assert bool(desk.last.halts) != trades_on
        await engine.stop()

    scenario()


@virtual
async def test_cash_within_and_beyond_tolerance(clock: LoopClock) -> None:
    """Five dollars more are within tolerance, and a thousand are booked as the deposit that they are; trading goes on."""
    desk = ScheduledDesk(clock)
    engine = await desk.started()
    desk.world.office.pay("main", "deposit", "USD", Decimal(5))
    await clock.sleep(310)
    assert desk.last.status == "matched"
    desk.world.office.pay("main", "deposit", "USD", Decimal(1000))
    await clock.sleep(620)
    assert await opens(engine)
    assert desk.last.status == "matched"
    assert await desk.held() == desk.stated()
    await engine.stop()


@virtual
async def test_orders_that_only_one_side_knows(clock: LoopClock) -> None:
    """The venue's own is told and left alone; local's lost one ends rejected once the venue denied it three times."""
    desk = ScheduledDesk(clock)
    engine = await desk.started()
    desk.world.submit("main", OrderRequest(client_order_id="manual-1", asset="AAPL", side="buy", quantity=Decimal(1),
                                           limit_price=Decimal(150)))  # fmt: skip
    desk.broker.faults.inject(FaultRule(fault=Fault.LOST_REQUEST, calls=frozenset({"submit_order"})))
    lost = await engine.submit("AAPL", "buy", Decimal(2), limit_price=Decimal(150))
    assert lost.status == "pending"
    await clock.sleep(1300)
    found = desk.books.orders.find(client_order_id=lost.client_order_id)
    assert found is not None
    assert found.status == "rejected"
    live = [order.client_order_id for order in desk.world.snapshot("main").orders or () if order.live]
    assert live == ["manual-1"]
    assert desk.books.orders.find(client_order_id="manual-1") is None
    assert await opens(engine)
    await engine.stop()


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.TIMEOUT, Fault.PARTIAL, Fault.THROTTLED])
def test_balances_that_cannot_be_read_prove_nothing(fault: Fault) -> None:
    """A reading without balances is incomplete: nothing is booked, nothing halts at once, and orders go on leaving."""

    @virtual
    async def scenario(clock: LoopClock) -> None:
        desk = ScheduledDesk(clock)
        engine = await desk.started()
        before = await desk.held()
        desk.broker.faults.inject(FaultRule(fault=fault, times=None, calls=frozenset({"get_balances"})))
        await clock.sleep(320)
        assert desk.reports[-1].status == "incomplete"
        assert await desk.held() == before
        assert await opens(engine)
        await clock.sleep(1300)
        assert desk.last.halts, "for a quarter of an hour nobody could say what there is"
        assert not await opens(engine)
        desk.broker.faults.clear()
        await clock.sleep(1000)
        assert [report.status for report in desk.reports[-2:]] == ["matched"] * 2
        await engine.stop()

    scenario()


@virtual
async def test_an_account_without_anything_may_be_traded(clock: LoopClock) -> None:
    """No position and no cash on either side is agreement, not a riddle: the gate opens."""
    desk = ScheduledDesk(clock)
    desk.world = World(clock, seed=4)
    desk.world.add_account("main")
    desk.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD"))
    desk.world.set_price("AAPL", Decimal(190))
    desk.books = EngineBooks("main", clock)
    engine = await desk.started()
    assert desk.last.status == "matched"
    with pytest.raises(OrderRefused) as caught:
        await engine.submit("AAPL", "buy", Decimal(1))
    assert desk.sent() == [1], f"the gate let it through, the venue has no funds for it ({caught.value.reason})"
    await engine.stop()


@virtual
async def test_an_asset_halt_stops_that_asset_alone(clock: LoopClock) -> None:
    """With `halt_scope = "asset"`, what is wrong with one asset leaves the others trading."""
    rule = Rule(asset=("BTC-PERP",), strategy=ReconciliationStrategy.HALT_AND_ALERT)
    desk = ScheduledDesk(clock, policy=Policy(rules=(rule,), halt_scope="asset"))
    desk.world.add_instrument(Instrument(asset="BTC-PERP", kind="margin", currency="USD"))
    desk.world.set_price("BTC-PERP", Decimal(90_000))
    engine = await desk.started()
    desk.world.trade("main", "BTC-PERP", "buy", Decimal(1), Decimal(90_000))
    await clock.sleep(620)
    with pytest.raises(OrderRefused) as caught:
        await engine.submit("BTC-PERP", "buy", Decimal(1))
    assert caught.value.reason.startswith("halted")
    assert await opens(engine)
    await engine.stop()


@virtual
async def test_shadow_mode_halts_nothing(clock: LoopClock) -> None:
    """In shadow everything is decided and nothing done: orders leave although the reports call for a halt."""
    desk = ScheduledDesk(clock, policy=Policy(mode="shadow"))
    engine = await desk.started()
    before = await desk.held()
    desk.world.trade("main", "AAPL", "sell", Decimal(40), Decimal(190))
    await clock.sleep(620)
    assert any(row.strategy is ReconciliationStrategy.HALT_AND_ALERT for row in desk.last.discrepancies)
    assert await opens(engine)
    assert await desk.held() == before
    await engine.stop()


@virtual
async def test_a_halt_found_by_the_schedule_stops_a_strategy_in_full_swing(clock: LoopClock) -> None:
    """A strategy that orders every ten seconds gets nothing out after the reconciliation that halted."""
    desk = ScheduledDesk(clock, settings=EngineSettings(timer_seconds=10))
    engine = await desk.started(Told(on_timer=lambda engine: engine.submit("AAPL", "buy", Decimal(1))))
    await clock.sleep(100)
    desk.world.trade("main", "AAPL", "sell", Decimal(60), Decimal(190), liquidation=True)
    await clock.sleep(620)
    halted = next(report for report in desk.reports if report.halts)
    orders = [order for order in desk.books.orders.orders if order.client_order_id]
    late = [order for order in orders if order.created_at and order.created_at > halted.finished_at]
    assert len(orders) > 5
    assert late == []
    assert halted.finished_at - halted.started_at < timedelta(seconds=1)
    await engine.stop()


@virtual
async def test_what_the_venue_tells_is_booked_without_waiting_for_the_next_look(clock: LoopClock) -> None:
    """A fill of a resting order is told to the strategy a moment later, however rarely the engine looks by itself."""

    class Telling(ScheduledDesk):
        def _schedule(self, reconciler: PositionReconciler, account: Account) -> Scheduling:
            polled = Polled(self.broker, clock=self.clock, seconds=1)
            named = {account.name: account}
            return Schedule(
                reconciler, named, self.cadence, clock=self.clock, alarm=self.alarm, streams={account.name: [polled]}
            )

    desk = Telling(clock, settings=EngineSettings(poll_seconds=60))
    engine = await desk.started()
    await clock.sleep(10)
    await engine.submit("AAPL", "buy", Decimal(1), limit_price=Decimal(180))
    await clock.sleep(10)
    desk.world.set_price("AAPL", Decimal(180))
    await clock.sleep(3)
    assert [fill.quantity for fill in desk.strategy.fills] == [Decimal(1)]
    await engine.stop()
    assert await desk.held() == desk.stated()
