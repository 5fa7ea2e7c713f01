"""One connection of a stream: JSON in and out with deadlines, pings, and silence that is noticed."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, NamedTuple

import aiohttp
from msgspec import Struct

from tieout.brokers.wire import exact, verdict
from tieout.clock import Clock
from tieout.errors import SourceError, SourceMalformed, SourceRefused, SourceThrottled, SourceTimeout, SourceUnreachable

MAX_BYTES = 8 * 2**20
_LEAVE_S = 0.2  # how long the other side has to say goodbye
_SCOPE = "stream"
_ENDS = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR)


class Manners(Struct, frozen=True, kw_only=True):
    """How a connection is made and kept. Times in seconds.

    Attributes:
        open_s: For connecting, logging in and subscribing together.
        ping_s: From one ping to the next.
        silence_s: Without a sign of life for so long, the connection is given up.
        first_s: The first wait before connecting again; each further one is twice as long, and shortened by up to a half.
        longest_s: The longest.
        steady_s: A connection that held for so long was a good one: the next wait is a first one again.
    """

    open_s: int | float = 15
    ping_s: int | float = 5
    silence_s: int | float = 15
    first_s: int | float = 0.25
    longest_s: int | float = 60
    steady_s: int | float = 30


MANNERS = Manners()


class Ping(NamedTuple):
    """How a venue's own ping looks, and its answer where that is no JSON."""

    text: str
    pong: str = ""


class Line:
    """An open connection.

    Args:
        source: Whose it is, for failures.
        socket: The connection, which leaves pings to us.
        clock: Measures silence.
        manners: How it is kept.
        ping: The venue's own ping; where it has one, only what the venue itself sends is a sign of life, for a proxy on the
            way answers the protocol's. None pings by the protocol.
    """

    def __init__(
        self,
        source: str,
        socket: aiohttp.ClientWebSocketResponse[Literal[True]],
        clock: Clock,
        manners: Manners,
        ping: Ping | None,
    ) -> None:
        self._source, self._socket, self._manners, self._ping = source, socket, manners, ping
        self._clock = clock
        self._lively = self._pinged = self._clock.monotonic_ns()

    async def send(self, document: object) -> None:
        """Send *document* as JSON.

        Raises:
            SourceUnreachable: The connection is gone.
        """
        await self._sent(exact.encode(document).decode())

    async def receive(self) -> Any:
        """The next document.

        Raises:
            SourceMalformed: What came is none.
            SourceTimeout: No sign of life for too long.
            SourceUnreachable: The connection is gone.
        """
        while True:
            message = await self._next()
            if message.type in _ENDS:
                raise SourceUnreachable(self._source, _SCOPE, _ended(message))
            data = message.data
            if message.type is aiohttp.WSMsgType.PING:
                await self._pong(data)
            elif message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                if self._ping is not None and self._ping.pong and data == self._ping.pong:
                    continue
                return self._document(data.encode() if isinstance(data, str) else bytes(data))

    def _document(self, data: bytes) -> Any:
        try:
            return exact.decode(data)
        except ValueError:
            raise SourceMalformed(self._source, _SCOPE, "a frame that is no JSON") from None

    async def _next(self) -> aiohttp.WSMessage:
        """The next frame of any kind; pings are sent in time meanwhile."""
        while True:
            now = self._clock.monotonic_ns()
            if now - self._lively >= _ns(self._manners.silence_s):
                raise SourceTimeout(self._source, _SCOPE, "silent for too long")
            if now - self._pinged >= _ns(self._manners.ping_s):
                self._pinged = now
                await self._send_ping()
            try:
                message = await self._socket.receive(timeout=self._manners.ping_s)
            except TimeoutError:
                continue
            if self._ping is None or message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                self._lively = self._clock.monotonic_ns()
            return message

    async def _send_ping(self) -> None:
        if self._ping is not None:
            await self._sent(self._ping.text)
            return
        try:
            await self._socket.ping()
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable(self._source, _SCOPE, type(error).__name__) from error

    async def _pong(self, data: bytes) -> None:
        try:
            await self._socket.pong(data)
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable(self._source, _SCOPE, type(error).__name__) from error

    async def _sent(self, text: str) -> None:
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable(self._source, _SCOPE, type(error).__name__) from error


class Lines:
    """Makes the connections of one stream, one at a time."""

    def __init__(self, source: str, clock: Clock, manners: Manners) -> None:
        self._source, self._clock, self._manners = source, clock, manners
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse[Literal[True]] | None = None

    async def connect(self, url: str, ping: Ping | None) -> Line:
        """A connection to *url*.

        Raises:
            SourceError: There is none to be had now; `SourceRefused` where the venue says no.
        """
        await self.hang_up()
        if self._session is None:  # on the first call, because a session belongs to the loop that is running
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        timeout = aiohttp.ClientWSTimeout(ws_close=_LEAVE_S)
        try:
            async with asyncio.timeout(self._manners.open_s):
                self._socket = await self._session.ws_connect(
                    url, autoping=False, max_msg_size=MAX_BYTES, timeout=timeout
                )
        except aiohttp.WSServerHandshakeError as error:
            raise self._handshake(error) from None  # its text holds the address, which may hold a token
        except TimeoutError:
            raise SourceTimeout(self._source, _SCOPE, "no connection in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable(self._source, _SCOPE, type(error).__name__) from None
        return Line(self._source, self._socket, self._clock, self._manners, ping)

    async def hang_up(self) -> None:
        """End the connection, where there is one."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def close(self) -> None:
        """End everything. Safe to repeat."""
        await self.hang_up()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _handshake(self, error: aiohttp.WSServerHandshakeError) -> SourceError:
        """What a handshake's status means; a 2xx that opens nothing is no answer."""
        kind = verdict.kind_of(error.status) or SourceUnreachable
        told = None if error.headers is None else error.headers.get("Retry-After")
        wait = verdict.seconds_told(told, self._clock.now())
        return verdict.failure(kind, self._source, _SCOPE, f"HTTP {error.status}", wait)


def wait_told(error: SourceError) -> int:
    """Seconds that the venue asked to wait for, 0 where it did not."""
    return (error.retry_after_s or 0) if isinstance(error, SourceThrottled) else 0


def refused(source: str, why: str) -> SourceRefused:
    """The venue does not accept key or subscription. *why* is in words of ours."""
    return SourceRefused(source, _SCOPE, why)


def _ended(message: aiohttp.WSMessage) -> str:
    code = message.data if message.type is aiohttp.WSMsgType.CLOSE else None
    return "the connection broke" if code is None else f"the venue closed it, code {code}"


def _ns(seconds: float) -> int:
    return round(seconds * 10**9)
