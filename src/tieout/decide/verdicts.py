"""One case, one strategy: each member is judged, and the strictest word is that of all (contract, section 5, rule 0)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from tieout.decide.lifecycle import Break, History
from tieout.decide.limits import CAME_BACK, DID_NOT_CONVERGE
from tieout.decide.policy import Facts, Policy, Verdict, judge
from tieout.decide.reading import Reading
from tieout.decide.spending import SETTLING, unsettled
from tieout.model.amounts import ZERO, percent
from tieout.model.case import Case
from tieout.model.discrepancy import (
    DOUBTS,
    SEVERITY_RANK,
    Cause,
    CauseCode,
    Difference,
    DiscrepancyType,
    Key,
    ReconciliationStrategy,
    Severity,
)
from tieout.model.settings import Settings
from tieout.model.tolerance import band, within

S = ReconciliationStrategy
RESOLVED = "resolved_by_hand"


class Judged(Struct, frozen=True):
    """A case with its verdict; `votes` are its members beyond tolerance, `open` those of them that leave a residual."""

    case: Case
    verdict: Verdict
    votes: tuple[Key, ...]
    open: tuple[Key, ...]
    confirmed: bool


def judge_case(case: Case, reading: Reading, history: History, confirmed: Mapping[Key, bool]) -> Judged:
    """The strategy of a case, by its strictest member."""
    differences = {key: reading.differences[key] for key in case.keys}
    votes = tuple(
        key for key in case.keys
        if _votes(differences[key]) and not history.words.knows(history.breaks[key].id, differences[key].difference)
    )  # fmt: skip
    fully = {key: _fully(differences[key], reading.causes[key], reading.settings) for key in case.keys}
    own = {key: _own_severity(key, case, reading, history, fully=fully[key]) for key in votes}
    worst = max(own.values(), key=SEVERITY_RANK.__getitem__, default=Severity.MINOR)
    verdicts = [
        _judge(key, case, reading, history, worst if fully[key] else own[key], fully=fully[key]) for key in votes
    ]
    verdict = max(verdicts, key=lambda one: one.strictness, default=Verdict(S.WARN_ONLY, reason="within_tolerance"))
    if verdicts and any(one.alert for one in verdicts) and not verdict.alert:
        verdict = Verdict(verdict.strategy, verdict.approval, True, verdict.heals, verdict.reason)
    all_heal = all(one.heals for one in verdicts)
    verdict = Verdict(verdict.strategy, verdict.approval, verdict.alert, all_heal, verdict.reason)
    verdict = _as_resolved(votes, verdict, reading, history)
    ready = all(confirmed[key] for key in votes) if votes else False
    left = tuple(key for key in votes if not fully[key])
    verdict = _escalate(case, votes, verdict, reading, history)
    return Judged(case, excused(votes, verdict, reading, history), votes, left, ready)


def _as_resolved(votes: tuple[Key, ...], verdict: Verdict, reading: Reading, history: History) -> Verdict:
    """The verdict, or what somebody wants instead. Nobody makes a fact of a doubt; a first start is adopted, or not."""
    if reading.first_start or any(reading.causes[key].code in DOUBTS for key in votes):
        return verdict
    for key in votes:
        wanted = history.words.resolution(history.breaks[key].id, reading.differences[key].difference)
        if wanted is not None:
            return Verdict(wanted.strategy, approval=reading.policy.four_eyes, reason=RESOLVED, actor=wanted.actor)
    return verdict


def excused(votes: tuple[Key, ...], verdict: Verdict, reading: Reading, history: History) -> Verdict:
    """The verdict; instead of a halt over just what somebody let trading go on over, a warning."""
    if verdict.strategy is not S.HALT_AND_ALERT or not votes:
        return verdict
    known = history.words
    if all(known.excuses(history.breaks[key].id, reading.differences[key].difference) for key in votes):
        return Verdict(S.WARN_ONLY, reason="resumed")
    return verdict


def _votes(difference: Difference) -> bool:
    return not difference.within_tolerance and difference.type is not DiscrepancyType.LOCKED_MISMATCH


def _judge(key: Key, case: Case, reading: Reading, history: History, severity: Severity, *, fully: bool) -> Verdict:
    difference, code, broken = reading.differences[key], reading.causes[key].code, history.breaks[key]
    if reading.first_start:
        return Verdict(S.SYNC_TO_BROKER, approval=True, reason="first_start")
    if code in DOUBTS and reading.doubts_too_long(broken):
        return Verdict(S.HALT_AND_ALERT, reason="doubted_too_long")
    facts = Facts(difference, code, case.parts[key], fully, severity)
    if reading.is_lost_order(key):
        facts = replace(facts, code="LOST_ORDER", parts=frozenset(("LOST_ORDER",)))
    verdict = judge(facts, reading.policy.table())
    if code in DOUBTS and verdict.strategy in (S.SYNC_TO_BROKER, S.SYNC_TO_LOCAL):
        return Verdict(S.WARN_ONLY, reason="in_doubt")  # no rule makes a fact of a doubt
    if not fully and _blind_sync(verdict, difference, broken, reading.policy):
        return Verdict(S.SYNC_TO_BROKER, alert=True, reason="blind_sync")
    return verdict


def _blind_sync(verdict: Verdict, difference: Difference, broken: Break, policy: Policy) -> bool:
    """Whether an unexplained difference is small enough to be set without asking, and three readings agree on it."""
    if verdict.strategy is not S.SYNC_TO_BROKER or not verdict.approval:
        return False
    told, worth = verdict.blind_sync_max_usd, difference.usd_value
    cap = policy.blind_sync_max_usd if told is None and verdict.reason == "unexplained" else told
    agreed = broken.run >= 3 and broken.difference == difference.difference
    return agreed and cap is not None and worth is not None and cap > 0 and worth <= cap


def _fully(difference: Difference, cause: Cause, settings: Settings) -> bool:
    """Whether nothing is left to explain: a residual within tolerance counts as 0."""
    if cause.code is CauseCode.UNKNOWN:
        return False
    return not cause.residual or within(difference, cause.residual, settings)


def _own_severity(key: Key, case: Case, reading: Reading, history: History, *, fully: bool) -> Severity:
    difference, cause = reading.differences[key], reading.causes[key]
    if not fully and cause.code is not CauseCode.UNKNOWN:
        return band(percent(cause.residual, difference.local_amount, difference.broker_amount), reading.settings)
    return max(difference.severity, _cumulated(key, case, reading, history), key=SEVERITY_RANK.__getitem__)


def _cumulated(key: Key, case: Case, reading: Reading, history: History) -> Severity:
    """What somebody else changed here over the last day, together, against the amount without it."""
    if not case.foreign.get(key):
        return Severity.MINOR
    since = reading.now - timedelta(hours=reading.policy.cumulate_hours)
    changes = [amount for at, amount in history.foreign.get(key, {}).values() if at > since]
    together, stated = sum(changes, ZERO), reading.differences[key].broker_amount
    return band(percent(together, stated - together, stated), reading.settings)


def _escalate(case: Case, votes: tuple[Key, ...], verdict: Verdict, reading: Reading, history: History) -> Verdict:
    """A cure that did not hold is not tried again, and a correction that comes back is not corrected again."""
    tried = verdict.strategy is S.SYNC_TO_LOCAL or (verdict.strategy is S.WARN_ONLY and verdict.reason != RESOLVED)
    waits = unsettled(votes, reading, history) if tried else None
    if waits is not None:
        return Verdict(S.WARN_ONLY if waits == SETTLING else S.HALT_AND_ALERT, reason=waits)
    if verdict.approval or not (verdict.strategy is S.SYNC_TO_BROKER or _cancels(votes, verdict, reading)):
        return verdict
    halted = next((reason for key in votes if (reason := history.breaks[key].halted) is not None), None)
    if halted is not None:
        return Verdict(S.HALT_AND_ALERT, reason=halted)
    if reading.fingerprint(case, [history.breaks[key].id for key in case.keys]) in history.attempted:
        return Verdict(S.HALT_AND_ALERT, reason=DID_NOT_CONVERGE)
    for key in votes:
        closed = history.closed.get(key)
        if closed is None or reading.number - closed.reading > reading.policy.comeback_readings:
            continue
        # Whatever undid it: what an order of ours brought about is not traded for a second time.
        same_evidence = verdict.strategy is S.SYNC_TO_LOCAL or closed.corrected == (
            reading.evidence(case) or (verdict.reason,)
        )
        if closed.difference == reading.differences[key].difference and same_evidence:
            return Verdict(S.HALT_AND_ALERT, reason=CAME_BACK)
    return verdict


def _cancels(votes: tuple[Key, ...], verdict: Verdict, reading: Reading) -> bool:
    """Whether the case is a stranger's order, to be cancelled, or a position that an order is to bring to local."""
    if verdict.strategy is not S.SYNC_TO_LOCAL:
        return False
    strange = all(reading.causes[key].code is CauseCode.EXTERNAL_ORDER for key in votes)
    return strange or any(key.domain == "position" for key in votes)
