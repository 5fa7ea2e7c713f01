"""What a program reads of its halts while nobody knows which stand: never less than it was told before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.live.failing_record import FailingRecord
from tests.live.recorded import RecordedDesk
from tieout.decide import Policy, Rule
from tieout.halts.simple import FlagFile
from tieout.live.outside import HaltingReconciler
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import SetPosition
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.word import Verdict, Word
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

HALTING = Rule(strategy=ReconciliationStrategy.HALT_AND_ALERT, domain=("position",))


class FlaggedDesk(RecordedDesk):
    """A desk whose engine looks at a flag file, and halts of an asset stop that asset alone."""

    flag: Path
    words = 0

    async def begin(self, flag: Path) -> None:
        """A start of its process."""
        if self.record is not None:
            await self.record.close()
        self.record, self.flag = await open_record(self.settings, self.clock), flag
        self.failing = FailingRecord(self.record)
        accounts = {"main": Account(name="main", local=self.books, broker=self.broker, policy=self.policy)}
        self.reconciler = PositionReconciler(accounts, self.clock, record=self.failing, alarm=self)
        self.troubles: list[str] = []
        self.halting = HaltingReconciler(
            self.reconciler,
            accounts,
            {"main": FlagFile("main", flag)},
            lambda _, why: self.troubles.append(why or ""),
            self.failing.confirm,
        )

    async def say(self, verdict: Verdict, subject: str = "main") -> None:
        """A person's word."""
        self.words += 1
        word = Word(id=f"w{self.words}", account="main", subject=subject, verdict=verdict, actor="ann", text="because")
        await self.reconciler.say(word)

    async def lose(self) -> None:
        """The books lose a part of a position, which halts the asset."""
        await self.books.apply([SetPosition("AAPL", "net", Decimal(70), "lost")], reason="test")

    async def told(self) -> list[str | None] | None:
        """What is halted by the flag after one reading: assets, None the whole account; None where it is not there."""
        self.clock.advance(30)
        await self.halting.reconcile("main")
        return (
            [row["asset"] for row in json.loads(self.flag.read_text("utf-8"))["halts"]] if self.flag.exists() else None
        )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[FlaggedDesk]:
    """A desk that a person has halted."""
    keys.create(tmp_path / "keys", "tieout-test")
    settings = RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))
    made = FlaggedDesk(settings, policy=Policy(halt_scope="asset", rules=(HALTING,)))
    await made.begin(tmp_path / "halt")
    await made.say(Verdict.HALT)
    assert await made.told() == [None]
    yield made
    assert made.record is not None
    await made.record.close()


async def test_after_a_start_on_a_record_that_fails_the_whole_account_stays_halted(desk: FlaggedDesk) -> None:
    """Nothing known of halts, nothing new: what is told stays. With a new halt of one asset the account is told, too."""
    await desk.begin(desk.flag)
    desk.failing.fail_next("restore", "refused")
    assert await desk.told() == [None]
    await desk.lose()
    for _ in range(2):  # seen twice it is confirmed
        desk.failing.fail_next("restore", "refused")
        told = await desk.told()
    assert sorted(told or [], key=str) == ["AAPL", None]
    desk.failing.fail_next("restore", "refused")
    assert sorted(await desk.told() or [], key=str) == ["AAPL", None]
    assert None in (await desk.told() or [])  # the record is there: the person's halt stands
    await desk.say(Verdict.RESUME)
    assert await desk.told() == ["AAPL"]  # and the break is confirmed by now there, too


async def test_a_halt_that_a_reading_lifts_stays_told_until_that_is_kept(desk: FlaggedDesk) -> None:
    """A person resumes, and the record fails at just that reading: nothing less is told before it holds it."""
    await desk.lose()
    await desk.told()
    assert sorted(await desk.told() or [], key=str) == ["AAPL", None]
    await desk.say(Verdict.RESUME, "AAPL")
    desk.failing.fail_next("reading", "refused")
    assert sorted(await desk.told() or [], key=str) == ["AAPL", None]
    assert await desk.told() == [None]
    assert set(desk.troubles) == {""}


async def test_a_record_that_fails_halts_no_more_than_was_told(desk: FlaggedDesk) -> None:
    """Where this process knows what it told, a halt of one asset stays one of that asset."""
    await desk.say(Verdict.RESUME)
    await desk.lose()
    await desk.told()
    assert await desk.told() == ["AAPL"]
    desk.failing.fail_next("reading", "refused")
    assert await desk.told() == ["AAPL"]
