"""What all ccxt accounts of a process have in common: one aiohttp session, and the markets of each venue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tieout.brokers.ccxt.markets import Markets
from tieout.clock import Clock


class Shared:
    """Lends a session to clients, and gives each venue's markets; whoever made it closes it after the last broker.

    A session of its own costs each client 0.7 MB, most of it for certificates.

    Args:
        folder: Where listings of markets lie between two starts; None keeps them in memory alone.
        origin: Asked instead of the venues' own servers.
    """

    def __init__(self, clock: Clock, folder: Path | None = None, *, origin: str | None = None) -> None:
        self._clock, self._folder, self._origin = clock, folder, origin
        self._markets: dict[tuple[str, bool], Markets] = {}
        self._session: Any = None
        self._certificates: Any = None

    def markets(self, venue: str, *, sandbox: bool = False) -> Markets:
        """The markets of *venue*, or of its test network."""
        key = venue, sandbox
        if key not in self._markets:
            self._markets[key] = Markets(
                venue, clock=self._clock, folder=self._folder, sandbox=sandbox, origin=self._origin
            )
        return self._markets[key]

    def lend(self, client: Any) -> None:
        """Have *client* use the common session, made as ccxt makes its own; needs a running event loop."""
        if self._session is None:
            client.open()
            self._session, self._certificates = client.session, client.ssl_context
            client.tcp_connector = None  # the session closes it, not the first client that leaves
        client.session, client.ssl_context, client.own_session = self._session, self._certificates, False

    async def close(self) -> None:
        """End the session, and what is being fetched. Safe to repeat."""
        for markets in self._markets.values():
            await markets.close()
        if self._session is not None:
            await self._session.close()
            self._session = None
