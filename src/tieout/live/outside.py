"""Halts that stand also where orders come from: each whole reconciliation is followed there, and its effect is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tieout.halts.base import Halts
from tieout.live.effects import was_refused
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.report import ReconciliationReport, Trigger
from tieout.model.snapshot import Observation, Section

SHADOW = "shadow"


class HaltingReconciler:
    """A reconciler (`live.lane.Reconciles`) whose halts reach the programs that trade.

    Args:
        reconciler: Reconciles.
        accounts: The accounts by name; one in shadow mode halts nothing.
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
        self._reconciler, self._tell = reconciler, tell
        self._halts = {name: each for name, each in halts.items() if accounts[name].policy.mode != SHADOW}
        self._halted: dict[str, bool] = {}

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

    async def listen(self, account: str) -> bool:
        """Whether words of people wait."""
        return await self._reconciler.listen(account)

    async def _follow(self, account: str, report: ReconciliationReport) -> None:
        # Where the record failed nobody knows which halts stand: none is lifted by that.
        known = not was_refused(report)
        if not report.halts and not (known and self._halted.get(account, True)):
            return
        why = await self._halts[account].follow(report.halts, lifts=known)
        self._halted[account] = bool(report.halts) or why is not None
        what = "a halt" if report.halts else "the end of a halt"
        self._tell(
            account, None if why is None else f"{what} was not seen to take effect where orders come from: {why}"
        )
