"""Halts that stand also where orders come from: each whole reconciliation is followed there, and its effect is looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from tieout.errors import AccountTaken, RecordError
from tieout.halts.base import Halts
from tieout.live.keeping import SHADOW
from tieout.live.reconciler import HALTS_UNKNOWN, Account, PositionReconciler
from tieout.model.halt import Halt
from tieout.model.report import ReconciliationReport, Trigger
from tieout.model.snapshot import Observation, Section

Confirm = Callable[[str], Awaitable[None]]  # as `record.base.Record.confirm`


class _Followed:
    """What is remembered of one account: what was told last, and whether the end of all halts was seen to take effect."""

    told: tuple[Halt, ...] | None = None  # of what was told before our start nothing is known
    over = False


class HaltingReconciler:
    """A reconciler (`live.lane.Reconciles`) whose halts reach the programs that trade.

    Args:
        reconciler: Reconciles.
        accounts: The accounts by name; one in shadow mode halts nothing.
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
        self._reconciler, self._tell, self._confirm = reconciler, tell, confirm
        self._halts = {name: each for name, each in halts.items() if accounts[name].policy.mode != SHADOW}
        self._followed: dict[str, _Followed] = {}

    @property
    def observed(self) -> Mapping[str, Observation]:
        """The last observation of each account."""
        return self._reconciler.observed

    async def reconcile(self, account: str, *, trigger: Trigger = "manual") -> ReconciliationReport:
        """One whole reconciliation, and its halts where the orders come from."""
        report = await self._reconciler.reconcile(account, trigger=trigger)
        if account in self._halts:
            await self._follow(account, report)
        return report

    async def look(self, account: str, sections: frozenset[Section]) -> ReconciliationReport | None:
        """A look, followed by nothing."""
        return await self._reconciler.look(account, sections)

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Those of *accounts* of which words of people wait."""
        return await self._reconciler.listen(accounts)

    def forget(self, account: str) -> None:
        """Others may have halted *account*, or let it go on, since: what stands there is looked at anew."""
        self._followed.pop(account, None)
        if account in self._halts:
            self._halts[account].forget()

    async def _follow(self, account: str, report: ReconciliationReport) -> None:
        # One that ends after this was forgotten notes what it saw where nobody looks.
        followed = self._followed.setdefault(account, _Followed())
        known = self._reconciler.keepings[account].sure
        halts = report.halts if known else self._no_less(account, report, followed)
        if not halts and (not known or followed.over):
            return
        try:
            await self._confirm(account)
        except AccountTaken:
            return  # whoever has it follows its halts: ours are those of before
        except RecordError:
            known, halts = False, self._no_less(account, report, followed)
        if not (halts or known):
            return
        why = await self._halts[account].follow(halts, lifts=known)
        followed.told, followed.over = halts, not halts and why is None
        what = "a halt" if halts else "the end of a halt"
        self._tell(
            account, None if why is None else f"{what} was not seen to take effect where orders come from: {why}"
        )

    def _no_less(self, account: str, report: ReconciliationReport, followed: _Followed) -> tuple[Halt, ...]:
        """The halts where the record failed, and nobody knows which stand: none that was told is lifted by that."""
        # Unless the record was read, another process may have told of more, before our start or since.
        before = followed.told if self._reconciler.keepings[account].established else None
        if before is None and report.halts:  # a program trades what is not halted: it may have been all of it
            before = (Halt(id=HALTS_UNKNOWN, asset=None, reason=HALTS_UNKNOWN, since=report.finished_at),)
        return tuple({each.id: each for each in (*(before or ()), *report.halts)}.values())
