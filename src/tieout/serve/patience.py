"""How long a connection is waited for, and how much of one is kept, before it has said what it wants."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tieout.serve.proxied import BehindProxy

HEAD_S = 15
MOST_HEAD = 64 * 1024  # bytes
FROM_ONE = 500  # connections of one address at a time


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's, which by itself waits for ever for a request's head, and keeps all of it, whoever sends it."""

    _deadline: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Listen to it, where its address has not too many open."""
        super().connection_made(transport)
        self._expect()
        mine = [
            each
            for each in self.connections
            if (getattr(each, "client", None) or ("",))[0] == (self.client or ("",))[0]
        ]
        if len(mine) > FROM_ONE and not isinstance(self.config.app, BehindProxy):
            self._give_up()

    def data_received(self, data: bytes) -> None:
        """Take what it says."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect()
        super().data_received(data)
        self._head += len(data)
        if self._deadline is not None and self._head > MOST_HEAD:
            self._give_up()

    def on_headers_complete(self) -> None:
        """It said what it wants."""
        super().on_headers_complete()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._head = 0
        self._deadline = self.loop.call_later(HEAD_S, self._give_up)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._forget()
        self.transport.abort()
