"""Verdicts -> actions: what is booked, what waits for a person, what is only said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from tieout.decide.naming import names_of, said_of
from tieout.decide.policy import Verdict
from tieout.decide.reading import Reading
from tieout.decide.sending import send
from tieout.decide.verdicts import Judged
from tieout.decide.words import Words
from tieout.model.amounts import ZERO, ratio
from tieout.model.case import BOOKS_READ_ONLY, Approved, Case, Refused
from tieout.model.changes import (
    KIND_OF_CHANGE,
    AdoptOrder,
    BookActivity,
    BookFill,
    CancelOrder,
    Change,
    Remedy,
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
    DiscrepancyType,
    Key,
    ReconciliationStrategy,
)
from tieout.model.report import Action

S = ReconciliationStrategy
PLANNED, AWAITING = ActionStatus.PLANNED, ActionStatus.AWAITING_APPROVAL
NOTHING_TO_BOOK, OWN_ORDER = "nothing_to_book", "own_order"


class Cure(Struct, frozen=True):
    """What becomes of one case: its actions as reported, and the plan, approved or refused."""

    judged: Judged
    actions: tuple[Action, ...]
    plan: Approved | Refused | None


def cure(
    judged: Judged, reading: Reading, ids: Mapping[Key, str], booked: Mapping[str, ActionStatus], words: Words
) -> Cure:
    """The actions that a case calls for.

    Args:
        judged: The case and its verdict.
        reading: The reading it stands in.
        ids: The identity of each break.
        booked: For records of other cases: whether their booking is planned or waits.
        words: What people said of its plan.
    """
    case, verdict = judged.case, judged.verdict
    named = tuple(ids[key] for key in case.keys)
    if not judged.votes:
        return Cure(judged, (), None)
    doubted = any(reading.causes[key].code in DOUBTS for key in judged.votes)
    if not judged.confirmed or (doubted and verdict.strategy is S.WARN_ONLY):
        return _wait(judged, reading, named)
    if verdict.strategy is S.SYNC_TO_LOCAL and any(key.domain == "position" for key in judged.votes):
        return Cure(judged, *send(judged, reading, named, words))
    if verdict.strategy is S.SYNC_TO_LOCAL:
        return _ended(judged, reading, named, words)
    changes = _changes(judged, reading, booked)
    fingerprint = reading.fingerprint(case, named)
    if changes and reading.policy.books_read_only and verdict.reason != "first_start":
        return _to_be_booked(judged, named, changes, fingerprint)
    status = _as_said(fingerprint, _status(judged, reading, changes), judged, words)
    callers = _callers(case, reading, ids)
    actions = [_action(change, verdict, status, callers.get(_ref(change), named)) for change in changes]
    actions += _said(judged, named)
    silent = verdict.strategy is S.SYNC_TO_BROKER and not actions and not _booked_elsewhere(judged, reading, booked)
    if silent and verdict.reason != "first_start":
        # A rule that wants the broker's word booked where nothing can be booked: people are told, and nobody waits.
        actions.append(_plain(ActionKind.ALERT, verdict, named, NOTHING_TO_BOOK))
    return Cure(judged, tuple(actions), _numbered(_plan(judged, reading, named, changes, status), words))


def _to_be_booked(judged: Judged, named: tuple[str, ...], changes: tuple[Change, ...], fingerprint: str) -> Cure:
    """What somebody has to book himself, said record by record; figures are in the broker's own, and in the report."""
    verdict = replace(judged.verdict, reason=BOOKS_READ_ONLY)
    actions = [_action(change, verdict, ActionStatus.SKIPPED, named) for change in changes]
    alert = _plain(ActionKind.ALERT, verdict, named)
    actions.append(replace(alert, detail={**alert.detail, "to_book": said_of(changes)}))
    actions += [action for action in _said(judged, named) if action.action is not ActionKind.ALERT]
    return Cure(judged, tuple(actions), Refused(fingerprint, named, verdict.strategy, BOOKS_READ_ONLY))


def _booked_elsewhere(judged: Judged, reading: Reading, booked: Mapping[str, ActionStatus]) -> bool:
    """Whether another case books, or asks to book, what would close this one."""
    return any(ref in booked for key in judged.votes for ref in reading.explanation.brought.get(key, {}))


def _numbered(plan: Approved | Refused | None, words: Words) -> Approved | Refused | None:
    """The plan; where somebody let it go ahead again, as another attempt."""
    if not isinstance(plan, Approved) or plan.fingerprint not in words.approved:
        return plan
    return replace(plan, attempt=words.approved[plan.fingerprint].times - 1)


