"""Given observations fed to the record as a reconciler would, without live sides."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.live.configuration import Configuration
from tieout.live.keeping import Keeping
from tieout.live.road import State, reconcile_observation
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation
from tieout.record.recorder import StoreRecord


class Silent:
    """Nobody is to be told anything; where somebody is, the test has failed."""

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Fail."""
        raise AssertionError(f"{account}: {sentence}")


async def feed(
    record: StoreRecord,
    observations: Iterable[Observation],
    configuration: Configuration,
    clock: VirtualClock,
    *,
    restarts: Collection[int] = (),
) -> list[ReconciliationReport]:
    """Judge and record each of *observations*, acting on nothing; returns the reports as they were made.

    Before the observation at an index in *restarts* everything but the record is forgotten, as after a crash. The clock
    goes along.
    """
    keepings: dict[str, Keeping] = {}
    states: dict[str, State] = {}
    made = []
    for index, observation in enumerate(observations):
        name = observation.account
        if index in restarts:
            keepings, states = {}, {}
        clock.advance(max((observation.at - clock.now()).total_seconds(), 0))
        if name not in keepings:
            keepings[name] = Keeping(name, configuration, record, Silent())
        # With no intent open neither of the two is ever asked anything.
        books, broker = EngineBooks(name, clock), SimulatedBroker(World(clock, seed=1), name)
        before = await keepings[name].begin(states.get(name, State()), books, broker)
        settings, policy = configuration.settings, configuration.policy
        outcome = reconcile_observation(
            observation, before, settings, policy, trigger="schedule", finished_at=clock.now()
        )
        await keepings[name].keep(observation, outcome, before)
        states[name] = outcome.state
        keepings[name].end()
        made.append(outcome.report)
    return made
