"""One account at a loopback venue, read and heard over real sockets by what a user runs, in the machine's time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

from tieout.books.engine_books import EngineBooks
from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.alpaca.stream import AlpacaUpdates
from tieout.brokers.base import BrokerAdapter
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.sockets import LoopbackStream
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.streams.base import Stream
from tieout.brokers.streams.kept import Dialect, KeptStream
from tieout.brokers.streams.line import Manners
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.schedule import Cadence, Schedule
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import Snapshot
from tieout.observe.reading import Reach, read_broker

MANNERS = Manners(ping_s=0.1, silence_s=0.4, first_s=0.05, longest_s=0.2)
CADENCE = Cadence(reconciliation_interval=3600)


class Said:
    """What a person was told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Keep it."""
        self.sentences.append(sentence)


class Scene:
    """A venue, and the account that is reconciled with it; its books are what the venue stated at the start."""

    def __init__(
        self, server: LoopbackVenue, loopback: LoopbackStream, broker: BrokerAdapter, dialect: Dialect
    ) -> None:
        self.clock, self.server, self.loopback, self.broker = SystemClock(), server, loopback, broker
        self.world, self.alarm = server.world, Said()
        self.stream = KeptStream(broker.name, dialect, clock=self.clock, random=random.Random(1), manners=MANNERS)
        self.streams: list[Stream] = [self.stream]
        self.cadence, self.settings = CADENCE, Settings(settle_seconds=Decimal("0.2"))
        self.reports: list[ReconciliationReport] = []
        self._news = asyncio.Condition()

    async def start(self) -> None:
        """Open the books and the schedule; returns once the stream is listening and what follows from it was read."""
        stated = await read_broker("main", self.broker, Reach())
        assert isinstance(stated, Snapshot), stated
        books = EngineBooks.opened_from(stated, self.clock)
        account = Account(name="main", local=books, broker=self.broker, settings=self.settings)
        self.reconciler = PositionReconciler({"main": account}, self.clock, reported=self._keep)
        self.schedule = Schedule(
            self.reconciler, {"main": account}, self.cadence, clock=self.clock, alarm=self.alarm,
            streams={"main": self.streams},
        )  # fmt: skip
        await self.schedule.start()

    async def _keep(self, report: ReconciliationReport) -> None:
        async with self._news:
            self.reports.append(report)
            self._news.notify_all()

    async def until(self, wanted: Callable[[], bool], seconds: float = 5) -> None:
        """Wait until a report makes *wanted* true."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(wanted)

    @property
    def found(self) -> set[str]:
        """Which assets the last report says differ."""
        return {row.asset for row in self.reports[-1].discrepancies if row.asset is not None}

    def trade(self, asset: str = "AAPL", quantity: str = "1") -> None:
        """Somebody buys at the venue's own screen."""
        self.world.trade("main", asset, "buy", Decimal(quantity), Decimal(190))

    async def stop(self) -> None:
        """End."""
        await self.schedule.stop()
        await self.broker.close()


@asynccontextmanager
async def alpaca() -> AsyncIterator[Scene]:
    """An account at Alpaca."""
    clock = SystemClock()
    world = World(clock, seed=5)
    world.add_account("main")
    for asset in ("AAPL", "MSFT", "TSLA"):
        world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD"))
    world.office.pay("main", "deposit", "USD", Decimal(100_000))
    wire = Wire("alpaca", clock=clock, limits=Limits(((10_000, 10_000),)), random=random.Random(7))
    async with LoopbackAlpaca(world, Login(account="main", key="k", secret="s3cret")) as server:
        assert isinstance(server, LoopbackAlpaca)
        broker = AlpacaBroker("main", key="k", secret="s3cret", wire=wire, url=server.url)
        dialect = AlpacaUpdates(broker.name, key="k", secret="s3cret", url=server.url)
        scene = Scene(server, server.stream, broker, dialect)
        yield scene
        await scene.stop()
