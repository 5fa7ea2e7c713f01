"""A history through the live engine instead of `tieout replay`: `live.py replay FILE --format json`, a report a line.

Each account of the history gets a `LiveTradingEngine` with a gate, a record on SQLite and a clock that follows the history.
Only the two sides are not alive: what they say is the history. Books that answer a reading are away when an action is to be
booked, so that, as in a replay, nothing is acted on; such an action is printed as planned, as it was decided.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.workload.floor import LOOKS, require_nothing_else
from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import Capabilities
from tieout.brokers.simulated import SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.errors import SourceUnreachable
from tieout.live import reconciler
from tieout.live.engine import LiveTradingEngine
from tieout.live.reconciler import Account
from tieout.model.codec import decode_history, encode
from tieout.model.discrepancy import ActionStatus
from tieout.model.report import Action, ReconciliationReport
from tieout.model.snapshot import SECTIONS, Fill, Observation, Order, Section, SideError, Snapshot
from tieout.observe.reading import READ_ORDER, ReadOrder
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

SINCE = ("fills", "activities")  # lists that say from when on they are whole


class Ended(BaseException):
    """The history has come to its end."""


class Story:
    """The observations of one account, in their order, on the engine's clock."""

    def __init__(self, observations: list[Observation], clock: VirtualClock) -> None:
        self._left = list(observations)
        self._clock = clock

    async def read(self, *_: object, order: ReadOrder = READ_ORDER, **__: object) -> Observation:
        """The next observation, at its own time; only the sections of *order*, and once more, for a look."""
        if not self._left:
            raise Ended
        found = self._left[0]
        self._clock.advance(max((found.at - self._clock.now()).total_seconds(), 0))
        sections = frozenset(section for row in order for section in row)
        if sections == frozenset(SECTIONS):
            return self._left.pop(0)
        return replace(found, broker=_part(found.broker, sections))


def _part(stated: Snapshot | SideError, sections: frozenset[Section]) -> Snapshot | SideError:
    if isinstance(stated, SideError):
        return stated
    coverage = {name: state for name, state in (stated.coverage or {}).items() if name in sections} or None
    told = {name: getattr(stated, name) if name in sections else None for name in SECTIONS}
    since = {f"{name}_since": getattr(stated, f"{name}_since") if name in sections else None for name in SINCE}
    return replace(stated, coverage=coverage, **told, **since)


class AwayBooks(EngineBooks):
    """Books that are away when something is to be booked."""

    async def read(self) -> Snapshot:
        """Nothing: what they said at the reading is in the history."""
        raise SourceUnreachable("local", "books", "a history cannot be acted on")


class QuietBroker(SimulatedBroker):
    """A broker that says nothing of its own between the readings."""

    def capabilities(self) -> Capabilities:
        """As the history's venue may have them."""
        return replace(super().capabilities(), order_lookup=False)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """None."""
        return ()

    async def get_open_orders(self) -> tuple[Order, ...]:
        """None."""
        return ()

    async def server_time(self) -> datetime:
        """The clock's."""
        return self.world.clock.now()


class Idle:
    """A strategy that only looks on."""

    async def on_start(self, engine: LiveTradingEngine) -> None:
        """Look on."""

    async def on_fill(self, engine: LiveTradingEngine, fill: Fill) -> None:
        """Look on."""

    async def on_timer(self, engine: LiveTradingEngine, now: datetime) -> None:
        """Look on."""


async def drive(observations: list[Observation], folder: Path) -> list[ReconciliationReport]:
    """The reports of one account's engine over its history."""
    name, clock = observations[0].account, VirtualClock(observations[0].at)
    world = World(clock)
    world.add_account(name)
    keys.create(folder / "keys", "tieout-conform")
    record = await open_record(RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys")), clock)
    reports: list[ReconciliationReport] = []

    async def reported(report: ReconciliationReport) -> None:
        reports.append(report)

    account = Account(name=name, local=AwayBooks(name, clock), broker=QuietBroker(world, name))
    engine = LiveTradingEngine(Idle(), account, clock=clock, record=record, reported=reported)
    setattr(reconciler, "read_account", Story(observations, clock).read)  # noqa: B010 - the one thing that is not alive
    try:
        await engine.start()
        while True:
            # Between readings come looks, as events ask for them: whatever they see, the verdicts stay what they are.
            read = len(reports)
            for sections in filter(None, LOOKS):
                await engine.reconciler.look(name, sections)
            looks, reports[read:] = reports[read:], []
            await engine.reconcile()
            _require_shut(engine, reports[-1])
            for look in looks:
                require_nothing_else(look, reports[-1])
    except Ended:
        await engine.stop()
        await record.close()
    return [replace(report, actions=tuple(map(_decided, report.actions))) for report in reports]


def _require_shut(engine: LiveTradingEngine, report: ReconciliationReport) -> None:
    """A halt that the report says must stand at the gate."""
    assert {halt.id for halt in engine.gate.halts} == {halt.id for halt in report.halts}, "the gate follows"


def _decided(action: Action) -> Action:
    if action.status is not ActionStatus.SKIPPED or not action.detail.get("failure", "").startswith("not_read"):
        return action
    detail = {key: text for key, text in action.detail.items() if key != "failure"}
    return replace(action, status=ActionStatus.PLANNED, detail=detail)


async def main(history: list[Observation]) -> None:
    """Print a report for each observation, in the order of the history."""
    made: dict[str, Iterator[ReconciliationReport]] = {}
    for name in dict.fromkeys(each.account for each in history):
        with tempfile.TemporaryDirectory() as folder:
            own = [each for each in history if each.account == name]
            made[name] = iter(await drive(own, Path(folder)))
    for each in history:
        sys.stdout.write(encode(next(made[each.account])).decode() + "\n")


if __name__ == "__main__":
    raw = Path(sys.argv[2]).read_bytes()
    asyncio.run(main(list(decode_history(raw.splitlines(), sys.argv[2]))))
