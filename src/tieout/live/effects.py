"""What became of the actions that a report planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from tieout.act import Effect
from tieout.model.changes import KIND_OF_CHANGE
from tieout.model.discrepancy import ActionStatus
from tieout.model.intent import Ended
from tieout.model.report import Action, ReconciliationReport

NOT_ACTED = "Nothing was acted on"
_STATUS = {
    None: ActionStatus.SKIPPED,
    Ended.DONE: ActionStatus.DONE,
    Ended.FAILED: ActionStatus.FAILED,
    Ended.UNDONE: ActionStatus.FAILED,
    Ended.UNKNOWN: ActionStatus.FAILED,
    Ended.HANDED: ActionStatus.PLANNED,
}
_CARRIED_OUT = frozenset(KIND_OF_CHANGE.values())


def not_acted_on(report: ReconciliationReport, why: str) -> ReconciliationReport:
    """The report with everything that was planned left alone."""
    actions = (
        replace(action, status=ActionStatus.SKIPPED, detail={**action.detail, "not_acted_on": why})
        if action.status is ActionStatus.PLANNED
        else action
        for action in report.actions
    )
    return replace(report, actions=tuple(actions))


def refused(report: ReconciliationReport, why: str) -> ReconciliationReport:
    """The report with a warning that nothing was acted on."""
    warnings = (*report.summary.warnings, f"{NOT_ACTED}: {why}.")
    return replace(report, summary=replace(report.summary, warnings=warnings))


def with_effects(report: ReconciliationReport, effects: Iterable[Effect]) -> ReconciliationReport:
    """The report with what became of its actions."""
    by_break = {name: effect for effect in effects for name in effect.plan.discrepancy_ids}
    return replace(report, actions=tuple(_with_effect(action, by_break) for action in report.actions))


def _with_effect(action: Action, effects: Mapping[str, Effect]) -> Action:
    """The action with what became of it. The next reading says whether it helped."""
    effect = next((effects[name] for name in action.discrepancy_ids if name in effects), None)
    if effect is None or action.action not in _CARRIED_OUT or action.status is not ActionStatus.PLANNED:
        return action
    word = "outcome" if effect.ended in (Ended.DONE, Ended.HANDED) else "failure"
    told = ((word, effect.why), ("client_order_id", effect.sent), ("correction", effect.handed))
    detail = {**action.detail, **{name: text for name, text in told if text is not None}}
    return replace(action, status=_STATUS[effect.ended], detail=detail)
