"""One order, sent once, followed to its end; and what became of one whose end nobody saw.

Its client order id is derived from its intent, which is durable before it: whoever comes after a crash, or after a lost
answer, asks the venue for that id. No id is ever sent twice: what never arrived is decided anew, under another.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, field

from tieout.act.venue import amount_of
from tieout.brokers.base import BrokerAdapter, OrderRequest
from tieout.clock import Clock, SystemClock
from tieout.errors import ActionRefused, OutcomeUnknown, SourceError
from tieout.model.amounts import seconds
from tieout.model.changes import SubmitOrder
from tieout.model.intent import Ended, Intent
from tieout.model.snapshot import Fill, Order

Outcome = tuple[Ended, str | None]
Seen = Order | SourceError | None  # None is the venue's *no such order*, an error is no answer
MARGIN = timedelta(seconds=60)  # by which two clocks may differ
ENDED = frozenset(("filled", "cancelled", "rejected", "expired"))
TOO_EARLY = "the venue does not know the order, and it is too early to tell"


class Waiting(Struct, frozen=True, kw_only=True):
    """How long an order is waited for, in seconds.

    Attributes:
        clock: What it is waited on.
        seconds: How long it may rest; then it is cancelled, and its end waited for as long again.
        poll_seconds: How often it is looked at.
        lag_seconds: How far the venue's lists may trail: only after it does *no such order* mean that it never arrived.
    """

    clock: Clock = field(default_factory=SystemClock)
    seconds: Decimal = Decimal(30)
    poll_seconds: float = 1
    lag_seconds: Decimal = Decimal(60)


def client_order_id(intent: Intent) -> str:
    """The id that an intent's order bears at the venue, for ever: 32 characters of [a-z0-9-]."""
    return f"tieout-{intent.id[:25]}"


async def send(intent: Intent, order: SubmitOrder, broker: BrokerAdapter, waiting: Waiting) -> Outcome:
    """Send an order, once, and follow it to its end. Nothing else sends one."""
    name, began = client_order_id(intent), waiting.clock.monotonic_ns()
    request = OrderRequest(
        client_order_id=name,
        asset=order.asset,
        side=order.side,
        quantity=order.quantity,
        limit_price=order.limit_price,
        reduce_only=order.reduce_only and broker.capabilities().reduce_only,
        position_side=None if order.position_side == "net" else order.position_side,
    )
    try:
        await broker.submit_order(request)
        taken = True
    except ActionRefused as error:
        return Ended.FAILED, error.reason
    except OutcomeUnknown:
        taken = False  # it may have arrived, or may yet: it is looked for like one that did
    seen = await _until_ended(name, broker, waiting, cancelling=False)
    if not _has_ended(seen):
        seen = await _until_ended(name, broker, waiting, cancelling=True)
    if seen is None and taken:
        return Ended.UNKNOWN, "the venue took the order and does not know it now"
    # When it was sent, as the wall clock counts now: one that was put right meanwhile does not make the order old.
    since = waiting.clock.now() - timedelta(microseconds=(waiting.clock.monotonic_ns() - began) // 1000)
    return await _outcome(seen, intent, order, broker, waiting, since=since)


async def already_there(intent: Intent, broker: BrokerAdapter) -> str | None:
    """Why an intent's order must not be sent: its id was used before (by a record that was lost since). None where not."""
    seen = await _ask(client_order_id(intent), broker)
    if isinstance(seen, SourceError):
        return f"not_read: {seen.source} ({seen.code})"
    return None if seen is None else "already_sent"


async def find_out(intent: Intent, order: SubmitOrder, broker: BrokerAdapter, waiting: Waiting) -> Outcome:
    """What became of an order that may have been sent. Sends nothing; one that is still live is cancelled.

    Returns:
        UNDONE only where the order surely never arrived; UNKNOWN, and why, where that cannot be told yet.
    """
    name = client_order_id(intent)
    seen = await _ask(name, broker)
    if isinstance(seen, Order) and not _has_ended(seen):
        seen = await _until_ended(name, broker, waiting, cancelling=True)
    return await _outcome(seen, intent, order, broker, waiting, since=intent.at)


async def _until_ended(name: str, broker: BrokerAdapter, waiting: Waiting, *, cancelling: bool) -> Seen:
    """The order once it ended, or as it was last seen when the time was up."""
    until = waiting.clock.monotonic_ns() + int(waiting.seconds * 10**9)
    while True:
        if cancelling:
            await _cancel(name, broker)
        # After a cancel the order is looked at, whatever the answer was: it may have filled first, or live on.
        seen = await _ask(name, broker)
        if _has_ended(seen) or waiting.clock.monotonic_ns() >= until:
            return seen
        await waiting.clock.sleep(waiting.poll_seconds)


async def _cancel(name: str, broker: BrokerAdapter) -> None:
    with suppress(ActionRefused, OutcomeUnknown):
        await broker.cancel_order(client_order_id=name)


async def _ask(name: str, broker: BrokerAdapter) -> Seen:
    try:
        return await broker.get_order(client_order_id=name)
    except SourceError as error:
        return error


def _has_ended(seen: Seen) -> bool:
    return isinstance(seen, Order) and seen.status in ENDED


async def _outcome(
    seen: Seen, intent: Intent, order: SubmitOrder, broker: BrokerAdapter, waiting: Waiting, *, since: datetime | None
) -> Outcome:
    """What an order came to, by how it was last seen; *since* when it may have been sent."""
    if isinstance(seen, SourceError):
        return Ended.UNKNOWN, f"{seen.source} could not be asked for the order ({seen.code})"
    if seen is None:
        return await _never_arrived(intent, order, broker, waiting, since)
    if seen.status not in ENDED:
        return Ended.UNKNOWN, f"the order does not end: the venue says {seen.status}"
    if seen.status == "filled" or seen.done >= seen.quantity:
        return Ended.DONE, None
    if seen.filled is None:
        return Ended.DONE, f"{seen.status}; the venue does not say how much of it was filled"
    if seen.done:
        return Ended.DONE, f"filled in part, then {seen.status}"
    return Ended.FAILED, f"it ended without a fill ({seen.status})"


async def _never_arrived(
    intent: Intent, order: SubmitOrder, broker: BrokerAdapter, waiting: Waiting, since: datetime | None
) -> Outcome:
    """What follows from *no such order*: nothing, unless it is old enough on both clocks, and nothing else shows it."""
    name = client_order_id(intent)
    try:
        now = await broker.server_time()
        if since is None or min(seconds(since, now), seconds(since, waiting.clock.now())) < waiting.lag_seconds:
            return Ended.UNKNOWN, TOO_EARLY
        rows: list[Order | Fill] = [*await broker.get_open_orders(), *await broker.get_fills(since - MARGIN)]
        positions = await broker.get_positions()
    except SourceError as error:
        return Ended.UNKNOWN, f"{error.source} could not be read ({error.code})"
    if any(row.client_order_id == name for row in rows):
        return Ended.UNKNOWN, "the venue lists the order, and says that it knows none such"
    if amount_of(order, positions) != order.broker_amount:
        return Ended.FAILED, "the venue knows no such order, and the position has moved: it is not sent again"
    return Ended.UNDONE, "the order never arrived"
