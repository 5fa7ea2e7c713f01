"""A stage for one break at a time: a venue, books, a gate and a record on SQLite, and a reconciler over them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, select

from tieout.books.base import LocalBooks
from tieout.books.engine_books import EngineBooks
from tieout.books.instruments import Instrument as BooksInstrument
from tieout.books.snapshot_file import SnapshotFile
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.live.gate import Gate
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.codec import encode
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import Fill, Order, Snapshot
from tieout.model.word import Verdict, Word
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import alerts, log_entries
from tieout.record.store.schema import halts as halts_table

START = datetime(2026, 11, 20, 14, tzinfo=UTC)
SETTINGS = Settings(own_client_ids=("own-",))


class Held(Struct, frozen=True):
    """What a side holds: amounts with their averages to a millionth, cash, live orders by client id, and its fills."""

    positions: dict[str, tuple[Decimal, Decimal]]
    cash: dict[str, Decimal]
    orders: dict[str, tuple[str, Decimal, Decimal, Decimal | None]]
    fills: tuple[str, ...]


def held(side: Snapshot) -> Held:
    """What *side* says, in a form in which two sides can be compared."""
    return Held(
        {row.asset: (row.amount, _cents(row.average_price)) for row in side.positions or () if row.amount},
        {row.currency: row.total for row in side.balances or () if row.total},
        {row.name: (row.status, row.quantity, row.done, row.limit_price) for row in side.orders or () if row.live},
        tuple(sorted(row.fill_id for row in side.fills or ())),
    )


def _cents(price: Decimal | None) -> Decimal:
    return Decimal(-1) if price is None else price.quantize(Decimal("0.000001"))


class Stage:
    """100 AAPL at 190, one MSFT at 400 and dollars, the same on both sides."""

    def __init__(self, folder: Path, policy: Policy | None = None) -> None:
        self.folder, self.policy = folder, policy or Policy()
        self.clock = VirtualClock(START)
        self.world = World(self.clock, seed=3)
        self.world.add_account("main")
        for asset, price in (("AAPL", 190), ("MSFT", 400), ("TSLA", 250)):
            self.world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD", fee_rate=Decimal("0.001")))
            self.world.set_price(asset, Decimal(price))
        self.world.office.set_usd_price("EUR", Decimal("1.1"))
        self.world.office.pay("main", "deposit", "USD", Decimal(100_000))
        self.world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
        self.world.trade("main", "MSFT", "buy", Decimal(1), Decimal(400))
        self.clock.advance(300)
        self.broker = SimulatedBroker(self.world, "main")
        tesla = BooksInstrument(asset="TSLA", settlement="cash", quote="USD", currency="USD", held_in="positions")
        opened = self.world.snapshot("main")
        self.books = EngineBooks.opened_from(opened, self.clock, instruments={"TSLA": tesla})
        self.local: LocalBooks = self.books
        self.gate = Gate()
        self.reports: list[ReconciliationReport] = []
        self.record: StoreRecord | None = None
        self._words = self._names = 0

    async def open(self) -> None:
        """Open the record, and reconcile once: both sides agree, and the gate is open."""
        keys.create(self.folder / "keys", "tieout-test")
        await self.start()
        assert (await self.read()).status == "matched"
        assert self.may_buy()

    async def start(self) -> None:
        """A start of the process."""
        if self.record is not None:
            await self.record.close()
        settings = RecordSettings(store=str(self.folder / "tieout.db"), keys=str(self.folder / "keys"))
        self.record = await open_record(settings, self.clock)
        account = Account(
            name="main", local=self.local, broker=self.broker, settings=SETTINGS, policy=self.policy, gate=self.gate
        )
        self.gate.open()
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.record)

    @property
    def kept(self) -> StoreRecord:
        """The record, once it is open."""
        assert self.record is not None, "open the stage first"
        return self.record

    async def read(self, after: int = 30) -> ReconciliationReport:
        """One reconciliation, some seconds after what was before."""
        self.clock.advance(after)
        report = await self.reconciler.reconcile("main", trigger="schedule")
        self.reports.append(report)
        return report

    async def say(self, verdict: Verdict, **about: object) -> None:
        """A person's word."""
        self._words += 1
        word = Word(id=f"w{self._words}", account="main", subject="main", verdict=verdict, actor="ann", text="seen")
        await self.reconciler.say(replace(word, **about))

    def may_buy(self) -> bool:
        """Whether an order that opens something passes the gate."""
        request = OrderRequest(client_order_id="own-never", asset="AAPL", side="buy", quantity=Decimal(1))
        return self.gate.refusal(request, local=Decimal(100), broker=Decimal(100), enforced=True) is None

    async def ours(self) -> Held:
        """What the books hold."""
        return held(await self.local.read())

    def theirs(self) -> Held:
        """What the broker truly holds."""
        return held(self.world.snapshot("main"))

    async def logged(self, *, after: int = 0) -> list[str]:
        """The log's entries behind the first *after*: the kind of each, and of an outcome how it ended."""
        query = select(log_entries.c.body).where(log_entries.c.entry >= after).order_by(log_entries.c.entry)

        def bodies(connection: Connection) -> Sequence[bytes]:
            return connection.execute(query).scalars().all()

        entries = [json.loads(body) for body in await self.kept.database.read(bodies)]
        return [" ".join((each["kind"], *filter(None, [each.get("refs", {}).get("ended")]))) for each in entries]

    async def standing(self) -> list[tuple[str, bool]]:
        """The halts in the record: their reasons, and whether each was lifted."""
        query = select(halts_table.c.reason, halts_table.c.lifted_at)
        rows = await self.kept.database.read(lambda connection: connection.execute(query).all())
        return [(row.reason, row.lifted_at is not None) for row in rows]

    async def told(self) -> list[str]:
        """What waits in the outbox: the kind of each notice."""
        query = select(alerts.c.kind).order_by(alerts.c.id)
        return list(await self.kept.database.read(lambda connection: connection.execute(query).scalars().all()))

    def name(self) -> str:
        """A client id of our own that was never used."""
        self._names += 1
        return f"own-{self._names}"

    def rest(self, quantity: int = 10) -> Order:
        """An order of ours far from the market: the venue has it, and the books know it."""
        request = OrderRequest(
            client_order_id=self.name(), asset="AAPL", side="buy", quantity=Decimal(quantity), limit_price=Decimal(50)
        )
        return self.books.orders.register(self.world.submit("main", request))

    def missed(self, quantity: int, price: int = 190) -> Fill:
        """A fill of a fresh order of ours that nobody has heard of; the order is filled by it."""
        order = self.rest(quantity)
        assert order.broker_order_id is not None
        return self.world.fill("main", order.broker_order_id, Decimal(quantity), Decimal(price))

    async def into_a_file(self, *, locked: int) -> None:
        """Let the books be a file that another program writes, in which so many dollars are locked."""
        said = await self.books.read()
        balances = tuple(replace(row, available=None, locked=Decimal(locked)) for row in said.balances or ())
        path = self.folder / "local.json"
        path.write_bytes(encode(replace(said, balances=balances)))
        self.local = SnapshotFile(path, "main", self.clock, writable=True)
