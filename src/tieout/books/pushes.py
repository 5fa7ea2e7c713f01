"""What was pushed of books that are kept elsewhere, as one record, and how each push changes it. Pure: `now` is an argument.

Whole snapshots, and events between them. Each event has an id and a number in the sequence of its stream; what came before
another is kept until that is there, and until then the books are not established.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from tieout.books.corrections import Correction, seen_in
from tieout.books.engine_books import EngineBooks
from tieout.clock import VirtualClock
from tieout.errors import BookError
from tieout.model.amounts import ZERO
from tieout.model.codec import sound
from tieout.model.snapshot import Activity, Fill, Moment, Order, Snapshot

MOST_EVENTS = 2000  # since a whole snapshot; whoever pushes more pushes a snapshot now and then
AHEAD = timedelta(minutes=1)  # how far the clock of whoever pushes may be before ours
FOR_EVER = timedelta(days=36500)
WHOLE = "push a whole snapshot"
Number = Annotated[int, Meta(ge=0, le=2**62)]
StreamName = Annotated[str, Meta(max_length=64)]


class _Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """One thing that happened in books: its id, and its number in the stream, from 1 without a gap."""

    id: Annotated[str, Meta(min_length=1, max_length=255)]
    sequence: Annotated[int, Meta(ge=1, le=2**62)]


class FillPushed(_Event, frozen=True, tag="fill"):
    """A fill was booked."""

    fill: Fill


class ActivityPushed(_Event, frozen=True, tag="activity"):
    """An activity was booked."""

    activity: Activity


class OrderPushed(_Event, frozen=True, tag="order"):
    """An order is now as it says."""

    order: Order


Event = FillPushed | ActivityPushed | OrderPushed


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """Events of one stream, in any order.

    Attributes:
        as_of: The moment that the books then speak of. Without events: that nothing happened until then.
        events: What happened.
        stream: Of which stream; the snapshot before them names it, too.
        through: The last number that was given out in the stream by then; None is the last of these.
    """

    as_of: Moment
    events: tuple[Event, ...] = ()
    stream: StreamName = ""
    through: Number | None = None


class Pushed(Struct, frozen=True, kw_only=True):
    """All that is known of one account's books.

    Attributes:
        base: The last whole snapshot; None before the first.
        stream: The stream that it began or went on with.
        sequence: The last event that it contains.
        through: The last event that there is, as far as whoever pushes told.
        as_of: The moment that the books speak of.
        events: Those behind `sequence`, in their order, whatever is missing between them.
        doubt: Why nothing is believed until a whole snapshot comes; None where nothing was contradicted.
        corrections: What was handed over, oldest first.
    """

    base: Snapshot | None = None
    stream: str = ""
    sequence: int = 0
    through: int = 0
    as_of: datetime | None = None
    events: tuple[Event, ...] = ()
    doubt: str | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def gap(self) -> str | None:
        """Why the books are not established, in a sentence; None where nothing is missing."""
        if self.base is None:
            return f"nothing was pushed yet; {WHOLE}"
        if self.doubt is not None:
            return f"{self.doubt}; {WHOLE}"
        numbers = {event.sequence for event in self.events}
        missing = next((n for n in range(self.sequence + 1, self.through + 1) if n not in numbers), None)
        if missing is not None:
            return f"event {missing} of the stream is missing, and {self.through} was told of; push it, or a snapshot"
        return None


class Taken(Struct, frozen=True):
    """What became of a push: how many events were news, and how many were known."""

    news: int
    known: int


def with_snapshot(held: Pushed, snapshot: Snapshot, *, stream: str, sequence: int, now: datetime) -> Pushed:
    """What is known once a whole snapshot came that contains the stream up to *sequence*.

    Raises:
        BookError: It is of a moment before what is there already, or of one to come.
    """
    _require_past(snapshot.as_of, now)
    if held.base is not None and snapshot.as_of < held.base.as_of:
        raise BookError("snapshot", "it is of an earlier moment than the one that is there")
    same = held.base is not None and stream == held.stream
    if same and sequence < held.sequence:
        why = "it contains less of its stream than the one that is there; where numbers begin anew, name another stream"
        raise BookError("snapshot", why)
    # What contradicted itself is not believed beside the new snapshot either: it has to be pushed again.
    kept = same and held.doubt is None
    events = tuple(event for event in held.events if event.sequence > sequence) if kept else ()
    through = max(sequence, held.through if same else 0)
    as_of = max(snapshot.as_of, held.as_of) if events and held.as_of else snapshot.as_of
    after = replace(
        held,
        base=snapshot,
        stream=stream,
        sequence=sequence,
        through=through,
        as_of=as_of,
        events=events,
        doubt=None,
    )
    return _seen(after, now)


def with_events(held: Pushed, batch: Batch, now: datetime) -> tuple[Pushed, Taken]:
    """What is known once events came. Those known before, by id, change nothing; what contradicts them is a doubt.

    Raises:
        BookError: There is no snapshot of this stream, a row breaks the contract, or they are too many; nothing of it counts.
    """
    _require_past(batch.as_of, now)
    if held.base is None or batch.stream != held.stream:
        raise BookError("events", f"there is no snapshot of this stream to go on from; {WHOLE}")
    rows = [_row(event) for event in batch.events]
    if not all(sound([row]) for row in rows) or any(isinstance(row, Order) and row.status == "unknown" for row in rows):
        raise BookError("events", "a row of them breaks a rule of docs/formats.md, or is an order of unknown status")
    known = {event.sequence: event for event in held.events}
    ids = {event.id: event for event in held.events}
    doubt, news = held.doubt, 0
    for event in batch.events:
        if event.sequence <= held.sequence or event == ids.get(event.id):
            continue
        if event.id in ids or event.sequence in known:
            doubt = doubt or f"two different events bear the id or the number of event {event.sequence}"
            continue
        known[event.sequence] = ids[event.id] = event
        news += 1
    if len(known) > MOST_EVENTS:
        raise BookError("events", f"more than {MOST_EVENTS} since the last whole snapshot; {WHOLE}")
    told = batch.through if batch.through is not None else max((e.sequence for e in batch.events), default=0)
    after = replace(
        held,
        through=max(held.through, told, *known, held.sequence),
        as_of=max(held.as_of or batch.as_of, batch.as_of),
        events=tuple(known[number] for number in sorted(known)),
        doubt=doubt,
    )
    return _seen(after, now), Taken(news, len(batch.events) - news)


def stated(held: Pushed) -> Snapshot:
    """The books: the snapshot, and every event behind it in its order.

    Raises:
        BookError: They are not established, or an event does not fit what is before it.
    """
    if held.gap is not None:
        raise BookError("books", held.gap)
    assert held.base is not None
    assert held.as_of is not None
    if not held.events:
        return replace(held.base, as_of=held.as_of)
    books = EngineBooks.opened_from(held.base, VirtualClock(held.as_of), keep_ended=FOR_EVER)
    for event in held.events:
        try:
            _book(books, event)
        except BookError as error:
            raise BookError("books", f"event {event.sequence} does not fit ({error.why}); {WHOLE}") from error
    return _at_once(books.read())


def _book(books: EngineBooks, event: Event) -> None:
    match event:
        case FillPushed(fill=fill):
            books.book_fill(fill)
        case ActivityPushed(activity=activity):
            books.book_activity(activity)
        case OrderPushed(order=order):
            known = books.orders.find(client_order_id=order.client_order_id, broker_order_id=order.broker_order_id)
            if known is not None:
                books.orders.update_order(order)
            elif order.live:
                books.orders.adopt_order(order)
            else:
                books.orders.open(order, listed=ZERO, whole=False)


def _at_once(reading: Coroutine[None, None, Snapshot]) -> Snapshot:
    """The result of a coroutine that waits for nothing."""
    try:
        reading.send(None)
    except StopIteration as done:
        read: Snapshot = done.value
        return read
    raise AssertionError("books in memory are read at once")


def _seen(held: Pushed, now: datetime) -> Pushed:
    """With the corrections that the books show by now."""
    if not any(each.open for each in held.corrections):
        return held
    try:
        books = stated(held)
    except BookError:
        return held  # nothing is shown by books that are not established
    return replace(held, corrections=seen_in(held.corrections, books, now))


def _row(event: Event) -> Fill | Activity | Order:
    match event:
        case FillPushed(fill=row):
            return row
        case ActivityPushed(activity=row):
            return row
        case OrderPushed(order=row):
            return row


def _require_past(as_of: datetime, now: datetime) -> None:
    if as_of - now > AHEAD:
        raise BookError("push", "its as_of lies ahead of our clock; set the clocks right")
