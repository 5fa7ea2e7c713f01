"""Orders that are never forgotten: what one change costs does not grow with them, and it can be taken back to the last id."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tieout.books.orders import OrderManager, orders_from
from tieout.errors import BookError
from tieout.model.snapshot import Fill, Order, OrderStatus

AT = datetime(2026, 11, 20, tzinfo=UTC)
NEW = Order("X", "buy", Decimal(4), "pending", client_order_id="c", filled=Decimal(0))


def peak_of_a_change(ended: int) -> int:
    """The memory that one change takes, to be taken back if need be, among so many ended orders."""
    orders = OrderManager()
    for number in range(ended):
        orders.register(replace(NEW, client_order_id=f"c-{number}"))
        orders.advance("cancelled", AT, client_order_id=f"c-{number}", broker_order_id=f"b-{number}")
    least = 1 << 40
    for number in range(5):  # now and then a list or a dictionary is made larger
        tracemalloc.start()
        orders.saved()
        orders.register(replace(NEW, client_order_id=f"d-{number}"))
        assert len(orders.live) == number + 1
        least = min(least, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return least


def test_a_change_costs_the_same_after_months() -> None:
    """Among two thousand ended orders it takes no more than among ten: no copy is made of what is there."""
    assert peak_of_a_change(2000) < 2 * peak_of_a_change(10)


def test_the_way_back_does_not_grow_with_what_is_kept() -> None:
    """What is settled is not remembered to be taken back; what comes after it can be, to there."""
    orders = OrderManager()
    for number in range(50):
        orders.register(replace(NEW, client_order_id=f"c-{number}"))
        orders.settle()
        assert len(orders._index._trail) == 0
    kept, back = orders.export(), orders.saved()
    orders.register(replace(NEW, client_order_id="d"))
    back()
    assert orders.export() == kept


name = st.sampled_from(["1", "2", "3"])
ids = st.one_of(st.none(), name)
step = st.one_of(
    st.tuples(st.just("sent"), name),
    st.tuples(st.just("register"), name),
    st.tuples(st.just("advance"), ids, ids, st.sampled_from(["open", "cancelled", "filled", "expired"])),
    st.tuples(st.just("fill"), ids, ids, st.integers(1, 3)),
    st.tuples(st.just("take back"), ids, ids, st.integers(1, 3)),
    st.tuples(st.just("update"), ids, ids, st.sampled_from(["open", "cancelled"])),
    st.tuples(st.just("adopt"), ids, ids, st.just("open")),
)


def client(text: str | None) -> str | None:
    return None if text is None else f"c-{text}"


def broker(text: str | None) -> str | None:
    return None if text is None else f"b-{text}"


def take(orders: OrderManager, what: str, *told: object) -> None:
    """One step; what is refused changes nothing."""
    first = told[0] if isinstance(told[0], str) else None
    try:
        if what == "sent":
            orders.note_sent(f"c-{first}")
        elif what == "register":
            orders.register(replace(NEW, client_order_id=f"c-{first}"))
        else:
            second = told[1] if isinstance(told[1], str) else None
            _follow(orders, what, client(first), broker(second), told[2])
    except BookError:
        return


def _follow(orders: OrderManager, what: str, mine: str | None, theirs: str | None, value: object) -> None:
    if what in ("fill", "take back"):
        assert isinstance(value, int)
        fill = Fill(
            f"f-{value}", "X", "buy", Decimal(value), Decimal(9), AT, client_order_id=mine, broker_order_id=theirs
        )
        (orders.book_fill if what == "fill" else orders.reverse_fill)(fill)
        return
    status: OrderStatus = {"open": "open", "cancelled": "cancelled", "filled": "filled"}.get(str(value), "expired")  # type: ignore[assignment]
    if what == "advance":
        orders.advance(status, AT, client_order_id=mine, broker_order_id=theirs)
    else:
        stated = replace(NEW, client_order_id=mine, broker_order_id=theirs, status=status)
        (orders.update_order if what == "update" else orders.adopt_order)(stated)


@given(st.lists(step, max_size=12), st.lists(step, max_size=8), st.lists(step, max_size=8))
def test_whatever_came_is_taken_back_to_the_last_id(before: list[tuple], after: list[tuple], more: list[tuple]) -> None:  # type: ignore[type-arg]
    """Two saved points, one within the other: each brings back orders, ids, what is live, and what is remembered as used."""
    orders = OrderManager()
    for each in before:
        take(orders, *each)
    kept, back = orders.export(), orders.saved()
    for each in after:
        take(orders, *each)
    inner, inner_back = orders.export(), orders.saved()
    for each in more:
        take(orders, *each)
    assert orders.live == tuple(order for order in orders.orders if order.live)
    assert orders_from(orders.export()).live == orders.live
    inner_back()
    assert (orders.export(), orders.live) == (inner, orders_from(inner).live)
    back()
    assert (orders.export(), orders.live) == (kept, orders_from(kept).live)
