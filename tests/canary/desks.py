"""Accounts full of marked amounts: one that is acted on, and many that differ in every way the laws know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from msgspec.structs import replace

from tests.canary.marks import TOKEN, Marks
from tests.laws.worlds import World as TwoSides
from tests.laws.worlds import worlds
from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy, Rule
from tieout.live.alarm import LoggedAlarm
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import Change
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Activity, Fill, Observation, Order, Position, Snapshot
from tieout.record.base import Record

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
FACTOR = Decimal("48.151623")  # makes the small amounts of generated worlds long enough to be known again
CASH, HELD, PRICE = Decimal("94815162.37"), Decimal("314.1592653"), Decimal("271.82818284")
MISSED, STRANGE = Decimal("1.61803398"), Decimal("41.42135623")
TOLD = f"balance 48151623.42 is too low for {TOKEN}"  # what a venue's own text may hold
CANCELS = Rule(cause=("EXTERNAL_ORDER",), strategy=ReconciliationStrategy.SYNC_TO_LOCAL, approval=False)
READS = "get_positions get_balances get_open_orders get_fills get_activities get_order".split()


class Faulty:
    """Calls that raise what stands under their name in `fails`; once one did, what stands in `afterwards` fails too."""

    fails: dict[str, Exception]
    afterwards: dict[str, Exception]

    def _fail_at(self, call: str) -> None:
        if call in self.fails:
            failure = self.fails[call]
            self.fails = {**self.fails, **self.afterwards}
            raise failure


class FaultyBroker(SimulatedBroker, Faulty):
    """A simulated broker whose calls can fail, with a venue's own words in the failure."""

    async def get_positions(self) -> tuple[Position, ...]:
        self._fail_at("get_positions")
        return await super().get_positions()

    async def get_balances(self) -> Any:
        self._fail_at("get_balances")
        return await super().get_balances()

    async def get_open_orders(self) -> tuple[Order, ...]:
        self._fail_at("get_open_orders")
        return await super().get_open_orders()

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        self._fail_at("get_fills")
        return await super().get_fills(since)

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        self._fail_at("get_activities")
        return await super().get_activities(since)

    async def get_order(self, **by: str | None) -> Order | None:
        self._fail_at("get_order")
        return await super().get_order(**by)

    async def cancel_order(self, **by: str | None) -> Order:
        self._fail_at("cancel_order")
        return await super().cancel_order(**by)


class FaultyBooks(EngineBooks, Faulty):
    """Books whose calls can fail in the same way."""

    async def read(self) -> Snapshot:
        self._fail_at("read")
        return await super().read()

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        self._fail_at("apply")
        await super().apply(changes, reason=reason)


class MarkedDesk:
    """One account whose every number is marked: a missed fill, a stranger's trade and order, and whatever fails."""

    def __init__(self, marks: Marks, clock: VirtualClock | None = None) -> None:
        self.marks, self.clock = marks, clock or VirtualClock(START)
        marks.amount(CASH, HELD, PRICE, MISSED, STRANGE, Decimal("48151623.42"))
        self.world = World(self.clock, seed=3)
        self.world.add_account("main")
        self.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
        self.world.office.pay("main", "deposit", "USD", CASH)
        self.world.set_price("AAPL", PRICE)
        self.world.trade("main", "AAPL", "buy", HELD, PRICE)
        self.clock.advance(60)
        self.broker = FaultyBroker(self.world, "main")
        books = FaultyBooks.opened_from(self.world.snapshot("main"), self.clock)
        assert isinstance(books, FaultyBooks)
        self.books = books
        self.mend()
        self._number = 0
        self.start(None)

    def mend(self) -> None:
        """Nothing fails any more."""
        for side in (self.broker, self.books):
            side.fails, side.afterwards = {}, {}

    def start(self, record: Record | None) -> None:
        """A process of its own, on what *record* kept."""
        account = Account(name="main", local=self.books, broker=self.broker, policy=Policy(rules=(CANCELS,)))
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=record, alarm=LoggedAlarm())

    async def differ(self, *, stranger: bool = False, order: bool = False) -> None:
        """A fill of ours that the books did not hear of; a stranger's trade, and an order of theirs."""
        self._number += 1
        name = f"c-{self._number}"
        self.books.orders.register(
            Order(
                asset="AAPL",
                side="buy",
                quantity=MISSED,
                status="open",
                client_order_id=name,
                updated_at=self.clock.now(),
            )
        )
        self.world.trade("main", "AAPL", "buy", MISSED, PRICE, client_order_id=name)
        if stranger:
            self.world.trade("main", "AAPL", "sell", STRANGE, PRICE, client_order_id=f"by-hand-{name}")
        if order:
            asked = OrderRequest(
                client_order_id=f"z-{name}", asset="AAPL", side="buy", quantity=MISSED, limit_price=PRICE - HELD / 2
            )
            await self.broker.submit_order(asked)

    async def read(self, seconds: int = 30) -> ReconciliationReport:
        """One reconciliation; all that it came upon is marked."""
        self.clock.advance(seconds)
        report = await self.reconciler.reconcile("main")
        self.marks.amount(report, self.reconciler.observed["main"])
        return report


def differing(count: int, marks: Marks) -> list[Observation]:
    """Observations of *count* generated accounts, each twice, half a minute apart; every amount in them is marked."""
    drawn: list[TwoSides] = []
    quiet = settings(
        max_examples=count, database=None, derandomize=True, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip

    @quiet
    @given(worlds())
    def draw(world: TwoSides) -> None:
        drawn.append(world)

    draw()
    made = [each for number, world in enumerate(drawn[:count]) for each in _twice(world, f"account-{number}")]
    marks.amount(*made)
    return sorted(made, key=lambda observation: observation.at)


def _twice(world: TwoSides, name: str) -> list[Observation]:
    made = []
    for later in (0, 30):
        local, broker = (
            replace(_long(side), account=name, as_of=side.as_of + timedelta(seconds=later))
            for side in (world.local, world.broker)
        )
        made.append(Observation(max(local.as_of, broker.as_of), name, local, broker))
    return made


LINEAR = frozenset("amount total available locked quantity filled fee".split())


def _long(value: Any) -> Any:
    """The same record with its amounts, but not its prices, many times as large: what agreed agrees still."""
    if isinstance(value, tuple):
        return tuple(map(_long, value))
    if not isinstance(value, msgspec.Struct):
        return value
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return replace(
        value,
        **{
            name: held * FACTOR if name in LINEAR and isinstance(held, Decimal) else _long(held)
            for name, held in fields.items()
        },
    )
