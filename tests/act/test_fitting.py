"""Whether a plan still fits the books as they stand now, change by change: what does not is never booked over."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tests.explain.building import act, bal, fill, order, pos, side
from tieout.act.touched import Seen, digest, objection
from tieout.model.case import Approved
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    CancelOrder,
    Remedy,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.discrepancy import ReconciliationStrategy

F = fill("f", "X", 2, 100, broker_order_id="b")
AS_BOOKED = replace(F, broker_order_id=None, price=Decimal(99))  # the same fill, as local wrote it down
OTHER = fill("f", "X", 2, 100, broker_order_id="other")
A = act("a", "deposit", currency="USD", amount=5)
A_AS_BOOKED = act("a", "deposit", currency="USD", amount=6)
OPEN = order("c-1", 10, filled=2)


def plan(*changes: Remedy) -> Approved:
    return Approved("p", ("x",), ReconciliationStrategy.SYNC_TO_BROKER, changes, "why")


def against(rows: Any, *changes: Remedy, then: Any = None, **told: Any) -> str | None:
    """What speaks against a plan over these rows of local's, which stood as *then* when it was decided."""
    observed = None if then is None else side("local", *then)
    return objection(plan(*changes), Seen(side("local", *rows), **told), observed)


@pytest.mark.parametrize(
    ("rows", "changes", "fits"),
    [
        ([], [BookFill(F)], True),
        ([F], [BookFill(F)], False),
        ([AS_BOOKED], [BookFill(F)], False),  # booked meanwhile, if in other words
        ([OTHER], [BookFill(F)], True),  # another order's fill of the same number
        ([], [BookFill(F), BookFill(F)], False),
        ([], [ReverseFill(F)], False),
        ([F], [ReverseFill(F)], True),
        ([AS_BOOKED], [ReverseFill(F)], True),
        ([AS_BOOKED, F], [ReverseFill(F), ReverseFill(F)], True),
        ([AS_BOOKED, F], [ReverseFill(F), ReverseFill(F), ReverseFill(F)], False),
        ([AS_BOOKED], [ReverseFill(F), BookFill(F)], True),  # a correction
        ([F], [ReverseFill(F), BookFill(F), BookFill(F)], False),
        ([OTHER], [ReverseFill(F)], False),
        ([], [BookActivity(A)], True),
        ([A_AS_BOOKED], [BookActivity(A)], False),
        ([], [BookActivity(A), BookActivity(A)], False),
        ([], [ReverseActivity(A)], False),
        ([A_AS_BOOKED], [ReverseActivity(A)], True),
        ([A_AS_BOOKED, A], [ReverseActivity(A), ReverseActivity(A)], True),
        ([A], [ReverseActivity(A), ReverseActivity(A)], False),
        ([A], [ReverseActivity(A), BookActivity(A)], True),
        ([F], [BookActivity(A), BookFill(F)], False),  # one that does not fit is enough
    ],
)
def test_records_are_booked_once_and_taken_back_where_they_stand(rows: Any, changes: Any, fits: bool) -> None:
    """Each change is held against the books as the ones before it leave them."""
    assert against(rows, *changes) == (None if fits else "books_moved")


@pytest.mark.parametrize(
    ("now", "then", "wanted", "fits"),
    [
        ([], None, OPEN, True),
        ([OPEN], None, OPEN, False),  # nothing would change
        ([OPEN], None, replace(OPEN, limit_price=None), False),  # what is not stated is not compared
        ([OPEN], None, order("c-1", 10, "cancelled", filled=2), True),
        ([OPEN], [OPEN], order("c-1", 10, filled=1), True),  # local was ahead when it was decided, and knowingly
        ([OPEN], [order("c-1", 10, filled=1)], order("c-1", 10, filled=1), False),  # it has heard of more since
        ([OPEN], [order("c-1", 10, filled=1)], order("c-1", 10, filled=3), True),
        ([order("c-1", 10, "cancelled", filled=2)], [OPEN], order("c-1", 12, filled=2), False),  # it ended since
        ([OPEN], [], order("c-1", 10, filled=1), True),
        ([order("c-2", 10)], None, OPEN, True),
    ],
)
@pytest.mark.parametrize("kind", [UpdateOrder, AdoptOrder])
def test_an_order_is_updated_unless_local_has_heard_more_of_it_since(
    now: Any, then: Any, wanted: Any, fits: bool, kind: Any
) -> None:
    """What is known of an order never falls back behind what came in since it was decided."""
    assert against(now, kind(wanted), then=then) == (None if fits else "books_moved")


