"""The WebSocket side of a loopback venue: a frame leaves when the world changes, unless something goes wrong.

What can go wrong is set on the stream: `cut`, `fall_silent`, `garble`, `hold` and `release` happen at once, `refusing`,
`closed`, `dropping` and `repeating` last.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from aiohttp import WSMsgType, web

from tieout.brokers.simulated import World
from tieout.brokers.simulated.facts import Entry, Filled, Moved, OrderPut

from .bodies import Reply

Told = OrderPut | Filled | Moved


class Socket:
    """One client. `account` is the world's account once it logged in, `topics` what it subscribed to.

    `count` is for skins whose messages bear numbers.
    """

    def __init__(self, request: web.Request, *, binary: bool) -> None:
        self.request, self._binary = request, binary
        self.account = ""
        self.topics: set[str] = set()
        self.silent, self.count = False, 0
        self._out: asyncio.Queue[str | None] = asyncio.Queue()

    def send(self, document: object) -> None:
        """Send *document* as JSON, text as it is."""
        self._out.put_nowait(document if isinstance(document, str) else Reply(document).raw.decode())

    def leave(self) -> None:
        """Close the connection once everything was sent."""
        self._out.put_nowait(None)

    def break_off(self) -> None:
        """End the connection without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def write(self, response: web.WebSocketResponse) -> None:
        """Send what is to be sent, for ever."""
        while (text := await self._out.get()) is not None:
            if not self.silent:
                await (response.send_bytes(text.encode()) if self._binary else response.send_str(text))
        await response.close()


class LoopbackStream(ABC):
    """A venue's private stream.

    Attributes:
        path: Where it listens.
        binary: Whether frames are binary.
        refusing: Nobody is let in.
        closed: Whoever connects is answered 503.
        dropping: What happens is not told.
        repeating: Everything that happens is told twice.
        heard: What clients sent so far; it holds their secrets.
        connected: How often somebody connected.
    """

    path = "/ws"
    binary = False

    def __init__(self) -> None:
        self.refusing = self.closed = self.dropping = self.repeating = False
        self.heard: list[str] = []
        self.connected = 0
        self.sockets: list[Socket] = []
        self._held: list[tuple[Socket, object]] | None = None

    def greet(self, socket: Socket) -> None:  # noqa: B027 - most venues wait for the client's first word
        """Somebody connected. For skins."""

    @abstractmethod
    def hear(self, socket: Socket, text: str) -> None:
        """A client sent *text*."""

    @abstractmethod
    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """The frames that tell *socket* of a fact about its account."""

    def open(self, app: web.Application, world: World) -> None:
        """Listen, and tell from now on what happens in *world*."""
        app.router.add_get(self.path, self._serve)
        world.recorder.listeners.append(self._happened)

    def shut(self, world: World) -> None:
        """Tell nothing more. Safe to repeat."""
        with contextlib.suppress(ValueError):  # it is shut already
            world.recorder.listeners.remove(self._happened)
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        for socket in self.sockets:
            socket.break_off()

    def fall_silent(self) -> None:
        """Nothing more leaves on the connections that stand, no pong either."""
        for socket in self.sockets:
            socket.silent = True

    def garble(self, text: str) -> None:
        """Send *text* to everybody."""
        for socket in self.sockets:
            socket.send(text)

    def hold(self) -> None:
        """Keep back what is told, until `release`."""
        self._held = []

    def release(self) -> None:
        """Send what was kept back, the last first."""
        held, self._held = self._held or [], None
        for socket, frame in reversed(held):
            socket.send(frame)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.closed:
            return web.Response(status=503)
        response = web.WebSocketResponse(autoping=False)
        await response.prepare(request)
        socket = Socket(request, binary=self.binary)
        self.connected += 1
        self.sockets.append(socket)
        writing = asyncio.create_task(socket.write(response))
        try:
            self.greet(socket)
            async for message in response:
                await self._take(socket, response, message.type, message.data)
        finally:
            self.sockets.remove(socket)
            writing.cancel()
        return response

    async def _take(self, socket: Socket, response: web.WebSocketResponse, kind: WSMsgType, data: object) -> None:
        if kind is WSMsgType.PING and isinstance(data, (bytes, bytearray)) and not socket.silent:
            await response.pong(bytes(data))
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            text = data if isinstance(data, str) else bytes(data).decode() if isinstance(data, bytes) else ""
            self.heard.append(text)
            self.hear(socket, text)

    def _happened(self, entries: Sequence[Entry]) -> None:
        """Tell whom it concerns, once the world stands as it now does."""
        for socket in self.sockets:
            for entry in entries:
                if isinstance(entry.fact, Told) and entry.fact.account == socket.account:
                    for frame in self.told(socket, entry.fact):
                        self._send(socket, frame)

    def _send(self, socket: Socket, frame: object) -> None:
        for _ in range(0 if self.dropping else 2 if self.repeating else 1):
            if self._held is None:
                socket.send(frame)
            else:
                self._held.append((socket, frame))


def document(text: str) -> dict[str, object]:
    """The object of JSON that a client sent; empty where it sent something else."""
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
