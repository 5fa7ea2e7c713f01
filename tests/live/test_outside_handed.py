"""Halts outside where accounts change hands: what another worker set is lifted; who lost an account halts nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from tests.live.test_schedule import HALT, account
from tests.live.virtual import START, report_of
from tieout.errors import AccountTaken, RecordError, RecordUnavailable, WordRefused
from tieout.halts.simple import FlagFile
from tieout.live.outside import HaltingReconciler
from tieout.live.reconciler import PositionReconciler
from tieout.live.roster import Roster
from tieout.model.halt import Halt
from tieout.model.report import ReconciliationReport, Trigger
from tieout.model.snapshot import Observation, Section
from tieout.record.base import Verdict, Word


class Deciding:
    """Reconciles, and finds the halts that it is told."""

    def __init__(self) -> None:
        self.halts: tuple[Halt, ...] = ()
        self.observed: Mapping[str, Observation] = {}
        self.sure, self.established = True, True
        self.keepings = {"main": self}

    async def reconcile(self, account: str, *, trigger: Trigger) -> ReconciliationReport:
        """One more."""
        return replace(report_of(account, START, trigger=trigger), halts=self.halts)

    async def look(self, account: str, sections: frozenset[Section]) -> ReconciliationReport | None:
        """None."""

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Nobody speaks."""
        return ()


class Worker:
    """One worker's halts of an account, which a program at a flag file hears; `fails` is what becomes of its claim."""

    def __init__(self, folder: Path) -> None:
        self.flag, self.deciding = folder / "halt", Deciding()
        self.fails: RecordError | None = None
        self.halting = HaltingReconciler(
            cast(PositionReconciler, self.deciding),
            {"main": account("main")},
            {"main": FlagFile("main", self.flag)},
            lambda *_: None,
            self.confirm,
        )

    async def confirm(self, account: str) -> None:
        """As the record does."""
        if self.fails is not None:
            raise self.fails

    async def reads(self, *halts: Halt) -> bool:
        """A reading after which *halts* stand; whether the program is halted then."""
        self.deciding.halts = halts
        await self.halting.reconcile("main")
        return self.flag.exists()


async def test_a_halt_that_another_worker_set_is_lifted_by_the_one_who_has_the_account_again(tmp_path: Path) -> None:
    """Had, lost, halted by the other, had again: whoever lifts it then lifts it outside, too."""
    ours, theirs = Worker(tmp_path), Worker(tmp_path)
    assert not await ours.reads()
    assert await theirs.reads(HALT)
    ours.halting.forget("main")
    assert not await ours.reads()


async def test_who_lost_the_account_neither_halts_nor_lifts(tmp_path: Path) -> None:
    """A worker that was paused wakes up to what others decided: its own halts, and their end, are those of before."""
    ours, theirs = Worker(tmp_path), Worker(tmp_path)
    assert await theirs.reads(HALT)
    ours.fails = AccountTaken("another worker has taken main over")
    assert await ours.reads()
    assert not await theirs.reads()
    assert not await ours.reads(HALT)


async def test_where_nobody_can_tell_who_has_the_account_it_is_halted_and_never_let_go(tmp_path: Path) -> None:
    """The store is away: a halt reaches the program all the same, and its end waits until that can be told."""
    ours = Worker(tmp_path)
    ours.fails = RecordUnavailable("it does not answer")
    assert await ours.reads(HALT)
    assert await ours.reads()
    ours.fails = None
    ours.deciding.sure = False
    assert await ours.reads()
    ours.deciding.sure = True
    assert not await ours.reads()


async def test_what_ends_after_the_account_was_lost_is_not_remembered(tmp_path: Path) -> None:
    """A following that is still under way when the account changes hands says nothing of what stands there afterwards."""
    ours, theirs = Worker(tmp_path), Worker(tmp_path)

    async def lose_and_regain(account: str) -> None:
        assert await theirs.reads(HALT)
        ours.halting.forget(account)

    ours.halting._confirm = lose_and_regain
    assert not await ours.reads()
    assert await theirs.reads(HALT)
    ours.halting._confirm = Worker(tmp_path).confirm
    assert not await ours.reads()


async def test_a_word_for_an_account_that_went_is_refused_in_words() -> None:
    """Whoever speaks to an account just as it is let go hears that, and nothing of it is kept."""
    accounts = {"main": account("main")}
    roster = Roster(PositionReconciler(accounts), accounts, {}, lambda *_: None, Worker(Path()).confirm)
    await roster.drop("main")
    with pytest.raises(WordRefused, match="main is watched no more"):
        await roster.say(Word(id="w", account="main", subject="main", verdict=Verdict.HALT, actor="ann", text=""))
