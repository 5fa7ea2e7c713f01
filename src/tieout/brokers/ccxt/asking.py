"""Asks one venue through ccxt: one question at a time or several, over the venue's wire where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Context, localcontext
from typing import TYPE_CHECKING, Any, TypeVar

from tieout.brokers.ccxt import parse
from tieout.brokers.ccxt.errors import action_error, failures, source_error
from tieout.brokers.ccxt.guard import Answers, answering, answers_in_hand, arm, take_turns
from tieout.brokers.ccxt.markets import Markets
from tieout.brokers.ccxt.parse import RowError
from tieout.errors import ActionRefused, SourceError, SourceMalformed

if TYPE_CHECKING:
    from tieout.brokers.wire.wire import Wire

T = TypeVar("T")
PUBLIC = ("time", "markets")  # what needs no key, and may be up while what needs one is down

# ccxt sets flags and rounding on the decimal context it finds: it gets its own, with room for every digit.
_ROOM = Context(prec=200)


class CcxtAsking:
    """One client of ccxt. Questions that do not wait for each other are under way together, each with its own answers.

    Args:
        name: Who is asked, for failures.
        client: Makes the client, at first use.
        at_once: How many questions may be under way together.
        wire: How the venue is asked; None asks once, at ccxt's own pace.
        markets: Where the client has its markets from; None leaves that to ccxt.
    """

    def __init__(
        self,
        name: str,
        client: Callable[[], Any],
        at_once: int,
        wire: Wire | None = None,
        markets: Markets | None = None,
    ) -> None:
        self.name, self.wire, self.markets = name, wire, markets
        self._connect = client
        self._client: Any = None
        self._turns = asyncio.Semaphore(at_once)

    @property
    def answers(self) -> Answers:
        """The answers to the question in hand."""
        return answers_in_hand()

    def client(self) -> Any:
        """The ccxt client, made and armed at first use."""
        if self._client is None:
            self._client = self._connect()
            arm(self._client)
            if self.wire is not None:
                take_turns(self._client, self.wire)
        return self._client

    async def ask(self, scope: str, question: Callable[[Any], Awaitable[T]], *, markets: bool = True) -> T:
        """What the venue answers to *question*, once more after the clocks were compared if ours was refused.

        Without *markets* it is one that needs none, and is asked also where they cannot be had.

        Raises:
            SourceError: In any case that is no usable answer; nothing of ccxt's own text is in it.
        """
        if self.markets is not None and markets:
            await self.markets.ready(self.client())
        async with self._turns:
            if self.wire is None:
                return await self._try(scope, question)
            endpoint = "public" if scope in PUBLIC else "read"
            return await self.wire.read(scope, lambda: self._try(scope, question), endpoint=endpoint, cost=0)

    def made(self, scope: str, parse: Callable[[], T]) -> T:
        """What is made of answers that are there already.

        Raises:
            SourceMalformed: Nothing can be.
        """
        try:
            with localcontext(_ROOM):
                return parse()
        except RowError as error:
            raise SourceMalformed(self.name, scope, str(error)) from None
        except failures() as error:
            raise SourceMalformed(self.name, scope, type(error).__name__) from None

    async def act(self, action: str, deed: Callable[[Any], Awaitable[T]]) -> T:
        """What *deed* gives, done once and never again.

        Raises:
            ActionRefused: The venue said no, or nothing was sent.
            OutcomeUnknown: All else.
        """
        async with self._turns:
            if self.wire is None:
                return await self._once_only(action, deed)
            return await self.wire.act(action, lambda: self._once_only(action, deed), cost=0)

    async def server_time(self) -> datetime:
        """The venue's clock.

        Raises:
            SourceError: It could not be asked.
        """

        async def question(client: Any) -> datetime:
            told = await client.fetch_time()
            if not isinstance(told, int):
                raise RowError("no time in the answer")
            return parse.at_milliseconds(told)

        if self.wire is None:  # it needs no market, and no turn: it is in no key's name
            return await self._try("time", question)
        return await self.wire.server_time(lambda: self._try("time", question), cost=0)

    async def load(self, action: str) -> None:
        """Have the markets loaded before *action*.

        Raises:
            ActionRefused: They cannot be; nothing was sent.
        """
        try:
            await self.ask("markets", lambda client: client.load_markets())
        except SourceError as error:
            raise ActionRefused(action, f"nothing was sent: {error.why}") from None

    async def close(self) -> None:
        """Close the client's connections, if it was ever used. Safe to repeat."""
        if self._client is not None:
            await self._client.close()

    async def _try(self, scope: str, question: Callable[[Any], Awaitable[T]]) -> T:
        with answering(), localcontext(_ROOM):
            try:
                return await self._once(question)
            except failures() as error:
                raise self.failed(error, scope) from None

    async def _once_only(self, action: str, deed: Callable[[Any], Awaitable[T]]) -> T:
        client = self.client()
        with answering() as answers, localcontext(_ROOM):
            try:
                return await deed(client)
            except failures() as error:
                raise action_error(error, action, answers) from source_error(error, self.name, action, answers)

    async def _once(self, question: Callable[[Any], Awaitable[T]]) -> T:
        from ccxt.base.errors import InvalidNonce

        client = self.client()
        try:
            return await question(client)
        except InvalidNonce:
            if not client.has.get("fetchTime"):
                raise
        await client.load_time_difference()
        self.answers.begin()
        return await question(client)

    def failed(self, error: Exception, scope: str) -> SourceError:
        """What *error* means for a reading of *scope*."""
        if isinstance(error, RowError):
            return SourceMalformed(self.name, scope, str(error))
        return source_error(error, self.name, scope, self.answers)
