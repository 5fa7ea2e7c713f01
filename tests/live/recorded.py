"""A desk whose reconciler keeps a record, and can be started again on it."""

from __future__ import annotations

from tests.live.test_reconciler import Desk
from tieout.clock import Clock
from tieout.decide import Policy
from tieout.live.reconciler import Account, PositionReconciler
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings


class RecordedDesk(Desk):
    """A desk with a record; `start` is a start of its process."""

    def __init__(self, settings: RecordSettings, *, policy: Policy | None = None, adopted: bool = True) -> None:
        super().__init__(policy=policy, adopted=adopted)
        self.settings, self.policy = settings, policy or Policy()
        self.record: StoreRecord | None = None
        self.said: list[str] = []

    async def start(self, clock: Clock | None = None) -> StoreRecord:
        """Begin anew on what the record kept, as after a restart."""
        if self.record is not None:
            await self.record.close()
        self.record = await open_record(self.settings, clock or self.clock)
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.record, alarm=self)
        return self.record

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Listen."""
        self.said.append(f"{account}: {sentence}")
