"""The engine on a simulated broker: what reached the venue, what stands in the books, and what never left."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.trading import Told, TradingDesk
from tests.live.virtual import LoopClock, virtual
from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Fault, FaultRule, SimulatedBroker
from tieout.decide import Policy
from tieout.errors import OrderRefused
from tieout.live.engine import LiveTradingEngine
from tieout.live.reconciler import Account
from tieout.live.strategy import EngineSettings
from tieout.model.snapshot import Fill, Order

SELDOM = EngineSettings(poll_seconds=100_000)  # what a test does not reconcile, it does not hear of


async def refused(engine: LiveTradingEngine, quantity: int = 1, *, reduce_only: bool = False) -> str:
    """The reason for which an order does not leave."""
    with pytest.raises(OrderRefused) as caught:
        await engine.submit("AAPL", "sell" if reduce_only else "buy", Decimal(quantity), reduce_only=reduce_only)
    return caught.value.reason


@virtual
async def test_orders_reach_the_broker_and_fills_the_books(clock: LoopClock) -> None:
    """A market order fills, a limit order rests; the books then equal the venue, fee included, and a fill is told once."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    bought = await engine.submit("AAPL", "buy", Decimal(3))
    resting = await engine.submit("AAPL", "buy", Decimal(2), limit_price=Decimal(150))
    await clock.sleep(3)
    assert desk.stated()[0] == {"AAPL": Decimal(103)}
    assert await desk.held() == desk.stated()
    assert [fill.quantity for fill in desk.strategy.fills] == [Decimal(3)]
    done = desk.books.orders.find(client_order_id=bought.client_order_id)
    assert done is not None
    assert (done.status, done.filled, done.broker_order_id) == ("filled", Decimal(3), bought.broker_order_id)
    assert [order.client_order_id for order in engine.orders] == [resting.client_order_id]
    assert (resting.status, engine.position("AAPL")) == ("open", Decimal(103))
    assert desk.sent() == [1, 1]
    await clock.sleep(60)
    assert (await engine.reconcile()).status == "matched"
    await engine.stop()


@virtual
async def test_each_fill_is_told_once_whoever_booked_it(clock: LoopClock) -> None:
    """A fill that a reconciliation booked reaches the strategy as well, and the look that comes later does not repeat it."""
    desk = TradingDesk(clock, settings=SELDOM)
    engine = await desk.started()
    await engine.submit("AAPL", "buy", Decimal(3), limit_price=Decimal(180))
    desk.world.set_price("AAPL", Decimal(180))
    await clock.sleep(30)
    assert desk.strategy.fills == []
    await engine.reconcile()
    await clock.sleep(1)
    assert [fill.quantity for fill in desk.strategy.fills] == [Decimal(3)]
    await engine.stop()
    assert len(desk.strategy.fills) == 1
    assert await desk.held() == desk.stated()


@virtual
async def test_an_order_that_ends_without_a_fill_is_noticed(clock: LoopClock) -> None:
    """What the venue ends by itself is no longer live in the books after the next look."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    order = await engine.submit("AAPL", "buy", Decimal(3), limit_price=Decimal(150))
    assert order.broker_order_id is not None
    desk.world.end("main", order.broker_order_id, "expired")
    await clock.sleep(2)
    assert engine.orders == ()
    found = desk.books.orders.find(client_order_id=order.client_order_id)
    assert found is not None
    assert found.status == "expired"
    await engine.stop()


@virtual
async def test_a_cancel_keeps_what_was_filled_before_it(clock: LoopClock) -> None:
    """An order filled in part and then cancelled ends so in the books, with the part that was filled booked."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    order = await engine.submit("AAPL", "buy", Decimal(5), limit_price=Decimal(180))
    desk.world.set_price("AAPL", Decimal(180), available=Decimal(2))
    cancelled = await engine.cancel(order.name)
    await clock.sleep(2)
    assert cancelled.status == "cancelled"
    found = desk.books.orders.find(client_order_id=order.client_order_id)
    assert found is not None
    assert (found.status, found.filled) == ("cancelled", Decimal(2))
    assert await desk.held() == desk.stated()
    await engine.stop()


