"""Words that cross each other on their way to the record, and what a gate makes of them until they are heard."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Connection, select

from tests.live.test_words import Floor, floor, settings
from tests.live.trading import TradingDesk
from tests.live.virtual import LoopClock, virtual
from tieout.brokers.simulated import Fault, FaultRule
from tieout.decide import Policy
from tieout.errors import RecordUnavailable, WordRefused
from tieout.model.word import Verdict, Word
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import halts

__all__ = ["floor", "settings"]


@pytest.mark.parametrize("kept", [True, False])
async def test_a_halt_said_after_a_resume_is_not_lifted_by_it(floor: Floor, kept: bool) -> None:
    """Somebody halts before the resume has its answer: the gate stays shut, also where that halt could not be kept."""
    await floor.read()
    await floor.say(Verdict.HALT)
    assert floor.record is not None
    say = floor.record.say

    async def slow(word: Word) -> None:
        if word.verdict is Verdict.HALT and not kept:
            raise RecordUnavailable("away")
        await say(word)
        if word.verdict is Verdict.RESUME:
            try:
                await floor.say(Verdict.HALT, actor="ben")
            except RecordUnavailable:
                assert not kept

    floor.record.say = slow  # type: ignore[method-assign,assignment]
    await floor.say(Verdict.RESUME)
    assert not floor.may_buy()
    await floor.read()
    assert not floor.may_buy()


async def test_a_halt_of_mode_all_keeps_cancels_back_before_it_is_heard(settings: RecordSettings) -> None:
    """Nothing passes from the word on, cancels neither; where it cannot be kept that lasts."""
    floor = Floor(settings, policy=Policy(halt_mode="all"))
    await floor.start()
    await floor.read()
    assert floor.gate.cancel_refusal() is None
    await floor.say(Verdict.HALT)
    assert floor.gate.cancel_refusal() is not None
    await floor.read()
    assert floor.gate.cancel_refusal() is not None
    await floor.say(Verdict.RESUME)
    await floor.read()
    assert floor.gate.cancel_refusal() is None


@virtual
async def test_a_halt_that_could_stop_nothing_is_refused(clock: LoopClock) -> None:
    """In shadow mode nothing is halted: whoever asks for it hears so, and is not told that trading stopped."""
    desk = TradingDesk(clock, policy=Policy(mode="shadow"))
    engine = await desk.started()
    with pytest.raises(WordRefused, match="shadow"):
        await engine.halt("ada", "stop")
    await engine.submit("AAPL", "buy", Decimal(1))
    await engine.stop()


async def test_a_halt_that_lifts_itself_is_not_told_as_somebodys_resume(floor: Floor) -> None:
    """Ann resumed once; a halt for doubt that ends by itself weeks later does not bear her name in what was kept."""
    await floor.read()
    await floor.say(Verdict.HALT)
    await floor.read()
    await floor.say(Verdict.RESUME)
    await floor.read()
    floor.broker.faults.inject(FaultRule(fault=Fault.EMPTY, calls=frozenset({"get_positions"}), times=None))
    while not (await floor.read()).halts:
        pass
    floor.broker.faults.clear()
    while (await floor.read()).halts:
        pass
    assert floor.record is not None

    def lifted(connection: Connection) -> list[tuple[str, str | None]]:
        rows = connection.execute(select(halts.c.reason, halts.c.lifted_by).order_by(halts.c.entry))
        return [(row.reason, row.lifted_by) for row in rows]

    assert await floor.record.database.read(lifted) == [("by_hand", "ann"), ("doubted_too_long", None)]
