"""A reading that was kept, judged again by what it was judged by then: at a start, and in a replay."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from tieout.decide import attempted
from tieout.live.configuration import Configuration
from tieout.live.road import Outcome, State, reconcile_observation
from tieout.model.case import Approved
from tieout.record.base import Past


def judge_again(past: Past, state: State, configuration: Configuration) -> Outcome:
    """The outcome of a reading that was kept, judged by *configuration*."""
    return reconcile_observation(
        past.observation,
        state,
        configuration.settings,
        configuration.policy,
        trigger=past.report.trigger,
        finished_at=past.report.finished_at,
        words=past.words,
    )


def state_before(past: Past, state: State) -> State:
    """The state that a reading started from: *state*, which those before it left, unless one of them could not be kept."""
    return state if past.state_before is None else _state.decode(past.state_before)


def after(past: Past, outcome: Outcome) -> State:
    """The state that a reading left, with what was acted on after it."""
    plans = [
        plan for plan in outcome.decided.plans if isinstance(plan, Approved) and plan.fingerprint in past.attempted
    ]
    history = attempted(outcome.state.history, plans)
    return State(outcome.state.memory, replace(history, attempted=history.attempted - past.undone))


_state = msgspec.msgpack.Decoder(State)
