"""What is reported beside a plan that is refused, and what keeps an order that only local knows alive."""

from __future__ import annotations

from typing import Any

import pytest

from tests.decide.building import OLD, actions, cash, decided, every, fill, order, pos, reading, row, side, told
from tests.decide.test_sending import ASKS, FREE, judged, of, planned, policy, word
from tieout.decide import Rule
from tieout.model.amounts import dec
from tieout.model.case import Refused
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.snapshot import Lookup

S = ReconciliationStrategy
LOUD = Rule(strategy=S.SYNC_TO_LOCAL, domain=("position",), approval=False, alert=True)


@pytest.mark.parametrize(("rule", "said"), [(FREE, "above_send_usd_per_day"), (LOUD, "own_rule")])
def test_an_order_past_the_day_is_skipped_and_told_once(rule: Rule, said: str) -> None:
    """The order is skipped with its reason, one alert stands beside it, whoever's, and the plan is refused."""
    local, broker = side(pos("X", "4")), side(pos("X", "8"))
    report, result = judged(every(30, 2, local, broker), policy(rule, send_usd_per_day=dec("399")))[-1]
    done = [(str(one.action), str(one.status), one.detail["reason"]) for one in report.actions]
    assert sorted(done) == [("alert", "planned", said), ("submit_order", "skipped", "above_send_usd_per_day")]
    (plan,) = result.plans
    assert isinstance(plan, Refused)
    assert (plan.reason, plan.strategy) == ("above_send_usd_per_day", S.SYNC_TO_LOCAL)
    assert {one.strategy for one in report.actions} == {S.SYNC_TO_LOCAL}
    assert plan.discrepancy_ids == report.actions[0].discrepancy_ids == (row(report, "position").discrepancy_id,)


def test_a_cancel_that_waits_names_the_order() -> None:
    """A stranger's order is named by both its ids, and by the break that it is."""
    rule = Rule(cause=("EXTERNAL_ORDER",), strategy=S.SYNC_TO_LOCAL)
    report, _ = decided(every(30, 2, side(cash("5")), side(cash("5"), order("theirs"))), policy(rule))[-1]
    cancel = next(one for one in report.actions if one.action == "cancel_order")
    named = {"client_order_id": "theirs", "broker_order_id": "b-theirs", "reason": "own_rule"}
    assert named.items() <= cancel.detail.items() and "expires_at" in cancel.detail
    assert cancel.discrepancy_ids == (row(report, "order").discrepancy_id,)
    assert cancel.strategy == S.SYNC_TO_LOCAL


def test_a_local_that_holds_both_ways_is_netted_for_the_order() -> None:
    """Long five and short two are three: of eight at the broker five are sold."""
    local = side(pos("X", "5", side="long"), pos("X", "-2", side="short"))
    (sent,) = planned(judged(every(30, 2, local, side(pos("X", "8"))), policy()))
    assert of(sent, "side quantity local_amount broker_amount leaves") == ["sell", 5, 3, 8, 0]


def test_an_order_that_somebody_rejected_is_skipped_as_rejected() -> None:
    """The plan is refused because of the word, not because of the rule."""
    local, broker, asks = side(pos("X", "4")), side(pos("X", "8")), policy(ASKS)
    (plan,) = judged(every(30, 2, local, broker), asks)[-1][1].plans
    assert plan.reason == "own_rule"
    said = {2: [word("reject", plan=plan.fingerprint, entry=0)]}
    report, result = judged(every(30, 3, local, broker), asks, words=said)[-1]
    assert [each.reason for each in result.plans] == ["rejected"]
    assert actions(report) == ["submit_order skipped"]


NONE_SUCH = Lookup("b-c", "c")
HELD = pos("X", "5")
KNOWN = fill("k", "buy", "1", at=OLD - 60)


@pytest.mark.parametrize(
    ("ours", "theirs", "gone"),
    [
        ([], [HELD], True),
        # A missed fill of something else is known; one that explains a part is not.
        ([KNOWN], [HELD, pos("Y", "2"), KNOWN, fill("y", "buy", "2", asset="Y")], True),
        ([KNOWN], [pos("X", "9"), KNOWN, fill("f", "buy", "1")], False),
        # What is tolerated, or known, hides nothing behind it.
        ([pos("A", "1"), KNOWN], [pos("A", "1.001"), pos("X", "9"), KNOWN], False),
        ([pos("A", "1"), KNOWN], [pos("A", "3"), fill("a", "buy", "2", asset="A"), pos("X", "9"), KNOWN], False),
        ([pos("A", "1"), KNOWN], [HELD, pos("A", "900"), KNOWN], True),  # another asset's business
        # Funds that it held back and that came free with it are its own; others are not.
        ([cash("5000", locked="1000")], [HELD, cash("5000", locked="0")], True),
        ([cash("5000", locked="1000")], [HELD, cash("5000", locked="300")], False),
    ],
)
def test_an_order_is_gone_only_where_nothing_else_may_have_ended_it(ours: Any, theirs: Any, gone: bool) -> None:
    """Three answers over a minute end an order, unless a row that it may have moved changed without an explanation."""
    local, broker = side(HELD, order("c"), *ours), side(*theirs)
    history = [reading(30 * n, local, broker, lookups=(NONE_SUCH,)) for n in range(3)]
    assert (row(told(history)[-1], "order").strategy == "SYNC_TO_BROKER") is gone


def test_a_position_in_doubt_keeps_an_order_alive() -> None:
    """A position that moved without a record may have moved by the order, though the broker's answer is not believed."""
    local = side(HELD, order("c"))
    history = [reading(0, local, side(HELD, order("c")))]
    history += [reading(30 * n, local, side(pos("X", "15")), lookups=(NONE_SUCH,)) for n in range(1, 4)]
    report = told(history)[-1]
    assert row(report, "position").cause.code == "STALE_BROKER"
    assert row(report, "order").strategy == "WARN_ONLY"
