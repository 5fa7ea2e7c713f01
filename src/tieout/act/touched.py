"""What a plan would change, as that stands now: a digest of it, and what speaks against the plan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from tieout.act.venue import BOOKS_MOVED, Venue, amount_of, objection_to, same_order, visit
from tieout.books.base import LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.model.amounts import ZERO, plain
from tieout.model.case import Approved
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
from tieout.model.snapshot import Activity, Fill, Order, Row, Section, Snapshot

ORDER_NOT_LIVE, OWN_ORDER = "order_not_live", "own_order"
Stated = str | bool | None


class Seen(Struct, frozen=True):
    """Local now and, where the plan is to cancel an order, that order at the broker; None is the venue's *no such order*.

    Where the plan is to send one, the broker as a whole.
    """

    local: Snapshot
    order: Order | None = None
    venue: Venue | None = None


async def look(plan: Approved, books: LocalBooks, broker: BrokerAdapter) -> Seen:
    """What a plan would change, as it stands now.

    Raises:
        SourceError: It could not be read.
    """
    if plan.order is not None:
        venue = await visit(broker)
        return Seen(await books.read(), venue=venue)
    if plan.cancel is None:
        return Seen(await books.read())
    assert not plan.bookings, "a cancel and a booking would be two effects"
    ids = plan.cancel.order
    order = await broker.get_order(broker_order_id=ids.broker_order_id, client_order_id=ids.client_order_id)
    return Seen(await books.read(), order)


def digest(plan: Approved, seen: Seen) -> str | None:
    """SHA-256 of what the plan changes, as it stands; None where local does not list whole what has to be looked at."""
    # Whose order it is that is to be cancelled shows in local's own.
    sections: set[Section] = {"orders"} if plan.cancel is not None else {_section(each) for each in plan.bookings}
    if plan.order is not None:
        sections = {"positions", "orders"}
    if any(seen.local.covers(section) != "complete" for section in sections):
        return None
    if plan.cancel is not None:
        return _hashed([["order"]] if seen.order is None else [["order"], _stated(seen.order)])
    if plan.order is not None and seen.venue is not None:
        rows = (seen.local.positions, seen.venue.positions)
        return _hashed([["position", *(_text(amount_of(plan.order, each)) for each in rows)]])
    return _hashed([row for change in plan.bookings for row in _touched(change, seen.local)])


def _hashed(rows: list[list[Stated]]) -> str:
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def _section(change: Change) -> Section:
    if isinstance(change, (BookFill, ReverseFill)):
        return "fills"
    if isinstance(change, (BookActivity, ReverseActivity)):
        return "activities"
    if isinstance(change, (UpdateOrder, AdoptOrder)):
        return "orders"
    return "positions" if isinstance(change, SetPosition) else "balances"


def _touched(change: Change, local: Snapshot) -> Iterator[list[Stated]]:
    """Local's rows that a change may alter, in any order of theirs; of a number that is set, just that."""
    yield [_section(change)]
    if isinstance(change, (BookFill, ReverseFill)):
        yield from sorted((_stated(row) for row in local.fills or () if same_fill(row, change.fill)), key=repr)
    elif isinstance(change, (BookActivity, ReverseActivity)):
        name = change.activity.activity_id
        yield from sorted((_stated(row) for row in local.activities or () if row.activity_id == name), key=repr)
    elif isinstance(change, (UpdateOrder, AdoptOrder)):
        yield from sorted((_stated(row) for row in local.orders or () if same_order(row, change.order)), key=repr)
    else:
        # Prices move by themselves, and available and locked follow from orders.
        yield [_text(value) for value in _number(change, local)]


def _stated(row: Row) -> list[Stated]:
    """Every field of a row, each value in its one spelling."""
    return [_text(getattr(row, name)) for name in row.__struct_fields__]


def _text(value: Decimal | datetime | str | bool | None) -> Stated:
    if isinstance(value, Decimal):
        return plain(value)
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _number(change: SetPosition | SetBalance, local: Snapshot) -> tuple[Decimal, Decimal | None]:
    """The number that a change would set, as it stands, and for a position its average price."""
    if isinstance(change, SetBalance):
        return next((row.total for row in local.balances or () if row.currency == change.currency), ZERO), None
    held = ((row.amount, row.average_price) for row in local.positions or ()
            if (row.asset, row.leg) == (change.asset, change.leg))  # fmt: skip
    return next(held, (ZERO, None))


