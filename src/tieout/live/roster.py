"""Which reconciler has which account: another one takes an account over between two reconciliations, never within one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from tieout.halts.base import Halts
from tieout.live.outside import HaltingReconciler
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.report import ReconciliationReport, Trigger
from tieout.model.snapshot import Observation, Section
from tieout.record.base import Word


class Roster:
    """Reconciles each account by the reconciler that has it; as `schedule.Reconciles`.

    Args:
        reconciler: Has them at first.
        accounts: The accounts by name.
        halts: Where the orders of an account come from, of those that say so.
        tell: Is called with an account, and why its halts were not seen to take effect; None where they were.
    """

    def __init__(
        self,
        reconciler: PositionReconciler,
        accounts: Mapping[str, Account],
        halts: Mapping[str, Halts],
        tell: Callable[[str, str | None], None],
    ) -> None:
        self._tell = tell
        self._hears = dict.fromkeys(accounts, reconciler)
        self._of = dict.fromkeys(accounts, HaltingReconciler(reconciler, accounts, halts, tell))
        self._turns = {name: asyncio.Lock() for name in accounts}
        self.observed: Mapping[str, Observation] = _Observed(self._hears)

    async def reconcile(self, account: str, *, trigger: Trigger) -> ReconciliationReport:
        """One whole reconciliation."""
        async with self._turns[account]:
            return await self._of[account].reconcile(account, trigger=trigger)

    async def look(self, account: str, sections: frozenset[Section]) -> ReconciliationReport | None:
        """A look at *sections*."""
        async with self._turns[account]:
            return await self._of[account].look(account, sections)

    async def listen(self, account: str) -> bool:
        """Whether words of people wait."""
        return await self._of[account].listen(account)

    async def say(self, word: Word) -> None:
        """Keep a person's word."""
        await self._hears[word.account].say(word)

    async def put(self, account: Account, reconciler: PositionReconciler, halts: Halts | None) -> None:
        """From the end of what is under way on, *reconciler* has *account*. What may be acting is waited for."""
        name = account.name
        follows = {} if halts is None else {name: halts}
        async with self._turns.setdefault(name, asyncio.Lock()):
            self._hears[name] = reconciler
            self._of[name] = HaltingReconciler(reconciler, {name: account}, follows, self._tell)

    async def drop(self, account: str) -> None:
        """From the end of what is under way on, nobody has *account*."""
        async with self._turns[account]:
            del self._of[account], self._hears[account]


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
