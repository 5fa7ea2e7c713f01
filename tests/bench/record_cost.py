"""What a record costs: the bytes of a matched reading, of an account and a day, and the time that recording adds to one.

Bytes are what the database's files grow by, indexes included, over readings in which nothing changed; and over such in
which every amount did. Times are of whole reconciliations of one account
with a simulated broker in this process, with a record and without one, in turns, so that both meet the same machine.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from msgspec.structs import replace
from sqlalchemy import func, select

from tests.record import postgres
from tests.record.observing import judged, observed
from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.snapshot import Snapshot
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.database import SqliteDatabase
from tieout.record.store.schema import metadata

START = datetime(2026, 11, 20, 14, tzinfo=UTC)
ROWS = 100
READINGS = 1_000
WARM = 150  # past the first state that is kept whole, and the pages of empty tables
PAIRS = 200
MINUTES = 1_440
LIMIT_BYTES, LIMIT_MS = 1_024, 10.0


class Desk:
    """An account of *rows* positions with cash, both sides in step, a minute between two readings."""

    def __init__(self, rows: int) -> None:
        self.clock, self.rows = VirtualClock(START), rows
        self.world = World(self.clock, seed=3)
        self.world.add_account("main")
        self.world.office.pay("main", "deposit", "USD", Decimal(10_000_000))
        for number in range(rows):
            self.world.add_instrument(Instrument(asset=f"A{number:03}", kind="cash", currency="USD"))
            self.world.set_price(f"A{number:03}", Decimal(100 + number))
            self.world.trade("main", f"A{number:03}", "buy", Decimal(10), Decimal(100 + number))
        self.clock.advance(3 * 86_400)  # the opening trades are out of what is asked for
        self.books = EngineBooks.opened_from(self.world.snapshot("main"), self.clock)
        self.broker = SimulatedBroker(self.world, "main")

    def reconciler(self, record: StoreRecord | None) -> PositionReconciler:
        """One of its own, with a record or without."""
        account = Account(name="main", local=self.books, broker=self.broker)
        return PositionReconciler({"main": account}, self.clock, record=record)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of one reading, on average."""

    reading: float

    @property
    def day(self) -> float:
        """Of one account and day, at a reading a minute."""
        return self.reading * MINUTES


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds, the median and the 99th of a hundred: of a reconciliation without and with a record, of the difference
    in each pair, and of one bare append and fsync in between.
    """

    bare: tuple[float, float]
    recorded: tuple[float, float]
    added: tuple[float, float]
    fsync: tuple[float, float]


@contextmanager
def stores() -> Iterator[dict[str, RecordSettings]]:
    """An empty store of each kind."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tieout-cost-")))
        keys.create(folder / "keys", "bench")
        sqlite = RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))
        server = stack.enter_context(postgres.running(measured=True))
        yield {"SQLite": sqlite, "PostgreSQL": replace(sqlite, store=server.fresh(), side_file=str(folder / "head"))}


async def size_of(record: StoreRecord) -> int:
    """Bytes that the store takes on the disk."""
    database = record.database
    if isinstance(database, SqliteDatabase):
        await database.scrub()  # the write-ahead log folded into the file
        return database.path.stat().st_size
    sizes = select(*(func.pg_total_relation_size(name) for name in metadata.tables))
    return sum(await database.read(lambda connection: tuple(connection.execute(sizes).one())))


async def bytes_a_reading(settings: RecordSettings, readings: int = READINGS) -> Bytes:
    """What a matched reading of `ROWS` positions adds to a store in use, where nothing changed since the one before.

    Raises:
        SystemExit: A reading did not match; sizes of another thing are worth nothing.
    """
    desk = Desk(ROWS)
    record = await open_record(settings, desk.clock)
    reconciler = desk.reconciler(record)

    async def read(count: int) -> None:
        for _ in range(count):
            desk.clock.advance(60)
            _matched((await reconciler.reconcile("main")).status)

    return await _grown(record, read, readings)


