"""The witness behind HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tieout.errors import RecordError, RecordUnavailable
from tieout.record.witness.judging import Witness
from tieout.record.witness.protocol import MAX_REQUEST, PATH

SECONDS = 5  # for one request to arrive


@asynccontextmanager
async def serving(witness: Witness, host: str, port: int, *, tell: Callable[[str], None]) -> AsyncIterator[str]:
    """The witness' address, for as long as the context lasts.

    Args:
        witness: Who answers.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        tell: Told in a sentence when it could not answer.

    Raises:
        RecordUnavailable: It cannot listen there.
    """

    async def answer(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(SECONDS):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408, text="the request did not end in time\n")
        try:
            # On a thread: it waits for the disk, and other logs need not wait with it.
            reply = await asyncio.to_thread(witness.add_checkpoint, body)
        except RecordError as error:
            tell(error.why)
            return web.Response(status=503, text="the witness cannot remember anything now\n")
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)

    app = web.Application(client_max_size=MAX_REQUEST)
    app.router.add_post(PATH, answer)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise RecordUnavailable(
                f"cannot listen on {host}:{port} ({error.strerror}); give another --listen"
            ) from None
        yield f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
