"""`Fence`: who may write of an account. `Alone` is that of a process that shares its accounts with nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Connection

from tieout.errors import AccountTaken
from tieout.record.accounts import Accounts
from tieout.record.store.database import Database


class Fence(Protocol):
    """Who may write of an account, where several processes look at one store."""

    async def claim(self, account: str) -> int:
        """Be the one that writes of *account* from now on.

        Returns:
            Another number than before where somebody else may have written of it since.

        Raises:
            AccountTaken: Another process is.
            RecordUnavailable: That cannot be found out.
        """

    def mark(self, account: str) -> Mapping[str, str]:
        """What the log says of the claim, once for each."""

    def check(self, connection: Connection, account: str) -> None:
        """Return where the claim stands; it then stands until the transaction ends.

        Raises:
            AccountTaken: It does not.
        """

    async def confirm(self, account: str) -> None:
        """Return where the claim stands.

        Raises:
            AccountTaken: It does not.
            RecordUnavailable: Nobody can tell.
        """


class Alone:
    """A process that takes accounts for itself, by locks that the system takes back when it dies.

    Args:
        database: Where the locks are.
        accounts: Its accounts' rows.
    """

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database, self._accounts = database, accounts

    async def claim(self, account: str) -> int:
        """Take it, or find that it was taken before."""
        if not await self._database.claim(await self._accounts.row(account)):
            raise AccountTaken(f"another process reconciles {account}; stop that one, or let it do the work")
        return 0

    def mark(self, account: str) -> Mapping[str, str]:
        """Nothing: there is one for each start."""
        return {}

    def check(self, connection: Connection, account: str) -> None:
        """Nobody takes over from a process that lives."""

    async def confirm(self, account: str) -> None:
        """The same."""
