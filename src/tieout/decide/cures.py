"""Verdicts -> actions: what is booked, what waits for a person, what is only said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from tieout.decide.policy import Verdict
from tieout.decide.reading import Reading
from tieout.decide.verdicts import Judged
from tieout.model.case import Approved, Case, Refused
from tieout.model.changes import (
    KIND_OF_CHANGE,
    AdoptOrder,
    BookActivity,
    BookFill,
    Change,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.discrepancy import (
    DOUBTS,
    ActionKind,
    ActionStatus,
    CauseCode,
    Difference,
    Key,
    ReconciliationStrategy,
)
from tieout.model.report import Action

S = ReconciliationStrategy
PLANNED, AWAITING = ActionStatus.PLANNED, ActionStatus.AWAITING_APPROVAL


class Cure(Struct, frozen=True):
    """What becomes of one case: its actions as reported, and the plan, approved or refused."""

    judged: Judged
    actions: tuple[Action, ...]
    plan: Approved | Refused | None


def cure(judged: Judged, reading: Reading, ids: Mapping[Key, str], booked: Mapping[str, ActionStatus]) -> Cure:
    """The actions that a case calls for.

    Args:
        judged: The case and its verdict.
        reading: The reading it stands in.
        ids: The identity of each break.
        booked: For records of other cases: whether their booking is planned or waits.
    """
    case, verdict = judged.case, judged.verdict
    named = tuple(ids[key] for key in case.keys)
    if not judged.votes:
        return Cure(judged, (), None)
    doubted = any(reading.causes[key].code in DOUBTS for key in judged.votes)
    if not judged.confirmed or (doubted and verdict.strategy is S.WARN_ONLY):
        return _wait(judged, reading, named)
    changes = _changes(judged, reading, booked)
    status = _status(judged, changes)
    actions = [_action(change, verdict, status, named) for change in changes]
    actions += _said(judged, named)
    return Cure(judged, tuple(actions), _plan(judged, reading, named, changes, status))


def _wait(judged: Judged, reading: Reading, named: tuple[str, ...]) -> Cure:
    verdict = judged.verdict
    reason = "in_doubt" if judged.confirmed else "unconfirmed"
    actions = [_plain(ActionKind.WAIT, verdict, named, reason)]
    in_flight = all(reading.causes[key].code is CauseCode.IN_FLIGHT for key in judged.votes)
    if judged.confirmed and not in_flight:
        actions.append(_plain(ActionKind.ALERT, verdict, named, reason))
    return Cure(judged, tuple(actions), None)


def _status(judged: Judged, changes: tuple[Change, ...]) -> ActionStatus:
    """Planned only if the policy lets it, and applying it brings local to exactly what was reported."""
    verdict = judged.verdict
    if verdict.strategy not in (S.SYNC_TO_BROKER, S.SYNC_TO_LOCAL) or verdict.approval:
        return AWAITING
    from_records = any(isinstance(change, (BookFill, ReverseFill, BookActivity, ReverseActivity)) for change in changes)
    return AWAITING if from_records and not judged.case.closes else PLANNED


def _changes(judged: Judged, reading: Reading, booked: Mapping[str, ActionStatus]) -> tuple[Change, ...]:
    """What would cure the case: its records where they explain it, else a number set as the last resort."""
    case, verdict = judged.case, judged.verdict
    key = judged.votes[0]
    if key.domain == "order":
        return _order_change(key, judged, reading, booked)
    if key.domain == "fill":
        return ()
    if judged.fully and case.changes:
        return case.changes
    by_number = verdict.strategy is S.SYNC_TO_BROKER
    if not by_number:
        return ()
    return tuple(_set(reading.differences[key], verdict.reason) for key in judged.votes)


def _order_change(key: Key, judged: Judged, reading: Reading, booked: Mapping[str, ActionStatus]) -> tuple[Change, ...]:
    if judged.verdict.strategy is not S.SYNC_TO_BROKER:
        return ()
    change = reading.explanation.updates.get(key)
    if change is None:
        return ()
    if isinstance(change, AdoptOrder):
        return (change,)
    assert isinstance(change, UpdateOrder)
    fills = [ref for ref in reading.explanation.brought.get(key, ()) if ref in booked]
    # What the fills bring by being booked is not updated a second time; a status that they do not bring is.
    brought = fills and change.order.status in ("filled", "partially_filled")
    if brought or any(booked[ref] is not PLANNED for ref in fills):
        return ()
    return (change,)


def _set(difference: Difference, reason: str) -> Change:
    key = difference.key
    if key.domain == "position":
        return SetPosition(key.asset, key.leg, difference.broker_amount, reason)
    return SetBalance(key.asset, difference.broker_amount, reason)


def _said(judged: Judged, named: tuple[str, ...]) -> list[Action]:
    verdict = judged.verdict
    if verdict.strategy is S.HALT_AND_ALERT:
        return [_plain(ActionKind.HALT, verdict, named), _plain(ActionKind.ALERT, verdict, named)]
    if verdict.strategy is S.WARN_ONLY or verdict.alert:
        return [_plain(ActionKind.ALERT, verdict, named)]
    return []


def _plan(
    judged: Judged, reading: Reading, named: tuple[str, ...], changes: tuple[Change, ...], status: ActionStatus
) -> Approved | Refused | None:
    if not changes:
        return None
    fingerprint, verdict = reading.fingerprint(judged.case), judged.verdict
    if status is PLANNED:
        return Approved(fingerprint, named, verdict.strategy, changes, verdict.reason)
    return Refused(fingerprint, named, verdict.strategy, verdict.reason if verdict.approval else "does_not_close")


def _plain(kind: ActionKind, verdict: Verdict, named: tuple[str, ...], reason: str | None = None) -> Action:
    return Action(
        action=kind,
        strategy=verdict.strategy,
        status=PLANNED,
        discrepancy_ids=named,
        detail={"reason": reason or verdict.reason},
    )


def _action(change: Change, verdict: Verdict, status: ActionStatus, named: tuple[str, ...]) -> Action:
    return Action(
        action=KIND_OF_CHANGE[type(change)],
        strategy=verdict.strategy,
        status=status,
        discrepancy_ids=named,
        detail={**_names(change), "reason": verdict.reason},
    )


def _names(change: Change) -> dict[str, str]:
    """Which record a change is about, by its ids."""
    if isinstance(change, (BookFill, ReverseFill)):
        return {"fill_id": change.fill.fill_id, "asset": change.fill.asset}
    if isinstance(change, (BookActivity, ReverseActivity)):
        return {"activity_id": change.activity.activity_id}
    if isinstance(change, (UpdateOrder, AdoptOrder)):
        order = change.order
        ids = {"client_order_id": order.client_order_id, "broker_order_id": order.broker_order_id}
        return {"status": order.status, "asset": order.asset, **{name: text for name, text in ids.items() if text}}
    if isinstance(change, SetPosition):
        return {"asset": change.asset, "position_side": change.leg}
    return {"currency": change.currency}


def merge_fill_alerts(actions: Iterable[Action], fill_ids: frozenset[str]) -> list[Action]:
    """One alert for books that number fills for themselves, instead of one a fill."""
    kept: list[Action] = []
    merged: list[str] = []
    for action in actions:
        if action.action is ActionKind.ALERT and set(action.discrepancy_ids) <= fill_ids:
            merged += action.discrepancy_ids
        else:
            kept.append(action)
    if merged:
        detail = {"reason": "fill_ids_are_local"}
        kept.append(
            Action(
                action=ActionKind.ALERT,
                strategy=S.WARN_ONLY,
                status=PLANNED,
                discrepancy_ids=tuple(merged),
                detail=detail,
            )
        )
    return kept


def refs_of(case: Case) -> tuple[str, ...]:
    """The records that a case books."""
    return case.refs
