"""A desk with an engine on a simulated broker, in virtual time, and a strategy that does what a test tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal

from tests.live.virtual import Listening, LoopClock
from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.decide import Policy
from tieout.live.engine import LiveTradingEngine
from tieout.live.reconciler import Account
from tieout.live.strategy import EngineSettings, TradingBooks
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Fill, Snapshot
from tieout.record.base import Record

Reaction = Callable[[LiveTradingEngine], Awaitable[object]]


class Told:
    """A strategy that keeps what it was told, and reacts as a test says."""

    def __init__(self, on_start: Reaction | None = None, on_timer: Reaction | None = None) -> None:
        self.starts = self.ticks = 0
        self.fills: list[Fill] = []
        self.reacts: dict[str, Reaction | None] = {"on_start": on_start, "on_timer": on_timer, "on_fill": None}

    async def on_start(self, engine: LiveTradingEngine) -> None:
        """Trading may begin."""
        self.starts += 1
        await self._react("on_start", engine)

    async def on_fill(self, engine: LiveTradingEngine, fill: Fill) -> None:
        """A fill was booked."""
        self.fills.append(fill)
        await self._react("on_fill", engine)

    async def on_timer(self, engine: LiveTradingEngine, now: datetime) -> None:
        """Time passed."""
        self.ticks += 1
        await self._react("on_timer", engine)

    async def _react(self, name: str, engine: LiveTradingEngine) -> None:
        reaction = self.reacts[name]
        if reaction is not None:
            await reaction(engine)


class TradingDesk:
    """A world with 100 AAPL and 50,000 USD, books that adopted it, and engines on both, one after the other."""

    def __init__(
        self, clock: LoopClock, *, policy: Policy | None = None, settings: EngineSettings | None = None
    ) -> None:
        self.clock, self.policy, self.settings = clock, policy or Policy(), settings or EngineSettings()
        self.world = World(clock, seed=3)
        self.world.add_account("main")
        self.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
        self.world.office.pay("main", "deposit", "USD", Decimal(69_000))
        self.world.set_price("AAPL", Decimal(190))
        self.world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
        self.books: TradingBooks = EngineBooks.opened_from(self.world.snapshot("main"), clock)
        self.alarm = Listening(clock)
        self.reports: list[ReconciliationReport] = []
        self.strategy = Told()
        self.broker = SimulatedBroker(self.world, "main")
        self.record: Record | None = None

    def engine(self, strategy: Told | None = None) -> LiveTradingEngine:
        """An engine as a new process has it: on the same books and the same venue, over a connection of its own."""
        self.strategy = strategy or Told()
        self.broker = SimulatedBroker(self.world, "main")
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy)
        return LiveTradingEngine(
            self.strategy, account, settings=self.settings, clock=self.clock, record=self.record, alarm=self.alarm,
            reported=self._keep,
        )  # fmt: skip

    async def started(self, strategy: Told | None = None) -> LiveTradingEngine:
        """An engine that trades, long after what the world began with."""
        await self.clock.sleep(120)
        engine = self.engine(strategy)
        await engine.start()
        await self.clock.sleep(0)
        return engine

    async def _keep(self, report: ReconciliationReport) -> None:
        self.reports.append(report)

    async def held(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """What the books hold: positions and cash."""
        return holdings(await self.books.read())

    def stated(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """What the broker truly holds."""
        return holdings(self.world.snapshot("main"))

    def sent(self) -> list[int]:
        """How often each client id reached the venue."""
        return list(self.world.submits_seen("main").values())


def holdings(side: Snapshot) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Positions and cash of a side, without rows of nothing."""
    positions = {row.asset: row.amount for row in side.positions or () if row.amount}
    return positions, {row.currency: row.total for row in side.balances or () if row.total}
