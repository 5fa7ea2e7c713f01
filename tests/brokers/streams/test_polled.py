"""Looking again and again, for venues that tell nothing by themselves; in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal

from tests.live.virtual import LoopClock, virtual

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.polled import LISTENING_S, Polled

ORDER = OrderRequest(client_order_id="c", asset="AAPL", side="buy", quantity=Decimal(1), limit_price=Decimal(1))


class Table:
    """A venue that is polled, and what that told so far."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock, self.world, self.telling = clock, World(clock, seed=1), False
        self.world.add_account("main")
        self.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD"))
        self.world.office.pay("main", "deposit", "USD", Decimal(1000))
        self.broker = SimulatedBroker(self.world, "main")
        self.polled = Polled(self.broker, clock=clock, seconds=2, told=lambda: self.telling)
        self.heard: list[StreamEvent] = []
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async with aclosing(self.polled.events()) as events:
            async for event in events:
                self.heard.append(event)

    async def sections(self, seconds: float) -> list[object]:
        """What was told of in the next *seconds*."""
        self.heard.clear()
        await self.clock.sleep(seconds)
        assert {event.what for event in self.heard} <= {Heard.TOUCHED}
        return [event.section for event in self.heard]

    async def stop(self) -> None:
        """End."""
        self._task.cancel()
        await asyncio.wait([self._task])


@virtual
async def test_what_changed_is_told_at_the_next_look_and_nothing_else_is(clock: LoopClock) -> None:
    """Trades, payments and orders are; prices, and the mere passing of time, are not."""
    table = Table(clock)
    assert await table.sections(1) == ["positions", "balances", "orders"]  # nobody knows what was before
    assert await table.sections(60) == []
    table.world.trade("main", "AAPL", "buy", Decimal(1), Decimal(10))
    assert await table.sections(2) == ["positions", "balances"]
    table.world.office.pay("main", "interest", "USD", Decimal("0.01"))
    assert await table.sections(2) == ["balances"]
    table.world.submit("main", ORDER)
    assert await table.sections(2) == ["orders"]
    table.world.cancel("main", client_order_id="c")
    assert await table.sections(2) == ["orders"]
    table.world.set_price("AAPL", Decimal(11))
    assert await table.sections(2) == []
    await table.stop()


@virtual
async def test_what_could_not_be_read_is_told_once_it_can_be_again(clock: LoopClock) -> None:
    """A venue that is away is not taken for one where nothing happens, nor for an empty account."""
    table = Table(clock)
    await table.sections(1)
    table.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=None))
    assert await table.sections(20) == []
    table.broker.faults.clear()
    assert await table.sections(2) == ["positions", "balances", "orders"]
    assert await table.sections(20) == []
    await table.stop()


@virtual
async def test_while_the_venue_tells_by_itself_looks_are_rare_but_not_over(clock: LoopClock) -> None:
    """A stream that does not tell of a payment does not hide it for longer than one rare look."""
    table = Table(clock)
    table.telling = True
    await table.sections(1)
    looks = table.polled.looks
    table.world.office.pay("main", "dividend", "USD", Decimal(5))
    assert await table.sections(LISTENING_S) == ["balances"]
    assert table.polled.looks == looks + 1
    table.telling = False
    await table.sections(LISTENING_S)
    assert await table.sections(10) == []
    assert table.polled.looks >= looks + 6
    await table.stop()
