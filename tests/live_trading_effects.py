"""Each strategy carried out on the simulated broker: what it changes at the broker and in the books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide.policy import Policy, Rule
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.discrepancy import ActionKind, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Order, Snapshot

S = ReconciliationStrategy
TO_LOCAL = Rule(domain=("position", "balance"), cause_any=("EXTERNAL_TRADE",), strategy=S.SYNC_TO_LOCAL, approval=False)


class Desk:
    """100 shares on both sides, and one thing that goes wrong at the broker."""

    def __init__(self, policy: Policy) -> None:
        self.clock = VirtualClock(datetime(2026, 11, 20, 14, 0, tzinfo=UTC))
        self.world = World(self.clock, seed=1)
        self.world.add_account("main")
        self.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
        self.world.office.pay("main", "deposit", "USD", Decimal(50_000))
        self.world.set_price("AAPL", Decimal(190))
        self.world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
        self.clock.advance(60)
        self.books = EngineBooks.opened_from(self.world.snapshot("main"), self.clock)
        self.broker = SimulatedBroker(self.world, "main")
        account = Account(name="main", local=self.books, broker=self.broker, policy=policy)
        self.reconciler = PositionReconciler({"main": account}, self.clock)

    async def read(self) -> ReconciliationReport:
        """A reconciliation, later."""
        self.clock.advance(10)
        return await self.reconciler.reconcile("main", trigger="schedule")

    async def miss_a_fill(self) -> None:
        """An own order fills, and the stream says nothing."""
        self.books.orders.register(
            Order(asset="AAPL", side="buy", quantity=Decimal(5), status="pending", client_order_id="bot-1",
                  type="limit", filled=Decimal(0), limit_price=Decimal(190), created_at=self.clock.now())
        )  # fmt: skip
        await self.broker.submit_order(
            OrderRequest(
                client_order_id="bot-1", asset="AAPL", side="buy", quantity=Decimal(5), limit_price=Decimal(190)
            )
        )

    def trade_by_hand(self, quantity: str) -> None:
        """Somebody buys at the broker's own screen."""
        self.world.trade("main", "AAPL", "buy", Decimal(quantity), Decimal(190))

    async def holdings(self) -> tuple[str, str]:
        """Shares and cash: in the books, and at the broker."""
        return _held(await self.books.read()), _held(self.world.snapshot("main"))


class Scene(Struct, frozen=True):
    """A strategy, and what calls for it here."""

    strategy: S
    title: str
    bought: str = ""
    policy: Policy = Policy()


SCENES = (
    Scene(S.SYNC_TO_BROKER, "the stream lost a fill of 5"),
    Scene(S.WARN_ONLY, "somebody bought 0.5 by hand", bought="0.5"),
    Scene(S.HALT_AND_ALERT, "somebody bought 40 by hand", bought="40"),
    Scene(S.SYNC_TO_LOCAL, "somebody bought 5 by hand, and a rule says so", bought="5",
          policy=Policy(rules=(TO_LOCAL,))),
)  # fmt: skip


async def rows() -> AsyncIterator[tuple[str, ...]]:
    """One row a scene."""
    for scene in SCENES:
        desk = Desk(scene.policy)
        await desk.read()
        if scene.bought:
            desk.trade_by_hand(scene.bought)
        else:
            await desk.miss_a_fill()
        books, broker = await desk.holdings()
        report = await desk.read()
        if any(action.action is ActionKind.WAIT for action in report.actions):
            report = await desk.read()
        after, stated = await desk.holdings()
        assert {str(each.strategy) for each in report.discrepancies} == {str(scene.strategy)}, report.discrepancies
        done = ", ".join(dict.fromkeys(f"`{each.action}` {each.status}" for each in report.actions))
        later = await desk.read()
        halts = "".join(f", halted: `{halt.reason}`" for halt in later.halts)
        yield (
            f"`{scene.strategy}`",
            scene.title,
            f"{books} → {after}",
            f"{broker} → {stated}",
            done,
            later.status + halts,
        )


async def effects() -> list[tuple[str, ...]]:
    """All rows."""
    return [row async for row in rows()]


def _held(side: Snapshot) -> str:
    shares = next((row.amount for row in side.positions or () if row.asset == "AAPL"), Decimal(0))
    cash = next((row.total for row in side.balances or () if row.currency == "USD"), Decimal(0))
    return f"{shares.normalize():f} and {cash.quantize(Decimal('0.01'))} USD"
