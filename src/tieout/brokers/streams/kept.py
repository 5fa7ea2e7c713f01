"""A stream that is kept up: connected again whenever it breaks or is silent, whatever the venue's dialect."""

from __future__ import annotations

import asyncio
import random as randomness
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Protocol

from msgspec import Struct

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.line import MANNERS, Line, Lines, Manners, Ping, wait_told
from tieout.clock import Clock
from tieout.errors import SourceError, SourceMalformed, SourceRefused, SourceTimeout

Json = Any
# What a dialect that is written for the venue's own frames runs into in one that has another form.
NONSENSE = (ValueError, LookupError, TypeError, AttributeError)


class Dialect(Protocol):
    """What differs from venue to venue. One that keeps something between calls forgets it in `address`."""

    ping: Ping | None

    async def address(self) -> str:
        """Where to connect; a token that the address bears is fetched anew.

        Raises:
            SourceError: It could not be had; `SourceRefused` where the venue does not accept the key.
        """

    async def open(self, line: Line) -> None:
        """Log in and subscribe; returns once the venue confirmed all of it. Events in between may be dropped.

        Raises:
            SourceError: It did not; `SourceRefused` where it said no.
        """

    def told(self, frame: Json) -> Iterable[StreamEvent]:
        """What a frame tells; nothing for those that only keep the connection alive.

        Raises:
            ValueError, LookupError, TypeError, AttributeError: It breaks the venue's format.
            SourceError: The venue ends the connection with it; `SourceRefused` where the key is the reason.
        """

    async def keep(self) -> None:
        """Whatever has to be done for as long as the connection stands, such as renewing a token; may return at once.

        Raises:
            SourceError: The connection is no good any more.
        """


class StreamMeasured(Struct):
    """What came of a stream so far."""

    connected: int = 0
    events: int = 0
    malformed: int = 0
    silences: int = 0
    lost: int = 0
    refused: int = 0


class KeptStream:
    """A `Stream` in a venue's *dialect*.

    Args:
        name: Whose it is, for failures: the adapter's name.
        dialect: The venue's.
        clock: What is waited on.
        random: For jitter.
        manners: How it is kept up.

    Attributes:
        measured: What came of it so far.
    """

    def __init__(
        self, name: str, dialect: Dialect, *, clock: Clock, random: randomness.Random, manners: Manners = MANNERS
    ) -> None:
        self.name, self._dialect = name, dialect
        self._clock, self._chance, self._manners = clock, random, manners
        self.measured = StreamMeasured()
        self._lines = Lines(name, clock, manners)
        self._listening = self._closed = False

    @property
    def listening(self) -> bool:
        """Whether what happens now is told."""
        return self._listening

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Events as they come; each connection begins with `LISTENING` and ends with `LOST`."""
        failures, before = 0, self.measured.connected
        while not self._closed:
            began = self._clock.monotonic_ns()
            try:
                async with aclosing(self._connection()) as told:
                    async for event in told:
                        yield event
            except SourceRefused:
                self.measured.refused += 1
                raise
            except SourceError as error:
                lost, self.measured.lost = error, self.measured.lost + 1
                self.measured.silences += isinstance(error, SourceTimeout)
            stood = self.measured.connected > before
            before = self.measured.connected
            steady = stood and self._clock.monotonic_ns() - began >= round(self._manners.steady_s * 10**9)
            failures = 1 if steady else failures + 1
            yield StreamEvent(what=Heard.LOST, why=lost.why)
            await self._clock.sleep(max(wait_told(lost), self._wait(failures)))

    async def close(self) -> None:
        """Let go of connections. Safe to repeat."""
        self._closed = True
        await self._lines.close()

    async def _connection(self) -> AsyncGenerator[StreamEvent, None]:
        """What one connection tells, until it ends with a failure."""
        keeping = None
        try:
            line = await self._opened()
            keeping = asyncio.create_task(self._keep(), name=f"keeps {self.name}")
            self._listening = True
            self.measured.connected += 1
            yield StreamEvent(what=Heard.LISTENING, again=self.measured.connected > 1)
            while True:
                for event in await self._next(line):
                    self.measured.events += 1
                    yield event
        finally:
            self._listening = False
            if keeping is not None:
                keeping.cancel()
                await asyncio.wait({keeping})
            await self._lines.hang_up()

    async def _opened(self) -> Line:
        """A connection on which what happens is told from now on."""
        try:
            async with asyncio.timeout(self._manners.open_s):
                line = await self._lines.connect(await self._dialect.address(), self._dialect.ping)
                await self._dialect.open(line)
                return line
        except TimeoutError:
            raise SourceTimeout(self.name, "stream", "not open in time") from None
        except NONSENSE:
            raise SourceMalformed(self.name, "stream", "no answer that can be understood") from None

    async def _keep(self) -> None:
        """Keep up what has to be; where that fails, the connection is ended, and the next one finds out why."""
        try:
            await self._dialect.keep()
        except SourceError:
            await self._lines.hang_up()

    async def _next(self, line: Line) -> Iterable[StreamEvent]:
        """What the next frame tells. One that makes no sense may have told of anything; it never ends the stream."""
        try:
            return tuple(self._dialect.told(await line.receive()))
        except (SourceMalformed, *NONSENSE):
            self.measured.malformed += 1
            return (StreamEvent(what=Heard.UNREADABLE),)

    def _wait(self, failures: int) -> float:
        longest: float = min(self._manners.longest_s, self._manners.first_s * 2 ** min(failures - 1, 20))
        return longest * (1 - self._chance.random() / 2)
