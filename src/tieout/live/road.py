"""The road, written once: observe, compare, explain, decide, report. Pure; only this module knows the order.

`tieout compare` and `tieout replay` take it on files, `PositionReconciler` on what it has just read.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from tieout.compare import compare
from tieout.decide import Decided, History, Policy, Reading, decide, hear
from tieout.explain import explain
from tieout.live.reporting import build_report
from tieout.model.case import Explanation
from tieout.model.discrepancy import DOUBTS, Difference, Key
from tieout.model.identified import meant
from tieout.model.identity import identity_of
from tieout.model.memory import Memory
from tieout.model.pairing import paired_orders
from tieout.model.report import ReconciliationReport, SectionCoverage, Trigger
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, SideError, Snapshot
from tieout.model.word import Word
from tieout.observe import coverage_of, is_complete, is_empty, remember
from tieout.spans import span

NOTHING = Explanation({}, (), {}, {}, frozenset(), ids_unrelated=False)


class State(Struct, frozen=True):
    """What one account's next reconciliation has to know of the earlier ones."""

    memory: Memory = Memory()
    history: History = History()


class Outcome(Struct, frozen=True):
    """One reconciliation: its report, what was decided, and the state after it."""

    report: ReconciliationReport
    decided: Decided
    state: State


def reconcile_observation(
    observation: Observation,
    state: State,
    settings: Settings,
    policy: Policy,
    *,
    trigger: Trigger,
    settled: bool = False,
    finished_at: datetime | None = None,
    words: tuple[Word, ...] = (),
) -> Outcome:
    """Take one observation down the whole road, acting on nothing.

    Args:
        observation: Both sides at one moment.
        state: What earlier readings of this account left.
        settings: The account's tolerances, units and scope.
        policy: What is done about breaks.
        settled: Whether both sides are taken as settled, as one comparison of two files is.
        trigger, finished_at: What asked for it, and when it ended where that is not the observation's own time.
        words: What people said since the reading before.
    """
    # What both sides said stays as they said it; from here on it goes by one name an asset, in local's units.
    seen, refusals = meant(observation, identity_of(settings.assets))
    reading = _reading(seen, state, settings, policy, settled=settled, words=words)
    with span("decide"):
        decided = decide(reading, state.history)
    at = finished_at or seen.at
    report = build_report(
        seen, reading, decided, trigger=trigger, finished_at=at, warnings=(*refusals, *decided.remarks)
    )
    return Outcome(report, decided, State(reading.memory, decided.history))


def _reading(
    observation: Observation,
    state: State,
    settings: Settings,
    policy: Policy,
    *,
    settled: bool,
    words: tuple[Word, ...],
) -> Reading:
    """One observation compared, explained and remembered, as deciding looks at it."""
    coverage = coverage_of(observation, settings)
    differences, explanation = _established(observation, coverage, state.memory, settings)
    doubted = _doubted(differences, explanation, hear(state.history, words, observation.at))
    memory = remember(state.memory, observation, doubted)
    return Reading(
        account=observation.account,
        now=observation.at,
        number=memory.readings,
        differences={difference.key: difference for difference in differences},
        explanation=explanation,
        coverage=coverage,
        complete=is_complete(observation, coverage, settings),
        unreadable=_unreadable(observation, coverage),
        first_start=_first_start(observation, memory),
        settled=settled,
        memory=memory,
        settings=settings,
        policy=policy,
        no_verdict=_no_verdict(observation),
        doubted=frozenset(key.asset for key in doubted if key.domain in ("position", "balance")),
        words=words,
        observed=observation,
    )


def _doubted(differences: tuple[Difference, ...], explanation: Explanation, history: History) -> list[Key]:
    """Rows that the broker contradicts itself about. What a person took as it is, later readings are held against."""
    found = {difference.key: difference.difference for difference in differences}

    def accepted(key: Key) -> bool:
        return key in history.breaks and history.words.knows(history.breaks[key].id, found[key])

    return [key for key, cause in explanation.causes.items() if cause.code in DOUBTS and not accepted(key)]


def _established(
    observation: Observation, coverage: dict[str, SectionCoverage], memory: Memory, settings: Settings
) -> tuple[tuple[Difference, ...], Explanation]:
    """What differs and why; nothing at all where a side could not be read."""
    local, broker = observation.local, observation.broker
    if isinstance(local, SideError) or isinstance(broker, SideError):
        return (), NOTHING
    with span("compare"):
        differences = compare(local, broker, coverage, settings, observation.lookups or ())
    with span("explain"):
        return differences, explain(observation, differences, memory, settings)


def _unreadable(observation: Observation, coverage: dict[str, SectionCoverage]) -> str | None:
    for name in ("local", "broker"):
        side = getattr(observation, name)
        if isinstance(side, SideError):
            return f"{name} {side.error}"
    failed = [section for section, state in coverage.items() if state == "failed"]
    return f"{failed[0]} failed" if failed else None


def _first_start(observation: Observation, memory: Memory) -> bool:
    local, broker = observation.local, observation.broker
    if memory.local_held or not isinstance(local, Snapshot) or not isinstance(broker, Snapshot):
        return False
    return not is_empty(broker)


def _no_verdict(observation: Observation) -> frozenset[Key]:
    """Orders whose status a side calls unknown: that proves nothing, neither for them nor against them."""
    local, broker = observation.local, observation.broker
    if not isinstance(local, Snapshot) or not isinstance(broker, Snapshot):
        return frozenset()
    if not any(order.status == "unknown" for side in (local, broker) for order in side.orders or ()):
        return frozenset()
    pairs = paired_orders(local, broker, observation.lookups or ())
    return frozenset(pair.key for pair in pairs if "unknown" in {o.status for o in (pair.local, pair.broker) if o})
