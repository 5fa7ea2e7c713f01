"""The scenes: a day of trading, a day with people, and a day on which an order is sent to bring the broker to local."""

from __future__ import annotations

import contextlib
from decimal import Decimal

from tests.live.crash.house import House, Scene, ordered
from tests.live.crash.outside import Intention
from tieout.brokers.simulated import Fault, FaultRule
from tieout.decide import Policy, Rule
from tieout.errors import OrderRefused, RecordError
from tieout.model.discrepancy import ActionStatus, ReconciliationStrategy
from tieout.model.word import Verdict, Word

MARKET = Intention(asset="AAPL", side="buy", quantity=Decimal(3))
BID = Intention(asset="AAPL", side="buy", quantity=Decimal(2), limit_price=Decimal(180))
RESTS = Intention(asset="AAPL", side="buy", quantity=Decimal(1), limit_price=Decimal(150))
UNKNOWN = Intention(asset="MSFT", side="buy", quantity=Decimal(1), limit_price=Decimal(10))
LOST = Intention(asset="AAPL", side="buy", quantity=Decimal(4))
WHILE_HALTED = Intention(asset="AAPL", side="buy", quantity=Decimal(7))
BY_HAND = Intention(asset="AAPL", side="buy", quantity=Decimal(5))


async def _wanted(house: House, want: Intention) -> None:
    """The strategy wants something, and orders it."""
    house.outside.want(want)

    async def is_ordered() -> bool:
        return ordered(house.engine, want)

    for _ in range(30):
        if await is_ordered():
            return
        await house.clock.sleep(10)
        if house.engine.gate.closed:
            await house.engine.reconcile()
    raise AssertionError(f"{want} was never ordered: {house.engine.gate.closed}, {house.sentences}")


async def buys(house: House) -> None:
    """A market order fills at once, a limit order rests, another is refused."""
    for want in (MARKET, BID, UNKNOWN):
        await _wanted(house, want)


async def is_filled_unheard(house: House) -> None:
    """The bid fills, and a reconciliation finds it before the engine does."""
    house.once("the price falls", lambda: house.world.set_price("AAPL", Decimal(180)))
    await house.clock.sleep(5)
    await house.engine.reconcile()


async def loses_an_answer(house: House) -> None:
    """An order arrives, and its answer is lost."""
    house.broker.faults.inject(FaultRule(fault=Fault.LOST_REPLY, calls=frozenset({"submit_order"})))
    await _wanted(house, LOST)
    house.broker.faults.clear()


async def cancels(house: House) -> None:
    """An order rests and is cancelled."""
    await _wanted(house, RESTS)

    async def has_ended() -> bool:
        for order in house.engine.orders:
            if RESTS.is_meant_by(order.asset, order.quantity):
                with contextlib.suppress(OrderRefused):  # it ended just now
                    await house.engine.cancel(order.name)
        return not any(RESTS.is_meant_by(order.asset, order.quantity) for order in house.engine.orders)

    await house.until(has_ended)


async def meets_a_stranger(house: House) -> None:
    """Somebody buys 3 %: it is booked. Where the disk failed, a person has to say once more that it be."""
    house.once("a stranger buys", lambda: house.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(190)))
    await _booked(house, Decimal(103))
    if house.engine.gate.halts:
        await resumes(house)


async def halts(house: House) -> None:
    """Somebody sells 40 %: it halts, and what the strategy wants now does not leave."""
    house.once("a stranger sells", lambda: house.world.trade("main", "AAPL", "sell", Decimal(40), Decimal(190)))

    async def is_halted() -> bool:
        return bool(house.engine.gate.halts)

    await house.until(is_halted)
    house.outside.want(WHILE_HALTED)
    await house.clock.sleep(25)


async def approves(house: House) -> None:
    """A person approves the cure, and it is booked."""
    await _booked(house, Decimal(63))


async def _booked(house: House, amount: Decimal) -> None:
    """The books come to hold so much, with the leave of a person where that is asked for."""

    async def is_booked() -> bool:
        if house.engine.position("AAPL") == amount:
            return True
        report = await house.engine.reconcile()
        stuck = {ActionStatus.AWAITING_APPROVAL, ActionStatus.FAILED}
        waits = any(action.status in stuck for action in report.actions) or report.halts
        for plan in house.engine.reconciler.plans["main"] if waits else ():
            word = Word(
                id=f"approve-{plan.fingerprint}-{house.clock.passed()}", account="main", subject="main",
                verdict=Verdict.APPROVE, actor="ann", text="seen", plan=plan.fingerprint,
            )  # fmt: skip
            with contextlib.suppress(RecordError):  # said again
                await house.engine.reconciler.say(word)
        return False

    await house.until(is_booked)


async def resumes(house: House) -> None:
    """A person lets trading go on, and what was wanted meanwhile is ordered."""

    async def goes_on() -> bool:
        if not house.engine.gate.halts and not house.engine.gate.closed:
            return True
        with contextlib.suppress(RecordError):  # said again
            await house.engine.resume("ann", "understood")
        return not house.engine.gate.halts and not house.engine.gate.closed

    await house.until(goes_on)
    for want in house.outside.memory.wanted:
        await _wanted(house, want)


async def halts_by_hand(house: House) -> None:
    """A person halts, and what the strategy wants now does not leave."""

    async def is_halted() -> bool:
        if not house.engine.gate.halts:
            with contextlib.suppress(RecordError):  # said again
                await house.engine.halt("ben", "going home")
        return bool(house.engine.gate.halts)

    await house.until(is_halted)
    house.outside.want(BY_HAND)
    await house.clock.sleep(25)


async def is_brought_to_local(house: House) -> None:
    """Somebody buys 6 X, and the rule sends an order that sells them."""
    house.once("a stranger buys X", lambda: house.world.trade("main", "X", "buy", Decimal(6), Decimal(50)))

    async def is_undone() -> bool:
        if any(row.asset == "X" and row.amount == 10 for row in house.world.snapshot("main").positions or ()):
            return True
        if house.engine.gate.halts:
            await _resolves(house)
        return False

    await house.until(is_undone, 20, 31)
    if house.engine.gate.halts:
        await resumes(house)


async def _resolves(house: House) -> None:
    """A person who sees it halted says that an order is to be sent all the same."""
    report = await house.engine.reconcile()
    for number, found in enumerate(each for each in report.discrepancies if each.domain == "position"):
        word = Word(
            id=f"resolve-{number}-{house.clock.passed()}", account="main", subject=found.discrepancy_id,
            verdict=Verdict.RESOLVE, strategy=ReconciliationStrategy.SYNC_TO_LOCAL, actor="ann", text="seen",
        )  # fmt: skip
        with contextlib.suppress(RecordError):  # said again
            await house.engine.reconciler.say(word)
            await house.engine.resume("ann", "an order is to be sent")


TRADING = Scene(
    "trading",
    (("buys", buys), ("fill", is_filled_unheard), ("lost", loses_an_answer), ("cancels", cancels)),
)
PEOPLE = Scene(
    "people",
    (("stranger", meets_a_stranger), ("halts", halts), ("approves", approves), ("resumes", resumes),
     ("by hand", halts_by_hand), ("resumes again", resumes)),
)  # fmt: skip
SENDING = Scene(
    "sending",
    (("brought", is_brought_to_local),),
    Policy(
        rules=(Rule(asset=("X",), domain=("position",), strategy=ReconciliationStrategy.SYNC_TO_LOCAL, approval=False),)
    ),
    frozenset({"X"}),
)
SCENES = (TRADING, PEOPLE, SENDING)
