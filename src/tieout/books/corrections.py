"""Corrections of books that are kept elsewhere: what is to be booked, who took it, and whether the books show it. Pure.

waits -> acknowledged -> applied, or refused; withdrawn where it is not wanted any more and nobody has taken it yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from tieout.books.base import Handed
from tieout.errors import BookError
from tieout.model.amounts import ZERO
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    Change,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.snapshot import Order, Snapshot

KEPT = 200  # corrections that ended, so that a late word about one is answered with what became of it


class CorrectionState(StrEnum):
    """How a correction stands."""

    WAITS = "waits"
    ACKNOWLEDGED = "acknowledged"  # whoever keeps the books took it: it is not applied before the books show it
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    APPLIED = "applied"


S = CorrectionState


class Correction(Struct, frozen=True, kw_only=True):
    """What somebody is asked to book, all of it or nothing.

    Attributes:
        id: By which it is acknowledged.
        changes: What is to be booked, in this order.
        reason: Why, by the policy's word.
        handed_at: When it was handed over.
        state: How it stands.
        changed_at: Since when it stands so.
        by: Who acknowledged or refused it.
        said: Why it was refused.
        counts: How often the books had the record of each change when it was handed over.
        held: The number that each change sets, as the books then had it; whoever books it looks whether it still is. None
            where a change sets none.
        first_at: Since when its case has waited, with these changes or others; time in which it was not wanted is left out.
    """

    id: str
    changes: tuple[Change, ...]
    reason: str
    handed_at: datetime
    state: CorrectionState = S.WAITS
    changed_at: datetime | None = None
    by: str | None = None
    said: str = ""
    counts: tuple[int, ...] = ()
    held: tuple[Decimal | None, ...] = ()
    first_at: datetime | None = None

    @property
    def case(self) -> str:
        """What its id has in common with those of its case."""
        return self.id.partition("-")[0]

    @property
    def open(self) -> bool:
        """Whether something may still come of it."""
        return self.state in (S.WAITS, S.ACKNOWLEDGED)


def with_correction(
    held: Sequence[Correction], name: str, changes: Sequence[Change], reason: str, books: Snapshot, now: datetime
) -> tuple[Correction, ...]:
    """*held* with one more; one that was withdrawn waits again, any other of that id stays as it is."""
    known = next((each for each in held if each.id == name), None)
    if known is not None and known.state is not S.WITHDRAWN:
        return tuple(held)
    counts = tuple(_count(change, books) for change in changes)
    waited = [_waited(each, now) for each in held if each.case == name.partition("-")[0]]
    fresh = Correction(
        id=name,
        changes=tuple(changes),
        reason=reason,
        handed_at=now,
        counts=counts,
        held=tuple(_number(change, books) for change in changes),
        first_at=now - max(waited, default=timedelta(0)),
    )
    return _kept([*(each for each in held if each.id != name), fresh])


def _waited(correction: Correction, now: datetime) -> timedelta:
    """How long its case had waited when it ended, or has by now."""
    since = correction.first_at or correction.handed_at
    ended = now if correction.open else correction.changed_at or since
    return max(ended - since, timedelta(0))  # a clock may be set back


def acknowledged(
    held: Sequence[Correction], name: str, *, by: str, refused: str | None, now: datetime
) -> tuple[Correction, ...]:
    """*held* once somebody took a correction, or with *refused* said why not. To say the same again changes nothing.

    Raises:
        BookError: There is no such correction, or it has ended otherwise: it must not be booked.
    """
    known = next((each for each in held if each.id == name), None)
    if known is None:
        raise BookError("correction", "there is none of that id")
    wanted = S.ACKNOWLEDGED if refused is None else S.REFUSED
    # What the books show already was taken, whoever said so first.
    if known.state is wanted or (known.state is S.APPLIED and refused is None):
        return tuple(held)
    if not known.open:
        raise BookError("correction", f"it is {known.state}, and not to be booked any more")
    after = replace(known, state=wanted, changed_at=now, by=by, said=refused or "")
    return tuple(after if each.id == name else each for each in held)


def withdrawn(held: Sequence[Correction], but: frozenset[str], now: datetime) -> tuple[Correction, ...]:
    """*held* without those that wait and are wanted no more."""
    return tuple(
        replace(each, state=S.WITHDRAWN, changed_at=now) if each.state is S.WAITS and each.id not in but else each
        for each in held
    )


def seen_in(held: Sequence[Correction], books: Snapshot, now: datetime) -> tuple[Correction, ...]:
    """*held* with those applied that *books* show whole."""
    return tuple(
        replace(each, state=S.APPLIED, changed_at=now) if each.open and _shown(each, books) else each for each in held
    )


def handed(
    correction: Correction | None, patience: timedelta, books_at: datetime | None, now: datetime
) -> Handed | None:
    """What is said of a correction that a reading still wants."""
    if correction is None:
        return None
    since = correction.changed_at or correction.handed_at
    seconds = max(0, (now - since) // timedelta(seconds=1))
    late = now - since > patience
    match correction.state:
        case S.WITHDRAWN:
            return Handed(said="taken back", withdrawn=True)
        case S.REFUSED:
            return Handed(said="whoever keeps the books refused it", over=True)
        case S.WAITS:
            waited = _waited(correction, now)
            said = f"it has waited for {waited // timedelta(seconds=1)} seconds, and nobody took it"
            late = waited > patience
            return Handed(said=said + (" in time" if late else " yet"), over=late)
        case S.ACKNOWLEDGED:
            newer = books_at is not None and books_at > since
            shown = "the books that came since do not show it" if newer else "no books came since"
            return Handed(said=f"acknowledged {seconds} seconds ago, and not applied: {shown}", over=late)
        case S.APPLIED:
            # The books show it and the difference stands all the same: it did not help.
            return Handed(said="the books show it, and the difference stands", over=late)


def taken(held: Sequence[Correction], patience: timedelta, now: datetime) -> str | None:
    """What a new correction waits for: one that was taken, and that the books may show at any moment; None where none was.

    It may book a part of what the new one would book again.
    """
    for each in held:
        if each.state is S.ACKNOWLEDGED and each.changed_at is not None and now - each.changed_at <= patience:
            return f"not handed over before the books show correction {each.id}, which was taken"
    return None


def _kept(held: Sequence[Correction]) -> tuple[Correction, ...]:
    ended = [each for each in held if not each.open]
    gone = {each.id for each in ended[: max(0, len(ended) - KEPT)]}
    return tuple(each for each in held if each.id not in gone)


def _shown(correction: Correction, books: Snapshot) -> bool:
    pairs = zip(correction.changes, correction.counts, strict=True)
    return all(_is_made(change, before, books) for change, before in pairs)


def _is_made(change: Change, before: int, books: Snapshot) -> bool:
    match change:
        case BookFill(fill):
            rows = [row for row in books.fills or () if (row.fill_id, row.asset) == (fill.fill_id, fill.asset)]
            return any((row.side, row.quantity, row.price) == (fill.side, fill.quantity, fill.price) for row in rows)
        case BookActivity(activity):
            rows_ = [row for row in books.activities or () if row.activity_id == activity.activity_id]
            return any((row.kind, row.amount) == (activity.kind, activity.amount) for row in rows_)
        case ReverseFill():
            return books.fills is not None and _count(change, books) < before
        case ReverseActivity():
            return books.activities is not None and _count(change, books) < before
        case UpdateOrder(order):
            rows__ = _orders(order, books)
            return any(
                (row.status, row.done, row.quantity) == (order.status, order.done, order.quantity) for row in rows__
            )
        case AdoptOrder(order):
            return any(row.live for row in _orders(order, books))
        case SetPosition():
            held = [row.amount for row in books.positions or () if (row.asset, row.leg) == (change.asset, change.leg)]
            return books.positions is not None and (held or [ZERO]) == [change.amount]
        case SetBalance():
            cash = [row.total for row in books.balances or () if row.currency == change.currency]
            return books.balances is not None and (cash or [ZERO]) == [change.total]


def _count(change: Change, books: Snapshot) -> int:
    """How often the books have the record that a change is about."""
    if isinstance(change, (BookFill, ReverseFill)):
        wanted = (change.fill.fill_id, change.fill.asset, change.fill.side)
        return sum((row.fill_id, row.asset, row.side) == wanted for row in books.fills or ())
    if isinstance(change, (BookActivity, ReverseActivity)):
        return sum(row.activity_id == change.activity.activity_id for row in books.activities or ())
    return 0


def _number(change: Change, books: Snapshot) -> Decimal | None:
    """The number that a change sets, as the books have it."""
    if isinstance(change, SetPosition):
        rows = (row.amount for row in books.positions or () if (row.asset, row.leg) == (change.asset, change.leg))
        return next(rows, ZERO)
    if isinstance(change, SetBalance):
        return next((row.total for row in books.balances or () if row.currency == change.currency), ZERO)
    return None


def _orders(order: Order, books: Snapshot) -> list[Order]:
    ids = {order.broker_order_id, order.client_order_id} - {None}
    return [row for row in books.orders or () if ids & {row.broker_order_id, row.client_order_id}]
