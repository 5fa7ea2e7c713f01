"""The fault plan: scripted to the call, seeded at random."""

from __future__ import annotations

import random
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.simulated import Fault, FaultPlan, FaultRule
from tieout.brokers.simulated.faults import APPLIES, Call

CALLS: list[Call] = list(get_args(Call))


@given(seed=st.integers(), chance=st.floats(0, 1), calls=st.lists(st.sampled_from(CALLS), max_size=40))
def test_a_seed_replays(seed: int, chance: float, calls: list[Call]) -> None:
    """The same seed, rules and calls give the same faults."""

    def play() -> list[tuple[FaultRule, ...]]:
        plan = FaultPlan(random.Random(seed))
        for fault in Fault:
            plan.inject(FaultRule(fault=fault, times=None, chance=chance))
        return [plan.draw(call) for call in calls]

    assert play() == play()


@given(times=st.integers(0, 5), call=st.sampled_from(CALLS), others=st.integers(0, 3))
def test_a_scripted_fault_strikes_so_often_and_there_only(times: int, call: Call, others: int) -> None:
    """A rule for the next N calls of one kind strikes these, and no other."""
    plan = FaultPlan(random.Random(1))
    plan.inject(FaultRule(fault=Fault.TIMEOUT, calls=frozenset({call}), times=times))
    struck = 0
    for _ in range(8):
        assert all(plan.draw(other) == () for other in CALLS[:others] if other != call)
        struck += len(plan.draw(call))
    assert struck == times == plan.struck[Fault.TIMEOUT]


@given(call=st.sampled_from(CALLS))
def test_a_fault_strikes_only_where_it_makes_sense(call: Call) -> None:
    """Of all faults at once, one that applies is drawn, with the latency; never two answers for one call."""
    plan = FaultPlan(random.Random(1))
    for fault in Fault:
        plan.inject(FaultRule(fault=fault, times=None))
    drawn = [rule.fault for rule in plan.draw(call)]
    assert drawn == [Fault.LATENCY, Fault.TIMEOUT]
    assert all(call in APPLIES[fault] for fault in drawn)
    plan.clear()
    assert plan.draw(call) == ()


@given(seed=st.integers(), count=st.integers(1, 30))
def test_a_loss_takes_at_least_one_row(seed: int, count: int) -> None:
    """Of some rows, at least one is lost; of none, none."""
    plan = FaultPlan(random.Random(seed))
    assert len(plan.lose_some(count)) < count
    assert plan.lose_some(0) == frozenset()
