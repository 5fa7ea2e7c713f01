"""What happens in the middle of something else: a stop while it starts, a failure while it is resumed, a cancelled task."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.live.test_engine import _broken, refused
from tests.live.trading import Told, TradingDesk
from tests.live.virtual import LoopClock, virtual
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule
from tieout.live.engine import LiveTradingEngine
from tieout.live.watch import Unfinished, caught
from tieout.model.changes import AdoptOrder
from tieout.model.snapshot import Fill, Order


async def _leaks(_: object) -> None:
    """Waits for a task of its own that was cancelled."""
    task = asyncio.create_task(asyncio.sleep(10))
    task.cancel()
    await task


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_like_any_other() -> None:
    """What waits for a task that was cancelled raises the same as one that is cancelled itself; it was not."""
    assert isinstance(await caught(_leaks(None)), Unfinished)


@virtual
async def test_a_strategy_that_waits_for_a_cancelled_task_has_failed(clock: LoopClock) -> None:
    """It is told, it may only reduce, and it still hears of what happens."""
    desk = TradingDesk(clock)
    engine = await desk.started(Told(on_timer=_leaks))
    await clock.sleep(35)
    assert desk.strategy.ticks == 3
    assert (await refused(engine)).startswith("strategy_failed")
    assert len(desk.alarm.sentences) == 1
    await engine.stop()


@virtual
async def test_a_look_that_waits_for_a_cancelled_task_is_not_the_last(clock: LoopClock) -> None:
    """The next look books the fill: nobody goes on trading without hearing of fills."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    fetch = desk.broker.get_fills

    async def once(since: object) -> tuple[Fill, ...]:
        desk.broker.get_fills = fetch  # type: ignore[method-assign]
        await _leaks(None)
        return ()

    desk.broker.get_fills = once  # type: ignore[method-assign]
    await engine.submit("AAPL", "buy", Decimal(1))
    await clock.sleep(5)
    assert engine.position("AAPL") == 101
    await engine.stop()


@virtual
async def test_a_stop_during_the_last_look_of_a_start_is_a_stop(clock: LoopClock) -> None:
    """Everything was well when it was stopped: it does not begin behind its end, and asks the broker nothing more."""
    desk = TradingDesk(clock)
    await clock.sleep(120)
    engine = desk.engine()
    desk.broker.faults.inject(FaultRule(fault=Fault.LATENCY, calls=frozenset({"server_time"}), times=None, seconds=3))
    starting = asyncio.create_task(engine.start())
    while not desk.reports:
        await clock.sleep(0.1)
    await engine.stop()
    await starting
    await clock.sleep(60)
    assert await refused(engine) == "not_reconciled"
    assert (desk.strategy.starts, desk.strategy.ticks) == (0, 0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    names = {task.get_name() for task in left}
    for task in left:
        task.cancel()
    assert names == set()


@virtual
async def test_a_strategy_that_fails_while_it_is_resumed_is_not_resumed(clock: LoopClock) -> None:
    """The resume was said of the failure before: the one that comes while it reconciles stands, and is told."""
    desk = TradingDesk(clock)
    engine = await desk.started(Told(on_timer=lambda _: _broken()))
    await clock.sleep(25)
    desk.broker.faults.inject(FaultRule(fault=Fault.LATENCY, calls=frozenset({"get_positions"}), times=1, seconds=12))
    await engine.resume("ada", "mended")
    assert desk.strategy.ticks == 3
    assert (await refused(engine)).startswith("strategy_failed")
    assert len([each for each in desk.alarm.sentences if "on_timer" in each]) == 2
    await engine.stop()


@virtual
async def test_a_stop_that_was_broken_off_is_ended_by_the_next(clock: LoopClock) -> None:
    """A stop is cancelled while it waits for a callback: the next one closes what it left open."""
    desk = TradingDesk(clock)

    async def long(_: LiveTradingEngine) -> None:
        await clock.sleep(20)

    engine = await desk.started(Told(on_start=long))
    closed: list[str] = []
    close = desk.broker.close

    async def closing() -> None:
        closed.append("broker")
        await close()

    desk.broker.close = closing  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await engine.stop()
    assert closed == []
    await engine.stop()
    assert closed == ["broker"]
    await engine.stop()
    assert closed == ["broker"]
    await clock.sleep(20)


@virtual
async def test_a_contradiction_that_stands_is_told_once(clock: LoopClock) -> None:
    """The venue says every second what the books do not take: a person hears it once, not every second."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    order = await engine.submit("AAPL", "buy", Decimal(1), limit_price=Decimal(150))

    async def none() -> tuple[Order, ...]:
        return ()

    async def other(**_: object) -> Order:
        return replace(order, broker_order_id="another")

    desk.broker.get_open_orders, desk.broker.get_order = none, other  # type: ignore[method-assign]
    await clock.sleep(30)
    (sentence,) = desk.alarm.sentences
    assert "another broker id" in sentence
    await engine.stop()


@virtual
async def test_an_order_without_a_client_id_is_ended_with_the_others(clock: LoopClock) -> None:
    """The books took over an order that was placed by hand: a stop that ends every order ends this one, too."""
    desk = TradingDesk(clock)
    engine = await desk.started()
    resting = await desk.broker.submit_order(
        OrderRequest(client_order_id="by-hand", asset="AAPL", side="buy", quantity=Decimal(1), limit_price=Decimal(150))
    )
    await desk.books.apply([AdoptOrder(replace(resting, client_order_id=None))], reason="taken over")
    assert [order.name for order in engine.orders] == [resting.broker_order_id]
    await engine.stop(cancel_orders=True)
    assert desk.alarm.sentences == []
    assert not [order for order in desk.world.snapshot("main").orders or () if order.live]


@virtual
async def test_a_stop_does_not_wait_for_a_callback_that_swallows_its_cancellation(clock: LoopClock) -> None:
    """It goes on without it: the broker is closed, and the last look was taken."""
    desk = TradingDesk(clock)
    ends = asyncio.Event()

    async def stubborn(_: LiveTradingEngine) -> None:
        while not ends.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await ends.wait()

    engine = await desk.started(Told(on_start=stubborn))
    async with asyncio.timeout(60):
        await engine.stop()
    ends.set()
    await clock.sleep(1)