@virtual
async def test_what_the_broker_refuses_ends_rejected(clock: LoopClock) -> None:
    """An order that the venue does not take is refused to the strategy, and rests nowhere."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    with pytest.raises(OrderRefused):
        await engine.submit("MSFT", "buy", Decimal(1), limit_price=Decimal(10))
    assert [order.status for order in desk.books.orders.orders if order.client_order_id] == ["rejected"]
    assert engine.orders == ()
    await engine.stop()


@virtual
async def test_somebody_elses_trade_is_left_to_the_policy(clock: LoopClock) -> None:
    """A fill of an order that is not the engine's is not booked on sight: the policy halts for one of this size."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    desk.world.trade("main", "AAPL", "sell", Decimal(40), Decimal(190))
    await clock.sleep(30)
    assert engine.position("AAPL") == 100
    assert desk.strategy.fills == []
    await engine.reconcile()
    assert engine.position("AAPL") == 100
    assert (await refused(engine)).startswith("halted")
    await engine.stop()


@virtual
async def test_a_halt_refuses_the_very_next_order(clock: LoopClock) -> None:
    """Once a reconciliation halts, nothing opens; cancels pass, and what only reduces, up to what is held."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    resting = await engine.submit("AAPL", "buy", Decimal(2), limit_price=Decimal(150))
    await clock.sleep(5)
    desk.world.trade("main", "AAPL", "sell", Decimal(10), Decimal(190), liquidation=True)
    await clock.sleep(30)
    await engine.submit("AAPL", "buy", Decimal(1))  # nobody knows yet
    await clock.sleep(5)
    seen = len(desk.sent())
    report = await engine.reconcile()
    assert report.halts
    assert (await refused(engine)).startswith("halted")
    assert "larger" in await refused(engine, 92, reduce_only=True)
    assert len(desk.sent()) == seen, "none of these reached the venue"
    assert (await engine.cancel(resting.name)).status == "cancelled"
    await engine.submit("AAPL", "sell", Decimal(91), reduce_only=True)
    assert desk.stated()[0] == {}, "the position was closed, and not turned"
    await engine.stop()


@virtual
async def test_mode_all_keeps_cancels_back_too(clock: LoopClock) -> None:
    """In mode `all` neither a cancel nor a reduction leaves, not even at the end."""
    desk = TradingDesk(clock, policy=Policy(halt_mode="all"))
    engine = await desk.started()
    resting = await engine.submit("AAPL", "buy", Decimal(2), limit_price=Decimal(150))
    await engine.halt("ada", "venue behaves oddly")
    assert await refused(engine, reduce_only=True)
    with pytest.raises(OrderRefused):
        await engine.cancel(resting.name)
    await engine.stop(cancel_orders=True)
    assert [order.status for order in desk.world.snapshot("main").orders or () if order.live] == ["open"]
    assert any("was not cancelled: halted" in sentence for sentence in desk.alarm.sentences)


@virtual
async def test_a_persons_halt_stands_until_a_persons_resume(clock: LoopClock) -> None:
    """A word stops trading at once, clean readings do not lift it, and a word lets it go on."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    await engine.halt("ada", "going home")
    for _ in range(4):
        await clock.sleep(60)
        assert (await engine.reconcile()).status == "matched"
    assert await refused(engine)
    await engine.resume("ada", "back again")
    await engine.submit("AAPL", "buy", Decimal(1))
    await engine.stop()
    assert desk.stated()[0] == {"AAPL": Decimal(101)}


@virtual
async def test_no_order_leaves_before_a_reading_was_complete(clock: LoopClock) -> None:
    """While the broker is away, or answers a part only, a start goes on trying, says so, and refuses every order."""
    desk = TradingDesk(clock)
    await clock.sleep(120)
    buys = Told(on_start=lambda engine: engine.submit("AAPL", "buy", Decimal(1)))
    engine = desk.engine(buys)
    desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=None))
    starting = asyncio.create_task(engine.start())
    await clock.sleep(60)
    assert await refused(engine) == "not_reconciled"
    assert await refused(engine, reduce_only=True) == "not_reconciled"
    desk.broker.faults.clear()
    desk.broker.faults.inject(FaultRule(fault=Fault.PARTIAL, times=None, calls=frozenset({"get_positions"})))
    await clock.sleep(60)
    assert (await refused(engine), buys.starts, desk.sent()) == ("not_reconciled", 0, [])
    assert desk.alarm.sentences == ["main: no order leaves yet: a side could not be read whole"]
    desk.broker.faults.clear()
    await starting
    await clock.sleep(1)
    assert (buys.starts, desk.sent()) == (1, [1])
    await engine.stop()


