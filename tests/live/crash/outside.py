"""What outlives an engine: the venue, the people who were told something, and what has to be true of it all."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from msgspec import Struct

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.simulated.facts import Journal
from tieout.clock import Clock
from tieout.live.gate import Gate
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import OrderSide, Snapshot
from tieout.model.word import Verdict, Word

SHUT = frozenset(("halts_unknown", "by_hand", "not_reconciled", "stopped"))


class Intention(Struct, frozen=True, kw_only=True):
    """One thing that the strategy wants once; no other has its asset and quantity."""

    asset: str
    side: OrderSide
    quantity: Decimal
    limit_price: Decimal | None = None

    def is_meant_by(self, asset: str, quantity: Decimal) -> bool:
        """Whether an order of this asset and quantity is for it."""
        return (asset, quantity) == (self.asset, self.quantity)


class Memory(Struct, kw_only=True):
    """What people and the strategy know, whatever process dies.

    Attributes:
        wanted: What the strategy wants, in its order.
        done: The steps that came to their end, and events that happened.
        acknowledged: Ids of the words that people were told are kept.
        standing: Ids of the halts that people know of; `lifted` those that they were told are over.
        by_hand: Whether people were told that a halt of theirs is kept.
        may_be_lifted: Whether a word that lets trading go on is on the disk, and no report has shown yet that it was heard.
        wrong: What must never happen, and did.
    """

    wanted: list[Intention] = []
    done: set[str] = set()
    acknowledged: list[str] = []
    halts: set[str] = set()
    standing: set[str] = set()
    lifted: set[str] = set()
    by_hand: bool = False
    may_be_lifted: bool = False
    wrong: list[str] = []
    passed: float = 0


def venue(clock: Clock, journal: Journal | None = None) -> World:
    """A venue at which 100 AAPL, 10 X and cash are held, or what *journal* keeps of one."""
    world = World(clock, seed=3, journal=journal)
    if world.state.accounts:
        return world
    world.add_account("main")
    world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
    world.add_instrument(Instrument(asset="X", kind="margin", currency="USD"))
    world.office.pay("main", "deposit", "USD", Decimal(69_000))
    world.set_price("AAPL", Decimal(190))
    world.set_price("X", Decimal(50))
    world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
    world.trade("main", "X", "buy", Decimal(10), Decimal(50))
    return world


class Outside:
    """The truth that a crash does not touch: the venue, and what people were told. The gate is the present engine's."""

    def __init__(self, world: World, memory: Memory | None = None) -> None:
        self.world, self.memory, self.gate = world, memory or Memory(), Gate()

    def want(self, intention: Intention) -> None:
        """From now on the strategy wants this."""
        if intention not in self.memory.wanted:
            self.memory.wanted.append(intention)

    @property
    def halted(self) -> bool:
        """Whether people believe that trading is stopped, and nobody has said that it may go on."""
        return (bool(self.memory.standing) or self.memory.by_hand) and not self.memory.may_be_lifted

    def on_disk(self, word: Word) -> None:
        """A word is kept, whether or not anybody is told: from now on it may be heard."""
        if word.verdict is Verdict.RESUME:
            self.memory.may_be_lifted = True

    def acknowledged(self, word: Word) -> None:
        """A person was told that a word is kept."""
        self.memory.acknowledged.append(word.id)
        if word.verdict is Verdict.HALT:
            self.memory.by_hand, self.memory.may_be_lifted = True, False
        if word.verdict is Verdict.RESUME:
            self.memory.lifted |= self.memory.standing
            self.memory.standing, self.memory.by_hand = set(), False

    async def reported(self, report: ReconciliationReport) -> None:
        """People were told which halts stand."""
        halts = {halt.id for halt in report.halts if not halt.lifts_itself}
        self.memory.halts |= halts
        if self.halted and not self.gate.halts and SHUT.isdisjoint(self.gate.closed):
            self.memory.wrong.append("the gate is open while a halt stands")
        if any(each.startswith("Nothing was acted on") for each in report.summary.warnings):
            return  # the record was away, and it says so: what people said is heard once it is back
        if self.memory.lifted & halts:
            self.memory.wrong.append("a resume that was acknowledged was forgotten")
        forgotten = self.memory.standing - halts or (self.memory.by_hand and not any(halt.by for halt in report.halts))
        if forgotten and not self.memory.may_be_lifted:
            self.memory.wrong.append(f"a halt was forgotten: {self.memory.standing - halts or 'by hand'}")
        if halts and not self.gate.halts:
            self.memory.wrong.append("the gate does not follow a halt")
        self.memory.standing, self.memory.by_hand, self.memory.may_be_lifted = (
            halts,
            any(halt.by for halt in report.halts),
            False,
        )

    def sent(self, request: OrderRequest) -> None:
        """An order arrived at the venue."""
        correction = request.client_order_id.startswith("tieout-")
        if self.halted and not request.reduce_only and not correction:
            self.memory.wrong.append(f"an order for {request.quantity} {request.asset} left while trading was halted")

    def check_orders(self) -> None:
        """No id reached the venue twice, and nothing that was wanted once was ordered under two ids."""
        seen = self.world.submits_seen("main")
        assert all(count == 1 for count in seen.values()), f"sent twice: {seen}"
        orders = [each.order for each in self.world.state.account("main").orders.values()]
        for want in self.memory.wanted:
            meant = [
                order.client_order_id
                for order in orders
                if want.is_meant_by(order.asset, order.quantity) and (order.client_order_id or "").startswith("te-")
            ]
            assert len(meant) <= 1, f"{want.quantity} {want.asset} was ordered under {meant}"

    def check_books(self, held: Snapshot, *, unbooked: frozenset[str]) -> None:
        """Each fill stands in the books once; amounts, cash and cost are the venue's.

        *unbooked* are assets of which a stranger's fill was undone by a correction: their fills are on nobody's books.
        """
        true = self.world.snapshot("main")
        booked = Counter((row.asset, row.fill_id, row.side) for row in held.fills or ())
        assert all(count == 1 for count in booked.values()), f"booked twice: {booked}"
        missing = [row for row in true.fills or () if row.asset not in unbooked]
        missing = [row for row in missing if (row.asset, row.fill_id, row.side) not in booked]
        assert not missing, f"not booked: {missing}"
        assert _rows(held) == _rows(true), f"{_rows(held)} for {_rows(true)}"
        assert {row.currency: row.total for row in held.balances or ()} == {
            row.currency: row.total for row in true.balances or ()
        }


def _rows(side: Snapshot) -> dict[str, tuple[Decimal, Decimal]]:
    """Amounts and average costs, as far as a venue that rounds averages after each trade says the same."""
    rows = (row for row in side.positions or () if row.amount)
    return {row.asset: (row.amount, (row.average_price or Decimal(0)).quantize(Decimal("1e-12"))) for row in rows}
