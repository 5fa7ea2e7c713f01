"""The state that an account goes on from, where something changed meanwhile that is no movement of its holdings."""

from __future__ import annotations

from collections.abc import Sequence, Set

from msgspec.structs import replace

from tieout.decide import attempted
from tieout.live.road import State
from tieout.model.case import Approved
from tieout.model.identity import identity_of
from tieout.model.settings import Settings


def renamed(state: State, before: Sequence[Settings], now: Settings) -> State:
    """The state without its baselines where assets have gone by other names or units since: nothing moved by that."""
    if all(identity_of(each.assets) == identity_of(now.assets) for each in before):
        return state
    memory = replace(state.memory, positions=None, balances=None, held_back={}, shown=())
    return replace(state, memory=memory)


def with_recovered(state: State, tried: Sequence[Approved], undone: Set[str]) -> State:
    """The state once intents of earlier rounds were read back: what never happened may be tried again.

    Args:
        state: Before.
        tried: Every plan that an intent was for.
        undone: The fingerprints of those that never happened.
    """
    if not tried:
        return state
    history = attempted(state.history, tried)
    return State(state.memory, replace(history, attempted=history.attempted - undone))
