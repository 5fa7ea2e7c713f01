"""The control API: lets things happen at the venue, beside its own API. For tests and demos; a real venue has none."""

from __future__ import annotations

import msgspec
from aiohttp import web

from . import protocol
from .commands import Command, Inject, inject, perform
from .protocol import Truth
from .venue_api import Venue, reply

_command = msgspec.json.Decoder(Command)
_inject = msgspec.json.Decoder(Inject)


class ControlRoutes:
    """Commands, faults, and the truth."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[web.RouteDef]:
        """Every route of the control API."""
        return [
            web.post("/control/perform", self._perform),
            web.post("/control/faults", self._faults),
            web.get("/control/truth/{account}", self._truth),
        ]

    async def _perform(self, request: web.Request) -> web.Response:
        return reply(perform(self._venue.world, _command.decode(await request.read())))

    async def _faults(self, request: web.Request) -> web.Response:
        command = _inject.decode(await request.read())
        self._venue.world.state.account(command.account)
        inject(self._venue.broker(command.account), command)
        return web.Response(status=protocol.DONE_STATUS)

    async def _truth(self, request: web.Request) -> web.Response:
        account = request.match_info["account"]
        world = self._venue.world
        return reply(Truth(world.snapshot(account), dict(world.submits_seen(account))))
