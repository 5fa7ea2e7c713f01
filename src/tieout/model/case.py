"""A case: breaks that share a record of evidence, and the changes that would cure them together."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from tieout.model.changes import CancelOrder, Change, Remedy, SubmitOrder
from tieout.model.discrepancy import Cause, Key, ReconciliationStrategy

BOOKS_READ_ONLY = "books_read_only"  # why a case is not acted on: a person has to book what it says


class Case(Struct, frozen=True):
    """One case.

    Attributes:
        keys: The breaks that belong to it.
        parts: For each break, the codes that its cause is made of (a wrong fill says whether quantity or price).
        changes: What books the evidence; empty where no record explains anything.
        refs: The records behind the changes.
        closes: Whether applying the changes to a copy of local leaves exactly the residuals reported, and moves nothing else.
        youngest: The age of the youngest record, in seconds; None where there are none.
        foreign: For each break, what records of somebody else's doing (contract 5.4) move: reference, time, signed amount.
    """

    keys: tuple[Key, ...]
    parts: dict[Key, frozenset[str]]
    changes: tuple[Change, ...]
    refs: tuple[str, ...]
    closes: bool
    youngest: Decimal | None
    foreign: dict[Key, tuple[tuple[str, datetime, Decimal], ...]]


class Explanation(Struct, frozen=True):
    """What a reading's differences come from.

    Attributes:
        causes: The cause of every difference that is reported; fills that are evidence for another are left out.
        cases: Breaks that share a record, with the records that would cure them together.
        updates: For each order that differs: what brings local's record of it to the broker's.
        brought: For each order that differs: the fills behind it, which bring a part of that by being booked, with their
            quantities in local's units.
        still_locked: Local's live orders, absent at the broker, for which it still seems to hold funds back.
        ids_unrelated: Whether local's books number fills for themselves: the broker knows none of their ids.
    """

    causes: dict[Key, Cause]
    cases: tuple[Case, ...]
    updates: dict[Key, Change]
    brought: dict[Key, dict[str, Decimal]]
    still_locked: frozenset[Key]
    ids_unrelated: bool


class Approved(Struct, frozen=True):
    """A case that may be acted on: the only thing that `act` takes.

    Its changes are for the books, or it is one order to be ended or sent at the broker.
    `attempt` counts how often a person let the same plan go ahead once more.
    """

    fingerprint: str
    discrepancy_ids: tuple[str, ...]
    strategy: ReconciliationStrategy
    changes: tuple[Remedy, ...]
    reason: str
    attempt: int = 0

    @property
    def cancel(self) -> CancelOrder | None:
        """The order to be ended at the broker; None where the plan is one for the books."""
        return next((each for each in self.changes if isinstance(each, CancelOrder)), None)

    @property
    def order(self) -> SubmitOrder | None:
        """The order to be sent to the broker; None where the plan is another."""
        return next((each for each in self.changes if isinstance(each, SubmitOrder)), None)

    @property
    def bookings(self) -> tuple[Change, ...]:
        """What the books are to take, all of it or nothing."""
        return tuple(each for each in self.changes if not isinstance(each, (CancelOrder, SubmitOrder)))


class Refused(Struct, frozen=True):
    """A case that may not be acted on, and why."""

    fingerprint: str
    discrepancy_ids: tuple[str, ...]
    strategy: ReconciliationStrategy
    reason: str
