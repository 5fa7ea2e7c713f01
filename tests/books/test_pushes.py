"""Books that are pushed, as a record: in whatever order events come they are the same, and never short without saying so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.books.pushes import (
    ActivityPushed,
    Batch,
    Event,
    FillPushed,
    OrderPushed,
    Pushed,
    stated,
    with_events,
    with_snapshot,
)
from tieout.errors import BookError
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Snapshot

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = START + timedelta(minutes=1)
BASE = Snapshot(
    schema="tieout.snapshot/1",
    account="main",
    source="local",
    as_of=START,
    positions=(Position("BTC/USD", Decimal(2), currency="USD", settlement="margin"),),
    balances=(Balance("USD", Decimal(1000)),),
    orders=(),
    fills=(),
    activities=(),
)
BEGUN = with_snapshot(Pushed(), BASE, stream="s", sequence=0, now=LATER)


def events(kinds: list[str]) -> list[Event]:
    """A day of an engine: of each kind one event, numbered from 1."""
    made: list[Event] = []
    for number, kind in enumerate(kinds, 1):
        at = START + timedelta(seconds=number)
        name = f"e{number}"
        if kind == "fill":
            fill = Fill(name, "BTC/USD", "buy", Decimal("0.1"), Decimal(100), at, settlement="margin")
            made.append(FillPushed(id=name, sequence=number, fill=fill))
        elif kind == "activity":
            paid = Activity(name, "deposit", at, currency="USD", amount=Decimal(number))
            made.append(ActivityPushed(id=name, sequence=number, activity=paid))
        else:
            order = Order(
                "BTC/USD", "buy", Decimal(1), "open", client_order_id="c", filled=Decimal(number) / 100, updated_at=at
            )
            made.append(OrderPushed(id=name, sequence=number, order=order))
    return made


KINDS = st.lists(st.sampled_from(["fill", "activity", "order"]), min_size=1, max_size=12)


def told(held: Pushed, some: list[Event], through: int | None = None) -> Pushed:
    """What is known once these came, at once."""
    return with_events(held, Batch(LATER, tuple(some), "s", through), LATER)[0]


@given(KINDS, st.integers())
@settings(max_examples=60, deadline=None)
def test_in_any_order_and_repetition_events_give_the_same_books(kinds: list[str], seed: int) -> None:
    """Shuffled, split anywhere, sent again and again: the books are those of the events in a row."""
    made, chance = events(kinds), Random(seed)
    plain = stated(told(BEGUN, made))
    held, left = BEGUN, [*made, *chance.choices(made, k=len(made))]
    chance.shuffle(left)
    while left:
        size = chance.randint(1, len(left))
        # As a restart would find it.
        held = msgspec.msgpack.decode(msgspec.msgpack.encode(told(held, left[:size])), type=Pushed)
        left = left[size:]
    assert stated(held) == plain


@given(KINDS, st.data())
@settings(max_examples=40, deadline=None)
def test_books_that_lack_an_event_are_never_read(kinds: list[str], data: st.DataObject) -> None:
    """Whichever one is missing, also the last that was told of: not established, until it or a whole snapshot comes."""
    made = events(kinds)
    missing = data.draw(st.sampled_from(made))
    held = told(BEGUN, [each for each in made if each is not missing], through=len(made))
    with pytest.raises(BookError, match=f"event {missing.sequence} of the stream is missing"):
        stated(held)
    assert stated(told(held, [missing])) == stated(told(BEGUN, made))
    whole = with_snapshot(held, stated(told(BEGUN, made)), stream="s", sequence=len(made), now=LATER)
    assert stated(whole).positions == stated(told(BEGUN, made)).positions


def test_events_that_contradict_each_other_are_a_doubt_until_a_snapshot() -> None:
    """Two events under one number, or one id for two: nothing is believed, and the first of them is not picked."""
    first, second = events(["fill", "fill"])
    assert isinstance(second, FillPushed)
    for other in (msgspec.structs.replace(second, sequence=1), msgspec.structs.replace(second, id="e1", sequence=2)):
        held = told(told(BEGUN, [first]), [other])
        with pytest.raises(BookError, match="two different events"):
            stated(held)
        early = with_snapshot(held, BASE, stream="s", sequence=0, now=LATER)
        with pytest.raises(BookError, match="missing"):
            stated(early)


def test_an_event_that_does_not_fit_leaves_books_that_are_not_established() -> None:
    """The same fill under two events is said, and booked neither once nor twice."""
    (first,) = events(["fill"])
    assert isinstance(first, FillPushed)
    held = told(BEGUN, [first, msgspec.structs.replace(first, id="again", sequence=2)])
    with pytest.raises(BookError, match="event 2 does not fit"):
        stated(held)


def test_a_numbering_that_begins_anew_needs_a_snapshot() -> None:
    """A program that lost its numbers names another stream; what it pushes before its snapshot is refused whole."""
    held = told(BEGUN, events(["fill", "fill"]))
    with pytest.raises(BookError, match="no snapshot of this stream"):
        with_events(held, Batch(LATER, tuple(events(["fill"])), "t"), LATER)
    anew = with_snapshot(held, msgspec.structs.replace(BASE, as_of=LATER), stream="t", sequence=0, now=LATER)
    assert stated(anew).fills == ()
    assert stated(with_events(anew, Batch(LATER, tuple(events(["fill"])), "t"), LATER)[0]).fills != ()


def test_books_do_not_go_back() -> None:
    """A snapshot that is late on its way does not take the place of a newer one, and none comes from the future."""
    newer = with_snapshot(BEGUN, msgspec.structs.replace(BASE, as_of=LATER), stream="s", sequence=5, now=LATER)
    for late in (BASE, msgspec.structs.replace(BASE, as_of=LATER)):
        with pytest.raises(BookError):
            with_snapshot(newer, late, stream="s", sequence=4, now=LATER)
    ahead = msgspec.structs.replace(BASE, as_of=LATER + timedelta(minutes=2))
    with pytest.raises(BookError, match="ahead of our clock"):
        with_snapshot(newer, ahead, stream="s", sequence=6, now=LATER)
