"""One connection to TWS or the Gateway, through ib_async: one question at a time, each with a deadline, rows as their texts.

ib_async is left as it is and does the talking: handshake, pacing (45 messages a second), ends of lists. Beside its decoder
every row is noted as it came: the decoder drops a row that it cannot read, with a line in a log, and makes numbers floats.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from tieout.errors import SourceRefused, SourceTimeout, SourceUnreachable

Fields = list[str]
OPEN_ORDER, STATUS, FAILED, EXECUTION, POSITION = 5, 3, 4, 11, 61
COMMISSION, CASH, COMPLETED = 59, 73, 101
NOTED = (STATUS, FAILED, OPEN_ORDER, EXECUTION, COMMISSION, POSITION, CASH, COMPLETED)
CLIENT_TAKEN = "326"
CUT_OFF, BACK = frozenset(("1100", "2110")), frozenset(("1101", "1102"))
REFUSALS = frozenset(("321", "322"))
HINT = "is TWS or the Gateway running, logged in (daily restart, second factor), its API open to this machine?"


class Session:
    """A connection that is made when it is first needed, and anew after it broke.

    Args:
        name: How sentences name the broker.
        host: Where TWS or the Gateway listens.
        port: And at which port.
        client_id: Which client of it we are; another program must have another.
        account: The account that the login must hold.
        seconds: How long one answer may take.
    """

    def __init__(self, name: str, host: str, port: int, *, client_id: int, account: str, seconds: float) -> None:
        self._name, self._host, self._port = name, host, port
        self._client_id, self._account, self._seconds = client_id, account, seconds
        self._turn = asyncio.Lock()
        self._ib: Any = None
        self._rows: list[Fields] = []
        self._news = asyncio.Event()
        self._cut_off = False

    async def ask(
        self,
        scope: str,
        question: Callable[[Any], Awaitable[object]],
        *kinds: int,
        settled: Callable[[Sequence[Fields]], bool] | None = None,
        linger: float = 0,
    ) -> Answer:
        """What came of the messages *kinds* until the answer's end, as texts, and what ib_async made of it.

        What is told after the end is waited for until it is *settled*, for *linger* seconds at most.

        Raises:
            SourceError: No connection, no end in time, or a refusal; nothing is known then.
        """
        async with self._turn:
            ib = await self._connected(scope)
            self._rows.clear()
            try:
                async with asyncio.timeout(self._seconds):
                    made = await question(ib)
            except TimeoutError:
                silent = self._silent(scope)
                self._drop()
                raise silent from None
            except OSError as error:
                self._drop()
                raise SourceUnreachable(self._name, scope, f"the connection broke: {HINT}") from error
            except _request_error() as error:
                raise SourceRefused(self._name, scope, f"refused with code {error.code}") from None
            if settled is not None:
                await self._settle(settled, linger)
            if self._cut_off:
                raise SourceUnreachable(self._name, scope, "TWS itself has lost its connection to Interactive Brokers")
            return Answer(tuple(row for row in self._rows if int(row[0]) in kinds), made)

    async def _settle(self, settled: Callable[[Sequence[Fields]], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):  # what is still not told then is not known
            async with asyncio.timeout(seconds):
                while not settled(self._rows):
                    self._news.clear()
                    await self._news.wait()

    async def close(self) -> None:
        """Let go of the connection. Safe to repeat."""
        self._drop()

    async def _connected(self, scope: str) -> Any:
        if self._ib is not None and self._ib.client.isReady():
            return self._ib
        self._drop()
        logging.getLogger("ib_async").setLevel(logging.CRITICAL + 1)  # its lines hold amounts
        from ib_async import IB, StartupFetchNONE

        self._nothing = StartupFetchNONE
        self._ib = ib = IB()
        ib.RaiseRequestErrors = True  # without it a refused list is an empty one
        self._note_all(ib)
        await self._connect(scope, ib)
        if self._account not in ib.client.getAccounts():
            self._drop()
            raise SourceRefused(self._name, scope, "this login does not hold the account")
        return ib

    async def _connect(self, scope: str, ib: Any) -> None:
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ib.client.conn.disconnected += lambda *_: broken.cancel()
        connecting = asyncio.ensure_future(
            ib.connectAsync(
                self._host,
                self._port,
                self._client_id,
                timeout=None,
                account=self._account,
                raiseSyncErrors=True,
                fetchFields=self._nothing,
            )
        )
        done, _ = await asyncio.wait((connecting, broken), timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        connecting.cancel()
        await asyncio.wait((connecting,))
        if not connecting.cancelled() and connecting.exception() is None:
            return
        taken = any(int(row[0]) == FAILED and row[3] == CLIENT_TAKEN for row in self._rows if len(row) > 3)
        self._drop()
        if taken:
            raise SourceRefused(self._name, scope, "another program is that client of TWS: choose another client_id")
        if not done:
            raise SourceTimeout(self._name, scope, f"it took the connection and said nothing: {HINT}")
        raise SourceUnreachable(self._name, scope, f"no connection: {HINT}")

    def _note_all(self, ib: Any) -> None:
        handlers: dict[int, Callable[[Fields], None]] = ib.client.decoder.handlers
        for kind in NOTED:
            handlers[kind] = partial(self._note, handlers[kind])

    def _note(self, handler: Callable[[Fields], None], fields: Fields) -> None:
        self._rows.append(list(fields))
        if int(fields[0]) == FAILED and len(fields) > 3:
            self._cut_off = (self._cut_off or fields[3] in CUT_OFF) and fields[3] not in BACK
        self._news.set()
        handler(fields)

    def _silent(self, scope: str) -> SourceTimeout | SourceRefused:
        codes = [row[3] for row in self._rows if int(row[0]) == FAILED and len(row) > 3]
        refusal = next((code for code in codes if code in REFUSALS), None)
        if refusal is not None:
            return SourceRefused(self._name, scope, f'refused with code {refusal}: is "Read-Only API" unticked?')
        return SourceTimeout(self._name, scope, f"no end of the answer within {self._seconds} seconds")

    def _drop(self) -> None:
        if self._ib is not None:
            self._ib.client.disconnect()
        self._ib, self._cut_off = None, False


class Answer:
    """The rows of an answer as texts, and what ib_async made of it."""

    def __init__(self, rows: tuple[Fields, ...], made: Any) -> None:
        self.rows, self.made = rows, made

    def of(self, kind: int) -> tuple[Fields, ...]:
        """The rows of one kind of message."""
        return tuple(row for row in self.rows if int(row[0]) == kind)


def _request_error() -> Any:
    from ib_async import RequestError

    return RequestError
