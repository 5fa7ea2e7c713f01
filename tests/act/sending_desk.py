"""A desk that trades: a margin account whose books are off, a reconciler that may send orders, and a power that may fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from msgspec.structs import replace

from tests.act.desk import START, Notebook, Power
from tieout.act import Effect, Waiting, apply, recover
from tieout.books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.brokers.simulated.faults import Call
from tieout.clock import VirtualClock
from tieout.decide import Policy, Rule, attempted
from tieout.live.road import Outcome, State, reconcile_observation
from tieout.model.amounts import dec
from tieout.model.case import Approved
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.intent import Ended, Intent
from tieout.model.settings import Settings
from tieout.model.snapshot import Leg, Order, OrderSide, Position
from tieout.observe.reading import read_account

SENDS = Rule(strategy=ReconciliationStrategy.SYNC_TO_LOCAL, domain=("position",), approval=False)


class DatedNotebook(Notebook):
    """A journal that says when an intent was kept, as the record does."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock

    async def intend(self, intent: Intent) -> None:
        """Keep it, with the time."""
        await super().intend(replace(intent, at=self.clock.now()))


class DyingClock(VirtualClock):
    """A clock on which the process may die while it waits; things may happen meanwhile."""

    power = Power()
    meanwhile: Callable[[], None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Wait, or die."""
        self.power.use("while waiting")
        await super().sleep(seconds)
        if self.meanwhile is not None:
            self.meanwhile()


class WatchedBroker(SimulatedBroker):
    """A broker that the process may die while asking; it remembers what it was asked to send."""

    power = Power()

    def __init__(self, world: World, account: str) -> None:
        super().__init__(world, account)
        self.asked: list[OrderRequest] = []
        self.market: tuple[Decimal, Decimal | None] | None = None  # as an order finds it

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send, or die before or after it."""
        self.power.use("before the submit")
        self.asked.append(request)
        if self.market is not None:
            self.world.set_price("X", self.market[0], available=self.market[1])
        order = await super().submit_order(request)
        self.power.use("after the submit")
        return order

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """Look, or die after it."""
        order = await super().get_order(broker_order_id=broker_order_id, client_order_id=client_order_id)
        self.power.use("after a look")
        return order

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """End, or die after it."""
        order = await super().cancel_order(broker_order_id=broker_order_id, client_order_id=client_order_id)
        self.power.use("after the cancel")
        return order


class Desk:
    """The broker holds 10 contracts of X at 50; local believes 4 (another number where one is given)."""

    def __init__(
        self, local: str = "4", *, held: str = "10", policy: Policy | None = None, leg: Leg | None = None
    ) -> None:
        self.clock = DyingClock(START)
        self.world = World(self.clock, seed=7)
        self.world.add_account("main", hedge_mode=leg is not None)
        self.world.add_instrument(Instrument(asset="X", kind="margin", currency="USD"))
        self.world.set_price("X", dec("50"))
        self.world.office.pay("main", "deposit", "USD", dec("100000"))
        amount = dec(held)
        if amount:
            side: OrderSide = "buy" if amount > 0 else "sell"
            self.world.trade("main", "X", side, abs(amount), dec("50"), position_side=leg)
        self.broker, self.policy = WatchedBroker(self.world, "main"), policy or Policy(rules=(SENDS,))
        self.journal, self.state = DatedNotebook(self.clock), State()
        self.clock.advance(120)
        said = self.world.snapshot("main")
        rows = tuple(replace(row, amount=dec(local)) for row in said.positions or ()) or (
            Position("X", dec(local), market_price=dec("50"), currency="USD"),
        )
        self.books = EngineBooks.opened_from(replace(said, positions=rows), self.clock)
        self.waiting = Waiting(clock=self.clock)

    def fault(self, fault: Fault, *calls: Call, times: int | None = 1, seconds: int = 0) -> None:
        """Let something go wrong."""
        rule = FaultRule(fault=fault, calls=frozenset(calls) or None, times=times, seconds=seconds)
        self.broker.faults.inject(rule)

    async def judge(self, after: float = 30) -> Outcome:
        """One reading, and what is decided on it; nothing is done."""
        self.clock.advance(after)
        observation = await read_account("main", self.books, self.broker, self.clock)
        outcome = reconcile_observation(observation, self.state, Settings(), self.policy, trigger="schedule")
        self.state = outcome.state
        return outcome

    async def plans(self) -> list[Approved]:
        """What is approved once two readings agree."""
        await self.judge()
        return [plan for plan in (await self.judge()).decided.plans if isinstance(plan, Approved)]

    def wire(self, power: Power | None) -> None:
        """Let the power last for so long."""
        self.journal.power = self.broker.power = self.clock.power = power or Power()

    async def act(self, plans: Sequence[Approved], power: Power | None = None) -> tuple[Effect, ...]:
        """Carry out plans, or die on the way."""
        self.wire(power)
        effects = await apply(
            plans,
            account="main",
            report_id="r",
            books=self.books,
            broker=self.broker,
            journal=self.journal,
            attempts=self.journal.attempts(),
            waiting=self.waiting,
        )
        self.wire(None)
        self._remember(effects)
        return effects

    async def recover(self, power: Power | None = None) -> tuple[Effect, ...]:
        """What a new process does first."""
        self.wire(power)
        effects = await recover(self.journal.unfinished(), self.books, self.broker, self.journal, self.waiting)
        self.wire(None)
        self._remember(effects)
        return effects

    async def reconcile(self, power: Power | None = None) -> None:
        """One round of a process: recover, read, decide, act."""
        for intent in self.journal.intents.values():  # what a restart knows of earlier rounds, the record tells it
            ends = self.journal.ends.get(intent.id, [Ended.UNKNOWN])
            self._remember([Effect(intent.plan, ends[-1])])
        await self.recover(power)
        if self.journal.unfinished():
            self.clock.advance(30)
            return
        outcome = await self.judge()
        await self.act([plan for plan in outcome.decided.plans if isinstance(plan, Approved)], power)

    def _remember(self, effects: Sequence[Effect]) -> None:
        """What the reconciler remembers of acting: what surely never happened may be tried again."""
        undone = {effect.plan.fingerprint for effect in effects if effect.ended is Ended.UNDONE}
        tried = [effect.plan for effect in effects if effect.ended not in (None, Ended.UNDONE)]
        history = attempted(self.state.history, tried)
        self.state = replace(self.state, history=replace(history, attempted=history.attempted - undone))

    def stated(self) -> Decimal:
        """What the broker truly holds of X."""
        return sum((row.amount for row in self.world.snapshot("main").positions or () if row.asset == "X"), dec("0"))

    def ours(self) -> list[Order]:
        """Our orders at the venue, as they stand."""
        resting = self.world.state.account("main").orders.values()
        return [each.order for each in resting if (each.order.client_order_id or "").startswith("tieout-")]

    async def believed(self) -> Decimal:
        """What local holds of X."""
        return sum((row.amount for row in (await self.books.read()).positions or () if row.asset == "X"), dec("0"))

    def ends(self) -> list[list[Ended]]:
        """What became of each intent."""
        return list(self.journal.ends.values())
