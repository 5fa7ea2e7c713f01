"""Approved decisions -> effects, once. In its thinnest true form: `SYNC_TO_BROKER` writes the missing record into the books.

Orders are never sent here; everything else that was decided is reported as planned.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from tieout.books.base import LocalBooks
from tieout.errors import BookError
from tieout.model.case import Approved, Refused
from tieout.model.discrepancy import ReconciliationStrategy


class Effect(Struct, frozen=True):
    """What became of one approved case; `failure` says why the books refused it, and is None where it was booked."""

    plan: Approved
    failure: str | None = None


async def apply(plans: Iterable[Approved | Refused], books: LocalBooks) -> tuple[Effect, ...]:
    """Book every approved `SYNC_TO_BROKER` case, each whole or not at all.

    A crash between two cases leaves the first booked and the second not: the next reading shows just the second again.
    """
    effects = []
    for plan in plans:
        if isinstance(plan, Approved) and plan.strategy is ReconciliationStrategy.SYNC_TO_BROKER:
            effects.append(await _book(plan, books))
    return tuple(effects)


async def _book(plan: Approved, books: LocalBooks) -> Effect:
    try:
        await books.apply(plan.changes, reason=plan.reason)
    except BookError as error:
        return Effect(plan, failure=error.why)
    return Effect(plan)
