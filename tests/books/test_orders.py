"""Orders: legal changes only, and filled follows the fills."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from tieout.books.orders import ENDED, NEXT, OrderManager
from tieout.errors import BookError
from tieout.model.amounts import ZERO, dec
from tieout.model.snapshot import Fill, Order, OrderStatus

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
STATUSES: tuple[OrderStatus, ...] = (
    "pending", "open", "partially_filled", "filled", "cancelled", "rejected", "expired", "unknown",
)  # fmt: skip


def order(client: str = "c-1", *, quantity: str = "100", status: OrderStatus = "pending", filled: str = "0") -> Order:
    """A buy order of our own."""
    return Order(
        asset="X",
        side="buy",
        quantity=dec(quantity),
        status=status,
        client_order_id=client,
        filled=dec(filled),
        limit_price=dec("10"),
        created_at=AT,
    )


def fill(quantity: str, fill_id: str = "f-1", *, client: str | None = "c-1", broker: str | None = None) -> Fill:
    """A fill of that order."""
    return Fill(fill_id, "X", "buy", dec(quantity), dec("10"), AT, client_order_id=client, broker_order_id=broker)


def registered(status: OrderStatus = "pending", *, filled: str = "0") -> OrderManager:
    """A manager with one order in that state."""
    manager = OrderManager()
    manager.register(order(status=status, filled=filled))
    return manager


def state(manager: OrderManager) -> tuple[OrderStatus, Decimal]:
    """Status and filled of the one order."""
    (only,) = manager.orders
    return only.status, only.done


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_only_legal_changes_of_state(before: OrderStatus, after: OrderStatus) -> None:
    """A live order may move on, never back; an ended one stays; repeating a state changes nothing."""
    manager = registered(before)
    if before == after:
        manager.advance(after, AT, client_order_id="c-1")
        assert len(manager.history) == 1
    elif after in NEXT.get(before, ()):
        assert manager.advance(after, AT, client_order_id="c-1").status == after
    else:
        with pytest.raises(BookError, match="cannot become"):
            manager.advance(after, AT, client_order_id="c-1")
        assert state(manager)[0] == before
    assert not NEXT.keys() & ENDED


def test_acknowledgement_brings_the_broker_id() -> None:
    """Once acknowledged, the order is found by either id, and bears no second broker id."""
    manager = registered()
    manager.advance("open", AT, client_order_id="c-1", broker_order_id="b-1")
    assert manager.find(broker_order_id="b-1") == manager.find(client_order_id="c-1")
    with pytest.raises(BookError, match="another broker id"):
        manager.advance("cancelled", AT, client_order_id="c-1", broker_order_id="b-0")
    assert state(manager)[0] == "open"


def test_client_ids_are_never_used_again() -> None:
    """Not after the order ended, and not an id that was only noted as sent."""
    manager = registered()
    manager.advance("rejected", AT, client_order_id="c-1")
    manager.note_sent("c-2")
    for used in ("c-1", "c-2"):
        with pytest.raises(BookError, match="never used again"):
            manager.register(order(used))
    with pytest.raises(BookError, match="needs a client id"):
        manager.register(replace(order(), client_order_id=None, broker_order_id="b-1"))
    assert len(manager.orders) == 1


def test_fills_move_filled_and_status() -> None:
    """Partly, then wholly; more than was left is refused."""
    manager = registered("open")
    manager.book_fill(fill("95"))
    assert state(manager) == ("partially_filled", dec("95"))
    with pytest.raises(BookError, match="beyond its quantity"):
        manager.book_fill(fill("10", "f-2"))
    manager.book_fill(fill("5", "f-3", broker="b-1"))
    assert state(manager) == ("filled", dec("100"))
    assert manager.orders[0].broker_order_id == "b-1"


def test_overfill_of_what_registration_stated() -> None:
    """What an order was registered with counts as filled by known fills."""
    manager = registered("partially_filled", filled="95")
    with pytest.raises(BookError, match="beyond its quantity"):
        manager.book_fill(fill("10"))


@pytest.mark.parametrize("ended", ["cancelled", "expired", "rejected"])
def test_late_fill_counts_on_an_ended_order(ended: OrderStatus) -> None:
    """A fill that was faster than the end still counts; the end stays."""
    manager = registered("open")
    manager.advance(ended, AT, client_order_id="c-1")
    manager.book_fill(fill("40"))
    assert state(manager) == (ended, dec("40"))


def test_fill_before_its_order_waits() -> None:
    """A fill that comes first is counted when its order does, once."""
    manager = OrderManager()
    assert manager.book_fill(fill("40")) is None
    assert manager.register(order()).filled == 40
    assert state(manager) == ("partially_filled", dec("40"))
    manager.book_fill(fill("60", "f-2"))
    assert state(manager) == ("filled", dec("100"))


def test_early_fill_that_does_not_fit_refuses_the_order() -> None:
    """An order smaller than the fills that came for it is refused whole: nothing of it stays behind."""
    manager = OrderManager()
    manager.book_fill(fill("40"))
    with pytest.raises(BookError):
        manager.register(order(quantity="10"))
    assert (manager.orders, manager.history) == ((), ())
    assert manager.register(order()).filled == 40


@pytest.mark.parametrize("wrong", [{"side": "sell"}, {"asset": "Y"}, {"client_order_id": "c-9"}])
def test_fill_of_another_order_is_refused(wrong: dict[str, str]) -> None:
    """Asset, side and client id must be the order's."""
    manager = registered()
    manager.advance("open", AT, client_order_id="c-1", broker_order_id="b-1")
    with pytest.raises(BookError, match="not of its"):
        manager.book_fill(replace(fill("1", broker="b-1"), **wrong))
    assert state(manager) == ("open", ZERO)