@virtual
async def test_books_that_nobody_adopted_are_not_traded_on(clock: LoopClock) -> None:
    """Empty books beside an account that holds something keep the gate shut until they adopt it."""
    desk = TradingDesk(clock)
    desk.books = EngineBooks("main", clock)
    await clock.sleep(120)
    engine = desk.engine()
    starting = asyncio.create_task(engine.start())
    await clock.sleep(30)
    assert await refused(engine) == "not_reconciled"
    await engine.reconciler.adopt("main")
    await starting
    await engine.submit("AAPL", "buy", Decimal(1))
    await clock.sleep(2)
    assert [fill.quantity for fill in desk.strategy.fills] == [Decimal(1)], "what was adopted is no fill of this life"
    assert await desk.held() == desk.stated()
    await engine.stop()


@pytest.mark.parametrize("fault", [Fault.LOST_REPLY, Fault.LOST_REQUEST, Fault.TIMEOUT, Fault.MALFORMED])
def test_an_order_whose_answer_was_lost_is_sent_once(fault: Fault) -> None:
    """Landed or not, it is never sent again, and the books come to what the venue made of it."""

    @virtual
    async def scenario(clock: LoopClock) -> None:
        desk = TradingDesk(clock)
        engine = await desk.started()
        desk.broker.faults.inject(FaultRule(fault=fault, calls=frozenset({"submit_order"})))
        order = await engine.submit("AAPL", "buy", Decimal(3))
        assert order.status == "pending"
        for _ in range(6):
            await clock.sleep(30)
            await engine.reconcile()
        assert max(desk.sent(), default=1) == 1
        assert len(desk.sent()) == (desk.stated()[0]["AAPL"] == 103)
        assert await desk.held() == desk.stated()
        assert (engine.orders, len(desk.strategy.fills)) == ((), len(desk.sent()))
        await engine.submit("AAPL", "buy", Decimal(1))  # nothing stands in the way of what comes after
        await engine.stop()
        assert await desk.held() == desk.stated()

    scenario()


@virtual
async def test_a_broker_that_never_answers_leaves_the_order_pending(clock: LoopClock) -> None:
    """An answer that takes too long is an answer that was lost: the strategy goes on, and the order is looked up."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    desk.broker.faults.inject(FaultRule(fault=Fault.LATENCY, calls=frozenset({"submit_order"}), seconds=10_000))
    order = await engine.submit("AAPL", "buy", Decimal(3))
    assert (order.status, desk.sent()) == ("pending", [])
    await engine.stop()


@virtual
async def test_a_start_waits_for_what_an_earlier_process_may_have_sent(clock: LoopClock) -> None:
    """An order registered and perhaps sent before a crash is known for sure before the strategy may buy the same again."""
    desk = TradingDesk(clock)
    await clock.sleep(120)
    pending = Order(
        asset="AAPL", side="buy", quantity=Decimal(3), status="pending", client_order_id="te-OLD-1",
        filled=Decimal(0), created_at=clock.now(), updated_at=clock.now(),
    )  # fmt: skip
    desk.books.orders.register(pending)

    async def buys_what_is_missing(engine: LiveTradingEngine) -> None:
        if engine.position("AAPL") == 100 and not engine.orders:
            await engine.submit("AAPL", "buy", Decimal(3))

    engine = desk.engine(Told(on_start=buys_what_is_missing))
    starting = asyncio.create_task(engine.start())
    await clock.sleep(30)
    assert (desk.strategy.starts, desk.sent()) == (0, [])
    # It was slow on its way, and arrives only now.
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(190), client_order_id="te-OLD-1")
    await starting
    await clock.sleep(30)
    assert (desk.strategy.starts, desk.sent(), desk.stated()[0]) == (1, [], {"AAPL": Decimal(103)})
    assert await desk.held() == desk.stated()
    await engine.stop()


@virtual
async def test_a_start_gives_up_waiting_where_the_venue_never_says(clock: LoopClock) -> None:
    """Where an order's fate cannot be learnt, trading begins after a while, a person is told, and it stands as pending."""
    desk = TradingDesk(clock)
    await clock.sleep(120)
    desk.books.orders.register(
        Order(
            asset="AAPL",
            side="buy",
            quantity=Decimal(3),
            status="pending",
            client_order_id="te-OLD-1",
            created_at=clock.now(),
            updated_at=clock.now(),
        )
    )
    engine = desk.engine()
    desk.broker.faults.inject(FaultRule(fault=Fault.TIMEOUT, times=None, calls=frozenset({"get_order"})))
    began = clock.passed()
    starting = asyncio.create_task(engine.start())
    await starting
    assert clock.passed() - began >= 180
    assert [order.status for order in engine.orders] == ["pending"]
    assert "still not known" in desk.alarm.sentences[-1]
    await engine.stop()


