"""One account at a loopback venue, read and heard over real sockets by what a user runs, in the machine's time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal

from tests.conform.loopback import client, credentials
from tests.contracts.ccxt_venues import ENTRIES

from tieout.books.engine_books import EngineBooks
from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.alpaca.stream import AlpacaUpdates
from tieout.brokers.base import BrokerAdapter
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.dydx.adapter import DydxBroker
from tieout.brokers.dydx.stream import DydxChannel
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.dydx import DydxVenue
from tieout.brokers.loopback.sockets import LoopbackStream
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.simulated.instruments import InstrumentKind
from tieout.brokers.streams.base import Stream
from tieout.brokers.streams.kept import Dialect, KeptStream
from tieout.brokers.streams.line import Manners
from tieout.brokers.streams.venues import Listens, dialect
from tieout.brokers.wire.breaker import Tolerance
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import limits_of
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock
from tieout.decide import Policy
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.schedule import Cadence, Schedule
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import SECTIONS, Snapshot
from tieout.observe.reading import Reach, read_broker
from tieout.record.base import Record

MANNERS = Manners(ping_s=0.1, silence_s=0.4, first_s=0.05, longest_s=0.2)
ADDRESS = "dydx1tester"
LIMITED = [False]
CADENCE = Cadence(reconciliation_interval=3600)


class Said:
    """What a person was told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.said = asyncio.Event()

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Keep it."""
        self.sentences.append(sentence)
        self.said.set()


class Scene:
    """A venue, and the account that is reconciled with it; its books are what the venue stated at the start."""

    def __init__(
        self, server: LoopbackVenue, loopback: LoopbackStream, broker: BrokerAdapter, dialect: Dialect
    ) -> None:
        self.clock, self.server, self.loopback, self.broker = SystemClock(), server, loopback, broker
        self.world, self.alarm = server.world, Said()
        self.assets = tuple(self.world.state.instruments)
        self.stream = KeptStream(broker.name, dialect, clock=self.clock, random=random.Random(1), manners=MANNERS)
        self.streams: list[Stream] = [self.stream]
        self.policy = Policy(mode="shadow")  # nothing is mended, so that everything stays to be seen
        self.cadence, self.settings = CADENCE, Settings(settle_seconds=Decimal("0.5"))
        self.record: Record | None = None
        self.reports: list[ReconciliationReport] = []
        self._news = asyncio.Condition()

    async def start(self) -> None:
        """Open the books and the schedule; returns once the stream is listening and what follows from it was read."""
        stated = await read_broker("main", self.broker, Reach())
        assert isinstance(stated, Snapshot), stated
        self.books = EngineBooks.opened_from(stated, self.clock)
        account = Account(name="main", local=self.books, broker=self.broker, settings=self.settings, policy=self.policy)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.record, reported=self._keep)
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

    async def mend(self) -> None:
        """Open the books anew as the venue was last read, and reconcile."""
        stated = self.reconciler.observed["main"].broker
        assert isinstance(stated, Snapshot)
        self.books.__dict__.update(EngineBooks.opened_from(stated, self.clock).__dict__)
        await self.schedule.request("main")

    @property
    def found(self) -> set[str]:
        """Which assets, and which currencies, the last report says differ."""
        return {row.asset for row in self.reports[-1].discrepancies if row.asset is not None}

    def trade(self, number: int = 0, quantity: str = "1") -> str:
        """Somebody buys at the venue's own screen; what differs then: the asset or, where it is a pair, its coin."""
        asset = self.assets[number]
        self.world.trade("main", asset, "buy", Decimal(quantity), Decimal(190))
        return self.world.state.instruments[asset].base or asset

    async def __aenter__(self) -> Scene:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.schedule.stop()
        await self.broker.close()


def a_world(*assets: str, currency: str = "USD", kind: InstrumentKind = "cash") -> World:
    """A venue with an account that holds money."""
    world = World(SystemClock(), seed=5)
    world.add_account("main", currency=currency)
    for asset in assets:
        world.add_instrument(Instrument(asset=asset, kind=kind, currency=currency))
    world.office.pay("main", "deposit", currency, Decimal(100_000))
    return world


