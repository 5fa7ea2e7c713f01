"""What deciding looks at: one reading, compared and explained."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from tieout.decide.lifecycle import Break, digest
from tieout.decide.policy import Policy
from tieout.model.amounts import seconds
from tieout.model.case import Case, Explanation
from tieout.model.changes import AdoptOrder, UpdateOrder
from tieout.model.discrepancy import DOUBTS, Cause, CauseCode, Difference, DiscrepancyType, Key
from tieout.model.memory import Memory
from tieout.model.report import SectionCoverage
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Snapshot
from tieout.model.word import Word


class Reading(Struct, frozen=True, kw_only=True):
    """One reading of an account.

    Attributes:
        number: Counts readings from 1.
        complete: Whether everything required was read whole.
        unreadable: What could not be read at all, in a word; None where both sides answered.
        first_start: Whether local has been empty in every reading so far, and the broker is not.
        settled: Whether what is given is taken as settled (one comparison of files, without a history).
        memory: What readings up to this one taught.
        no_verdict: Orders of which a side says only that their status is unknown.
        doubted: Assets and currencies whose rows the broker contradicts itself about, or that are in flight.
        words: What people said since the reading before.
        observed: What both sides said.
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
    no_verdict: frozenset[Key] = frozenset()
    doubted: frozenset[str] = frozenset()
    words: tuple[Word, ...] = ()
    observed: Observation | None = None

    @property
    def local(self) -> Snapshot | None:
        """What local said; None where it could not be read."""
        said = self.observed.local if self.observed else None
        return said if isinstance(said, Snapshot) else None

    @property
    def broker(self) -> Snapshot | None:
        """What the broker said; None where it could not be read."""
        said = self.observed.broker if self.observed else None
        return said if isinstance(said, Snapshot) else None

    @property
    def causes(self) -> dict[Key, Cause]:
        """The cause of every difference that is reported."""
        return self.explanation.causes

    def fingerprint(self, case: Case, ids: Iterable[str]) -> str:
        """An identity of a case and its evidence, the same in every reading that shows just this.

        A break that closed and came back has another of *ids*: what was once cured may be cured again.
        """
        rows = [
            f"{key.domain} {key.asset} {key.leg} {key.record} {self.differences[key].difference}" for key in case.keys
        ]
        return digest([self.account, *sorted(ids), *sorted(rows), *self.evidence(case)])

    def evidence(self, case: Case) -> tuple[str, ...]:
        """What a case is to be cured with: its records, and of an order how the broker says that it stands."""
        stated = []
        for key in case.keys:
            change = self.explanation.updates.get(key)
            if isinstance(change, (UpdateOrder, AdoptOrder)):
                order = change.order
                stated.append(f"{order.status} {order.filled} {order.quantity} {order.limit_price} {order.stop_price}")
        return (*case.refs, *stated)

    def doubts_too_long(self, broken: Break) -> bool:
        """Whether a break has been in doubt on one set of evidence for so long that it halts."""
        if broken.doubt_since is None or broken.doubt_run < self.policy.doubt_readings:
            return False
        lag, limit = self.settings.venue_lag_seconds, self.policy.doubt_seconds
        if limit is None:
            limit = 3 * lag if lag is not None else Decimal(60)
        return seconds(broken.doubt_since, self.now) >= limit

    def is_lost_order(self, key: Key) -> bool:
        """Whether an order that only local knows is proven to be gone (contract, section 5, rule 5)."""
        difference = self.differences[key]
        if difference.type is not DiscrepancyType.ORPHANED_LOCAL or self.causes[key].code is CauseCode.IN_FLIGHT:
            return False
        # What was not read whole may hide the fill that ended it.
        if self.coverage.get("orders") != "compared" or {"failed", "partial"} & {
            self.coverage.get(section) for section in ("positions", "balances")
        }:
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
            known = cause.code is not CauseCode.UNKNOWN and cause.code not in DOUBTS and not cause.residual
            if known or difference.within_tolerance:
                continue
            locked = difference.type is DiscrepancyType.LOCKED_MISMATCH
            if (locked and not cause.evidence) or (not locked and self._holds(key, asset)):
                return True
        return False

    def _holds(self, key: Key, asset: str) -> bool:
        """Whether a row is a position of the asset; of a pair without position rows, one of its two currencies."""
        if key.domain == "position":
            return key.asset == asset
        return key.domain == "balance" and not self.memory.ever_positioned((asset,)) and key.asset in asset