@virtual
async def test_a_strategy_that_raises_opens_nothing_more(clock: LoopClock) -> None:
    """It is contained and told once, with its place and without its text; it may still reduce, until a person resumes it."""
    desk = TradingDesk(clock)
    engine = await desk.started(Told(on_timer=lambda _: _broken()))
    await clock.sleep(35)
    assert desk.strategy.ticks == 3, "it is still called"
    (sentence,) = desk.alarm.sentences
    assert "on_timer" in sentence
    assert "test_engine" in sentence
    assert "19.99" not in sentence
    assert (await refused(engine)).startswith("strategy_failed")
    await engine.submit("AAPL", "sell", Decimal(1), reduce_only=True)
    desk.strategy.reacts["on_timer"] = None
    await engine.resume("ada", "mended")
    await engine.submit("AAPL", "buy", Decimal(1))
    await engine.stop()
    assert desk.stated()[0] == {"AAPL": Decimal(100)}


async def _broken() -> None:
    raise ValueError("amount 19.99")


@virtual
async def test_a_refusal_that_a_strategy_lets_through_says_nothing_against_it(clock: LoopClock) -> None:
    """A halt that lifts must not leave behind a strategy that nobody resumes."""
    desk = TradingDesk(clock)
    engine = await desk.started(Told(on_timer=lambda engine: engine.submit("AAPL", "buy", Decimal(1))))
    await engine.halt("ada", "a moment")
    await clock.sleep(25)
    await engine.resume("ada", "go on")
    assert engine.gate.closed == ()
    await clock.sleep(10)
    assert desk.stated()[0] == {"AAPL": Decimal(101)}
    await engine.stop()


@virtual
async def test_a_strategy_that_does_not_hear_of_its_fills_cannot_buy_on(clock: LoopClock) -> None:
    """While fills cannot be fetched for long, positions may only be reduced; with the first answer it goes on."""
    desk = TradingDesk(clock)

    async def buys_until_it_holds_enough(engine: LiveTradingEngine) -> None:
        if engine.position("AAPL") < 110:
            await engine.submit("AAPL", "buy", Decimal(10))

    engine = await desk.started(Told(on_timer=buys_until_it_holds_enough))
    desk.broker.faults.inject(FaultRule(fault=Fault.TIMEOUT, times=None, calls=frozenset({"get_fills"})))
    await clock.sleep(600)
    assert len(desk.sent()) <= 3, "an order each ten seconds, until it was noticed"
    assert (await refused(engine)).startswith("fills_not_read")
    assert sum("fills cannot be fetched" in sentence for sentence in desk.alarm.sentences) == 1
    desk.broker.faults.clear()
    await clock.sleep(5)
    assert engine.gate.closed == ()
    assert await desk.held() == desk.stated()
    await engine.stop()


@virtual
async def test_callbacks_never_overlap_and_a_slow_one_gets_one_late_tick(clock: LoopClock) -> None:
    """A strategy need not guard against itself; ticks that it slept through are not made up for."""
    running: list[int] = []

    async def slow(_: LiveTradingEngine) -> None:
        assert not running, "one at a time"
        running.append(1)
        await clock.sleep(35)
        running.clear()

    desk = TradingDesk(clock)
    engine = await desk.started(Told(on_timer=slow))
    await clock.sleep(121)
    assert desk.strategy.ticks == 4
    assert desk.alarm.sentences == []
    await engine.stop()


