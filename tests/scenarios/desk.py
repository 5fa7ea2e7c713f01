"""A trading desk for acting scenarios: a simulated venue, the engine's books and the reconciler, on one virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from tests.scenarios.building import OURS, START
from tieout.books import EngineBooks
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.brokers.simulated.faults import Call
from tieout.clock import VirtualClock
from tieout.errors import BookError, SourceTimeout
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.amounts import dec
from tieout.model.changes import Change
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Order, Snapshot


class Desk:
    """Accounts at one venue, each holding 100 X and cash; books that say so; one reconciler over all of them."""

    def __init__(self, *names: str, kind: type[EngineBooks] = EngineBooks) -> None:
        self.clock = VirtualClock(START)
        self.world = World(self.clock, seed=7)
        self.world.add_instrument(Instrument(asset="X", kind="cash", currency="USD"))
        self.world.set_price("X", dec("100"))
        self.brokers: dict[str, SimulatedBroker] = {}
        self.books: dict[str, EngineBooks] = {}
        for name in names or ("main",):
            self.world.add_account(name)
            self.world.office.pay(name, "deposit", "USD", dec("1000000"))
            self.world.trade(name, "X", "buy", dec("100"), dec("100"))
        self.clock.advance(120)
        for name in names or ("main",):
            self.brokers[name] = SimulatedBroker(self.world, name)
            self.books[name] = kind.opened_from(self.world.snapshot(name), self.clock)
        self.reconciler = self.restarted()

    def restarted(self) -> PositionReconciler:
        """A reconciler that remembers nothing, over the same books and brokers."""
        accounts = {
            name: Account(name=name, local=self.books[name], broker=broker, settings=OURS)
            for name, broker in self.brokers.items()
        }
        return PositionReconciler(accounts, self.clock)

    async def read(self, name: str = "main", *, after: int = 30) -> ReconciliationReport:
        """One reconciliation, so many seconds after what was before."""
        self.clock.advance(after)
        return await self.reconciler.reconcile(name, trigger="schedule")

    def miss(self, quantity: str, name: str = "main") -> None:
        """A fill of an order of ours, or of nobody's, that the books do not hear of."""
        count = len(self.world.snapshot(name).fills or ())
        client = f"own-{name}-{count}"
        self.world.trade(name, "X", "buy", dec(quantity), dec("100"), client_order_id=client)

    def trouble(self, fault: Fault, *calls: Call, name: str = "main") -> None:
        """Let calls go wrong from now on; all that the fault can strike where none is named."""
        rule = FaultRule(fault=fault, calls=frozenset(calls) or None, times=None)
        self.brokers[name].faults.inject(rule)

    def calm(self, name: str = "main") -> None:
        """Let nothing go wrong any more."""
        self.brokers[name].faults.clear()

    async def amount(self, name: str = "main") -> Decimal:
        """What the books hold of X."""
        rows = (await self.books[name].read()).positions or ()
        return sum((row.amount for row in rows), dec("0"))

    def send_nowhere(self, client_order_id: str) -> None:
        """Register an order that never reached the venue."""
        now = self.clock.now()
        self.books["main"].orders.register(
            Order(
                asset="X",
                side="buy",
                quantity=dec("1"),
                status="open",
                client_order_id=client_order_id,
                filled=dec("0"),
                limit_price=dec("50"),
                created_at=now,
                updated_at=now,
            )
        )


class DeafToSome(SimulatedBroker):
    """A broker that never answers about orders whose client id begins with `own-old`."""

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """The order, where it is one of the others.

        Raises:
            SourceTimeout: It is one of those.
        """
        if client_order_id is not None and client_order_id.startswith("own-old"):
            raise SourceTimeout(self.name, "get_order", "no answer")
        return await super().get_order(broker_order_id=broker_order_id, client_order_id=client_order_id)


class StuckBooks(EngineBooks):
    """Books that take every booking and forget it, as a cure does that does not help."""

    asked = 0

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Say yes and book nothing."""
        self.asked += 1


class RefusingBooks(EngineBooks):
    """Books that refuse every booking."""

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Refuse.

        Raises:
            BookError: Always.
        """
        raise BookError("fill", "the books are closed for the day")


class SlowBooks(EngineBooks):
    """Books whose reading is on its way for a while after it was taken."""

    async def read(self) -> Snapshot:
        """What they said some turns of the loop ago."""
        said = await super().read()
        for _ in range(20):
            await asyncio.sleep(0)
        return said
