"""What people said that still counts. A word is about what stood when it was said: what has grown since is new."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import replace

from tieout.model.discrepancy import ReconciliationStrategy


class Approval(Struct, frozen=True):
    """Somebody's leave to carry out one plan; `times` counts how often the same plan was let go ahead."""

    actor: str
    at: datetime
    times: int = 1


class Accepted(Struct, frozen=True):
    """A break that is known until a date, up to the difference that was accepted (signed)."""

    difference: Decimal
    until: datetime


class Resolution(Struct, frozen=True):
    """A break that somebody wants resolved in another way than the policy's, at the difference that he saw."""

    difference: Decimal
    strategy: ReconciliationStrategy
    actor: str


class Words(Struct, frozen=True, kw_only=True):
    """What people said.

    Attributes:
        heard: Where the last word stands that was heard.
        approved: By fingerprint of the plan.
        rejected: Fingerprints of the plans that somebody refused, and who.
        known: By break.
        resolved: By break.
        excused: Breaks whose halt somebody lifted, and their difference then: unchanged, they do not halt again.
    """

    heard: int = -1
    approved: dict[str, Approval] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    known: dict[str, Accepted] = field(default_factory=dict)
    resolved: dict[str, Resolution] = field(default_factory=dict)
    excused: dict[str, Decimal] = field(default_factory=dict)

    def knows(self, name: str, difference: Decimal) -> bool:
        """Whether a break is accepted as it is: no larger than it was then, and in the same direction."""
        known = self.known.get(name)
        return known is not None and known.difference * difference >= 0 and abs(difference) <= abs(known.difference)

    def resolution(self, name: str, difference: Decimal) -> Resolution | None:
        """How somebody wants a break resolved, for as long as it is the one that he saw."""
        found = self.resolved.get(name)
        return found if found is not None and found.difference == difference else None

    def excuses(self, name: str, difference: Decimal) -> bool:
        """Whether somebody let trading go on over just this."""
        return self.excused.get(name) == difference


def lapse(words: Words, standing: Collection[str], now: datetime, approval_seconds: int) -> Words:
    """The words that still count: of breaks that stand, and not yet at their end."""
    since = now - timedelta(seconds=approval_seconds)
    return replace(
        words,
        approved={name: each for name, each in words.approved.items() if each.at > since},
        known={name: each for name, each in words.known.items() if name in standing and each.until > now},
        resolved={name: each for name, each in words.resolved.items() if name in standing},
        excused={name: each for name, each in words.excused.items() if name in standing},
    )
