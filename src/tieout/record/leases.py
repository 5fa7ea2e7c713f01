"""`Leases`: the shards that this process holds, renewed turn by turn; and the fence before every write of their accounts.

Each reconciliation claims its account under the epoch of that moment. What it writes later is written under that epoch and
no other: the transaction asks for the row, and holds it until it commits. A process that was paused, cut off or given up for
dead writes nothing more, and what it was about to send is never intended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import Connection

from tieout.errors import AccountTaken
from tieout.record.store.claims import claimed_alone
from tieout.record.store.database import Database
from tieout.record.store.leasing import Turn, divide, leave, release, stands, take_turn

LASTING = timedelta(seconds=5)


class Leases:
    """What one worker holds of the shards of a store.

    Args:
        database: The store; a connection pool of its own, so that renewing never waits behind what is recorded.
        name: The worker's, never used before: a paused one of the same name would pass for it.
        total: Into how many shards accounts are divided.
        lasting: For how long a lease lasts, by the server's clock, unless it is renewed.
    """

    def __init__(self, database: Database, name: str, total: int, lasting: timedelta = LASTING) -> None:
        self.name, self.total = name, total
        self._database, self._lasting = database, lasting // timedelta(microseconds=1)
        self._epochs: dict[int, int] = {}
        self._claimed: dict[str, int] = {}
        self._alone: Collection[str] = ()

    async def begin(self) -> None:
        """Find the shards, or make them.

        Raises:
            RecordUnavailable: Workers that run now divide into another number of them, or the store cannot be asked.
        """
        await self._database.write(lambda connection: divide(connection, self.total))

    async def turn(self, *, leaving: bool = False) -> Turn:
        """Renew what is held and, unless it is *leaving*, take a fair share of what nobody holds. Due each second or so.

        Raises:
            RecordUnavailable: The store cannot be asked. What was held may be another's by now.
            AccountTaken: Others divided the accounts anew. Nothing is held any more.
        """
        name, total, lasting = self.name, self.total, self._lasting
        try:
            turn = await self._database.write(
                lambda connection: take_turn(connection, name, total, lasting, leaving=leaving)
            )
        except AccountTaken:
            self._epochs = {}
            raise
        # Behind the commit: a process that takes an account for itself alone looks at the leases after it took it.
        self._alone = await self._database.ask(claimed_alone)
        self._epochs = turn.epochs
        return turn

    async def release(self, shards: Collection[int]) -> None:
        """Let others have *shards*, once nothing of them runs here any more.

        Raises:
            RecordUnavailable: The store cannot be asked; they run out by themselves.
        """
        for shard in shards:
            self._epochs.pop(shard, None)
        await self._database.write(lambda connection: release(connection, self.name, tuple(shards)))

    async def leave(self) -> None:
        """Let others have everything at once, and be counted no more.

        Raises:
            RecordUnavailable: The store cannot be asked; all runs out by itself.
        """
        self._epochs = {}
        await self._database.write(lambda connection: leave(connection, self.name))

    def shard_of(self, account: str) -> int:
        """The shard of an account: the same in every process, for ever."""
        return int.from_bytes(hashlib.sha256(account.encode()).digest()[:8]) % self.total

    async def claim(self, account: str) -> int:
        """The epoch that *account* is written under until the next claim.

        Raises:
            AccountTaken: Another worker has it, or a process that took it for itself alone.
        """
        epoch = self._epochs.get(self.shard_of(account))
        if epoch is None or account in self._alone:
            self._claimed.pop(account, None)
            who = "another worker" if epoch is None else "a process that is no worker"
            raise AccountTaken(f"{who} reconciles {account}")
        self._claimed[account] = epoch
        return epoch

    def mark(self, account: str) -> Mapping[str, str]:
        """The epoch that it is claimed under, and by whom: so the log shows who took over, and when."""
        return {"epoch": str(self._claimed[account]), "worker": self.name} if account in self._claimed else {}

    def check(self, connection: Connection, account: str) -> None:
        """Return where the claim stands; nobody takes it then before this transaction ends.

        Raises:
            AccountTaken: It does not.
        """
        self._require(account, self._stands(connection, account, hold=True))

    async def confirm(self, account: str) -> None:
        """Return where the claim stands.

        Raises:
            AccountTaken: It does not.
            RecordUnavailable: The store cannot be asked.
        """
        self._require(
            account, await self._database.ask(lambda connection: self._stands(connection, account, hold=False))
        )

    def _stands(self, connection: Connection, account: str, *, hold: bool) -> bool:
        epoch = self._claimed.get(account)
        return epoch is not None and stands(connection, self.name, self.shard_of(account), epoch, hold=hold)

    def _require(self, account: str, stood: bool) -> None:
        if not stood:
            raise AccountTaken(f"another worker has taken {account} over: nothing more is written or sent from here")