def same_fill(row: Fill, fill: Fill) -> bool:
    """Whether two records are of one fill (contract, section 1)."""
    ids = {row.broker_order_id, fill.broker_order_id} - {None}
    return (row.asset, row.fill_id, row.side) == (fill.asset, fill.fill_id, fill.side) and len(ids) < 2


def objection(plan: Approved, seen: Seen, observed: Snapshot | None) -> str | None:
    """What speaks against a plan by now, in a word; None where it fits what stands.

    Args:
        plan: What was decided.
        seen: How things stand now.
        observed: How local stood when it was decided, where that is known.
    """
    if plan.order is not None:
        assert seen.venue is not None, "looked at above"
        return objection_to(plan.order, seen.local, seen.venue)
    if plan.cancel is not None:
        cancelled = plan.cancel.order
        if any(same_order(row, cancelled) for row in seen.local.orders or ()):
            return OWN_ORDER
        return None if seen.order is not None and seen.order.live else ORDER_NOT_LIVE
    fits = _Standing(seen.local, observed)
    return None if all(fits.takes(change) for change in plan.bookings) else BOOKS_MOVED


class _Standing:
    """Local's records as they will stand after each of a plan's changes, to see whether the next one still fits."""

    def __init__(self, local: Snapshot, observed: Snapshot | None) -> None:
        self._local, self._observed = local, observed
        self._fills, self._activities = list(local.fills or ()), list(local.activities or ())

    def takes(self, change: Change) -> bool:
        """Whether a change fits what stands; it then counts as made."""
        match change:
            case BookFill(fill):
                return self._book(fill)
            case ReverseFill(fill):
                return self._reverse(fill)
            case BookActivity(activity):
                return self._book_activity(activity)
            case ReverseActivity(activity):
                return self._reverse_activity(activity)
            case UpdateOrder(order) | AdoptOrder(order):
                return self._brings(order)
            case SetPosition() | SetBalance():
                return self._sets(change)

    def _book(self, fill: Fill) -> bool:
        if any(same_fill(row, fill) for row in self._fills):
            return False
        self._fills.append(fill)
        return True

    def _reverse(self, fill: Fill) -> bool:
        rows = [row for row in self._fills if same_fill(row, fill)]
        if rows:
            self._fills.remove(fill if fill in rows else rows[-1])
        return bool(rows)

    def _book_activity(self, activity: Activity) -> bool:
        if any(row.activity_id == activity.activity_id for row in self._activities):
            return False
        self._activities.append(activity)
        return True

    def _reverse_activity(self, activity: Activity) -> bool:
        rows = [row for row in self._activities if row.activity_id == activity.activity_id]
        if rows:
            self._activities.remove(activity if activity in rows else rows[-1])
        return bool(rows)

    def _brings(self, order: Order) -> bool:
        """Whether an order would change at all, and not fall back behind what local has heard since."""
        mine = _find(self._local, order)
        if mine is None:
            return True
        stated = [name for name in order.__struct_fields__ if getattr(order, name) is not None]
        if all(getattr(mine, name) == getattr(order, name) for name in stated):
            return False
        then = None if self._observed is None else _find(self._observed, order)
        return then is None or not _ahead(mine, order) or _ahead(then, order)

    def _sets(self, change: SetPosition | SetBalance) -> bool:
        """Whether a number would change, and stands as it stood when another was decided."""
        amount, price = _number(change, self._local)
        wanted = change.amount if isinstance(change, SetPosition) else change.total
        average = change.average_price if isinstance(change, SetPosition) else None
        if amount == wanted and average in (None, price):
            return False
        return self._observed is None or _number(change, self._observed)[0] == amount


def _find(local: Snapshot, order: Order) -> Order | None:
    return next((row for row in local.orders or () if same_order(row, order)), None)


def _ahead(mine: Order, stated: Order) -> bool:
    """Whether local has heard more of an order than is stated: more was filled, or it ended."""
    return mine.done > stated.done or (stated.live and not mine.live)
