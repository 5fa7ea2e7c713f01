"""An engine that was stopped, halted or killed, and started again: what it forgot would cost money."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.live.killed import POINTS, WantsThree, engine_on, venue
from tests.live.trading import Told, TradingDesk, holdings
from tests.live.virtual import START, LoopClock, virtually
from tieout.books.durable import DurableBooks
from tieout.brokers.simulated import Fault, FaultRule
from tieout.clock import VirtualClock
from tieout.errors import OrderRefused, RecordUnavailable
from tieout.live.engine import LiveTradingEngine
from tieout.record import keys
from tieout.record.base import Restored
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings


@pytest.fixture
def settings(tmp_path: Path) -> RecordSettings:
    """A record of its own, its keys made."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))


async def is_refused(engine: LiveTradingEngine) -> bool:
    try:
        await engine.submit("AAPL", "buy", Decimal(1))
    except OrderRefused:
        return True
    return False


def test_a_halt_survives_a_restart(settings: RecordSettings) -> None:
    """What a reconciliation halted is halted in the next process from its first moment, until a person resumes it."""

    async def scenario(clock: LoopClock) -> None:
        desk = TradingDesk(clock)
        desk.record = record = await open_record(settings, clock)
        engine = await desk.started()
        desk.world.trade("main", "AAPL", "sell", Decimal(40), Decimal(190), liquidation=True)
        await clock.sleep(60)
        await engine.reconcile()
        assert await is_refused(engine)
        await engine.stop()
        await record.close()
        desk.record = record = await open_record(settings, clock)
        buys = Told(on_start=lambda engine: engine.submit("AAPL", "buy", Decimal(1)))
        again = await desk.started(buys)
        await clock.sleep(1)
        assert (buys.starts, desk.sent()) == (1, [])
        assert await is_refused(again)
        assert again.gate.halts
        await again.stop()
        await record.close()

    virtually(scenario)


def test_a_word_survives_a_restart(settings: RecordSettings) -> None:
    """Who halted by hand and went home finds it halted after a restart; who resumed finds it trading."""

    async def scenario(clock: LoopClock) -> None:
        desk = TradingDesk(clock)
        expected = False
        for verdict in ("halt", "resume"):
            desk.record = record = await open_record(settings, clock)
            engine = await desk.started()
            assert await is_refused(engine) == expected
            await (engine.halt if verdict == "halt" else engine.resume)("ada", "because")
            await engine.stop()
            await record.close()
            expected = verdict == "halt"
        desk.record = record = await open_record(settings, clock)
        engine = await desk.started()
        assert not await is_refused(engine)
        await engine.stop()
        await record.close()

    virtually(scenario)


def test_a_resume_does_not_lift_what_its_speaker_never_saw(settings: RecordSettings) -> None:
    """Said while a reconciliation is under way that halts: that halt was shown to nobody, and stands until it was."""

    async def scenario(clock: LoopClock) -> None:
        desk = TradingDesk(clock)
        desk.record = record = await open_record(settings, clock)
        engine = await desk.started()
        desk.world.trade("main", "AAPL", "sell", Decimal(40), Decimal(190), liquidation=True)
        await clock.sleep(60)
        desk.broker.faults.inject(
            FaultRule(fault=Fault.LATENCY, calls=frozenset({"get_positions"}), times=1, seconds=5)
        )
        halting = asyncio.create_task(engine.reconcile())
        await clock.sleep(2)
        report = await engine.resume("ada", "all is well")
        assert (await halting).halts == report.halts != ()
        assert await is_refused(engine)
        assert (await engine.resume("ada", "I see")).halts == ()
        assert not await is_refused(engine)
        await engine.stop()
        await record.close()

    virtually(scenario)


class Away:
    """A record that cannot be read for a while."""

    def __init__(self, record: StoreRecord) -> None:
        self._record, self.away = record, True

    def __getattr__(self, name: str) -> object:
        return getattr(self._record, name)

    async def restore(self, account: str) -> Restored:
        """Fail while it is away."""
        if self.away:
            raise RecordUnavailable("the database is away")
        return await self._record.restore(account)


