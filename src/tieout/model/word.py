"""A person's word on a break, an action or an account: kept first, and heard by the next reading."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from tieout.model.discrepancy import ReconciliationStrategy


class Verdict(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    REJECT = "reject"
    KNOWN = "known"  # accepted as it is until a date
    COMMENT = "comment"
    ASSIGN = "assign"  # somebody is to look after it
    RESOLVE = "resolve"  # by another strategy than the policy's
    HALT = "halt"
    RESUME = "resume"
    ADOPT = "adopt"  # the broker's holdings become the opening entries of empty books


class Word(Struct, frozen=True, kw_only=True):
    """A person's word on a break, an action or an account.

    Attributes:
        id: Unique; given once, so that saying it again after a lost answer changes nothing.
        account: Whose.
        subject: Id of the break or the action; the account's name where it is about all of it; the asset that is halted.
        verdict: What is said.
        actor: Who says it.
        text: Why; sealed, for people write amounts.
        until: When it ends; required where a break is accepted as known.
        strategy: How a break is to be resolved.
        assignee: Who is to look after a break.
        plan: Fingerprint of the plan that is approved or rejected: a case with its evidence.
        at: When it was said; None until it is kept.
        entry: Where it stands in the log, or among what was said where there is none; None until it is kept.
    """

    id: str
    account: str
    subject: str
    verdict: Verdict
    actor: str
    text: str
    until: datetime | None = None
    strategy: ReconciliationStrategy | None = None
    assignee: str | None = None
    plan: str | None = None
    at: datetime | None = None
    entry: int | None = None
