"""Which reconciler has which account: another one takes an account over between two reconciliations, never within one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping

from tieout.errors import WordRefused
from tieout.halts.base import Halts
from tieout.live.outside import Confirm, HaltingReconciler
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.report import ReconciliationReport, Trigger
from tieout.model.snapshot import Observation, Section
from tieout.record.base import Word
from tieout.spans import Facts, span


class Roster:
    """Reconciles each account by the reconciler that has it; as `schedule.Reconciles`.

    Args:
        reconciler: Has them at first.
        accounts: The accounts by name.
        halts: Where the orders of an account come from, of those that say so.
        tell: Is called with an account, and why its halts were not seen to take effect; None where they were.
        confirm: Raises where another process may have taken an account over since it was read.
    """

    def __init__(
        self,
        reconciler: PositionReconciler,
        accounts: Mapping[str, Account],
        halts: Mapping[str, Halts],
        tell: Callable[[str, str | None], None],
        confirm: Confirm,
    ) -> None:
        self._tell, self._confirm = tell, confirm
        self._hears = dict.fromkeys(accounts, reconciler)
        self._of = dict.fromkeys(accounts, HaltingReconciler(reconciler, accounts, halts, tell, confirm))
        self._venues = {name: _venue_of(each) for name, each in accounts.items()}
        self._turns = {name: asyncio.Lock() for name in accounts}
        self.observed: Mapping[str, Observation] = _Observed(self._hears)

    async def reconcile(self, account: str, *, trigger: Trigger) -> ReconciliationReport:
        """One whole reconciliation."""
        async with self._turns[account]:
            with span("reading", self._facts(account, trigger), whole=True) as told:
                report = await self._of[account].reconcile(account, trigger=trigger)
                told.tell(_outcome(report))
                return report

    async def look(self, account: str, sections: frozenset[Section]) -> ReconciliationReport | None:
        """A look at *sections*."""
        async with self._turns[account]:
            with span("look", self._facts(account, "event"), whole=True) as told:
                report = await self._of[account].look(account, sections)
                told.tell({"tieout.outcome": "dropped"} if report is None else _outcome(report))
                return report

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Those of *accounts* of which words of people wait; none of one that nobody has any more."""
        having = dict[HaltingReconciler, list[str]]()
        for name in accounts:
            if name in self._of:
                having.setdefault(self._of[name], []).append(name)
        return {name for one, names in having.items() for name in await one.listen(names)}

    async def say(self, word: Word) -> None:
        """Keep a person's word.

        Raises:
            WordRefused: Nobody has its account any more.
        """
        if word.account not in self._hears:
            raise WordRefused(f"{word.account} is watched no more: another configuration is in force")
        await self._hears[word.account].say(word)

    def forget(self, accounts: Collection[str]) -> None:
        """Others may have had *accounts*: what stands halted where their orders come from is looked at anew."""
        for name in accounts:
            self._of[name].forget(name)

    async def put(self, account: Account, reconciler: PositionReconciler, halts: Halts | None) -> None:
        """From the end of what is under way on, *reconciler* has *account*. What may be acting is waited for."""
        name = account.name
        follows = {} if halts is None else {name: halts}
        async with self._turns.setdefault(name, asyncio.Lock()):
            self._hears[name], self._venues[name] = reconciler, _venue_of(account)
            self._of[name] = HaltingReconciler(reconciler, {name: account}, follows, self._tell, self._confirm)

    async def drop(self, account: str) -> None:
        """From the end of what is under way on, nobody has *account*."""
        async with self._turns[account]:
            del self._of[account], self._hears[account], self._venues[account]

    def _facts(self, account: str, trigger: Trigger) -> Facts:
        return {"tieout.account": account, "tieout.venue": self._venues[account], "tieout.trigger": trigger}


def _venue_of(account: Account) -> str:
    return account.broker.name.partition(":")[0]


def _outcome(report: ReconciliationReport) -> Facts:
    return {"tieout.outcome": report.status, "tieout.findings": len(report.discrepancies)}


class _Observed(Mapping[str, Observation]):
    """The last observation of each account, by whoever has it."""

    def __init__(self, of: Mapping[str, PositionReconciler]) -> None:
        self._of = of

    def __getitem__(self, account: str) -> Observation:
        return self._of[account].observed[account]

    def __iter__(self) -> Iterator[str]:
        return (name for name, each in self._of.items() if name in each.observed)

    def __len__(self) -> int:
        return sum(1 for _ in self)