def test_while_the_record_is_away_nobody_knows_which_halts_stand(settings: RecordSettings) -> None:
    """A start that cannot read the record keeps the gate shut: a halt may stand in it. With the record it opens, or not."""

    async def scenario(clock: LoopClock) -> None:
        desk = TradingDesk(clock)
        record = await open_record(settings, clock)
        away = Away(record)
        desk.record = away  # type: ignore[assignment]
        engine = await desk.started()
        assert await is_refused(engine)
        with pytest.raises(OrderRefused):
            await engine.submit("AAPL", "sell", Decimal(1), reduce_only=True)
        assert desk.sent() == []
        away.away = False
        await clock.sleep(60)
        await engine.reconcile()
        assert not await is_refused(engine)
        await engine.stop()
        await record.close()

    virtually(scenario)


def run_until_killed(folder: Path, where: str, later: int = 0) -> int:
    """Trade in a process of its own until it is killed there, or done; returns its exit status."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.live.killed", str(folder), where, str(later)],
        cwd=Path(__file__).parents[2], env=os.environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


@pytest.mark.parametrize("where", POINTS)
def test_killed_anywhere_it_never_buys_twice(tmp_path: Path, where: str) -> None:
    """Killed before or after the order left, before or after its answer or its fill: 103 are held, bought with one order that
    filled, and the books say so to the cent."""
    assert run_until_killed(tmp_path, where) == -signal.SIGKILL

    async def next_life(clock: LoopClock) -> None:
        clock.wall = timedelta(seconds=61)  # a moment after it was killed
        strategy = WantsThree()
        engine, world = engine_on(tmp_path, clock, strategy)
        await engine.start()
        await clock.sleep(300)
        assert holdings(world.snapshot("main"))[0] == {"AAPL": Decimal(103)}
        assert holdings(await engine.books.read()) == holdings(world.snapshot("main"))
        assert list(world.submits_seen("main").values()) == [1]
        assert engine.orders == ()
        assert len(strategy.fills) == (where not in ("filled", "booked")), (
            "what another life booked shows in the position"
        )
        assert (await engine.reconcile()).status == "matched"
        await engine.stop()

    virtually(next_life)


def test_killed_again_and_again_it_never_buys_twice(tmp_path: Path) -> None:
    """A crash in the recovery from a crash changes nothing."""
    ended = [
        run_until_killed(tmp_path, where, 3600 * life) for life, where in enumerate(("registered", *POINTS, "booked"))
    ]
    world = venue(tmp_path, VirtualClock(START + timedelta(days=1)))
    assert ended[0] == ended[1] == -signal.SIGKILL
    assert ended[-1] == 0, "it holds what it wants, and nothing is left to do"
    assert holdings(world.snapshot("main"))[0] == {"AAPL": Decimal(103)}
    assert max(world.submits_seen("main").values()) == 1


def test_durable_books_are_closed_and_opened_again(tmp_path: Path) -> None:
    """A stop lets go of the books' folder, and the next engine goes on from exactly what they held."""

    async def scenario(clock: LoopClock) -> None:
        desk = TradingDesk(clock)
        desk.books = DurableBooks.open("main", tmp_path / "books", clock, opened_from=desk.world.snapshot("main"))
        engine = await desk.started()
        await engine.submit("AAPL", "buy", Decimal(3))
        await engine.stop()
        desk.books = DurableBooks.open("main", tmp_path / "books", clock)
        await engine.stop()  # what another engine has by now is left alone
        assert holdings(await desk.books.read()) == desk.stated()
        again = await desk.started()
        await again.submit("AAPL", "buy", Decimal(1))
        await again.stop()
        assert desk.stated()[0] == {"AAPL": Decimal(104)}
        assert desk.sent() == [1, 1]

    virtually(scenario)