@pytest.mark.parametrize(
    ("now", "then", "change", "fits"),
    [
        ([pos("X", 5)], [pos("X", 5)], SetPosition("X", "net", Decimal(7), "why"), True),
        ([pos("X", 5)], [pos("X", 4)], SetPosition("X", "net", Decimal(7), "why"), False),  # it moved since
        ([pos("X", 5)], None, SetPosition("X", "net", Decimal(7), "why"), True),
        ([pos("X", 7)], None, SetPosition("X", "net", Decimal(7), "why"), False),  # it stands there already
        ([pos("X", 7, average_price=90)], None, SetPosition("X", "net", Decimal(7), "why", Decimal(100)), True),
        ([pos("X", 7, average_price=100)], None, SetPosition("X", "net", Decimal(7), "why", Decimal(100)), False),
        ([], [], SetPosition("X", "net", Decimal(7), "why"), True),
        ([], None, SetPosition("X", "net", Decimal(0), "why"), False),
        (
            [pos("X", 5, side="long"), pos("X", -5, side="short")],
            None,
            SetPosition("X", "short", Decimal(-5), "why"),
            False,
        ),
        ([bal("USD", 5)], [bal("USD", 5)], SetBalance("USD", Decimal(7), "why"), True),
        ([bal("USD", 5)], [bal("USD", 4)], SetBalance("USD", Decimal(7), "why"), False),
        ([bal("USD", 7)], None, SetBalance("USD", Decimal(7), "why"), False),
        ([bal("EUR", 7)], None, SetBalance("USD", Decimal(7), "why"), True),
        ([], None, SetBalance("USD", Decimal(0), "why"), False),
    ],
)
def test_a_number_is_set_only_over_the_one_that_was_seen(now: Any, then: Any, change: Any, fits: bool) -> None:
    """A row that moved since it was decided, or stands there already, is left alone."""
    assert against(now, change, then=then) == (None if fits else "books_moved")


@pytest.mark.parametrize(
    ("rows", "stated", "why"),
    [
        ([], order("b-9", 10), None),
        ([], order("b-9", 10, "filled", filled=10), "order_not_live"),
        ([], None, "order_not_live"),
        ([order("b-9", 10)], order("b-9", 10), "own_order"),
        ([order("b-8", 10)], order("b-9", 10), None),
    ],
)
def test_only_a_live_order_that_local_does_not_have_is_cancelled(rows: Any, stated: Any, why: str | None) -> None:
    """What local has by now is its own, and what ended needs no end."""
    assert against(rows, CancelOrder(order("b-9", 10)), order=stated) == why


@pytest.mark.parametrize(
    ("change", "rows", "others"),
    [
        (BookFill(F), [[], [F], [AS_BOOKED], [F, AS_BOOKED]], [pos("X", 1), A, OTHER]),
        (ReverseActivity(A), [[], [A], [A_AS_BOOKED]], [F, bal("USD", 1)]),
        (UpdateOrder(OPEN), [[], [OPEN], [order("c-1", 10, filled=3)]], [order("c-2", 1), F]),
        (
            SetPosition("X", "net", Decimal(7), "why"),
            [[], [pos("X", 5)], [pos("X", 5, average_price=9)]],
            [pos("Y", 1), F],
        ),
        (SetBalance("USD", Decimal(7), "why"), [[], [bal("USD", 5)]], [bal("EUR", 5), A]),
    ],
)
def test_the_digest_is_of_just_what_a_plan_changes(change: Any, rows: Any, others: Any) -> None:
    """It differs with every row that the plan may alter, is the same in any order of rows, and heeds no other row."""
    seen = [digest(plan(change), Seen(side("local", *one))) for one in rows]
    assert len(set(seen)) == len(rows) and all(seen)
    beside = [digest(plan(change), Seen(side("local", *others, *reversed(one)))) for one in rows]
    assert beside == seen


@pytest.mark.parametrize(
    ("change", "section"),
    [
        (BookFill(F), "fills"),
        (BookActivity(A), "activities"),
        (AdoptOrder(OPEN), "orders"),
        (CancelOrder(OPEN), "orders"),
        (SetPosition("X", "net", Decimal(7), "why"), "positions"),
        (SetBalance("USD", Decimal(7), "why"), "balances"),
    ],
)
def test_without_its_section_whole_nothing_is_held_against_a_plan(change: Any, section: str) -> None:
    """Where local does not list whole what a plan changes, there is no digest, and so no act."""
    everything = "fills activities orders positions balances".split()
    for lacking in everything:
        for told in ({"without": (lacking,)}, {"coverage": {lacking: "partial"}}):
            found = digest(plan(change), Seen(side("local", **told)))
            assert (found is None) is (lacking == section)


def test_the_same_value_spelt_otherwise_is_the_same() -> None:
    """A digest is of values, not of how they are written."""
    spelt = replace(F, quantity=Decimal("2.00"), price=Decimal("1E+2"))
    assert digest(plan(BookFill(F)), Seen(side("local", F))) == digest(plan(BookFill(F)), Seen(side("local", spelt)))
