"""A web application of a test's own, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


@asynccontextmanager
async def on_loopback(app: web.Application, **how: Any) -> AsyncIterator[str]:
    """Its address, without a slash at the end, for as long as the context stands; *how* is aiohttp's runner's."""
    runner = web.AppRunner(app, **how)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
