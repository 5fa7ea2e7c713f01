"""A process that dies at any point, and the next one: nothing is done twice, and every intent comes to its true end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.act.desk import Desk, Power, PowerCut
from tieout.brokers.simulated import Fault, FaultRule
from tieout.model.amounts import dec
from tieout.model.intent import Ended

POINTS = frozenset(
    (
        "before intend", "between intend and the act", "before the booking", "inside the booking", "after the booking",
        "before the cancel", "after the cancel", "between the act and conclude", "after conclude",
    )
)  # fmt: skip


async def troubled() -> Desk:
    """A desk with two fills missed, one booked twice, an order that ended unheard, and two orders of a stranger."""
    desk = Desk()
    ended = await desk.rest()
    desk.open_books()
    await desk.repeat("Y")
    desk.miss("X")
    desk.miss("X")
    assert ended.broker_order_id is not None
    desk.world.end("main", ended.broker_order_id)
    for name in ("by-hand-1", "by-hand-2"):
        await desk.rest(name)
    return desk


async def until_quiet(desk: Desk, *cuts: int) -> list[str]:
    """Rounds until nothing is left to do, each of the first ones dying after so many points; returns those of the deaths."""
    died = []
    for lasts in (*cuts, *[None] * 8):
        try:
            left = await desk.reconcile(Power(lasts))
        except PowerCut as cut:
            died.append(str(cut))
        else:
            if not left and desk.state.memory.readings > 1:
                return died
    raise AssertionError("it never came to rest")


async def test_wherever_it_dies_the_next_process_ends_where_it_would_have() -> None:
    """For each point of a day's acts: die there, recover, go on. The books are those of a day without a crash."""
    plain = await troubled()
    assert await until_quiet(plain) == []
    assert await plain.amount("X") == 14 and await plain.amount("Y") == 10
    assert not [order for order in plain.world.snapshot("main").orders or () if order.live]
    met: set[str] = set()
    for lasts in range(100):
        desk = await troubled()
        await desk.judge()  # the first reading confirms nothing yet, so that every cut falls into the acts
        died = await until_quiet(desk, lasts)
        met |= set(died)
        assert await desk.held() == await plain.held()
        assert set(desk.bookings().values()) == {1}
        assert desk.broker.asked_again == 0
        if not died:
            break
    assert met == POINTS and lasts > 20


async def test_every_intent_ends_as_what_became_of_it() -> None:
    """An intent left open by a crash is DONE where books or venue have changed, and UNDONE where they have not."""
    for lasts in range(100):
        desk = await troubled()
        plans = await desk.plans()
        before, live = await desk.held(), len(await desk.broker.get_open_orders())
        try:
            await desk.act(plans, Power(lasts))
            break
        except PowerCut:
            after, left = await desk.held(), len(await desk.broker.get_open_orders())
        done = sum(ends == [Ended.DONE] for ends in desk.journal.ends.values())
        open_intents = desk.journal.unfinished()
        (effect,) = await desk.recover() if open_intents else (None,)
        assert await desk.held() == after and len(await desk.broker.get_open_orders()) == left, "recovery only looks"
        if done == 0 and effect is not None:
            assert (effect.ended is Ended.DONE) is (after != before or left != live)
        assert not desk.journal.unfinished()
        assert await desk.recover() == ()
    assert lasts > 20


async def test_a_crash_while_recovering_leaves_it_to_the_next_recovery() -> None:
    """Recovery itself may die at each of its points, again and again: the end found is the same."""
    desk = Desk()
    desk.miss("X")
    plans = await desk.plans()
    try:
        await desk.act(plans, Power(5))
    except PowerCut as cut:
        assert str(cut) == "between the act and conclude"
    for _ in range(3):
        try:
            await desk.recover(Power(0))
        except PowerCut:
            assert desk.journal.unfinished()
    (effect,) = await desk.recover()
    assert effect.ended is Ended.DONE and desk.journal.unfinished() == []
    assert set(desk.bookings().values()) == {1}


EVENTS = st.lists(st.sampled_from(("miss X", "miss Y", "fee", "stranger", "ended", "terms")), max_size=6)


async def random_day(events: list[str], repeated: list[str]) -> Desk:
    """A desk on which these things happened unheard."""
    desk = Desk()
    own = [await desk.rest() for _ in range(events.count("ended") + events.count("terms"))]
    desk.open_books()
    for asset in repeated:
        await desk.repeat(asset)
    for number, event in enumerate(events):
        if event.startswith("miss"):
            desk.miss(event[-1], str(number + 1))
        elif event == "fee":
            desk.world.office.pay("main", "fee", "USD", dec("-5"))
        elif event == "stranger":
            await desk.rest(f"by-hand-{number}")
        elif event == "ended":
            desk.world.end("main", own.pop().broker_order_id or "")
        else:
            desk.world.amend("main", own.pop().broker_order_id or "", limit_price=dec("2"))
    return desk


@settings(max_examples=60, deadline=None)
@given(
    EVENTS,
    st.lists(st.sampled_from("XY"), unique=True, max_size=2),
    st.lists(st.integers(0, 24), max_size=4),
    st.lists(st.sampled_from((Fault.LOST_REPLY, Fault.LOST_REQUEST)), max_size=2),
)
async def test_crashes_change_nothing_in_the_end(
    events: list[str], repeated: list[str], cuts: list[int], lost: list[Fault]
) -> None:
    """Whatever happened, whenever it died, whichever answers were lost: the same books, and the same orders at the venue."""
    plain, desk = await random_day(events, repeated), await random_day(events, repeated)
    for fault in lost:
        desk.broker.faults.inject(FaultRule(fault=fault, calls=frozenset(("cancel_order",))))
    await until_quiet(plain)
    await until_quiet(desk, *cuts)
    assert await desk.held() == await plain.held()
    assert {o.name for o in await desk.broker.get_open_orders()} == {
        o.name for o in await plain.broker.get_open_orders()
    }
    assert set(desk.bookings().values()) <= {1}
    assert desk.broker.asked_again == 0
