"""The control API's client: lets things happen in a simulated venue that runs as a process of its own."""

from __future__ import annotations

from typing import TypeVar

import aiohttp
import msgspec

from tieout.errors import ActionRefused, SourceUnreachable

from . import protocol
from .commands import Command, Happened, Inject
from .protocol import Refusal, Truth

T = TypeVar("T")


class RemoteWorld:
    """A world behind its control API."""

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def perform(self, command: Command) -> Happened:
        """Let *command* happen.

        Raises:
            ActionRefused: It contradicts the world as it stands; nothing happened.
            SourceUnreachable: The process did not answer; it may have happened.
        """
        return msgspec.json.decode(await self._call("POST", "perform", command), type=Happened)

    async def inject(self, command: Inject) -> None:
        """Change what goes wrong for an account from now on."""
        await self._call("POST", "faults", command)

    async def truth(self, account: str) -> Truth:
        """The account as it truly stands."""
        return msgspec.json.decode(await self._call("GET", f"truth/{account}"), type=Truth)

    async def close(self) -> None:
        """Close the connections. Safe to repeat."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(self, method: str, path: str, message: Command | Inject | None = None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        data = None if message is None else protocol.encode(message)
        try:
            async with self._session.request(method, f"{self._url}/control/{path}", data=data) as response:
                body, status = await response.read(), response.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable("simulated", path, type(error).__name__) from error
        if status in (protocol.REFUSED_STATUS, protocol.BAD_REQUEST_STATUS):
            raise ActionRefused(path, msgspec.json.decode(body, type=Refusal).reason)
        if status not in (200, protocol.DONE_STATUS):
            raise SourceUnreachable("simulated", path, f"status {status}")
        return body
