"""A line to PostgreSQL that can be cut at the worst moment: while a transaction is being committed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

SOCKET = ".s.PGSQL.5432"
COMMIT = b"COMMIT;"
Cut = Literal["none", "before the commit", "after the commit", "silence"]


class Proxy:
    """Forwards bytes between clients and a server's socket.

    Args:
        server: The folder of the server's socket.

    Attributes:
        cut: What befalls the next commit: it never arrives, or its answer is lost. Or everything: nothing is answered.
        cuts: How often a commit was cut off.
    """

    def __init__(self, server: Path) -> None:
        self._server = server / SOCKET
        self.cut: Cut = "none"
        self.cuts = 0
        self._spared = 0

    def arm(self, cut: Cut, *, after: int = 0) -> None:
        """Cut the next commit but for so many before it."""
        self.cut, self._spared = cut, after

    async def listen(self, folder: Path) -> asyncio.Server:
        """Take clients at a socket in *folder*."""
        return await asyncio.start_unix_server(self._serve, folder / SOCKET)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_unix_connection(self._server)
        lost = asyncio.Event()  # whether answers still reach the client
        pumps = [
            asyncio.create_task(self._ask(reader, server, lost)),
            asyncio.create_task(self._answer(answers, writer, lost)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            server.close()
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        """Pass on what a client says, up to the cut."""
        while data := await reader.read(65536):
            if self.cut == "silence":
                continue
            cut = self._strikes(data)
            if cut == "before the commit":
                return
            if cut == "after the commit":
                lost.set()
            server.write(data)
            await server.drain()

    def _strikes(self, data: bytes) -> Cut:
        """How the line is cut at what a client says, if it is."""
        if self.cut == "none" or COMMIT not in data:
            return "none"
        if self._spared:
            self._spared -= 1
            return "none"
        cut, self.cut, self.cuts = self.cut, "none", self.cuts + 1
        return cut

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        """Pass on what the server says; where the answer to a commit comes that is to be lost, the line ends."""
        while (data := await reader.read(65536)) and not lost.is_set():
            if self.cut != "silence":
                writer.write(data)
                await writer.drain()
