"""What a reading teaches the next one, and what it may not forget."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.decide.building import DOWN, Side, cash, fill, moment, moved, order, pos, reading, side
from tieout.model.discrepancy import Key
from tieout.model.memory import Memory
from tieout.model.snapshot import Lookup, Observation, SideFailure
from tieout.observe import is_empty, remember

X = Key("position", "X")
FULL = side(pos("X", "1"), cash("5"), order("c"), fill("f", "buy", "1", own=True))


def after(*readings: Observation, doubted: tuple[Key, ...] = ()) -> Memory:
    """The memory after some readings; the last of them doubts these rows."""
    memory = Memory()
    for number, one in enumerate(readings, 1):
        memory = remember(memory, one, doubted if number == len(readings) else ())
    return memory


def test_a_failed_side_teaches_nothing_and_takes_nothing() -> None:
    """After an outage everything is known that was known before; only the count of readings moves."""
    before = after(reading(0, FULL, FULL))
    outage = remember(before, reading(30, DOWN, DOWN), ())
    assert outage.readings == before.readings + 1
    for name in ("positions", "balances", "own_ids", "positioned", "shown", "local_held", "lookups", "held_back"):
        assert getattr(outage, name) == getattr(before, name)


def test_ids_of_earlier_readings_stay_ones_own() -> None:
    """Client and broker ids of orders and fills are remembered when the books list them no more."""
    memory = after(reading(0, FULL, side()), reading(30, side(), side()))
    assert memory.own_ids == {"c", "b-c", "c-f"}


def test_a_partial_section_is_no_baseline() -> None:
    """Continuity is held against complete statements only, section by section."""
    part = side(pos("X", "9"), cash("6"), coverage={"positions": "partial"})
    memory = after(reading(0, FULL, FULL), reading(30, FULL, part))
    assert memory.baseline(X).as_of == moment(0)  # type: ignore[union-attr]
    assert memory.baseline(Key("balance", "USD")).as_of == moment(30)  # type: ignore[union-attr]


def test_a_doubted_row_keeps_the_baseline_it_had() -> None:
    """Other rows move on to the new statement; the doubted one follows when it is doubted no more."""
    first, second, third = (reading(at, FULL, FULL) for at in (0, 30, 60))
    doubted = after(first, second, doubted=(X,))
    assert doubted.baseline(X).as_of == moment(0)  # type: ignore[union-attr]
    assert doubted.baseline(Key("position", "Y")).as_of == moment(30)  # type: ignore[union-attr]
    still = remember(doubted, third, (X,))
    assert still.baseline(X).as_of == moment(0)  # type: ignore[union-attr]
    assert remember(doubted, third, ()).baseline(X).as_of == moment(60)  # type: ignore[union-attr]
    unread = remember(doubted, reading(60, FULL, side(positions=None)), ())
    assert unread.baseline(X).as_of == moment(0)  # type: ignore[union-attr]


@pytest.mark.parametrize("local", [side(pos("X", "1")), side(cash("1")), side(order("c")), side(fill("f", "buy", "1")),
                                   side(moved("d", "fee", "1"))])  # fmt: skip
def test_any_holding_or_record_is_not_empty(local: Side) -> None:
    """A row of any section makes a side one that holds something, for good."""
    assert not is_empty(local.said("local", moment(0), "main"))
    assert after(reading(0, local, side()), reading(30, side(), side())).local_held


def test_zero_rows_are_empty() -> None:
    """A row of zero means no row; what was not fetched shows nothing either."""
    for local in (side(pos("X", "0"), cash("0")), side(), Side(positions=None, balances=None)):
        assert is_empty(local.said("local", moment(0), "main"))
        assert not after(reading(0, local, side(pos("X", "0")))).local_held


def test_assets_that_had_position_rows_are_remembered() -> None:
    """An asset that either side ever showed as a position is not a pair of coins later."""
    memory = after(reading(0, side(pos("X", "1")), side(pos("Y", "1"))), reading(30, side(), side()))
    assert memory.ever_positioned({"X", "Y", "Z"}) == {"X", "Y"}


def test_records_from_the_future_are_dated_by_when_they_were_first_seen() -> None:
    """Fills, activities and orders dated ahead of their own side's clock keep the time of the reading that showed them."""
    ahead = side(fill("f", "buy", "1", at=500), moved("d", "fee", "1", at=500), order("c", updated_at=moment(500)))
    memory = after(reading(0, side(), ahead), reading(30, side(), ahead))
    assert memory.ahead == dict.fromkeys(("fill f", "activity d", "order c"), moment(0))
    assert after(reading(0, side(), ahead), reading(600, side(), ahead)).ahead == {}


def asked(*answers: Lookup, local: Side = FULL, broker: Side | None = None, times: int = 1) -> dict[str, int]:
    """How often each order was answered not to exist."""
    one = reading(0, local, broker or side(), lookups=answers)
    return {name: count for name, (_, _, count) in after(*[one] * times).lookups.items()}


def test_only_no_such_order_counts() -> None:
    """An error neither counts nor starts over; an order does start over."""
    none, error = Lookup("b-c", "c"), Lookup("b-c", "c", error=SideFailure.TIMEOUT)
    assert asked(none, times=3) == {"c": 3}
    assert asked(none, error) == {"c": 1}
    assert asked(none, Lookup("b-c", "c", order=order("c", "filled"))) == {}


def test_an_order_is_counted_under_one_name() -> None:
    """Whichever id was asked for, the order is local's one; an unknown id counts for itself."""
    assert asked(Lookup("b-c", None), Lookup(None, "c"), Lookup("b-c", "c")) == {"c": 3}
    assert asked(Lookup("other", None)) == {"other": 1}


def test_a_listed_order_starts_over() -> None:
    """The broker lists the order, under whichever id: what was answered before is void."""
    for listed in (order("c"), order("c", client_order_id=None), order("c", broker_order_id=None)):
        assert asked(Lookup("b-c", "c"), broker=side(listed)) == {}


def test_lookups_keep_their_first_and_last_time() -> None:
    """The span of the answers is known, and survives readings without one."""
    none = Lookup("b-c", "c")
    readings = [reading(at, FULL, side(), lookups=(none,) if at != 30 else ()) for at in (0, 30, 60)]
    assert after(*readings).lookups == {"c": (moment(0), moment(60), 2)}
    assert Decimal((moment(60) - moment(0)).seconds) == 60
