"""A trading floor for the workload: a venue, the engine's books, a gate and a reconciler, on one virtual clock."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from msgspec.structs import replace

from tieout.books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.decide.lifecycle import SECTION_OF
from tieout.live.gate import Gate
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.touched import touched_by
from tieout.model.report import ReconciliationReport
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import SECTIONS, Fill, Order, OrderSide, Snapshot
from tieout.model.word import Verdict, Word

START = datetime(2026, 11, 20, 14, tzinfo=UTC)
SETTINGS = Settings(
    own_client_ids=("own-",), assets={"AAPL": AssetSettings(step=Decimal("0.01"), smallest_unit=Decimal("0.001"))}
)
LOOKS = tuple(touched_by(StreamEvent(what=Heard.TOUCHED, section=section)) for section in SECTIONS)
COST_PLACES = Decimal("1e-6")  # the venue rounds its averages to 1e-8


class Floor:
    """One account that trades two shares; `seed` decides prices and quantities.

    Where *looking*, a look at what an event may have touched comes before each reading, and one when something happened.
    """

    def __init__(self, seed: int, *, looking: bool = False) -> None:
        self.looking, self.looks = looking, Counter[bool]()
        self._eyes = random.Random(seed)  # the floor's own goes on as if nobody looked
        self.rng = random.Random(seed)
        self.clock = VirtualClock(START)
        self.world = World(self.clock, seed=seed)
        self.world.add_account("main")
        for asset in ("AAPL", "MSFT", "FB", "OLD", "NEW"):
            fee = Decimal("0.002")
            self.world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD", fee_rate=fee))
        self.world.office.pay("main", "deposit", "USD", Decimal(200_000))
        self.world.set_price("AAPL", Decimal(190))
        self.world.set_price("MSFT", Decimal(400))
        self.world.trade("main", "AAPL", "buy", Decimal(200), Decimal(190))
        self.world.trade("main", "MSFT", "buy", Decimal(100), Decimal(400))
        self.world.trade("main", "FB", "buy", Decimal(30), Decimal(250))
        self.world.trade("main", "OLD", "buy", Decimal(50), Decimal(40))
        self.clock.advance(120)
        self.broker = SimulatedBroker(self.world, "main")
        self.books = EngineBooks.opened_from(self.world.snapshot("main"), self.clock)
        self.gate, self.reports, self.said = Gate(), list[ReconciliationReport](), 0
        self._orders = 0
        self.reconciler = self._reconciler()

    def _reconciler(self) -> PositionReconciler:
        account = Account(
            name="main", local=self.books, broker=self.broker, settings=SETTINGS, policy=Policy(), gate=self.gate
        )
        return PositionReconciler({"main": account}, self.clock)

    async def read(self, after: int = 20) -> ReconciliationReport:
        """One reconciliation, some seconds after what was before."""
        await self._look()
        self.clock.advance(after)
        seen = await self._look()
        report = await self.reconciler.reconcile("main", trigger="schedule")
        for look in seen:
            require_nothing_else(look, report)
        self.reports.append(report)
        return report

    async def _look(self) -> list[ReconciliationReport]:
        """The looks that were enough, of one at each kind of event's sections."""
        sections = self._eyes.choice(LOOKS)
        if not self.looking or sections is None:
            return []
        seen = await self.reconciler.look("main", sections)
        self.looks[seen is not None] += 1
        return [] if seen is None else [seen]

    async def say(self, verdict: Verdict, **about: object) -> None:
        """A person's word."""
        self.said += 1
        word = Word(id=f"w{self.said}", account="main", subject="main", verdict=verdict, actor="ann", text="seen")
        await self.reconciler.say(replace(word, **about))

    def name(self) -> str:
        """A client id of our own that was never used."""
        self._orders += 1
        return f"own-{self._orders}"

    def send(self, asset: str, side: OrderSide, quantity: Decimal, limit: Decimal) -> Order:
        """An order of ours that the venue has and the books know; it rests unless the market takes it."""
        now, name = self.clock.now(), self.name()
        sent = Order(
            asset=asset, side=side, quantity=quantity, status="pending", client_order_id=name, type="limit",
            filled=Decimal(0), limit_price=limit, created_at=now, updated_at=now,
        )  # fmt: skip
        self.books.orders.register(sent)
        request = OrderRequest(client_order_id=name, asset=asset, side=side, quantity=quantity, limit_price=limit)
        placed = self.world.submit("main", request)
        self.books.orders.advance("open", now, client_order_id=name, broker_order_id=placed.broker_order_id)
        return placed

    def rest(self, quantity: Decimal | None = None) -> Order:
        """An order of ours far from the market."""
        return self.send("AAPL", "buy", quantity or self.quantity(1, 20), Decimal(50))

    def filled(self, order: Order, quantity: Decimal | None = None, price: Decimal | None = None) -> Fill:
        """A fill of it at the venue, that nobody has heard of yet."""
        assert order.broker_order_id is not None
        return self.world.fill("main", order.broker_order_id, quantity or order.quantity, price or self.price())

    def quantity(self, low: int, high: int) -> Decimal:
        """Some shares, in hundredths."""
        return Decimal(self.rng.randint(low * 100, high * 100)) / 100

    def price(self) -> Decimal:
        """A price near the market, in cents."""
        return Decimal(self.rng.randint(18_000, 20_000)) / 100

    def reopen(self, snapshot: Snapshot) -> None:
        """Books that say something else, as after a bug or a hand that went wrong; the reconciler is told nothing of it."""
        fresh = EngineBooks.opened_from(snapshot, self.clock)
        self.books.__dict__.update(fresh.__dict__)

    async def wrong(self) -> str | None:
        """In which way the books are not what the venue truly holds, amounts and costs; None where they are."""
        ours, truth = await self.books.read(), self.world.snapshot("main")
        for name in ("positions", "balances"):
            mine, theirs = _held(ours, name), _held(truth, name)
            if mine != theirs:
                return f"{name}: {mine} against {theirs}"
        live = [{row.client_order_id for row in side.orders or () if row.live} for side in (ours, truth)]
        return None if live[0] == live[1] else f"orders: {live[0]} against {live[1]}"


def require_nothing_else(look: ReconciliationReport, whole: ReconciliationReport) -> None:
    """A look that was enough says nothing that the whole reading of the same moment does not say."""
    for row in look.discrepancies:
        same = [each for each in whole.discrepancies if (each.domain, each.asset) == (row.domain, row.asset)]
        assert any(each.difference == row.difference and each.strategy == row.strategy for each in same), (row, same)
        assert any(each.cause.code == row.cause.code for each in same), (row, same)
        assert any(each.confirmed >= row.confirmed for each in same), (row, same)
    compared = [name for name, state in look.coverage.items() if state == "compared"]
    missed = [row for row in whole.discrepancies if SECTION_OF[row.domain] in compared]
    assert {row.difference for row in missed} <= {row.difference for row in look.discrepancies}, (missed, look)


def _held(side: Snapshot, name: str) -> dict[str, tuple[Decimal, ...]]:
    if name == "balances":
        return {row.currency: (row.total,) for row in side.balances or () if row.total}
    return {
        row.asset: (row.amount, (row.average_price or Decimal(0)).quantize(COST_PLACES))
        for row in side.positions or ()
        if row.amount
    }
