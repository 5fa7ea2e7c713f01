"""A process that trades one order and may be killed on the way.

`python -m tests.live.killed FOLDER WHERE LATER`: LATER is how many seconds after the first one it lives.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from tests.live.virtual import LoopClock, virtually
from tieout.books.durable import DurableBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, SqliteJournal, World
from tieout.clock import Clock
from tieout.live.engine import LiveTradingEngine
from tieout.live.reconciler import Account
from tieout.live.strategy import EngineSettings
from tieout.model.snapshot import Fill, Order

POINTS = ("registered", "sent", "acknowledged", "filled", "booked")


def venue(folder: Path, clock: Clock) -> World:
    """The venue in *folder*, which survives whoever is killed; new, it holds 100 AAPL and 50,000 USD."""
    world = World(clock, seed=3, journal=SqliteJournal(folder / "venue.db"))
    if not world.state.accounts:
        world.add_account("main")
        world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
        world.office.pay("main", "deposit", "USD", Decimal(69_000))
        world.set_price("AAPL", Decimal(190))
        world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
    return world


def killed() -> None:
    """End as a power cut does: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(SimulatedBroker):
    """A broker whose client is killed around its submit."""

    where = ""

    async def submit_order(self, request: OrderRequest) -> Order:
        """Submit, or die before it leaves or before its answer comes."""
        if self.where == "registered":
            killed()
        order = await super().submit_order(request)
        if self.where == "sent":
            killed()
        return order


class WantsThree:
    """Buys until it holds 103, as long as it has no order out: the strategy that a crash could make buy twice."""

    def __init__(self, where: str = "") -> None:
        self.where, self.fills = where, list[Fill]()

    async def on_start(self, engine: LiveTradingEngine) -> None:
        """Buy what is missing."""
        await self._buy(engine)

    async def on_timer(self, engine: LiveTradingEngine, now: object) -> None:
        """Buy what is missing."""
        await self._buy(engine)

    async def on_fill(self, engine: LiveTradingEngine, fill: Fill) -> None:
        """Listen."""
        self.fills.append(fill)
        if self.where == "booked":
            killed()

    async def _buy(self, engine: LiveTradingEngine) -> None:
        missing = 103 - engine.position("AAPL")
        if missing > 0 and not engine.orders:
            await engine.submit("AAPL", "buy", missing)
            if self.where == "acknowledged":
                killed()


def engine_on(folder: Path, clock: Clock, strategy: WantsThree, where: str = "") -> tuple[LiveTradingEngine, World]:
    """An engine on the venue and the books that *folder* keeps."""
    world = venue(folder, clock)
    books = DurableBooks.open("main", folder / "books", clock, opened_from=world.snapshot("main"))
    broker = Deadly(world, "main")
    broker.where = where
    return LiveTradingEngine(
        strategy, Account(name="main", local=books, broker=broker), clock=clock, settings=EngineSettings()
    ), world


async def _trade(clock: LoopClock, folder: Path, where: str, later: int) -> None:
    clock.wall = timedelta(seconds=later)
    strategy = WantsThree(where)
    engine, _ = engine_on(folder, clock, strategy, where)
    await clock.sleep(60)
    await engine.start()
    if where == "filled":
        await clock.sleep(0)
        killed()
    await clock.sleep(60)
    await engine.stop()


if __name__ == "__main__":
    virtually(lambda clock: _trade(clock, Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
