"""An intent: one approved case, about to be acted on, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from tieout.model.case import Approved


class Ended(StrEnum):
    """What became of an intent."""

    DONE = "done"
    FAILED = "failed"  # refused: nothing happened
    UNDONE = "undone"  # read back after a crash: it never happened, and may be decided anew
    HANDED = "handed"  # given to whoever keeps the books: it counts once a reading shows it
    UNKNOWN = "unknown"  # nobody knows yet: nothing else is done in its account


class Intent(Struct, frozen=True, kw_only=True):
    """One approved case, about to be acted on.

    Attributes:
        id: Derived from the breaks, their evidence and the attempt: the same intent is never acted on twice.
        account: Whose breaks they are.
        report_id: The report that decided it.
        plan: What is to be done.
        before: A digest of what it will change as that stood just before, by which a crash in between can be told apart.
        at: When it was recorded; None until it is.
    """

    id: str
    account: str
    report_id: str
    plan: Approved
    before: str
    at: datetime | None = None
