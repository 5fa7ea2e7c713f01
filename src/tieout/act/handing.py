"""Corrections of books that are kept elsewhere: handed over once, waited for, and given up where nothing comes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from tieout.books.base import BooksElsewhere, CanApply, Handed, LocalBooks
from tieout.errors import BookError
from tieout.model.case import Approved, Refused
from tieout.model.intent import Intent

BOOKS_READ_ONLY = "books_read_only"


def correction_id(account: str, plan: Approved) -> str:
    """The name under which a plan is handed over: its case, and behind the dash just these changes.

    A number that is to be set moves with what both sides hold, while the difference and so the case stay the same.
    """
    case = hashlib.sha256("\n".join((account, plan.fingerprint, str(plan.attempt))).encode()).hexdigest()[:24]
    return f"{case}-{hashlib.sha256(msgspec.json.encode(plan.bookings)).hexdigest()[:12]}"


def elsewhere(plan: Approved, books: LocalBooks) -> BooksElsewhere | None:
    """The books, where *plan* changes them and they are kept elsewhere."""
    if not plan.bookings or books.can_apply is not CanApply.ELSEWHERE:
        return None
    assert isinstance(books, BooksElsewhere)
    return books


def handing_over(intent: Intent) -> Intent:
    """The intent to hand over just these changes."""
    name = hashlib.sha256(f"{intent.id} {correction_id(intent.account, intent.plan)}".encode()).hexdigest()[:40]
    return replace(intent, id=name)


def giving_up(intent: Intent) -> Intent:
    """The intent under which it is kept that a correction came to nothing: it belongs to the reading that saw so."""
    name = hashlib.sha256(f"{intent.id} given up".encode()).hexdigest()[:40]
    return replace(intent, id=name)


async def standing(plan: Approved, books: BooksElsewhere, account: str) -> Handed | None:
    """What became of a plan that was handed over before; one that was taken back meanwhile is handed over again.

    Raises:
        BookError: It cannot be asked, or not be handed over.
    """
    name = correction_id(account, plan)
    handed = await books.handed(name)
    if handed is not None and handed.withdrawn:
        await books.hand_over(name, plan.bookings, reason=plan.reason)
        return Handed(said="handed over again")
    return handed


async def withdraw(plans: Sequence[Approved | Refused], books: LocalBooks, account: str) -> str | None:
    """Take back the corrections that no plan of this reading wants, where nobody has taken them yet.

    Returns:
        Why that cannot be kept; None where it is, or there is nothing to take back.
    """
    if books.can_apply is CanApply.ELSEWHERE:
        assert isinstance(books, BooksElsewhere)
        try:
            await books.withdraw({correction_id(account, plan) for plan in plans if isinstance(plan, Approved)})
        except BookError as error:
            return error.why
    return None
