"""Corrections of books that are kept elsewhere: handed over once, waited for, and given up where nothing comes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from tieout.books.base import BooksElsewhere, CanApply, LocalBooks
from tieout.model.case import Approved
from tieout.model.intent import Intent


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
    """The intent to hand over just these changes. Each reading's is another one: what was taken back is handed over again."""
    said = f"{intent.id} {correction_id(intent.account, intent.plan)} {intent.report_id}"
    return replace(intent, id=hashlib.sha256(said.encode()).hexdigest()[:40])


def giving_up(intent: Intent) -> Intent:
    """The intent under which it is kept that a correction came to nothing: it belongs to the reading that saw so."""
    name = hashlib.sha256(f"{intent.id} given up".encode()).hexdigest()[:40]
    return replace(intent, id=name)


async def unwanted(plans: Sequence[Approved], books: LocalBooks, account: str) -> bool:
    """Whether a correction waits that none of *plans* wants.

    Raises:
        BookError: It cannot be asked.
    """
    if books.can_apply is not CanApply.ELSEWHERE:
        return False
    assert isinstance(books, BooksElsewhere)
    return not await books.waiting() <= {correction_id(account, plan) for plan in plans}


async def withdraw(plans: Sequence[Approved], books: LocalBooks, account: str) -> None:
    """Take back the corrections that none of *plans* wants, where nobody has taken them yet.

    Raises:
        BookError: That cannot be kept.
    """
    if books.can_apply is CanApply.ELSEWHERE:
        assert isinstance(books, BooksElsewhere)
        await books.withdraw({correction_id(account, plan) for plan in plans})
