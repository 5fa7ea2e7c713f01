"""A desk whose process can die at any moment: a simulated venue, books and a journal that outlive it, and the real road."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from msgspec.structs import replace

from tieout.act import Effect, apply, recover
from tieout.books import EngineBooks
from tieout.books.entries import ActivityBooked, FillBooked
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy, Rule, attempted
from tieout.errors import RecordUnavailable
from tieout.live.road import Outcome, State, reconcile_observation
from tieout.model.amounts import dec
from tieout.model.case import Approved
from tieout.model.changes import Change
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.intent import Ended, Intent
from tieout.model.settings import Settings
from tieout.model.snapshot import Order, Snapshot
from tieout.observe.reading import read_account

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
OURS = Settings(own_client_ids=("own-",))
PAID_IN = {"X": "USD", "Y": "EUR"}
CANCELS = Rule(cause=("EXTERNAL_ORDER",), strategy=ReconciliationStrategy.SYNC_TO_LOCAL, approval=False)


class PowerCut(BaseException):
    """The process dies here."""


class Power:
    """Lasts for so many points at which it may be cut; None is for ever."""

    def __init__(self, lasts: int | None = None) -> None:
        self.left, self.passed = lasts, list[str]()

    def use(self, point: str) -> None:
        """Pass one point, or die at it.

        Raises:
            PowerCut: It lasted until here.
        """
        self.passed.append(point)
        if self.left == 0:
            raise PowerCut(point)
        self.left = None if self.left is None else self.left - 1


class Notebook:
    """A journal that outlives the process. Calls in `refuses` fail, those in `keeps` although they were kept."""

    def __init__(self) -> None:
        self.power = Power()
        self.intents: dict[str, Intent] = {}
        self.ends: dict[str, list[Ended]] = {}
        self.refuses: set[str] = set()
        self.keeps: set[str] = set()

    async def intend(self, intent: Intent) -> None:
        """Keep an intent; the same one comes once."""
        assert intent.id not in self.intents, "one intent was begun twice"
        self.power.use("before intend")
        self._refuse("intend")
        self.intents[intent.id] = intent
        self._doubt("intend")
        self.power.use("between intend and the act")

    async def confirm(self, account: str) -> None:
        """Nobody else acts for it, unless the test says so."""
        self._refuse("confirm")

    async def conclude(self, intent: Intent, ended: Ended, why: str | None) -> None:
        """Keep its end."""
        self.power.use("between the act and conclude")
        self._refuse("conclude")
        self.ends.setdefault(intent.id, []).append(ended)
        self._doubt("conclude")
        self.power.use("after conclude")

    def _refuse(self, call: str) -> None:
        if call in self.refuses:
            raise RecordUnavailable("the disk is full")

    def _doubt(self, call: str) -> None:
        if call in self.keeps:
            raise RecordUnavailable("the answer was lost")

    def unfinished(self) -> list[Intent]:
        """Intents without an end, or with an unknown one."""
        return [one for name, one in self.intents.items() if self.ends.get(name, [Ended.UNKNOWN])[-1] is Ended.UNKNOWN]

    def attempts(self) -> Mapping[str, int]:
        """How often each plan was found never to have happened."""
        undone = [self.intents[name] for name, ends in self.ends.items() if ends[-1] is Ended.UNDONE]
        return Counter(intent.plan.fingerprint for intent in undone)

    def tried(self) -> list[Approved]:
        """The plans that are not to be tried again."""
        return [self.intents[name].plan for name, ends in self.ends.items() if ends[-1] is not Ended.UNDONE]


class MortalBooks(EngineBooks):
    """Books that the process may die in, before, within and after a booking."""

    power = Power()

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book them all, or die."""
        self.power.use("before the booking")
        await super().apply(changes, reason=reason)
        self.power.use("after the booking")

    def _apply_one(self, change: Change, reason: str) -> None:
        super()._apply_one(change, reason)
        self.power.use("inside the booking")


