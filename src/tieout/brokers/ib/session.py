"""One connection to TWS or the Gateway, through ib_async: one thing at a time, each with a deadline, rows as their texts.

ib_async is left as it is and does the talking: handshake, pacing (45 messages a second), ends of lists. Beside its decoder
every row is noted as it came: the decoder drops a row that it cannot read, with a line in a log, and makes numbers floats.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from tieout.brokers.ib.connecting import Connection, refused
from tieout.brokers.ib.notes import Fields
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceError,
    SourceMalformed,
    SourceTimeout,
    SourceUnreachable,
)

T = TypeVar("T")
CUT = "TWS itself has lost its connection to Interactive Brokers"


class Answer(NamedTuple):
    """The rows of an answer as texts, and what ib_async made of it."""

    rows: tuple[Fields, ...]
    made: Any

    def of(self, kind: int) -> tuple[Fields, ...]:
        """The rows of one kind of message."""
        return tuple(row for row in self.rows if int(row[0]) == kind)


class Session:
    """Questions and actions, over a connection that is made when it is first needed, and anew after it broke.

    Attributes:
        seconds: How long one answer may take.
    """

    def __init__(self, name: str, connection: Connection, *, seconds: float) -> None:
        self._name, self._connection, self.seconds = name, connection, seconds
        self._notes = connection.notes
        self._turn = asyncio.Lock()
        self._closed = False

    @property
    def client_id(self) -> int:
        """Which client of TWS we are."""
        return self._connection.client_id

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
            ib = await self._ready(scope)
            try:
                made = await self._answered(scope, question(ib))
            except (SourceError, asyncio.CancelledError):
                self._connection.drop()  # what still comes would look like the next answer
                raise
            if settled is not None:
                await self._until(lambda rows: settled(rows) or None, linger)
            self._require_line(scope)
            return Answer(tuple(row for row in self._notes.rows if int(row[0]) in kinds), made)

    async def act(
        self,
        action: str,
        send: Callable[[Any], int],
        verdict: Callable[[int, Sequence[Fields]], T | None],
        late: Callable[[int, Sequence[Fields]], T | None],
        *,
        linger: float,
    ) -> T:
        """What TWS says became of what is sent, by its *verdict*; what it says *late* has to do where none follows.

        A verdict that is still to come then is waited for *linger* seconds at most.

        Raises:
            ActionRefused: Nothing was sent.
            OutcomeUnknown: It was, and TWS said nothing of it.
        """
        async with self._turn:
            try:
                ib = await self._ready(action)
                self._require_line(action)
            except SourceError as error:
                raise ActionRefused(action, f"nothing was sent: {error.why}") from None
            found: T | None = None
            try:
                number = send(ib)
                found = await self._until(lambda rows: verdict(number, rows) or late(number, rows), self.seconds)
                if found is not None:
                    found = await self._until(lambda rows: verdict(number, rows), linger) or found
            except ConnectionError:
                raise OutcomeUnknown(action, "the connection broke") from None
            finally:
                if found is None:
                    self._connection.drop()  # the next connection tells whether it arrived
            if found is None:
                raise OutcomeUnknown(action, "TWS did not say what became of it")
            return found

    async def close(self) -> None:
        """Let go of the connection for good. Safe to repeat."""
        self._closed = True
        self._connection.drop()

    async def _ready(self, scope: str) -> Any:
        if self._closed:
            raise SourceUnreachable(self._name, scope, "it was closed")
        ib = await self._connection.connected(scope, self.seconds)
        self._notes.begin()
        return ib

    def _require_line(self, scope: str) -> None:
        if self._notes.cut_off:
            raise SourceUnreachable(self._name, scope, CUT)

    async def _answered(self, scope: str, question: Awaitable[object]) -> object:
        asking = asyncio.ensure_future(question)
        try:
            async with asyncio.timeout(self.seconds):
                while not asking.done():
                    await self._notes.heard(asking)
                    self._require_whole(scope)
            return await asking
        except TimeoutError:
            raise SourceTimeout(self._name, scope, f"no end of the answer within {self.seconds} seconds") from None
        except OSError:
            raise SourceUnreachable(self._name, scope, "the connection broke") from None
        except _request_error() as error:
            raise refused(self._name, scope, str(error.code)) from None
        finally:
            asking.cancel()
            await asyncio.wait((asking,))  # else what ib_async still waits for fails behind it, and nobody looks
            _ = asking.cancelled() or asking.exception()

    def _require_whole(self, scope: str) -> None:
        """Raise for what TWS says instead of an answer, under no number or ours: nothing else is under way."""
        if self._notes.spoilt:
            raise SourceMalformed(self._name, scope, "a message that is none")
        code = self._notes.refusal()
        if code is not None:
            raise refused(self._name, scope, code)

    async def _until(self, found: Callable[[Sequence[Fields]], T | None], seconds: float) -> T | None:
        """What *found* makes of the rows, once it makes something of them; None after *seconds*, or without a connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (made := found(self._notes.rows)) is None and self._connection.open:
                    await self._notes.heard()
                return made
        return found(self._notes.rows)


def _request_error() -> Any:
    from ib_async import RequestError

    return RequestError
