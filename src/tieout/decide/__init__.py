"""Differences + causes + policy + history -> what is reported and what is done. Pure: `now` is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tieout.decide.cures import Cure, cure, merge_fill_alerts
from tieout.decide.halting import with_halts
from tieout.decide.hearing import hear
from tieout.decide.lifecycle import SECTION_OF, Break, History, doubt, follow, is_confirmed
from tieout.decide.limits import LIMITS, Counter
from tieout.decide.notices import with_notices
from tieout.decide.policy import Policy, Rule, Verdict
from tieout.decide.reading import Reading
from tieout.decide.remarks import remarks
from tieout.decide.sending_caps import with_sends
from tieout.decide.verdicts import Judged, excused, judge_case
from tieout.decide.words import lapse
from tieout.model.amounts import exact, seconds
from tieout.model.case import Approved, Case, Refused
from tieout.model.changes import SetBalance, SetPosition
from tieout.model.discrepancy import DOUBTS, ActionKind, ActionStatus, CauseCode, Key, ReconciliationStrategy
from tieout.model.notice import Notice
from tieout.model.report import Action, Discrepancy

__all__ = ["Decided", "History", "Policy", "Reading", "Rule", "attempted", "decide", "hear"]

S = ReconciliationStrategy


class Decided(Struct, frozen=True):
    """What a reading comes to: what is reported, what is done, what may be acted on, and the history after it.

    `remarks` are what a person should look at besides the breaks.
    """

    discrepancies: tuple[Discrepancy, ...]
    actions: tuple[Action, ...]
    plans: tuple[Approved | Refused, ...]
    history: History
    notices: tuple[Notice, ...] = ()
    remarks: tuple[str, ...] = ()


@exact
def decide(reading: Reading, history: History) -> Decided:
    """Confirm, judge, limit and cure every case of a reading."""
    before = history.halts
    history = hear(history, reading.words, reading.now)
    reported = [reading.differences[key] for key in reading.causes]
    history = follow(
        history, reading.account, reported, reading.coverage, reading.number, reading.now, reading.no_verdict
    )
    breaks = {key: _in_doubt(broken, reading) for key, broken in history.breaks.items()}
    ids = {broken.id for broken in breaks.values()}
    words = lapse(history.words, ids, reading.now, reading.policy.approval_seconds)
    history = replace(history, breaks=breaks, foreign=_foreign(history, reading), words=words)
    confirmed = {key: _confirmed(breaks[key], case, reading) for case in reading.explanation.cases for key in case.keys}
    judged = [judge_case(case, reading, history, confirmed) for case in reading.explanation.cases]
    cures, history = _cures(judged, reading, history)
    cures, history = with_sends(cures, reading, history)
    cures, history = _asked(cures, reading, history)
    history = replace(history, breaks=_marked(history.breaks, cures, reading))
    actions, history = _unreadable(reading, history)
    actions += _actions(cures, reading, breaks)
    history = with_halts(history, actions, reading)
    plans = tuple(one.plan for one in cures if one.plan is not None)
    found = _discrepancies([one.judged for one in cures], reading, breaks, confirmed)
    remarked = tuple(remarks(found, reading))
    called = [*actions, *_requests(cures)]
    notices, history = with_notices(history, called, reading, before, remarked)
    return Decided(found, tuple(actions), plans, history, notices, tuple(each.text for each in remarked))


def attempted(history: History, plans: Iterable[Approved]) -> History:
    """The history after acting: a case that was acted on and still stands is not tried again."""
    return replace(history, attempted=history.attempted | {plan.fingerprint for plan in plans})


def _in_doubt(broken: Break, reading: Reading) -> Break:
    """The break with its doubt followed; a reading in which its section was not complete does not count."""
    key = broken.key
    if key not in reading.causes or reading.coverage.get(SECTION_OF[key.domain]) != "compared":
        return broken
    return doubt(broken, reading.differences[key], reading.causes[key], reading.now)


def _confirmed(broken: Break, case: Case, reading: Reading) -> bool:
    key = broken.key
    cause = reading.causes[key]
    if reading.settled:
        return cause.code is not CauseCode.IN_FLIGHT
    if reading.is_lost_order(key) or (cause.code in DOUBTS and reading.doubts_too_long(broken)):
        return True
    return is_confirmed(
        broken,
        reading.differences[key],
        cause,
        case.parts[key],
        case.youngest,
        settle_seconds=reading.settings.settle_seconds,
        now=reading.now,
    )


def _foreign(history: History, reading: Reading) -> dict[Key, dict[str, tuple[datetime, Decimal]]]:
    """What somebody else changed lately, remembered by row and record. What is in doubt is no fact yet."""
    since = reading.now - timedelta(hours=reading.policy.cumulate_hours)
    known = {
        key: {ref: entry for ref, entry in rows.items() if entry[0] > since} for key, rows in history.foreign.items()
    }
    for case in reading.explanation.cases:
        for key, rows in case.foreign.items():
            if reading.causes[key].code not in DOUBTS:
                known.setdefault(key, {}).update({ref: (at, amount) for ref, at, amount in rows if at > since})
    return {key: rows for key, rows in known.items() if rows}


def _cures(judged: Sequence[Judged], reading: Reading, history: History) -> tuple[list[Cure], History]:
    """Positions and balances first: what they book tells what is left to do for orders."""
    ids = {key: broken.id for key, broken in history.breaks.items()}
    counter = Counter(history, reading.policy, reading.now)
    booked: dict[str, ActionStatus] = {}
    done: dict[int, Cure] = {}
    # What was let go ahead and did not help is asked for again: leave is for one attempt.
    fresh = {name: each for name, each in history.words.approved.items() if name not in history.attempted}
    words = replace(history.words, approved=fresh)
    for one in sorted(judged, key=lambda each: each.case.keys[0].domain == "order"):
        result = cure(one, reading, ids, booked, words)
        past = counter.past(result.plan, heals=one.verdict.heals) if isinstance(result.plan, Approved) else None
        if past is not None:
            halt = excused(one.votes, Verdict(S.HALT_AND_ALERT, reason=past), reading, history)
            result = cure(replace(one, verdict=halt), reading, ids, booked, words)
        done[id(one)] = result
        booked.update(_booked(result))
    return [done[id(one)] for one in judged], counter.counted(history)


def _asked(cures: Sequence[Cure], reading: Reading, history: History) -> tuple[list[Cure], History]:
    """The cures, each that waits for a person with its end, and the history that knows since when it waits."""
    wait = timedelta(seconds=reading.policy.approval_seconds)
    asked, dated = {}, []
    for one in cures:
        waits = [action.status is ActionStatus.AWAITING_APPROVAL for action in one.actions]
        if isinstance(one.plan, Refused) and any(waits) and not reading.settled:
            since = history.asked.get(one.plan.fingerprint, reading.now)
            # A request that nobody answered in time is made anew.
            since = since if reading.now - since < wait else reading.now
            asked[one.plan.fingerprint] = since
            until = {"expires_at": (since + wait).isoformat()}
            actions = (
                replace(action, detail={**action.detail, **until}) if waiting else action
                for action, waiting in zip(one.actions, waits, strict=True)
            )
            one = replace(one, actions=tuple(actions))
        dated.append(one)
    return dated, replace(history, asked=asked)


def _requests(cures: Iterable[Cure]) -> Iterator[Action]:
    """Alerts for what waits and is told of by no other: whoever is to approve it has to hear of it."""
    for one in cures:
        waiting = [action for action in one.actions if action.status is ActionStatus.AWAITING_APPROVAL]
        told = any(action.action is ActionKind.ALERT for action in one.actions)
        if waiting and not told and one.judged.verdict.reason != "first_start":
            yield Action(
                action=ActionKind.ALERT,
                strategy=one.judged.verdict.strategy,
                status=ActionStatus.PLANNED,
                discrepancy_ids=tuple(dict.fromkeys(name for action in waiting for name in action.discrepancy_ids)),
                detail={"reason": f"{one.judged.verdict.reason}, waits for approval"},
            )


def _booked(done: Cure) -> dict[str, ActionStatus]:
    """The records of a position's or balance's case: whether they are about to be booked."""
    if done.judged.case.keys[0].domain not in ("position", "balance"):
        return {}
    by_number = (SetPosition, SetBalance)
    planned = isinstance(done.plan, Approved) and not all(isinstance(each, by_number) for each in done.plan.changes)
    status = ActionStatus.PLANNED if planned else ActionStatus.AWAITING_APPROVAL
    return dict.fromkeys(done.judged.case.refs, status)


def _marked(breaks: Mapping[Key, Break], cures: Iterable[Cure], reading: Reading) -> dict[Key, Break]:
    """The breaks with what this reading decides for them: to be corrected, or stopped by a limit."""
    after = dict(breaks)
    for one in cures:
        case, reason = one.judged.case, one.judged.verdict.reason
        if isinstance(one.plan, Approved) and reading.policy.mode == "act":
            evidence = reading.evidence(case) or (reason,)
            for key in case.keys:
                after[key] = replace(after[key], corrected=evidence)
        elif reason in LIMITS and one.judged.verdict.strategy is S.HALT_AND_ALERT:
            for key in one.judged.votes:
                after[key] = replace(after[key], halted=reason)
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