class MortalBroker(SimulatedBroker):
    """A broker that the process may die while asking; it counts what it is asked to end though it has ended."""

    power = Power()
    asked_again = 0

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask, or die."""
        self.power.use("before the cancel")
        resting = self.world.state.account(self.account).find(broker_order_id, client_order_id)
        self.asked_again += resting is not None and not resting.order.live
        order = await super().cancel_order(broker_order_id=broker_order_id, client_order_id=client_order_id)
        self.power.use("after the cancel")
        return order


class Desk:
    """One account that holds 10 X and 10 Y at a venue, each paid in a currency of its own; books and venue agree."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.world = World(self.clock, seed=7)
        self.world.add_account("main")
        for asset, currency in PAID_IN.items():
            self.world.add_instrument(Instrument(asset=asset, kind="cash", currency=currency))
            self.world.set_price(asset, dec("100"))
            self.world.office.pay("main", "deposit", currency, dec("1000000"))
            for _ in range(2):
                self.world.trade("main", asset, "buy", dec("5"), dec("100"), client_order_id=self._own())
        self.broker = MortalBroker(self.world, "main")
        self.journal, self.state = Notebook(), State()
        self.clock.advance(120)
        self.open_books()

    def open_books(self, snapshot: Snapshot | None = None) -> None:
        """Books that say this, or what the venue says now."""
        books = MortalBooks.opened_from(snapshot or self.world.snapshot("main"), self.clock)
        assert isinstance(books, MortalBooks)
        self.books = books

    def _own(self) -> str:
        return f"own-{len(self.world.state.account('main').orders)}"

    def miss(self, asset: str = "X", quantity: str = "2") -> None:
        """A fill of ours that the books do not hear of."""
        self.world.trade("main", asset, "buy", dec(quantity), dec("100"), client_order_id=self._own())

    async def rest(self, name: str | None = None, *, asset: str = "X") -> Order:
        """A live order at the venue, ours by its name unless another is given."""
        request = OrderRequest(
            client_order_id=name or self._own(), asset=asset, side="buy", quantity=dec("1"), limit_price=dec("1")
        )
        return await self.broker.submit_order(request)

    async def repeat(self, asset: str = "X") -> None:
        """The books hold one of the asset's fills twice."""
        said = await self.books.read()
        again = next(fill for fill in said.fills or () if fill.asset == asset)
        positions = tuple(
            replace(row, amount=row.amount + again.quantity) if row.asset == asset else row
            for row in said.positions or ()
        )
        paid = again.quantity * again.price
        balances = tuple(
            replace(row, total=row.total - paid, available=None, locked=None) if row.currency == PAID_IN[asset] else row
            for row in said.balances or ()
        )
        self.open_books(replace(said, positions=positions, balances=balances, fills=(*(said.fills or ()), again)))

    async def judge(self) -> Outcome:
        """One reading of both sides half a minute later, and what is decided on it; nothing is done."""
        self.clock.advance(30)
        observation = await read_account("main", self.books, self.broker, self.clock)
        outcome = reconcile_observation(observation, self.state, OURS, Policy(rules=(CANCELS,)), trigger="schedule")
        self.state = outcome.state
        return outcome

    async def plans(self) -> list[Approved]:
        """What is approved once two readings agree."""
        await self.judge()
        outcome = await self.judge()
        return [plan for plan in outcome.decided.plans if isinstance(plan, Approved)]

    async def act(self, plans: Sequence[Approved], power: Power | None = None) -> tuple[Effect, ...]:
        """Carry out plans, or die on the way."""
        self.journal.power = self.books.power = self.broker.power = power or Power()
        return await apply(
            plans,
            account="main",
            report_id="r",
            books=self.books,
            broker=self.broker,
            journal=self.journal,
            attempts=self.journal.attempts(),
        )

    async def recover(self, power: Power | None = None) -> tuple[Effect, ...]:
        """What a new process does first."""
        self.journal.power = self.books.power = self.broker.power = power or Power()
        effects = await recover(self.journal.unfinished(), self.books, self.broker, self.journal)
        self.state = replace(self.state, history=attempted(self.state.history, self.journal.tried()))
        return effects

    async def reconcile(self, power: Power | None = None) -> int:
        """One round of a process that recovers, reads, decides and acts; returns how many plans there were."""
        await self.recover(power)
        if self.journal.unfinished():
            return 1
        outcome = await self.judge()
        plans = [plan for plan in outcome.decided.plans if isinstance(plan, Approved)]
        await self.act(plans, power)
        self.state = replace(self.state, history=attempted(self.state.history, self.journal.tried()))
        return len(plans)

    def bookings(self) -> Counter[str]:
        """How often each record was booked since the books were opened."""
        records = [entry.record for entry in self.books.ledger.entries]
        names = [record.fill.fill_id for record in records if isinstance(record, FillBooked)]
        return Counter(names + [one.activity.activity_id for one in records if isinstance(one, ActivityBooked)])

    async def held(self) -> Snapshot:
        """What the books say, in an order of their own, whenever that is."""
        said = await self.books.read()
        return replace(
            said,
            as_of=START,
            fills=tuple(sorted(said.fills or (), key=repr)),
            activities=tuple(sorted(said.activities or (), key=repr)),
            orders=tuple(sorted(said.orders or (), key=lambda order: order.name)),
        )

    async def amount(self, asset: str = "X") -> Decimal:
        """What the books hold of an asset."""
        return sum((row.amount for row in (await self.books.read()).positions or () if row.asset == asset), dec("0"))
