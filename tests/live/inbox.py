"""A receiving end of one's own: an HTTP server that takes messages, refuses them, keeps people waiting, or is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from aiohttp import web

TOKEN = "s3cr3t-canary-9f2c"


class Inbox:
    """What came in. `mode` says how it answers; `on_message` is called before it does."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.mode: Literal["ok", "refuse", "silent"] = "ok"
        self.on_message: Callable[[], None] = lambda: None
        self.tries = 0
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its address as apprise reads it, with secrets in every place that an address has for them."""
        at = f"127.0.0.1:{self._port}"
        return f"json://user:{TOKEN}@{at}/hook/{TOKEN}?+X-Token={TOKEN}&-key={TOKEN}&rto=1&cto=1"

    @property
    def bodies(self) -> list[str]:
        """The text of each message."""
        return [message["message"] for message in self.messages]

    async def start(self) -> None:
        """Listen; at the same port as before where there was one."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)  # it would show the address
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        if not self._port:
            self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be down."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._released = asyncio.Event()

    async def _take(self, request: web.Request) -> web.Response:
        self.tries += 1
        if self.mode == "silent":
            await self._released.wait()
            return web.Response(status=503)
        if self.mode == "refuse":
            return web.Response(status=500, text=f"no, {TOKEN}")
        self.messages.append(await request.json())
        self.on_message()
        return web.Response(text="thanks")
