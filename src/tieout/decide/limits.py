"""Storms and oscillations hit a limit and halt (contract, section 5, rule 8). Only what is really to be changed counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from tieout.decide.lifecycle import History
from tieout.decide.policy import Policy
from tieout.model.case import Approved
from tieout.model.changes import SetBalance, SetPosition
from tieout.model.discrepancy import Key

TOO_MANY, SET_TOO_OFTEN, CAME_BACK, DID_NOT_CONVERGE = (
    "too_many_changes", "set_too_often", "came_back", "did_not_converge",
)  # fmt: skip
LIMITS = frozenset((TOO_MANY, SET_TOO_OFTEN, CAME_BACK, DID_NOT_CONVERGE))


class Counter:
    """Counts the cases of one reading that are to be changed, on top of what the history counted.

    Args:
        history: What was counted before; what is older than an hour, or a day for numbers set, is left out.
        policy: The limits.
        now: The reading's time.
    """

    def __init__(self, history: History, policy: Policy, now: datetime) -> None:
        hour, day = now - timedelta(hours=1), now - timedelta(hours=24)
        self._changes = {name: entry for name, entry in history.changes.items() if entry[0] > hour}
        self._sets = {name: entry for name, entry in history.sets.items() if entry[0] > day}
        self._policy, self._now = policy, now

    def past(self, plan: Approved, *, heals: bool) -> str | None:
        """Count a case, or say past which limit it is. A case that stands on from earlier readings counts once."""
        sets = {f"{plan.fingerprint} {key}": key for key in _rows_set(plan)}
        for name, key in sets.items():
            others = sum(1 for other, (_, row) in self._sets.items() if row == key and other != name)
            if others >= self._policy.sets_per_day:
                return SET_TOO_OFTEN
        if not any(name in self._changes for name in plan.discrepancy_ids):
            most = self._policy.heals_per_hour if heals else self._policy.changes_per_hour
            if sum(1 for _, healed in self._changes.values() if healed is heals) >= most:
                return TOO_MANY
            self._changes[plan.discrepancy_ids[0]] = (self._now, heals)
        for name, key in sets.items():
            self._sets.setdefault(name, (self._now, key))
        return None

    def counted(self, history: History) -> History:
        """The history with what was counted."""
        return replace(history, changes=self._changes, sets=self._sets)


def _rows_set(plan: Approved) -> Iterable[Key]:
    """The rows that a plan sets to a number."""
    for change in plan.changes:
        if isinstance(change, SetPosition):
            yield Key("position", change.asset, change.leg)
        elif isinstance(change, SetBalance):
            yield Key("balance", change.currency)
