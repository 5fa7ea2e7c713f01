"""The connection to TWS or the Gateway: made by ib_async, for one account, as one client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from tieout.brokers.ib.codes import CLIENT_TAKEN, PACED, REFUSALS
from tieout.brokers.ib.notes import FAILED, Notes
from tieout.errors import SourceRefused, SourceThrottled, SourceTimeout, SourceUnreachable

HINT = "is TWS or the Gateway running, logged in (daily restart, second factor), its API open to this machine?"
UNTICK = ': is "Read-Only API" unticked?'


class Connection:
    """One at a time.

    Args:
        name: How sentences name the broker.
        host: Where TWS or the Gateway listens.
        port: And at which port.
        client_id: Which client of it we are; another program must have another.
        account: The account that the login must hold.
        told: Is given the next order number whenever a connection was made.
    """

    def __init__(
        self, name: str, host: str, port: int, *, client_id: int, account: str, told: Callable[[int], None]
    ) -> None:
        self._name, self.host, self.port = name, host, port
        self.client_id, self._account, self._told = client_id, account, told
        self.notes = Notes()
        self._ib: Any = None

    @property
    def open(self) -> bool:
        """Whether there is one."""
        return self._ib is not None and bool(self._ib.client.isReady())

    async def connected(self, scope: str, seconds: float) -> Any:
        """The client, connected.

        Raises:
            SourceError: It cannot be, or the login does not hold the account.
        """
        if self.open:
            return self._ib
        self.drop()
        self.notes.begin()
        logging.getLogger("ib_async").setLevel(logging.CRITICAL + 1)  # its lines hold amounts
        from ib_async import IB

        self._ib = ib = IB()
        ib.RaiseRequestErrors = True  # without it a refused list is an empty one
        self.notes.listen(ib)
        await self._connect(scope, ib, seconds)
        if ib.client.serverVersion() > ib.client.MaxClientVersion:
            self.drop()
            raise SourceRefused(self._name, scope, "TWS speaks a newer protocol than was agreed on")
        if self._account not in ib.client.getAccounts():
            self.drop()
            raise SourceRefused(self._name, scope, "this login does not hold the account")
        number = self.notes.next_number()
        if number is not None:
            self._told(number)
        return ib

    def drop(self) -> None:
        """Let go of it. Safe to repeat."""
        if self._ib is not None:
            self._ib.client.disconnect()
        self._ib, self.notes.cut_off = None, False

    async def _connect(self, scope: str, ib: Any, seconds: float) -> None:
        from ib_async import StartupFetchNONE

        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def noticed(*_: object) -> None:
            broken.cancel()
            self.notes.news.set()

        ib.client.conn.disconnected += noticed
        connecting = asyncio.ensure_future(
            ib.connectAsync(
                self.host,
                self.port,
                self.client_id,
                timeout=None,
                account=self._account,
                raiseSyncErrors=True,
                fetchFields=StartupFetchNONE,
            )
        )
        try:
            done, _ = await asyncio.wait((connecting, broken), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            connecting.cancel()
        await asyncio.wait((connecting,))
        if not connecting.cancelled() and connecting.exception() is None:
            return
        code = self.notes.refusal()
        taken = any(int(row[0]) == FAILED and row[3] == CLIENT_TAKEN for row in self.notes.rows if len(row) > 3)
        self.drop()
        if taken:
            raise SourceRefused(self._name, scope, "another program is that client of TWS: choose another client_id")
        if code is not None:
            raise refused(self._name, scope, code)
        if not done:
            raise SourceTimeout(self._name, scope, f"it took the connection and said nothing: {HINT}")
        raise SourceUnreachable(self._name, scope, f"no connection: {HINT}")


def refused(name: str, scope: str, code: str) -> SourceRefused | SourceThrottled:
    """What TWS's refusal of a question comes to."""
    if code in PACED:
        return SourceThrottled(name, scope, "asked too often")
    return SourceRefused(name, scope, f"refused with code {code}{UNTICK if code in REFUSALS else ''}")
