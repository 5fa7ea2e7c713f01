"""The workload: so many breaks of every class, one after the other, and what the policy made of them."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from tests.workload.breaks import KINDS, Kind
from tests.workload.floor import Floor
from tieout.model.case import Refused
from tieout.model.discrepancy import ActionKind, ActionStatus, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.word import Verdict

READINGS = 12


class Told(Struct, frozen=True):
    """What became of one break."""

    kind: Kind
    closed: bool
    halted: bool
    wrong: str | None
    readings: int
    waited: bool


async def run(breaks: int, seed: int = 1, *, looking: bool = False) -> list[Told]:
    """Let *breaks* things go wrong, each class once an account, and return what became of each.

    A person tidies up after what is left to people. Where *looking*, looks at what an event may have touched come between.
    """
    told: list[Told] = []
    account = 0
    while len(told) < breaks:
        floor, account = Floor(seed * 1000 + account, looking=looking), account + 1
        await floor.read()
        kinds = list(KINDS)
        floor.rng.shuffle(kinds)
        for kind in kinds[: breaks - len(told)]:
            told.append(await _one(floor, kind))
            await _tidy(floor)
    return told


async def _one(floor: Floor, kind: Kind) -> Told:
    floor.clock.advance(floor.rng.randint(120, 800))
    await kind.happen(floor)
    entries = len(floor.books.ledger.entries)
    halted = waited = False
    for count in range(1, READINGS + 1):
        report = await floor.read()
        halted = halted or any(action.action is ActionKind.HALT for action in report.actions)
        waited = waited or any(action.status is ActionStatus.AWAITING_APPROVAL for action in report.actions)
        if report.status == "matched":
            # Not a person, not a report, but the venue's own truth says whether it is right.
            return Told(kind, True, halted, await floor.wrong(), count, waited)
    booked = "booked without leave" if len(floor.books.ledger.entries) != entries else None
    return Told(kind, False, halted, booked, READINGS, waited)


async def _tidy(floor: Floor) -> None:
    """What a person does afterwards: wants the broker's word booked, ends strangers' orders, and lets trading go on."""
    for order in floor.world.snapshot("main").orders or ():
        if order.live:
            floor.world.cancel("main", broker_order_id=order.broker_order_id)
    for _ in range(8):
        report = await floor.read(90)
        if report.status == "matched":
            break
        for plan in floor.reconciler.plans["main"]:
            if isinstance(plan, Refused):
                await floor.say(Verdict.APPROVE, plan=plan.fingerprint)
        for row in report.discrepancies:
            if row.domain in ("position", "balance") and not _planned(report):
                strategy = ReconciliationStrategy.SYNC_TO_BROKER
                await floor.say(Verdict.RESOLVE, subject=row.discrepancy_id, strategy=strategy)
    if floor.reports[-1].halts:
        await floor.say(Verdict.RESUME)
        await floor.read(90)
    if await floor.wrong() is not None:
        # A number set has its own cost: the person opens the books anew, and this is no booking of Tieout's.
        floor.reopen(floor.world.snapshot("main"))
    floor.clock.advance(25 * 3600)  # what strangers did yesterday does not count today
    await floor.read()


def _planned(report: ReconciliationReport) -> bool:
    return any(action.status in (ActionStatus.AWAITING_APPROVAL, ActionStatus.DONE) for action in report.actions)


def summary(told: list[Told]) -> dict[str, object]:
    """The figures that issue 4 asks for."""
    heal = [each for each in told if each.kind.end == "heals"]
    by_itself = [each for each in heal if each.closed and each.wrong is None and not each.halted]
    return {
        "breaks": len(told),
        "classes": len({each.kind.name for each in told}),
        "meant to heal": len(heal),
        "healed and verified": len(by_itself),
        "wrong bookings": [(each.kind.name, each.wrong) for each in told if each.wrong is not None],
        "not healed": Counter(each.kind.name for each in heal if each not in by_itself),
        "unneeded halts": Counter(each.kind.name for each in told if each.halted and each.kind.end != "halts"),
        "halts missed": Counter(each.kind.name for each in told if not each.halted and each.kind.end == "halts"),
        "closed without leave": Counter(
            each.kind.name for each in told if each.closed and each.kind.end in ("halts", "waits")
        ),
    }


if __name__ == "__main__":
    import asyncio
    import sys

    for name, figure in summary(asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))).items():
        sys.stdout.write(f"{name}: {figure}\n")
