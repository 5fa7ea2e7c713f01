"""Storms and oscillations hit a limit and halt (contract, section 5, rule 8). Cases are counted, each once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from tieout.decide.lifecycle import History
from tieout.decide.policy import Verdict
from tieout.decide.reading import Reading
from tieout.decide.verdicts import Judged
from tieout.model.discrepancy import CauseCode, Key, ReconciliationStrategy

S = ReconciliationStrategy


def limit(judged: Sequence[Judged], reading: Reading, history: History) -> tuple[list[Judged], History]:
    """The verdicts with what is past a limit turned into halts, and the history with what was counted."""
    hour = reading.now - timedelta(hours=1)
    day = reading.now - timedelta(hours=24)
    changes = {name: entry for name, entry in history.changes.items() if entry[0] > hour}
    sets = {name: entry for name, entry in history.sets.items() if entry[0] > day}
    kept: list[Judged] = []
    for one in judged:
        reason = _past(one, reading, history, changes, sets)
        kept.append(replace(one, verdict=Verdict(S.HALT_AND_ALERT, reason=reason)) if reason else one)
    return kept, replace(history, changes=changes, sets=sets)


def _past(one: Judged, reading: Reading, history: History, changes: dict, sets: dict) -> str | None:  # type: ignore[type-arg]
    """Counts a case that is to be changed; says why where that is past a limit."""
    if not one.confirmed or one.verdict.strategy is not S.SYNC_TO_BROKER or one.verdict.approval:
        return None
    name = reading.fingerprint(one.case)
    if name not in changes:
        same_kind = sum(1 for _, heals in changes.values() if heals is one.verdict.heals)
        most = reading.policy.heals_per_hour if one.verdict.heals else reading.policy.changes_per_hour
        if same_kind >= most:
            return "too_many_changes"
        changes[name] = (reading.now, one.verdict.heals)
    for key in one.votes:
        if _is_set(one, key, reading):
            broken = history.breaks[key].id
            entry = f"{key.domain} {key.asset} {broken}"
            others = sum(1 for other in sets if other != entry and other.startswith(f"{key.domain} {key.asset} "))
            if others >= reading.policy.sets_per_day:
                return "set_too_often"
            sets[entry] = (reading.now, broken)
    return None


def _is_set(one: Judged, key: Key, reading: Reading) -> bool:
    by_number = reading.causes[key].code in (CauseCode.ROUNDING, CauseCode.UNKNOWN) or not one.fully
    return key.domain in ("position", "balance") and by_number and not (one.fully and one.case.changes)
