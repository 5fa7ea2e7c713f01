"""What deciding looks at: one reading, compared and explained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from tieout.decide.lifecycle import seconds
from tieout.decide.policy import Policy
from tieout.model.case import Case, Explanation
from tieout.model.discrepancy import Cause, CauseCode, Difference, DiscrepancyType, Key
from tieout.model.memory import Memory
from tieout.model.report import SectionCoverage
from tieout.model.settings import Settings


class Reading(Struct, frozen=True, kw_only=True):
    """One reading of an account.

    Attributes:
        number: Counts readings from 1.
        complete: Whether everything required was read whole.
        unreadable: What could not be read at all, in a word; None where both sides answered.
        first_start: Whether local has been empty in every reading so far, and the broker is not.
        settled: Whether what is given is taken as settled (one comparison of files, without a history).
        memory: What readings up to this one taught.
    """

    account: str
    now: datetime
    number: int
    differences: dict[Key, Difference]
    explanation: Explanation
    coverage: dict[str, SectionCoverage]
    complete: bool
    unreadable: str | None
    first_start: bool
    settled: bool
    memory: Memory
    settings: Settings
    policy: Policy

    @property
    def causes(self) -> dict[Key, Cause]:
        """The cause of every difference that is reported."""
        return self.explanation.causes

    def fingerprint(self, case: Case) -> str:
        """An identity of a case and its evidence, the same in every reading that shows just this."""
        rows = [
            f"{key.domain} {key.asset} {key.leg} {key.record} {self.differences[key].difference}" for key in case.keys
        ]
        return digest([self.account, *sorted(rows), *case.refs])

    def is_lost_order(self, key: Key) -> bool:
        """Whether an order that only local knows is proven to be gone (contract, section 5, rule 5)."""
        difference = self.differences[key]
        if difference.type is not DiscrepancyType.ORPHANED_LOCAL or self.coverage.get("orders") != "compared":
            return False
        if self.causes[key].code is CauseCode.IN_FLIGHT:
            return False
        answered = self.memory.lookups.get(difference.client_order_id or difference.broker_order_id or "")
        if answered is None:
            return False
        first, last, times = answered
        asked = times >= self.policy.lost_order_lookups and seconds(first, last) >= self.policy.lost_order_seconds
        return asked and key not in self.explanation.still_locked and not self._unexplained(key.asset)

    def _unexplained(self, asset: str) -> bool:
        """Whether a position of the asset, or locked funds, changed without an explanation."""
        for key, cause in self.causes.items():
            difference = self.differences[key]
            unknown = cause.code is CauseCode.UNKNOWN or bool(cause.residual)
            if key.domain == "position" and key.asset == asset and unknown and not difference.within_tolerance:
                return True
            locked = difference.type is DiscrepancyType.LOCKED_MISMATCH and not difference.within_tolerance
            if locked and unknown and not cause.evidence:
                return True
        return False


def digest(parts: Sequence[str]) -> str:
    """A short name for a list of words."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
