"""One scene of a whole engine, lived through as many lives as it takes: whoever dies is built anew on what was kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tests.live.crash.outside import Intention, Memory, Outside, venue
from tests.live.crash.points import CountedBroker, CountedDisk, CountedRecord, Died, Points
from tests.live.virtual import LoopClock, virtually
from tieout.books.durable import DurableBooks
from tieout.brokers.simulated import SqliteJournal
from tieout.decide import Policy
from tieout.errors import BookError, OrderRefused, StateError
from tieout.live.engine import LiveTradingEngine
from tieout.live.gate import Gate
from tieout.live.reconciler import Account
from tieout.live.strategy import EngineSettings
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Fill
from tieout.record import keys
from tieout.record.log import places_of
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.serve.verifying import trust_in, verify_store

SETTINGS = EngineSettings(poll_seconds=20, timer_seconds=10)
KNOWN = Settings(assets={"X": AssetSettings(step=Decimal(1))})
MOST_LIVES = 6


class Scene(Struct, frozen=True):
    """What happens, step by step; a step that was broken off is begun again, so each reaches for an end."""

    name: str
    steps: tuple[tuple[str, Callable[[House], Awaitable[None]]], ...]
    policy: Policy = Policy()
    unbooked: frozenset[str] = frozenset()


class Wants:
    """A strategy that orders what is wanted, once each, by what its books know of its orders."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.told: list[Fill] = []

    async def on_start(self, engine: LiveTradingEngine) -> None:
        """Order what is wanted."""
        await self.on_timer(engine, None)

    async def on_fill(self, engine: LiveTradingEngine, fill: Fill) -> None:
        """Hear of it, once."""
        if fill in self.told:
            self._outside.memory.wrong.append(f"{fill.fill_id} was told twice in one life")
        self.told.append(fill)

    async def on_timer(self, engine: LiveTradingEngine, now: datetime | None) -> None:
        """Order what is wanted and was not ordered."""
        for want in self._outside.memory.wanted:
            if not ordered(engine, want):
                with suppress(OrderRefused, BookError):  # it was not sent; the next tick tries again
                    await engine.submit(want.asset, want.side, want.quantity, limit_price=want.limit_price)


def ordered(engine: LiveTradingEngine, want: Intention) -> bool:
    """Whether the books know an order for this that may have reached the venue."""
    orders = [order for order in engine.books.orders.orders if want.is_meant_by(order.asset, order.quantity)]
    return any(order.status != "rejected" or want.asset == "MSFT" for order in orders)