async def bytes_where_all_changes(settings: RecordSettings, readings: int = READINGS // 5) -> Bytes:
    """The same where each of the `ROWS` amounts changed, on both sides alike."""
    rng, clock = random.Random(11), VirtualClock(START)
    record = await open_record(settings, clock)

    async def read(count: int) -> None:
        for _ in range(count):
            clock.advance(60)
            one = observed(clock.now(), rows=ROWS)
            assert isinstance(one.local, Snapshot)
            assert isinstance(one.broker, Snapshot)
            rows = tuple(replace(row, amount=Decimal(rng.randrange(10**6)) / 100) for row in one.local.positions or ())
            one = replace(one, local=replace(one.local, positions=rows), broker=replace(one.broker, positions=rows))
            reading = judged(one)
            _matched(reading.report.status)
            await record.reading(reading)

    return await _grown(record, read, readings)


async def _grown(record: StoreRecord, read: Callable[[int], Awaitable[None]], readings: int) -> Bytes:
    await read(WARM)
    before = await size_of(record)
    await read(readings)
    after = await size_of(record)
    await record.close()
    return Bytes((after - before) / readings)


def _matched(status: str) -> None:
    if status != "matched":
        sys.exit(f"a reading was {status}, not matched: its cost means nothing")


async def milliseconds(settings: RecordSettings, *, pairs: int = PAIRS) -> Times:
    """What recording adds to one reconciliation of `ROWS` rows, in pairs that take turns in who is first."""
    desk = Desk(ROWS)
    record = await open_record(settings, desk.clock)
    bare, recorded = desk.reconciler(None), desk.reconciler(record)
    found: dict[PositionReconciler, list[float]] = {bare: [], recorded: []}
    fsyncs = []
    for number in range(pairs + 10):
        for each in (bare, recorded) if number % 2 else (recorded, bare):
            desk.clock.advance(60)
            start = time.perf_counter()
            report = await each.reconcile("main")
            found[each].append((time.perf_counter() - start) * 1e3)
            _matched(report.status)
        fsyncs.append(_fsync(settings.key_folder / "bare"))
    await record.close()
    without, with_one = (found[each][10:] for each in (bare, recorded))
    added = [one - other for one, other in zip(with_one, without, strict=True)]
    return Times(_percentiles(without), _percentiles(with_one), _percentiles(added), _percentiles(fsyncs))


def _fsync(path: Path) -> float:
    with path.open("ab") as file:
        start = time.perf_counter()
        file.write(bytes(400))
        file.flush()
        os.fsync(file.fileno())
        return (time.perf_counter() - start) * 1e3


def _percentiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


def report() -> None:
    """Print a line for each figure, and whether it keeps to its limit."""
    sys.stdout.write("\nWhat a record of 100 rows costs\n")
    for cost_of, what in ((bytes_a_reading, "nothing changed"), (bytes_where_all_changes, "every amount changed")):
        with stores() as found:
            for name, settings in found.items():
                cost = asyncio.run(cost_of(settings))
                limit = (
                    f"; under {LIMIT_BYTES} B: {_kept(cost.reading < LIMIT_BYTES)}"
                    if cost_of is bytes_a_reading
                    else ""
                )
                _say(
                    f"{name}, matched reading, {what}",
                    f"{cost.reading:>8.0f} B{cost.day / 2**20:>9.2f} MiB an account and day{limit}",
                )
    with stores() as found:
        for name, settings in found.items():
            times = asyncio.run(milliseconds(settings))
            _say(f"{name}, reconciliation without a record", _times(times.bare))
            _say(f"{name}, reconciliation with one", _times(times.recorded))
            limit = f"; p50 under {LIMIT_MS:.0f} ms: {_kept(times.added[0] < LIMIT_MS)}" if name == "SQLite" else ""
            _say(f"{name}, what recording adds", _times(times.added) + limit)
            _say("an append and fsync in between, with nothing else", _times(times.fsync))


def _say(what: str, figures: str) -> None:
    sys.stdout.write(f"  {what:<52}{figures}\n")
    sys.stdout.flush()


def _times(pair: tuple[float, float]) -> str:
    return f"{pair[0]:>8.2f} ms p50{pair[1]:>8.2f} ms p99"


def _kept(kept: bool) -> str:
    return "yes" if kept else "NO"


if __name__ == "__main__":
    sys.stdout.write(f"What a record of {ROWS} rows costs\n")
    report()
