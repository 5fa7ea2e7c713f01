"""A halt: trading of an account, or of one of its assets, is stopped until somebody, or enough evidence, lifts it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct


class Halt(Struct, frozen=True, kw_only=True):
    """One halt that stands.

    Attributes:
        id: Stays the same for as long as the halt stands.
        asset: The asset that is stopped; None where the whole account is.
        reason: The policy's word for why.
        since: When it was set.
        break_ids: The breaks that called for it; empty where it is not about breaks.
        by: Who set it by hand; empty where Tieout did.
        lifts_itself: Whether clean complete readings lift it; every other is lifted by a person alone.
    """

    id: str
    asset: str | None
    reason: str
    since: datetime
    break_ids: tuple[str, ...] = ()
    by: str = ""
    lifts_itself: bool = False


def shown(halts: Iterable[Halt]) -> str:
    """A name for what a person sees who resumes: the halts that Tieout set, and the breaks that called for them.

    Those set by hand are left out: they are words themselves, and stand in order with the one that lifts them.
    """
    seen = {name for halt in halts if not halt.by for name in (halt.id, *halt.break_ids)}
    return hashlib.sha256("\n".join(sorted(seen)).encode()).hexdigest()[:20]