def test_reversal_lowers_filled_and_reopens() -> None:
    """Only a reversal lowers filled, and the status goes with it."""
    manager = registered("open")
    manager.book_fill(fill("60"))
    manager.book_fill(fill("40", "f-2"))
    manager.reverse_fill(fill("40", "f-2"))
    assert state(manager) == ("partially_filled", dec("60"))
    manager.reverse_fill(fill("60"))
    assert state(manager) == ("open", ZERO)


@pytest.mark.parametrize("fill_first", [True, False])
def test_update_and_its_fill_count_once_in_either_order(fill_first: bool) -> None:
    """The broker's filled quantity and the fill behind it are the same forty, whichever is booked first."""
    manager = registered("open")
    record = replace(order(status="cancelled", filled="40"), limit_price=None)
    steps: list[Callable[[], object]] = [
        lambda: manager.book_fill(fill("40")),
        lambda: manager.update_order(record, reason="missed"),
    ]
    for step in steps if fill_first else reversed(steps):
        step()
    assert state(manager) == ("cancelled", dec("40"))
    assert manager.orders[0].limit_price == 10


def test_reversal_leaves_what_the_brokers_record_states() -> None:
    """A filled quantity that the broker's record gave does not hang on one local booking."""
    manager = registered("open")
    manager.book_fill(fill("10"))
    manager.update_order(order(status="partially_filled", filled="40"))
    manager.reverse_fill(fill("10"))
    assert state(manager) == ("partially_filled", dec("40"))


def test_filled_message_before_its_fills() -> None:
    """An order that the broker called filled stays at its quantity while its fills come in."""
    manager = registered("open")
    manager.advance("filled", AT, client_order_id="c-1")
    for number in range(4):
        manager.book_fill(fill("25", f"f-{number}"))
    assert state(manager) == ("filled", dec("100"))


def test_correction_of_an_ended_order_stands_in_history() -> None:
    """The broker's record may correct what ended, through its own method, with both sides of it kept."""
    manager = registered("open")
    manager.advance("rejected", AT, client_order_id="c-1")
    manager.update_order(order(status="filled", filled="100"), reason="MISSED_UPDATE")
    last = manager.history[-1]
    assert (last.kind, last.reason) == ("corrected", "MISSED_UPDATE")
    assert last.before is not None
    assert (last.before.status, last.after.status) == ("rejected", "filled")
    with pytest.raises(BookError, match="no such order"):
        manager.update_order(order("c-9", status="filled"))
    with pytest.raises(BookError, match="proves nothing"):
        manager.update_order(order(status="unknown"))


