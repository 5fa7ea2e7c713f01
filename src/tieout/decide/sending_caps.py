"""Orders that are about to be sent, held against what was sent before and against the halts that stand."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tieout.decide.cures import Cure
from tieout.decide.lifecycle import History, Sending
from tieout.decide.reading import Reading
from tieout.decide.spending import spent, still_counts
from tieout.decide.verdicts import RESOLVED
from tieout.model.case import Approved, Refused
from tieout.model.changes import SubmitOrder
from tieout.model.discrepancy import ActionKind, ActionStatus, ReconciliationStrategy
from tieout.model.report import Action

ABOVE_DAY, HALTED = "above_send_usd_per_day", "halted"


def with_sends(cures: Sequence[Cure], reading: Reading, history: History) -> tuple[list[Cure], History]:
    """The cures, those refused that are past the day's cap or that a halt forbids, and the history with the others' orders.

    Only what was really sent counts against the cap later; within a reading, whatever is planned does.
    """
    standing = frozenset(broken.id for broken in history.breaks.values())
    history = replace(history, sends=tuple(each for each in history.sends if still_counts(each, standing, reading)))
    total, kept = spent(history, reading), []
    for one in cures:
        order = one.plan.order if isinstance(one.plan, Approved) else None
        if order is not None and isinstance(one.plan, Approved):
            why = ABOVE_DAY if total + order.usd > reading.policy.send_usd_per_day else _halted(one, cures, history)
            if why is not None:
                kept.append(_refused(one, one.plan, why))
                continue
            total += order.usd
            history = replace(history, sends=_noted(one, one.plan, order, reading, history))
        kept.append(one)
    return kept, history


def _noted(one: Cure, plan: Approved, order: SubmitOrder, reading: Reading, history: History) -> tuple[Sending, ...]:
    """The orders with this one last. Planned again in each reading until it is sent, it is one order."""
    others = (each for each in history.sends if (each.plan, each.attempt) != (plan.fingerprint, plan.attempt))
    (key,) = (each for each in one.judged.votes if each.domain == "position")
    sending = Sending(
        at=reading.now,
        plan=plan.fingerprint,
        attempt=plan.attempt,
        key=key,
        breaks=plan.discrepancy_ids,
        usd=order.usd,
        leaves=order.leaves,
    )
    return (*others, sending)


def _halted(one: Cure, cures: Sequence[Cure], history: History) -> str | None:
    """Whether trading is stopped, or about to be, for an order that nobody asked for: a person's own goes ahead."""
    assert isinstance(one.plan, Approved)
    if one.judged.verdict.reason == RESOLVED or one.plan.fingerprint in history.words.approved:
        return None
    assert one.plan.order is not None
    names = {None, one.plan.order.asset}
    stands = any(halt.asset in names for halt in history.halts.values())
    called = any(
        other.judged.verdict.strategy is ReconciliationStrategy.HALT_AND_ALERT
        and any(action.action is ActionKind.HALT for action in other.actions)
        for other in cures
    )
    return HALTED if stands or called else None


def _refused(one: Cure, plan: Approved, why: str) -> Cure:
    """The cure without its order: skipped, and said."""
    actions = [
        replace(action, status=ActionStatus.SKIPPED, detail={**action.detail, "reason": why})
        if action.action is ActionKind.SUBMIT_ORDER
        else action
        for action in one.actions
    ]
    if not any(action.action is ActionKind.ALERT for action in actions):
        actions.append(
            Action(
                action=ActionKind.ALERT,
                strategy=plan.strategy,
                status=ActionStatus.PLANNED,
                discrepancy_ids=plan.discrepancy_ids,
                detail={"reason": why},
            )
        )
    refused = Refused(plan.fingerprint, plan.discrepancy_ids, plan.strategy, why)
    return Cure(one.judged, tuple(actions), refused)