def _as_said(fingerprint: str, status: ActionStatus, judged: Judged, words: Words) -> ActionStatus:
    """The status of a plan that waits, after what people said of it."""
    if status is not AWAITING or judged.verdict.reason == "first_start":
        return status
    if fingerprint in words.rejected:
        return ActionStatus.SKIPPED
    approval = words.approved.get(fingerprint)
    # Nobody approves what he asked for himself.
    return PLANNED if approval is not None and approval.actor != judged.verdict.actor else AWAITING


def _wait(judged: Judged, reading: Reading, named: tuple[str, ...]) -> Cure:
    verdict = judged.verdict
    reason = "in_doubt" if judged.confirmed else "unconfirmed"
    actions = [_plain(ActionKind.WAIT, verdict, named, reason)]
    in_flight = all(reading.causes[key].code is CauseCode.IN_FLIGHT for key in judged.votes)
    if judged.confirmed and not in_flight:
        actions.append(_plain(ActionKind.ALERT, verdict, named, reason))
    return Cure(judged, tuple(actions), None)


def _status(judged: Judged, reading: Reading, changes: tuple[Change, ...]) -> ActionStatus:
    """Planned only if the policy lets it, and applying it brings local to exactly what was reported."""
    verdict = judged.verdict
    if verdict.strategy is not S.SYNC_TO_BROKER or verdict.approval:
        return AWAITING
    records = [
        change for change in changes if isinstance(change, (BookFill, ReverseFill, BookActivity, ReverseActivity))
    ]
    doubted = reading.doubted
    # A record that moves a row in doubt is not booked, even where the sums happen to agree.
    held = any(doubted & _moved_by(change) for change in records)
    costless = any(isinstance(change, SetPosition) and _lacks_price(change, judged) for change in changes)
    return AWAITING if costless or (records and (held or not judged.case.closes)) else PLANNED


def _lacks_price(change: SetPosition, judged: Judged) -> bool:
    """Whether a position would be set without a cost that somebody vouches for. A rounded one keeps its own."""
    return change.average_price is None and bool(change.amount) and judged.verdict.reason != "rounding"


def _moved_by(change: Change) -> set[str | None]:
    """The assets and currencies that booking or reversing a record moves, as far as it names them."""
    if isinstance(change, (BookFill, ReverseFill)):
        return {change.fill.asset, change.fill.quote, change.fill.fee_currency}
    assert isinstance(change, (BookActivity, ReverseActivity))
    return {change.activity.asset, change.activity.new_asset, change.activity.currency}


def _changes(judged: Judged, reading: Reading, booked: Mapping[str, ActionStatus]) -> tuple[Change, ...]:
    """What would cure the case: its records where they explain it, else a number set as the last resort."""
    case, verdict = judged.case, judged.verdict
    key = judged.votes[0]
    if key.domain == "order":
        return _order_change(key, judged, reading, booked)
    if key.domain == "fill":
        return ()
    # Records cure what they explain wholly; no record is booked for what they explain in part.
    records = case.changes if len(judged.open) < len(judged.votes) else ()
    if verdict.strategy is not S.SYNC_TO_BROKER:
        return records
    rows = [reading.differences[row] for row in (judged.open if records else judged.votes)]
    # The amounts of a cost mismatch are prices: no position is ever set to one.
    numbers = [row for row in rows if row.type is not DiscrepancyType.COST_MISMATCH]
    return (*records, *(_set(row, verdict.reason) for row in numbers))


def _order_change(key: Key, judged: Judged, reading: Reading, booked: Mapping[str, ActionStatus]) -> tuple[Change, ...]:
    change = reading.explanation.updates.get(key)
    if change is None or reading.causes[key].code in DOUBTS or judged.verdict.strategy is S.WARN_ONLY:
        return ()
    if isinstance(change, AdoptOrder):
        # What local has as filled is never adopted, whatever a rule says.
        return () if reading.causes[key].code is CauseCode.UNKNOWN else (change,)
    assert isinstance(change, UpdateOrder)
    difference, order = reading.differences[key], change.order
    lost = difference.type is DiscrepancyType.ORPHANED_LOCAL
    if lost and not reading.is_lost_order(key):
        return ()  # an order that is merely absent is not ended, whatever a rule says
    fills = {ref: quantity for ref, quantity in reading.explanation.brought.get(key, {}).items() if ref in booked}
    if any(booked[ref] is not PLANNED for ref in fills):
        return ()
    total = sum(fills.values(), ZERO)
    if lost and total:
        # It is gone now, but not before it was filled in part.
        return (UpdateOrder(replace(order, status="cancelled", filled=min(order.done + total, order.quantity))),)
    # What the fills bring by being booked is not updated a second time; terms, and an end that they do not bring, are.
    progress = difference.type in (DiscrepancyType.STATUS_MISMATCH, DiscrepancyType.FILLED_MISMATCH)
    brought = progress and order.status in ("filled", "partially_filled") and total == difference.difference
    return () if fills and brought else (change,)


