"""One act, and the look at what became of it where nobody saw its end: after a lost answer and after a crash alike."""

from __future__ import annotations

from tieout.act.handing import correction_id
from tieout.act.sending import Waiting, find_out, send
from tieout.act.touched import Seen, digest, look
from tieout.books.base import BooksElsewhere, CanApply, LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.errors import ActionRefused, BookError, OutcomeUnknown, SourceError
from tieout.model.intent import Ended, Intent
from tieout.model.snapshot import Order


async def carry_out(
    intent: Intent, books: LocalBooks, broker: BrokerAdapter, waiting: Waiting
) -> tuple[Ended, str | None]:
    """Do what an intent says, once; returns how it ended and, unless it is done, why."""
    plan = intent.plan
    try:
        # A crash inside leaves the books as before or as after, never between; and an order asked to end or not. Which of
        # the two it is shows in reading it back: an order ends once, however often it is asked to.
        if plan.order is not None:
            return await send(intent, plan.order, broker, waiting)
        if plan.cancel is not None:
            order = plan.cancel.order
            await broker.cancel_order(broker_order_id=order.broker_order_id, client_order_id=order.client_order_id)
        elif books.can_apply is CanApply.ELSEWHERE:
            assert isinstance(books, BooksElsewhere)
            await books.hand_over(correction_id(intent.account, plan), plan.bookings, reason=plan.reason)
            return Ended.HANDED, None
        else:
            await books.apply(plan.bookings, reason=plan.reason)
    except BookError as error:
        return Ended.FAILED, error.why
    except ActionRefused as error:
        return Ended.FAILED, error.reason
    except OutcomeUnknown:
        return await read_back(intent, books, broker, waiting)
    return Ended.DONE, None


async def read_back(
    intent: Intent, books: LocalBooks, broker: BrokerAdapter, waiting: Waiting | None = None
) -> tuple[Ended, str | None]:
    """What became of an intent whose end nobody saw. Looks only; but an order of ours that is still live is ended.

    Returns:
        UNDONE where it surely never happened, UNKNOWN (and why) where that cannot be seen now, else DONE. What somebody else
        changed since counts as DONE: it is not done again on this evidence, and the next reading shows what still stands.
    """
    if intent.plan.order is not None:
        return await find_out(intent, intent.plan.order, broker, waiting or Waiting())
    if intent.plan.bookings and books.can_apply is CanApply.ELSEWHERE:
        return await _end_elsewhere(intent, books)
    try:
        seen = await look(intent.plan, books, broker)
    except SourceError as error:
        return Ended.UNKNOWN, f"{error.source} could not be read ({error.code})"
    if intent.plan.cancel is not None:
        return _end_of(seen.order)
    return _end_in_books(intent, seen)


async def _end_elsewhere(intent: Intent, books: LocalBooks) -> tuple[Ended, str | None]:
    """Whether a correction was handed over; what it came to is seen in the books."""
    assert isinstance(books, BooksElsewhere)
    try:
        handed = await books.handed(correction_id(intent.account, intent.plan))
    except BookError as error:
        return Ended.UNKNOWN, error.why
    if handed is None or handed.withdrawn:  # nobody takes anything back before its end is known
        return Ended.UNDONE, "it was not handed over"
    return (Ended.FAILED, handed.said) if handed.over else (Ended.HANDED, None)


def _end_of(order: Order | None) -> tuple[Ended, str | None]:
    """What became of a cancel, by the order as the venue has it now."""
    if order is not None and order.live:
        return Ended.UNDONE, "the order is live"
    if order is not None and order.status == "unknown":
        return Ended.UNKNOWN, "the venue does not say what became of the order"
    return Ended.DONE, None


def _end_in_books(intent: Intent, seen: Seen) -> tuple[Ended, str | None]:
    now = digest(intent.plan, seen)
    if now is None:
        return Ended.UNKNOWN, "local does not list what it changes"
    return (Ended.UNDONE, "the books are as they were") if now == intent.before else (Ended.DONE, None)