class House:
    """A folder, a record and a venue, and the lives that are lived on them.

    Args:
        folder: Where books and record are kept, its keys made.
        outside: What no death touches.
        clock: Virtual time.
        scene: What happens.
        points: What goes wrong.
    """

    def __init__(self, folder: Path, outside: Outside, clock: LoopClock, scene: Scene, points: Points) -> None:
        self.folder, self.clock, self.scene, self.points = folder, clock, scene, points
        self.outside, self.world = outside, outside.world
        self.settings = RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))
        self.lives = 0
        self.sentences: list[str] = []
        self.engine: LiveTradingEngine
        self.record: StoreRecord
        self.broker: CountedBroker
        self._disk: CountedDisk

    async def run(self) -> None:
        """The scene to its end, and what has to be true then."""
        asyncio.get_running_loop().set_exception_handler(_unless_dead)
        await self.clock.sleep(120)
        self._opening = self.world.snapshot("main")
        while not await self._lived():
            assert self.lives < MOST_LIVES, "it never comes to its end"
            await self.clock.sleep(1)
        await self.check()

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Listen."""
        self.sentences.append(sentence)

    async def _lived(self) -> bool:
        """One life; whether the scene came to its end in it."""
        self.lives += 1
        self.record = await open_record(self.settings, self.clock)
        self._disk = CountedDisk(self.points)
        died = asyncio.Event()
        self.points.died = died.set
        living = asyncio.create_task(self._live(), name="life")
        dying = asyncio.create_task(died.wait(), name="death")
        try:
            await asyncio.wait({living, dying}, return_when=asyncio.FIRST_COMPLETED)
            return not self.points.dead and living.result()
        finally:
            await self._clear()

    async def _clear(self) -> None:
        """Throw everything away that was alive."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.record.close()
        self._disk.let_go()
        self.points.dead = False

    async def _live(self) -> bool:
        try:
            self.engine = self._built()
        except StateError:
            return False  # a person looks at the disk, and starts it again
        await self.engine.start()
        for name, step in self.scene.steps:
            if name not in self.outside.memory.done:
                await step(self)
                self.outside.memory.done.add(name)
        if "over" not in self.outside.memory.done:
            await self.until(self._settled, 8, 45)
            self.outside.memory.done.add("over")
        await self.engine.stop()
        return True

    def _built(self) -> LiveTradingEngine:
        folder = self.folder / "books"
        books = DurableBooks.open(
            "main", folder, self.clock, opened_from=self._opening, disk=self._disk, compact_after=5
        )
        self.broker = CountedBroker(self.world, "main", self.points, self.outside.sent)
        gate = self.outside.gate = Gate()
        account = Account(
            name="main", local=books, broker=self.broker, policy=self.scene.policy, settings=KNOWN, gate=gate
        )
        record = CountedRecord(self.record, self.points, self.outside)
        return LiveTradingEngine(
            Wants(self.outside), account, settings=SETTINGS, clock=self.clock, record=record, alarm=self,
            reported=self.outside.reported,
        )  # fmt: skip

    async def until(self, reached: Callable[[], Awaitable[bool]], most: int = 12, wait: float = 15) -> None:
        """Reconcile, now and then, until that is so."""
        for _ in range(most):
            if await reached():
                return
            await self.clock.sleep(wait)
            await self.engine.reconcile()
        raise AssertionError(f"{reached.__qualname__} was never reached: {self.sentences}")

    def once(self, name: str, happens: Callable[[], object]) -> None:
        """Something that happens outside, once, however often the step is begun."""
        if name not in self.outside.memory.done:
            happens()
            self.outside.memory.done.add(name)

    async def _settled(self) -> bool:
        held, true = await self.engine.books.read(), self.world.snapshot("main")
        pending = [order for order in self.engine.orders if order.status == "pending"]
        amounts = {row.asset: row.amount for row in held.positions or () if row.amount}
        cash = {row.currency: row.total for row in held.balances or ()}
        return (
            not pending
            and not await self.record.unfinished("main")
            and amounts == {row.asset: row.amount for row in true.positions or () if row.amount}
            and cash == {row.currency: row.total for row in true.balances or ()}
            and all(ordered(self.engine, want) for want in self.outside.memory.wanted)
        )

    async def check(self) -> None:
        """What has to be true once all has settled."""
        assert not self.outside.memory.wrong, self.outside.memory.wrong
        self.outside.check_orders()
        with DurableBooks.open("main", self.folder / "books", self.clock) as books:
            self.outside.check_books(await books.read(), unbooked=self.scene.unbooked)
        record = await open_record(self.settings, self.clock)
        said = [f"word:{name}" for name in self.outside.memory.acknowledged]
        kept = await record.database.read(lambda connection: places_of(connection, said))
        left = await record.unfinished("main")
        await record.close()
        assert set(kept) == set(said), "a word that was acknowledged was lost"
        assert not left, "an action's end was never found out"

    def verify(self) -> None:
        """The log, as `tieout audit verify` does; on no loop."""
        trust = trust_in(None, None, self.settings)
        verdict = verify_store(self.settings, trust, self.folder / "verified").verdict
        assert not verdict.findings, verdict.findings


def _unless_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


def lived_through(folder: Path, scene: Scene, points: Points) -> House:
    """A scene in an empty folder, with what goes wrong in it, from its first life to the proof of its log."""
    keys.create(folder / "keys", "tieout-test")
    return _lived(lambda clock: House(folder, Outside(venue(clock)), clock, scene, points))


def lived_on(folder: Path, scene: Scene, points: Points) -> House:
    """A scene on what other processes left in a folder, from where the last of them died to the proof of its log."""
    return _lived(lambda clock: found(folder, clock, scene, points))


def found(folder: Path, clock: LoopClock, scene: Scene, points: Points) -> House:
    """A house in a folder that holds the venue, too, and what people remember."""
    noted = folder / "memory.json"
    memory = msgspec.json.decode(noted.read_bytes(), type=Memory) if noted.exists() else Memory()
    clock.wall = timedelta(seconds=memory.passed)
    world = venue(clock, SqliteJournal(folder / "venue.db"))
    return House(folder, Outside(world, memory), clock, scene, points)


def _lived(build: Callable[[LoopClock], House]) -> House:
    houses: list[House] = []

    async def run(clock: LoopClock) -> None:
        houses.append(build(clock))
        await houses[0].run()

    virtually(run)
    houses[0].verify()
    return houses[0]