def test_adoption_of_a_lost_submission() -> None:
    """An order given up on comes back live; an unknown one comes in; an ended one is not adopted."""
    manager = registered()
    manager.advance("rejected", AT, client_order_id="c-1")
    manager.adopt_order(replace(order(status="open"), broker_order_id="b-1"), reason="LOST_SUBMISSION")
    manager.adopt_order(replace(order("c-2", status="open"), broker_order_id="b-2"))
    assert [(known.name, known.status) for known in manager.orders] == [("c-1", "open"), ("c-2", "open")]
    assert [event.kind for event in manager.history] == ["registered", "advanced", "adopted", "adopted"]
    with pytest.raises(BookError, match="live"):
        manager.adopt_order(order("c-3", status="filled"))


def test_adopted_order_counts_the_fills_behind_it_once() -> None:
    """What the broker's record says is filled contains the fills that are booked after it."""
    manager = OrderManager()
    manager.adopt_order(order(status="partially_filled", filled="40"))
    manager.book_fill(fill("40"))
    manager.book_fill(fill("10", "f-2"))
    assert state(manager) == ("partially_filled", dec("50"))


def test_ids_of_two_orders_do_not_mix() -> None:
    """A record that bears one order's client id and another's broker id is refused."""
    manager = registered()
    manager.register(order("c-2"))
    manager.advance("open", AT, client_order_id="c-2", broker_order_id="b-2")
    with pytest.raises(BookError, match="belongs to another order"):
        manager.find(client_order_id="c-1", broker_order_id="b-2")


class OrderLife(RuleBasedStateMachine):
    """One order under any sequence of messages, against a plain model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = OrderManager()
        self.manager.register(order())
        self.booked: dict[str, Decimal] = {}
        self.highest = ZERO
        self.number = 0

    @property
    def order(self) -> Order:
        (only,) = self.manager.orders
        return only

    @rule(status=st.sampled_from([status for status in STATUSES if status != "filled"]))
    def hear(self, status: OrderStatus) -> None:
        """A status message arrives."""
        before = self.order
        try:
            self.manager.advance(status, AT, client_order_id="c-1")
        except BookError:
            assert self.order == before
            assert before.status in ENDED or status not in NEXT[before.status]
        else:
            assert self.order.status == status

    @rule(quantity=st.integers(1, 60))
    def fill(self, quantity: int) -> None:
        """A fill arrives."""
        self.number += 1
        before, left = self.order, self.order.quantity - sum(self.booked.values())
        try:
            self.manager.book_fill(fill(str(quantity), f"f-{self.number}"))
        except BookError:
            assert self.order == before
            assert quantity > left
        else:
            assert quantity <= left
            self.booked[f"f-{self.number}"] = Decimal(quantity)
            assert self.order.done > before.done

    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        """A booked fill is taken back."""
        if self.booked:
            fill_id = data.draw(st.sampled_from(sorted(self.booked)))
            self.manager.reverse_fill(fill(str(self.booked.pop(fill_id)), fill_id))

    @rule()
    def use_the_id_again(self) -> None:
        """Somebody tries to send the same client id."""
        with pytest.raises(BookError):
            self.manager.register(order())

    @rule(quantity=st.integers(1, 60), status=st.sampled_from(STATUSES))
    def try_and_take_back(self, quantity: int, status: OrderStatus) -> None:
        """What is written after a saved point leaves nothing behind once it is taken back."""
        before = (self.manager.orders, self.manager.history)
        back = self.manager.saved()
        steps: tuple[Callable[[], object], ...] = (
            lambda: self.manager.book_fill(fill(str(quantity), "f-undone")),
            lambda: self.manager.advance(status, AT + timedelta(seconds=1), client_order_id="c-1"),
            lambda: self.manager.register(order("c-undone")),
        )
        for step in steps:
            try:
                step()
            except BookError:
                continue
        back()
        assert (self.manager.orders, self.manager.history) == before

    @invariant()
    def filled_is_the_sum_of_what_stands(self) -> None:
        """No message moves filled, only fills and their reversals do."""
        assert self.order.done == sum(self.booked.values())
        assert 0 <= self.order.done <= self.order.quantity

    @invariant()
    def history_tells_the_whole_way(self) -> None:
        """Each change starts where the one before it ended."""
        history = self.manager.history
        assert [event.number for event in history] == list(range(1, len(history) + 1))
        assert all(one.after == two.before for one, two in pairwise(history))
        assert history[-1].after == self.order


TestOrderLife = OrderLife.TestCase
