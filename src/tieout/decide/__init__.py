"""Differences + causes + policy + history -> what is reported and what is done. Pure: `now` is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tieout.decide.cures import Cure, cure, merge_fill_alerts
from tieout.decide.lifecycle import Break, History, doubt, follow, is_confirmed, seconds
from tieout.decide.limits import limit
from tieout.decide.policy import Policy, Rule, Verdict
from tieout.decide.reading import Reading
from tieout.decide.verdicts import Judged, judge_case
from tieout.model.amounts import exact
from tieout.model.case import Approved, Case, Refused
from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode, Key, ReconciliationStrategy
from tieout.model.report import Action, Discrepancy

__all__ = ["Decided", "History", "Policy", "Reading", "Rule", "attempted", "decide"]

S = ReconciliationStrategy


class Decided(Struct, frozen=True):
    """What a reading comes to: what is reported, what is done, what may be acted on, and the history after it."""

    discrepancies: tuple[Discrepancy, ...]
    actions: tuple[Action, ...]
    plans: tuple[Approved | Refused, ...]
    history: History


@exact
def decide(reading: Reading, history: History) -> Decided:
    """Confirm, judge, limit and cure every case of a reading."""
    reported = [reading.differences[key] for key in reading.causes]
    history = follow(history, reading.account, reported, reading.coverage, reading.number, reading.now)
    breaks = {
        key: doubt(broken, reading.causes[key], reading.now) if key in reading.causes else broken
        for key, broken in history.breaks.items()
    }
    history = replace(history, breaks=breaks, foreign=_foreign(history, reading))
    confirmed = {key: _confirmed(breaks[key], case, reading) for case in reading.explanation.cases for key in case.keys}
    judged = [judge_case(case, reading, history, confirmed) for case in reading.explanation.cases]
    judged, history = limit(judged, reading, history)
    cures = _cures(judged, reading, {key: broken.id for key, broken in breaks.items()})
    history = replace(history, breaks=_corrected(history.breaks, cures))
    actions, history = _unreadable(reading, history)
    actions += _actions(cures, reading, breaks)
    plans = tuple(one.plan for one in cures if one.plan is not None)
    return Decided(_discrepancies(judged, reading, breaks, confirmed), tuple(actions), plans, history)


def attempted(history: History, plans: Iterable[Approved]) -> History:
    """The history after acting: a case that was acted on and still stands is not tried again."""
    return replace(history, attempted=history.attempted | {plan.fingerprint for plan in plans})


def _confirmed(broken: Break, case: Case, reading: Reading) -> bool:
    key = broken.key
    cause = reading.causes[key]
    if reading.settled:
        return cause.code is not CauseCode.IN_FLIGHT
    if reading.is_lost_order(key):
        return True
    return is_confirmed(
        broken,
        cause,
        case.parts[key],
        case.youngest,
        settle_seconds=reading.settings.settle_seconds,
        now=reading.now,
    )


def _foreign(history: History, reading: Reading) -> dict[Key, dict[str, tuple]]:  # type: ignore[type-arg]
    """What somebody else changed, remembered by row and record."""
    known = {key: dict(rows) for key, rows in history.foreign.items()}
    for case in reading.explanation.cases:
        for key, rows in case.foreign.items():
            for ref, at, amount in rows:
                known.setdefault(key, {})[ref] = (at, amount)
    return known


def _cures(judged: Sequence[Judged], reading: Reading, ids: Mapping[Key, str]) -> list[Cure]:
    """Positions and balances first: what they book tells what is left to do for orders."""
    booked: dict[str, ActionStatus] = {}
    done: dict[int, Cure] = {}
    for one in sorted(judged, key=lambda each: each.case.keys[0].domain == "order"):
        result = cure(one, reading, ids, booked)
        done[id(one)] = result
        planned = isinstance(result.plan, Approved)
        for ref in one.case.refs if one.case.keys[0].domain != "order" else ():
            booked[ref] = ActionStatus.PLANNED if planned else ActionStatus.AWAITING_APPROVAL
    return [done[id(one)] for one in judged]


def _corrected(breaks: Mapping[Key, Break], cures: Iterable[Cure]) -> dict[Key, Break]:
    after = dict(breaks)
    for one in cures:
        if isinstance(one.plan, Approved):
            for key in one.judged.case.keys:
                after[key] = replace(after[key], corrected=one.judged.case.refs or (one.judged.verdict.reason,))
    return after


def _actions(cures: Iterable[Cure], reading: Reading, breaks: Mapping[Key, Break]) -> list[Action]:
    actions = [action for one in cures for action in one.actions]
    if reading.explanation.ids_unrelated:
        fills = frozenset(broken.id for key, broken in breaks.items() if key.domain == "fill")
        actions = merge_fill_alerts(actions, fills)
    return actions


def _discrepancies(
    judged: Iterable[Judged], reading: Reading, breaks: Mapping[Key, Break], confirmed: Mapping[Key, bool]
) -> tuple[Discrepancy, ...]:
    strategies = {key: one.verdict.strategy for one in judged for key in one.case.keys}
    rows = []
    for key, cause in reading.causes.items():
        difference = reading.differences[key]
        rows.append(
            Discrepancy(
                discrepancy_id=breaks[key].id,
                domain=key.domain,
                discrepancy_type=difference.type,
                asset=key.asset,
                local_amount=difference.local_amount,
                broker_amount=difference.broker_amount,
                difference=difference.difference,
                percent=difference.percent,
                usd_value=difference.usd_value,
                severity=difference.severity,
                within_tolerance=difference.within_tolerance,
                confirmed=confirmed[key],
                cause=cause,
                strategy=strategies[key],
                position_side=difference.position_side,
                broker_order_id=difference.broker_order_id,
                client_order_id=difference.client_order_id,
                fill_id=difference.fill_id,
            )
        )
    return tuple(rows)


def _unreadable(reading: Reading, history: History) -> tuple[list[Action], History]:
    """A side that cannot be read: said once, then hourly; after too long, trading stops."""
    last = history.last_complete or reading.now
    if reading.complete:
        return [], replace(history, last_complete=reading.now, unreadable_alert=None)
    history = replace(history, last_complete=last)
    too_long = seconds(last, reading.now) >= reading.policy.unreadable_seconds
    if too_long:
        verdict = Verdict(S.HALT_AND_ALERT, reason="unreadable_too_long")
        kinds = [ActionKind.HALT, ActionKind.ALERT]
    else:
        verdict = Verdict(S.WARN_ONLY, reason=reading.unreadable or "incomplete")
        kinds = [ActionKind.ALERT]
    said = history.unreadable_alert
    silent = reading.unreadable is None or (
        said is not None and seconds(said, reading.now) < reading.policy.realert_seconds
    )
    if silent and not too_long:
        return [], history
    actions = [
        Action(
            action=kind,
            strategy=verdict.strategy,
            status=ActionStatus.PLANNED,
            discrepancy_ids=(),
            detail={"reason": verdict.reason},
        )
        for kind in kinds
    ]
    return actions, replace(history, unreadable_alert=reading.now)