def a_wire(venue: str) -> Wire:
    """A wire that is never the bottleneck, unless `LIMITED` says that the venue's own limits hold."""
    limits = limits_of(venue) if LIMITED[0] else Limits(((10_000, 10_000),))
    return Wire(
        venue, clock=SystemClock(), limits=limits, random=random.Random(7), patience=ReadPatience(tries_again=0),
        tolerance=Tolerance(failures=1000),
    )  # fmt: skip


@asynccontextmanager
async def alpaca(secret: str = "s3cret") -> AsyncIterator[Scene]:
    """An account at Alpaca, whose stream is listened to with *secret*."""
    async with LoopbackAlpaca(
        a_world("AAPL", "MSFT", "TSLA"), Login(account="main", key="k", secret="s3cret")
    ) as server:
        assert isinstance(server, LoopbackAlpaca)
        broker = AlpacaBroker("main", key="k", secret="s3cret", wire=a_wire("alpaca"), url=server.url)
        spoken = AlpacaUpdates(broker.name, key="k", secret=secret, url=server.url)
        scene = Scene(server, server.streams[0], broker, spoken)
        async with scene:
            yield scene


@asynccontextmanager
async def dydx() -> AsyncIterator[Scene]:
    """A sub-account at dYdX."""
    world = a_world("BTC-USD", "ETH-USD", "SOL-USD", currency="USDC", kind="margin")
    async with DydxVenue(world, Login(account="main", key=ADDRESS)) as server:
        assert isinstance(server, DydxVenue)
        broker = DydxBroker(ADDRESS, account="main", wire=a_wire("dydx"), url=server.url)
        scene = Scene(
            server, server.streams[0], broker, DydxChannel(broker.name, ADDRESS, subaccount=0, url=server.url)
        )
        async with scene:
            yield scene


PATHS = {
    "binance": "/ws-api/v3", "binanceusdm": "/ws", "bybit": "/v5/private", "okx": "/ws/v5/private", "kraken": "/v2",
    "hyperliquid": "/ws", "coinbase": "/",
}  # fmt: skip


def ccxt(name: str) -> Callable[[], AbstractAsyncContextManager[Scene]]:
    """An account at one of ccxt's venues."""
    entry = next(entry for entry in ENTRIES if entry.name == name)
    traits, quote = entry.traits, entry.traits.quote

    @asynccontextmanager
    async def made() -> AsyncIterator[Scene]:
        assets = tuple(traits.asset(base) for base in ("BTC", "ETH", "SOL"))
        world = World(SystemClock(), seed=5)
        world.add_account("main", currency=quote)
        for asset in assets:
            world.add_instrument(traits.instrument(asset))
        world.office.pay("main", "deposit", quote, Decimal(100_000))
        told = credentials(name)
        key = told["walletAddress"] if name == "hyperliquid" else told["apiKey"]
        login = Login(account="main", key=key, secret=told["secret"], password=told.get("password", ""))
        async with entry.server(world, login) as server:
            venue_client = client(name, int(server.url.rpartition(":")[2]))
            venue_client.secret = login.secret
            venue_client.enableRateLimit = False
            broker = CcxtBroker(
                name, account="main", client=venue_client, assets=assets, leave=frozenset(SECTIONS) - traits.sections,
                accept_gaps=SECTIONS, wire=a_wire(name),
            )  # fmt: skip
            clock = SystemClock()
            who = Listens(
                broker.name, {**told, "secret": login.secret}, clock.now, clock, random.Random(3), broker.token
            )
            spoken = dialect(name, who, url=f"ws{server.url.removeprefix('http')}{PATHS[name]}")
            assert spoken is not None
            async with Scene(server, server.streams[name == "binanceusdm"], broker, spoken) as scene:
                yield scene

    return made


VENUES: dict[str, Callable[[], AbstractAsyncContextManager[Scene]]] = {
    "alpaca": alpaca,
    "dydx": dydx,
    **{name: ccxt(name) for name in PATHS},
}