@virtual
async def test_a_stop_is_orderly_and_a_restart_goes_on(clock: LoopClock) -> None:
    """After a stop nothing leaves, a last look books what filled, and the next start trades on the same books, once told."""
    desk = TradingDesk(clock, settings=EngineSettings(poll_seconds=50))
    engine = await desk.started()
    first = await engine.submit("AAPL", "buy", Decimal(3))
    await engine.stop()
    await engine.stop()
    assert await refused(engine) == "stopped"
    assert await desk.held() == desk.stated()
    ticks = desk.strategy.ticks
    await clock.sleep(100)
    assert desk.strategy.ticks == ticks
    again = await desk.started()
    second = await again.submit("AAPL", "buy", Decimal(1))
    assert first.client_order_id != second.client_order_id
    await clock.sleep(51)
    assert [fill.quantity for fill in desk.strategy.fills] == [Decimal(1)], "what was told in another life is not new"
    await again.stop()
    assert desk.sent() == [1, 1]
    assert await desk.held() == desk.stated()


@virtual
async def test_stopping_cancels_orders_only_where_asked(clock: LoopClock) -> None:
    """A stop leaves resting, perhaps protective, orders alone, unless it is told to end them."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    await engine.submit("AAPL", "sell", Decimal(100), stop_price=Decimal(150))
    await engine.stop()
    assert len([order for order in desk.world.snapshot("main").orders or () if order.live]) == 1
    again = await desk.started()
    await again.stop(cancel_orders=True)
    assert [order for order in desk.world.snapshot("main").orders or () if order.live] == []
    assert again.orders == ()


@virtual
async def test_a_strategy_may_stop_its_own_engine(clock: LoopClock) -> None:
    """A callback that stops the engine does not wait for itself."""
    desk = TradingDesk(clock)
    await desk.started(Told(on_timer=lambda engine: engine.stop()))
    await clock.sleep(60)
    assert desk.strategy.ticks == 1


@virtual
async def test_an_order_is_not_held_up_by_a_reconciliation(clock: LoopClock) -> None:
    """While a slow reading is under way, an order leaves and its fill is booked as if there were none."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    desk.broker.faults.inject(FaultRule(fault=Fault.LATENCY, calls=frozenset({"get_balances"}), seconds=20))
    reading = asyncio.create_task(engine.reconcile())
    await clock.sleep(1)
    began = clock.passed()
    await engine.submit("AAPL", "buy", Decimal(3))
    assert clock.passed() == began
    await clock.sleep(2)
    assert engine.position("AAPL") == 103
    assert not reading.done()
    await reading
    await clock.sleep(60)
    assert (await engine.reconcile()).status == "matched"
    await engine.stop()


@virtual
async def test_a_persons_halt_lets_reductions_through_like_any_other(clock: LoopClock) -> None:
    """Who stops trading by hand can still get out of the position, unless the policy says that nothing may pass."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    await engine.halt("ada", "venue behaves oddly")
    assert await refused(engine)
    await engine.submit("AAPL", "sell", Decimal(100), reduce_only=True)
    assert desk.stated()[0] == {}
    await engine.stop()


@virtual
async def test_a_fill_dated_into_the_future_hides_none_that_come_before_it(clock: LoopClock) -> None:
    """A venue that dates one fill wrongly does not leave the strategy deaf to its own."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    truly = desk.broker.get_fills
    odd = Fill(fill_id="odd", asset="AAPL", side="buy", quantity=Decimal(1), price=Decimal(190),
               at=clock.now() + timedelta(days=1))  # fmt: skip

    async def get_fills(since: datetime) -> tuple[Fill, ...]:
        return (*await truly(since), odd)

    desk.broker.get_fills = get_fills  # type: ignore[method-assign]
    await clock.sleep(5)
    await engine.submit("AAPL", "buy", Decimal(3))
    await clock.sleep(5)
    assert engine.position("AAPL") == 103
    await engine.stop()


@virtual
async def test_a_stop_ends_a_start_that_goes_on_trying(clock: LoopClock) -> None:
    """Who stops an engine that never could start has stopped it: nothing is called and nothing leaves later."""
    desk = TradingDesk(clock)
    await clock.sleep(120)
    engine = desk.engine()
    desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=None))
    starting = asyncio.create_task(engine.start())
    await clock.sleep(25)
    await engine.stop()
    desk.broker.faults.clear()
    await starting
    await clock.sleep(60)
    assert (desk.strategy.starts, desk.strategy.ticks) == (0, 0)
    assert await refused(engine) == "not_reconciled"