def _ended(judged: Judged, reading: Reading, named: tuple[str, ...], words: Words) -> Cure:
    """The end of a stranger's order at the broker; of anything else local says, people are told, and nothing is done."""
    verdict, key = judged.verdict, judged.votes[0]
    change = reading.explanation.updates.get(key)
    if not isinstance(change, AdoptOrder):
        return Cure(judged, (_plain(ActionKind.ALERT, verdict, named),), None)
    cancel = CancelOrder(change.order)
    if len(judged.votes) > 1 or reading.causes[key].code is not CauseCode.EXTERNAL_ORDER:
        why = replace(verdict, reason=OWN_ORDER)
        return Cure(
            judged, (_action(cancel, why, ActionStatus.SKIPPED, named), _plain(ActionKind.ALERT, why, named)), None
        )
    fingerprint = reading.fingerprint(judged.case, named)
    status = _as_said(fingerprint, AWAITING if verdict.approval else PLANNED, judged, words)
    plan = _plan(judged, reading, named, (cancel,), status)
    return Cure(judged, (_action(cancel, verdict, status, named), *_said(judged, named)), _numbered(plan, words))


def _set(difference: Difference, reason: str) -> Change:
    key = difference.key
    if key.domain == "position":
        own_units = ratio(difference.broker_amount, difference.local_scale)
        price = None if reason == "rounding" else difference.average_price
        return SetPosition(key.asset, key.leg, own_units, reason, price)
    return SetBalance(key.asset, difference.broker_amount, reason)


def _said(judged: Judged, named: tuple[str, ...]) -> list[Action]:
    verdict = judged.verdict
    if verdict.strategy is S.HALT_AND_ALERT:
        return [_plain(ActionKind.HALT, verdict, named), _plain(ActionKind.ALERT, verdict, named)]
    if verdict.strategy is S.WARN_ONLY or verdict.alert:
        return [_plain(ActionKind.ALERT, verdict, named)]
    return []


def _plan(
    judged: Judged, reading: Reading, named: tuple[str, ...], changes: tuple[Remedy, ...], status: ActionStatus
) -> Approved | Refused | None:
    if not changes:
        return None
    fingerprint, verdict = reading.fingerprint(judged.case, named), judged.verdict
    if status is PLANNED:
        return Approved(fingerprint, named, verdict.strategy, changes, verdict.reason)
    if status is ActionStatus.SKIPPED:
        return Refused(fingerprint, named, verdict.strategy, "rejected")
    open_ended = verdict.strategy is S.SYNC_TO_BROKER and not verdict.approval
    return Refused(fingerprint, named, verdict.strategy, "does_not_close" if open_ended else verdict.reason)


def _plain(kind: ActionKind, verdict: Verdict, named: tuple[str, ...], reason: str | None = None) -> Action:
    return Action(
        action=kind,
        strategy=verdict.strategy,
        status=PLANNED,
        discrepancy_ids=named,
        detail={"reason": reason or verdict.reason},
    )


def _action(change: Change | CancelOrder, verdict: Verdict, status: ActionStatus, named: tuple[str, ...]) -> Action:
    return Action(
        action=KIND_OF_CHANGE[type(change)],
        strategy=verdict.strategy,
        status=status,
        discrepancy_ids=named,
        detail={**names_of(change), "reason": verdict.reason},
    )


def _callers(case: Case, reading: Reading, ids: Mapping[Key, str]) -> dict[str, tuple[str, ...]]:
    """For each record of a case: the breaks that cite it. With several codes a record is cited behind its code."""
    callers: dict[str, list[str]] = {}
    for key in case.keys:
        cause = reading.causes[key]
        for cited in cause.evidence:
            ref = cited.partition(" ")[2] if cause.code is CauseCode.MULTIPLE else cited
            callers.setdefault(ref, []).append(ids[key])
    return {ref: tuple(named) for ref, named in callers.items()}


def _ref(change: Change) -> str:
    """How evidence cites the record that a change books."""
    if isinstance(change, (BookFill, ReverseFill)):
        return f"fill {change.fill.fill_id}"
    return f"activity {change.activity.activity_id}" if isinstance(change, (BookActivity, ReverseActivity)) else ""


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
