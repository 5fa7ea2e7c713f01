"""What reconciliations cost an order: the time from `submit` to its acknowledgement, with one each second and without.

An account of 100 positions on a simulated broker that takes 50 ms for each answer, in this process, with a record on SQLite.
An order leaves every 20 ms, whatever became of the one before it. Runs with and without reconciliations take turns, so that
both meet the same machine; the figure is the median of the runs' ratios.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.clock import SystemClock
from tieout.live.engine import LiveTradingEngine
from tieout.live.reconciler import Account
from tieout.model.snapshot import Fill
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

ROWS, ANSWER_MS, ORDERS, EVERY_SECONDS, RUNS = 100, 50, 300, 0.02, 5
AIM = 1.1


class Milliseconds(SystemClock):
    """A venue's clock on which faults count milliseconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait so many milliseconds."""
        await asyncio.sleep(seconds / 1000)


class Idle:
    """A strategy that leaves ordering to the measurement."""

    async def on_start(self, engine: LiveTradingEngine) -> None:
        """Nothing."""

    async def on_fill(self, engine: LiveTradingEngine, fill: Fill) -> None:
        """Nothing."""

    async def on_timer(self, engine: LiveTradingEngine, now: datetime) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """Latencies of one run in seconds, and how many reconciliations there were meanwhile."""

    latencies: list[float]
    reconciliations: int

    def percentile(self, percent: int) -> float:
        """The latency that *percent* of the orders did not exceed."""
        return sorted(self.latencies)[-(-len(self.latencies) * percent // 100) - 1]


def _world() -> World:
    world = World(Milliseconds(), seed=5)
    world.add_account("main")
    world.office.pay("main", "deposit", "USD", Decimal(10_000_000))
    for number in range(ROWS):
        asset = f"A{number:03}"
        world.add_instrument(Instrument(asset=asset, kind="margin", currency="USD"))
        world.set_price(asset, Decimal(100))
        world.trade("main", asset, "buy", Decimal(10), Decimal(100))
    return world


async def run(*, reconciled: bool) -> Run:
    """Send the orders once; every one has to be acknowledged, and the books have to agree at the end."""
    with tempfile.TemporaryDirectory() as folder:
        keys.create(Path(folder) / "keys", "tieout-bench")
        clock, world = SystemClock(), _world()
        record = await open_record(RecordSettings(store=f"{folder}/t.db", keys=f"{folder}/keys"), clock)
        books = EngineBooks.opened_from(world.snapshot("main"), clock)
        broker = SimulatedBroker(world, "main")
        broker.faults.inject(FaultRule(fault=Fault.LATENCY, times=None, seconds=ANSWER_MS))
        engine = LiveTradingEngine(Idle(), Account(name="main", local=books, broker=broker), clock=clock, record=record)
        await engine.start()
        try:
            return await _measured(engine, reconciled=reconciled)
        finally:
            await engine.stop()
            await record.close()


async def _measured(engine: LiveTradingEngine, *, reconciled: bool) -> Run:
    count = 0

    async def each_second() -> None:
        nonlocal count
        while True:
            await asyncio.gather(engine.reconcile(), asyncio.sleep(1))
            count += 1

    beside = asyncio.create_task(each_second()) if reconciled else None
    orders = []
    for number in range(ORDERS):
        orders.append(asyncio.create_task(_order(engine, number)))
        await asyncio.sleep(EVERY_SECONDS)
    latencies = await asyncio.gather(*orders)
    if beside is not None:
        beside.cancel()
        await asyncio.wait([beside])
    return Run(list(latencies), count)


async def _order(engine: LiveTradingEngine, number: int) -> float:
    began = time.perf_counter()
    order = await engine.submit(f"A{number % ROWS:03}", "buy" if number % 2 else "sell", Decimal(1))
    taken = time.perf_counter() - began
    if order.status == "pending":
        sys.exit("an order was not acknowledged: the times mean nothing")
    return taken


def ratios(runs: int = RUNS) -> tuple[list[Run], list[Run]]:
    """Runs without and with reconciliations, in turns."""
    without, with_ = [], []
    for _ in range(runs):
        without.append(asyncio.run(run(reconciled=False)))
        with_.append(asyncio.run(run(reconciled=True)))
    return without, with_


def report() -> None:
    """Print the table."""
    without, with_ = ratios()
    sys.stdout.write(
        f"\nAn order's way to its acknowledgement: {ROWS} rows, a broker of {ANSWER_MS} ms, {ORDERS} orders a run\n"
    )
    for name, runs in (("without reconciliations", without), ("with one each second", with_)):
        figures = "".join(f"{statistics.median(r.percentile(p) for r in runs) * 1000:>11.2f} ms p{p}" for p in (50, 99))
        sys.stdout.write(f"  {name:<44}{figures}{sum(r.reconciliations for r in runs):>6} reconciliations\n")
    each = [b.percentile(99) / a.percentile(99) for a, b in zip(without, with_, strict=True)]
    shown = ", ".join(f"{ratio:.3f}" for ratio in each)
    sys.stdout.write(f"  p99 with to p99 without, median {statistics.median(each):.3f} of {shown}; the aim is {AIM}\n")


if __name__ == "__main__":
    report()
