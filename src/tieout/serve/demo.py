"""A day on a simulated broker: a small trading loop, and seven things that go wrong, one after another.

Nothing here is staged but the faults: the broker is the simulated venue, the books are the engine's, and what is printed is
what the reconciler reported.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from tieout.books.durable import DurableBooks
from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import BrokerAdapter, OrderRequest
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.clock import Clock, VirtualClock
from tieout.config import Config
from tieout.errors import OutcomeUnknown
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.codec import encode
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Fill, Observation, Order, OrderSide
from tieout.serve.files import replay_history

START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
READING_EVERY_S = 30
MAX_READINGS = 8


class TradingLoop:
    """A bot as small as can be: it sends limit orders, and books what its stream tells it."""

    def __init__(self, clock: Clock, broker: BrokerAdapter, books: EngineBooks | DurableBooks) -> None:
        self._clock, self._broker, self._books = clock, broker, books
        self._count = 0

    async def send(self, asset: str, side: OrderSide, quantity: str, price: str) -> Order | None:
        """Send an order; a submission without an answer is given up on, as too many bots do."""
        self._count += 1
        name, amount, limit = f"bot-{self._count}", Decimal(quantity), Decimal(price)
        request = OrderRequest(client_order_id=name, asset=asset, side=side, quantity=amount, limit_price=limit)
        now = self._clock.now()
        sent = Order(
            asset=asset, side=side, quantity=amount, status="pending", client_order_id=name, type="limit",
            filled=Decimal(0), limit_price=limit, created_at=now, updated_at=now,
        )  # fmt: skip
        self._books.orders.register(sent)
        try:
            placed = await self._broker.submit_order(request)
        except OutcomeUnknown:
            self._books.orders.advance(client_order_id=name, status="rejected", at=now)
            return None
        if placed.status != "pending":
            opened = "open" if placed.live else placed.status
            self._books.orders.advance(
                client_order_id=name, status=opened, at=now, broker_order_id=placed.broker_order_id
            )
        return placed

    def hear(self, fills: tuple[Fill, ...]) -> None:
        """What the stream brought."""
        for fill in fills:
            self._books.book_fill(fill)


class Day:
    """The world, the bot and the reconciler, on one virtual clock."""

    def __init__(self, seed: int) -> None:
        self.clock = VirtualClock(START)
        self.world = World(self.clock, seed=seed)
        self.world.add_account("main")
        for asset in ("AAPL", "MSFT"):
            fee = Decimal("0.0001")
            self.world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD", fee_rate=fee))
        self.world.office.pay("main", "deposit", "USD", Decimal("60000"))
        self.world.set_price("AAPL", Decimal("190"))
        self.world.set_price("MSFT", Decimal("400"))
        self.world.trade("main", "AAPL", "buy", Decimal(100), Decimal("190"))
        self.world.trade("main", "MSFT", "buy", Decimal(40), Decimal("400"))
        self.clock.advance(60)
        self.broker = SimulatedBroker(self.world, "main")
        self.books = EngineBooks.opened_from(self.world.snapshot("main"), self.clock)
        self.bot = TradingLoop(self.clock, self.broker, self.books)
        self.account = Account(name="main", local=self.books, broker=self.broker)
        self.reconciler = PositionReconciler({"main": self.account}, self.clock)
        self.reports: list[ReconciliationReport] = []
        self.observations: list[Observation] = []

    async def read(self) -> ReconciliationReport:
        """One reconciliation, half a minute after the last."""
        self.clock.advance(READING_EVERY_S)
        report = await self.reconciler.reconcile("main", trigger="schedule")
        self.reports.append(report)
        self.observations.append(self.reconciler.observed["main"])
        return report


Happen = Callable[[Day], Awaitable[None]]


class Scene(Struct, frozen=True):
    """Something that goes wrong: its title, and what happens. `outage` scenes have nothing to explain, only to wait for."""

    title: str
    happen: Happen
    outage: bool = False


async def _lost_fill(day: Day) -> None:
    await day.bot.send("AAPL", "buy", "5", "189")
    day.world.set_price("AAPL", Decimal("189"))  # it fills, and the stream says nothing


async def _manual_trade(day: Day) -> None:
    day.world.trade("main", "MSFT", "sell", Decimal(1), Decimal("400"))


async def _lost_submission(day: Day) -> None:
    day.broker.faults.inject(FaultRule(fault=Fault.LOST_REPLY, calls=frozenset({"submit_order"})))
    await day.bot.send("AAPL", "buy", "10", "150")


async def _deposit(day: Day) -> None:
    day.world.office.pay("main", "deposit", "USD", Decimal("500"))


async def _split(day: Day) -> None:
    day.world.office.split("MSFT", "4")


async def _empty_answer(day: Day) -> None:
    day.broker.faults.inject(FaultRule(fault=Fault.EMPTY, calls=frozenset({"get_positions"}), times=2))


async def _outage(day: Day) -> None:
    day.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, calls=frozenset({"server_time"}), times=2))


SCENES = (
    Scene("The stream loses a fill", _lost_fill),
    Scene("Somebody trades by hand", _manual_trade),
    Scene("A submission times out, and lands", _lost_submission),
    Scene("A deposit arrives", _deposit),
    Scene("A stock splits 4 for 1", _split),
    Scene('The broker answers "no positions"', _empty_answer),
    Scene("The broker is away", _outage, outage=True),
)


async def play(day: Day, shown: Callable[[str, Scene | None, list[ReconciliationReport]], None]) -> None:
    """Let the day happen; *shown* is told each scene's title and the readings that followed."""
    placed = await day.bot.send("AAPL", "buy", "2", "190")
    assert placed is not None
    day.bot.hear(tuple(day.world.snapshot("main").fills or ())[-1:])
    shown("The bot buys two shares, and all is well", None, [await day.read()])
    for scene in SCENES:
        await scene.happen(day)
        readings = [await day.read()]
        while readings[-1].status != "matched" and len(readings) < MAX_READINGS:
            readings.append(await day.read())
        shown(scene.title, scene, readings)


def run_demo(folder: Path, seed: int) -> int:
    """Play the day, print it, and leave its report and its history in *folder*.

    Returns:
        0 where every break was closed and the history replays to the same verdicts, else 1.
    """
    from tieout.serve.render.day import DayPrinter
    from tieout.serve.render.page import render_page

    day, printer = Day(seed), DayPrinter()
    asyncio.run(play(day, printer.scene))
    folder.mkdir(parents=True, exist_ok=True)
    page, history = folder / "report.html", folder / "observations.jsonl"
    history.write_bytes(b"".join(encode(observation) + b"\n" for observation in day.observations))
    page.write_text(render_page(day.reports, "A day on a simulated broker"), encoding="utf-8")
    same = replays_alike(day)
    printer.end(page, history, len(day.reports), same=same, command=sys.argv[0])
    return 0 if same and day.reports[-1].status == "matched" else 1


def replays_alike(day: Day) -> bool:
    """Whether the recorded history, judged again, gives the same verdicts."""
    again = list(replay_history(day.observations, Config()))
    return [_verdicts(report) for report in again] == [_verdicts(report) for report in day.reports]


def _verdicts(report: ReconciliationReport) -> tuple[object, ...]:
    planned = tuple((action.action, action.discrepancy_ids) for action in report.actions)
    return report.status, report.severity, report.discrepancies, planned
