"""When looks run: before what they may save, never for what somebody else asked, and never in its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from tests.live.test_schedule import Table, account
from tests.live.virtual import Listening, LoopClock, SlowReconciler, virtual
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.live.schedule import Cadence, Schedule
from tieout.live.touched import EVERYTHING, touched_by
from tieout.model.snapshot import SECTIONS, Section

ORDER, TRADE = (touched_by(StreamEvent(what=Heard.TOUCHED, section=name)) for name in ("orders", "fills"))
ORDERS, FILLS = (StreamEvent(what=Heard.TOUCHED, section=section) for section in ("orders", "fills"))


class Script:
    """A stream that tells what it is told to."""

    name = "script"

    def __init__(self) -> None:
        self._told: asyncio.Queue[StreamEvent] = asyncio.Queue()

    @property
    def listening(self) -> bool:
        """Always."""
        return True

    def tell(self, *events: StreamEvent) -> None:
        """Tell *events* at once."""
        for event in events:
            self._told.put_nowait(event)

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """What was told."""
        while True:
            yield await self._told.get()

    async def close(self) -> None:
        """Nothing is held."""


@virtual
async def test_what_a_burst_touched_is_looked_at_together_and_what_it_does_not_say_is_read_whole(
    clock: LoopClock,
) -> None:
    """Events of one moment are one look; a first or new connection, a frame that nobody understands, read everything."""
    reconciler, stream = SlowReconciler(clock), Script()
    cadence = Cadence(event_gap_seconds=0)
    schedule = Schedule(
        reconciler, {"main": account("main")}, cadence, clock=clock, alarm=Listening(clock), streams={"main": [stream]}
    )
    await schedule.start()
    bursts: Sequence[tuple[tuple[StreamEvent, ...], frozenset[Section] | None]] = (
        ((ORDERS,), ORDER),
        ((ORDERS, FILLS, ORDERS), TRADE),
        ((ORDERS, StreamEvent(what=Heard.TOUCHED)), EVERYTHING),
        ((StreamEvent(what=Heard.UNREADABLE), FILLS), EVERYTHING),
        ((StreamEvent(what=Heard.LISTENING, again=True), FILLS), EVERYTHING),
    )
    for burst, sections in bursts:
        whole, looks = len(reconciler.runs), len(reconciler.looks)
        stream.tell(*burst)
        await clock.sleep(10)
        assert [each for _, each in reconciler.looks[looks:]] == ([] if sections is None else [sections])
        assert len(reconciler.runs) - whole == (sections is None)
    await schedule.stop()


@virtual
async def test_whoever_asks_gets_a_whole_reading_whatever_else_was_touched(clock: LoopClock) -> None:
    """A request, a reconnect, another strategy, the interval: none of them is ever answered by a look."""
    table = Table(clock)
    await table.schedule.start()
    for ask in (table.schedule.on_reconnect, table.schedule.on_strategy_change):
        table.schedule.on_change("main", ORDER)
        ask("main")
        await table.passes(4)
    table.schedule.on_change("main", ORDER)
    report = await table.schedule.request("main")
    assert report.trigger == "manual"
    assert table.reconciler.triggers() == ["startup", "event", "event", "manual"]
    assert table.reconciler.looks == []
    await table.schedule.stop()


@virtual
async def test_a_look_that_is_not_enough_is_followed_by_a_whole_reading_in_the_same_turn(clock: LoopClock) -> None:
    """What was found out of order is read whole at once: no gap, no interval lies between."""
    table = Table(clock, cadence=Cadence(event_gap_seconds=60))
    await table.schedule.start()
    table.reconciler.glances = [None]
    table.schedule.on_change("main", TRADE)
    await table.passes(4)
    assert [at for at, _ in table.reconciler.looks] == [2]
    assert table.reconciler.begins() == [0, 2.5]
    await table.schedule.stop()


@virtual
async def test_what_a_look_saw_in_flight_is_read_whole_when_it_is_settled_and_soon_again_if_it_is_not(
    clock: LoopClock,
) -> None:
    """A settle window after it was seen; a venue whose clock is coarse needs a little more, not as long again."""
    table = Table(clock)
    await table.schedule.start()
    table.reconciler.glances, table.reconciler.endings = [True], [("discrepancies", True), ("discrepancies", False)]
    table.schedule.on_change("main", TRADE)
    await table.passes(20)
    assert [at for at, _ in table.reconciler.looks] == [2]
    assert table.reconciler.begins() == [0, 4.6, 7.65], "2.1 s after the look, 1.05 s after that reading"
    await table.schedule.stop()


@virtual
async def test_a_storm_of_looks_keeps_no_difference_from_being_confirmed(clock: LoopClock) -> None:
    """What one look saw in flight is read whole a settle window later, though looks go on and on in between."""
    table = Table(clock)
    await table.schedule.start()
    table.reconciler.glances = [True] * 100
    for _ in range(20):
        table.schedule.on_change("main", TRADE)
        await table.passes(0.4)
    assert len(table.reconciler.looks) > 3
    assert 2.5 + 2.1 <= table.reconciler.begins()[1] <= 2.5 + 2.1 + 0.5, "settled, and the look under way has ended"
    await table.schedule.stop()


@virtual
async def test_looks_alone_leave_an_account_overdue(clock: LoopClock) -> None:
    """However many looks end well: where no whole reading comes to its end, a person is told."""
    table = Table(clock, cadence=Cadence(event_gap_seconds=0, timeout_seconds=30))
    await table.schedule.start()
    table.reconciler.endings = [(RuntimeError("no"), False)] * 99
    for _ in range(140):
        table.schedule.on_change("main", ORDER)
        await table.passes(5)
    assert len(table.reconciler.looks) > 100
    assert any("no reconciliation has come to its end" in said for said in table.alarm.sentences)
    await table.schedule.stop()


@virtual
async def test_a_look_that_hangs_is_broken_off_like_a_reading(clock: LoopClock) -> None:
    """A look that does not end is told after the time of a reconciliation, and the next reading is on time."""
    table = Table(clock, cadence=Cadence(event_gap_seconds=0, timeout_seconds=30))
    await table.schedule.start()
    table.reconciler.reads["main"] = 10_000
    table.schedule.on_change("main", TRADE)
    await table.passes(31)
    assert any("broken off" in said for said in table.alarm.sentences)
    table.reconciler.reads["main"] = 1
    await table.schedule.request("main")
    assert table.reconciler.triggers()[-1] == "manual"
    await table.schedule.stop()


def test_every_section_leads_to_itself() -> None:
    """Whatever a venue says it touched is among what is read for it."""
    for section in SECTIONS:
        touched = touched_by(StreamEvent(what=Heard.TOUCHED, section=section))
        assert touched is not None
        assert section in touched