@virtual
async def test_a_gate_that_was_open_before_is_shut_until_it_is_reconciled(clock: LoopClock) -> None:
    """A gate handed from one engine to the next tells the next one nothing."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    await engine.stop()
    gate = engine.gate
    gate.open()
    account = Account(name="main", local=desk.books, broker=SimulatedBroker(desk.world, "main"), gate=gate)
    again = LiveTradingEngine(desk.strategy, account, clock=clock, alarm=desk.alarm)
    assert await refused(again) == "not_reconciled"
    await again.start()
    await again.submit("AAPL", "buy", Decimal(1))
    await again.stop()
    assert await desk.held() == desk.stated()


@virtual
async def test_corrections_of_a_reconciliation_are_nobodys_own_orders(clock: LoopClock) -> None:
    """An engine whose ids could be taken for those that bring the broker to local is not made at all."""
    desk = TradingDesk(clock, settings=EngineSettings(client_id_prefix="tieout-a"))
    with pytest.raises(AssertionError):
        desk.engine()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 5)),
        st.tuples(st.just("sell"), st.integers(1, 5)),
        st.tuples(st.just("bid"), st.integers(170, 200)),
        st.tuples(st.just("price"), st.integers(170, 200)),
        st.tuples(st.just("thin"), st.integers(1, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("expire"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(1, 120)),
        st.tuples(st.just("reconcile"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.sampled_from(("LOST_REPLY", "LOST_REQUEST", "TIMEOUT", "UNAVAILABLE", "THROTTLED", "LATENCY", "LAG",
                                   "CANCEL_LOST", "PARTIAL", "MALFORMED")), st.integers(1, 40)),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_goes_wrong_on_the_way_the_books_come_right(steps: list[tuple[str, int]]) -> None:
    """Orders, cancels, lost answers, outages, restarts and reconciliations in any order: each order reaches the venue at most
    once, each fill is told once, and once the venue answers again the books equal it, with nothing pending."""

    @virtual
    async def scenario(clock: LoopClock) -> None:
        desk = TradingDesk(clock)
        engine = await desk.started()
        told: list[str] = []
        for name, value in steps:
            engine = await _step(desk, engine, name, value, told)
        desk.broker.faults.clear()
        desk.world.set_price("AAPL", Decimal(185))
        for _ in range(6):
            await clock.sleep(45)
            report = await engine.reconcile()
        await clock.sleep(2)
        await engine.stop()
        told += [fill.fill_id for fill in desk.strategy.fills]
        assert max(desk.sent(), default=1) == 1
        assert await desk.held() == desk.stated()
        assert [order for order in engine.orders if order.status == "pending"] == []
        assert len(told) == len(set(told))
        assert report.status == "matched"
        assert (report.halts, engine.gate.closed) == ((), ("stopped",))

    scenario()


async def _step(
    desk: TradingDesk, engine: LiveTradingEngine, name: str, value: int, told: list[str]
) -> LiveTradingEngine:
    ours = engine.orders
    chosen = ours[value % len(ours)] if ours else None
    with contextlib.suppress(OrderRefused):
        match name:
            case "buy":
                await engine.submit("AAPL", "buy", Decimal(value))
            case "sell":
                await engine.submit("AAPL", "sell", Decimal(value))
            case "bid":
                await engine.submit("AAPL", "buy", Decimal(2), limit_price=Decimal(value))
            case "price":
                desk.world.set_price("AAPL", Decimal(value))
            case "thin":
                desk.world.set_price("AAPL", Decimal(170), available=Decimal(value))
            case "cancel" if chosen is not None:
                await engine.cancel(chosen.name)
            case "expire" if chosen is not None and chosen.broker_order_id in desk.world.state.account("main").live:
                desk.world.end("main", chosen.broker_order_id or "")
            case "wait":
                await desk.clock.sleep(value)
            case "reconcile":
                await engine.reconcile()
            case "restart":
                await engine.stop()
                told += [fill.fill_id for fill in desk.strategy.fills]
                return await desk.started()
            case "cancel" | "expire":
                return engine
            case _:
                desk.broker.faults.inject(FaultRule(fault=Fault[name], seconds=value, times=value % 4 + 1))
    return engine
