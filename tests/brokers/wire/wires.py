"""Wires for tests, and a server on 127.0.0.1 whose every answer a test writes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tieout.brokers.wire.breaker import Tolerance
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.clock import Clock, SystemClock

AMPLE = Limits(((100_000, 1000),))
NEVER_OPEN = Tolerance(failures=10**6)
ONCE = ReadPatience(tries_again=0)

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def wire(
    clock: Clock | None = None,
    patience: ReadPatience = ONCE,
    *,
    limits: Limits = AMPLE,
    tolerance: Tolerance = NEVER_OPEN,
    seed: int = 7,
) -> Wire:
    """A wire to the venue "v"; unless told otherwise it tries once, has ample room, and its breaker never opens."""
    return Wire(
        "v",
        clock=clock or SystemClock(),
        limits=limits,
        patience=patience,
        tolerance=tolerance,
        random=random.Random(seed),
    )


class Server:
    """Answers each request by `answer`, and keeps what was asked."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, bytes]] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Keep, then answer."""
        self.asked.append((request.method, request.path_qs, await request.read()))
        return await self.answer(request)


@asynccontextmanager
async def serving(answer: Answering) -> AsyncIterator[Server]:
    """A server on a free port of the loopback interface, until the context ends."""
    server = Server(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
