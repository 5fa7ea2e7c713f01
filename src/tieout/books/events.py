"""What changes books, one record each: the lines of their journal."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import Struct

from tieout.books.engine_books import BooksState, EngineBooks
from tieout.books.instruments import Instrument
from tieout.books.orders import OrderManager
from tieout.errors import BookError
from tieout.model.changes import Change
from tieout.model.snapshot import Activity, Fill, Moment, Name, Order, OrderStatus, Snapshot

LAYOUT = "tieout.books/1"


class FillCame(Struct, frozen=True, tag="fill"):
    """The engine booked a fill."""

    fill: Fill
    reason: str = ""


class ActivityCame(Struct, frozen=True, tag="activity"):
    """The engine booked an activity."""

    activity: Activity
    reason: str = ""


class CaseApplied(Struct, frozen=True, tag="case"):
    """A case was booked, whole."""

    changes: tuple[Change, ...]
    reason: str


class Adopted(Struct, frozen=True, tag="adopt"):
    """A statement became the opening entries."""

    statement: Snapshot


class Equipped(Struct, frozen=True, tag="equip"):
    """What is known of assets was replaced."""

    instruments: dict[str, Instrument]


class Priced(Struct, frozen=True, tag="prices"):
    """Prices were stated."""

    market: dict[str, Decimal]
    usd: dict[str, Decimal]


class Sent(Struct, frozen=True, tag="sent"):
    """A client id was used."""

    client_order_id: Name


class Registered(Struct, frozen=True, tag="register"):
    """The engine took a new order of its own."""

    order: Order
    reason: str = ""


class Advanced(Struct, frozen=True, tag="advance"):
    """An order moved to another state."""

    status: OrderStatus
    at: Moment
    client_order_id: str | None = None
    broker_order_id: str | None = None


Event = FillCame | ActivityCame | CaseApplied | Adopted | Equipped | Priced | Sent | Registered | Advanced


class Kept(Struct, frozen=True):
    """One line: an event, and how many entries and order events the books have after it, which its replay is held against."""

    event: Event
    entries: int
    orders: int


def perform(books: EngineBooks, event: Event) -> bool:
    """Change *books* as the event says, and tell whether there was anything to change.

    Raises:
        BookError: It does not fit; they are as they were.
    """
    match event:
        case FillCame(fill, reason):
            books.book_fill(fill, reason=reason)
        case ActivityCame(activity, reason):
            books.book_activity(activity, reason=reason)
        case CaseApplied(changes, reason):
            books.book_case(changes, reason=reason)
            return bool(changes)
        case Adopted(statement):
            books.open_with(statement)
        case Equipped(instruments):
            books.equip(instruments)
        case Priced(market, usd):
            return books.set_prices(market, usd=usd)
        case Sent() | Registered() | Advanced():
            return _follow(books.orders, event)
    return True


def _follow(orders: OrderManager, event: Sent | Registered | Advanced) -> bool:
    before = orders.changes
    match event:
        case Sent(client_order_id):
            return orders.note_sent(client_order_id)
        case Registered(order, reason):
            orders.register(order, reason=reason)
        case Advanced(status, at, client, broker):
            orders.advance(status, at, client_order_id=client, broker_order_id=broker)
    return orders.changes > before


def kept(books: EngineBooks, event: Event) -> Kept:
    """The line for an event that was just performed."""
    return Kept(event, books.ledger.size, books.orders.changes)


T = TypeVar("T", bound=Struct)
_line = msgspec.json.Decoder(Kept)
_state = msgspec.json.Decoder(BooksState)
_REFUSED = (msgspec.DecodeError, UnicodeError, RecursionError, TypeError, ValueError, ArithmeticError)


def encode_line(line: Kept) -> bytes:
    """A line's bytes.

    Raises:
        BookError: It would not be read back as it is (a naive time, a float, a text that is not Unicode).
    """
    return _encoded(line, _line)


def decode_line(raw: bytes) -> Kept | None:
    """A line from its bytes; None where they are none."""
    return _decoded(raw, _line)


def encode_state(state: BooksState) -> bytes:
    """The bytes of all that books are.

    Raises:
        BookError: They would not be read back as they are.
    """
    return _encoded(state, _state)


def decode_state(raw: bytes) -> BooksState | None:
    """All that books are, from its bytes; None where they are not that."""
    return _decoded(raw, _state)


def _encoded(value: T, decoder: msgspec.json.Decoder[T]) -> bytes:
    try:
        raw = msgspec.json.encode(value)
        same = decoder.decode(raw) == value
    except _REFUSED:
        same = False
    if not same:
        # Better refused now than not to be read at the next start.
        raise BookError("record", "it cannot be kept as it is; give decimals, aware times and plain text")
    return raw


def _decoded(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    try:
        return decoder.decode(raw)
    except _REFUSED:
        return None
