"""What speaks against an order just before it is sent: its own position and its own orders, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tieout.act.venue import Venue, amount_of, objection_to
from tieout.model.changes import SubmitOrder
from tieout.model.snapshot import Order, Position, Snapshot

SALE = SubmitOrder(
    asset="X",
    side="sell",
    quantity=Decimal(6),
    limit_price=Decimal(99),
    reduce_only=True,
    position_side="net",
    usd=Decimal(600),
    local_amount=Decimal(4),
    broker_amount=Decimal(10),
    leaves=Decimal(0),
)
OTHER = Position("Y", Decimal(500))
HELD = (Position("X", Decimal(10)), OTHER)
MINE = Order(asset="X", side="buy", quantity=Decimal(1), status="open", broker_order_id="b-1", client_order_id="c-1")
STRANGE = Order(asset="X", side="buy", quantity=Decimal(1), status="open", broker_order_id="b-9")
ELSEWHERE = Order(asset="Y", side="buy", quantity=Decimal(1), status="open", broker_order_id="b-8")
ENDED = Order(asset="X", side="buy", quantity=Decimal(1), status="cancelled", broker_order_id="b-7")
LOCAL = Snapshot(
    schema="tieout.snapshot/1",
    account="main",
    source="local",
    as_of=datetime(2026, 11, 20, tzinfo=UTC),
    positions=(Position("X", Decimal(4)), OTHER),
    orders=(MINE,),
)


def test_what_concerns_another_asset_or_has_ended_is_no_objection() -> None:
    """Holdings and orders of something else, an order of ours and one that ended leave the way free."""
    assert objection_to(SALE, LOCAL, Venue(HELD, (MINE, ELSEWHERE, ENDED), True)) is None


@pytest.mark.parametrize(
    ("venue", "word"),
    [
        (Venue(HELD, (), False), "venue_cannot_look_up"),
        (Venue((Position("X", Decimal(9)), OTHER), (), True), "broker_moved"),
        (Venue((OTHER,), (), True), "broker_moved"),
        (Venue(HELD, (STRANGE,), True), "broker_moved"),
    ],
)
def test_what_moved_since_it_was_decided_is(venue: Venue, word: str) -> None:
    """The broker's position, an order nobody here knows, or no way to find the order again: it is not sent."""
    assert (objection_to(SALE, LOCAL, venue) or "").startswith(word)


def test_books_that_moved_are() -> None:
    """What was decided on other books is decided anew."""
    moved = replace(LOCAL, positions=(OTHER,))
    assert objection_to(SALE, moved, Venue(HELD, (), True)) == "books_moved"


def test_a_net_order_counts_both_legs_and_an_order_of_a_leg_its_own() -> None:
    """Twelve long and two short are ten net; the long leg is twelve."""
    legs = (Position("X", Decimal(12), "long"), Position("X", Decimal(-2), "short"), OTHER)
    assert amount_of(SALE, legs) == 10
    assert amount_of(replace(SALE, position_side="long"), legs) == 12
    assert amount_of(SALE, None) == 0
