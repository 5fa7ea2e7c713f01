"""The venue's API over HTTP: one route for each call of the port, and each failure told as venues tell it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
from aiohttp import web

from tieout.brokers.base import OrderRequest
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
    TieoutError,
)
from tieout.model.snapshot import Moment

from . import protocol
from .adapter import SimulatedBroker
from .faults import FaultPlan
from .protocol import PATHS, Found, OrderId, Refusal, Rows, Time
from .world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CUT_OFF = b'{"rows":[{"asset":"BT'
_STATUS: dict[type[TieoutError], int] = {
    SourceTimeout: protocol.TIMEOUT_STATUS,
    SourceThrottled: protocol.THROTTLED_STATUS,
    SourceRefused: protocol.FORBIDDEN_STATUS,
    SourceUnreachable: protocol.UNAVAILABLE_STATUS,
    ActionRefused: protocol.REFUSED_STATUS,
}


class Venue:
    """A world, and for each account that was asked for one broker with a fault plan of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.failed = asyncio.Event()
        self._brokers: dict[str, SimulatedBroker] = {}

    def broker(self, account: str) -> SimulatedBroker:
        """The broker for *account*; its faults are seeded from world and name."""
        if account not in self._brokers:
            plan = FaultPlan(random.Random(f"{self.world.recorder.state.seed}/{account}"))
            self._brokers[account] = SimulatedBroker(self.world, account, faults=plan)
        return self._brokers[account]


def reply(body: object, status: int = 200) -> web.Response:
    """An answer in JSON, decimals as strings."""
    return web.Response(body=protocol.encode(body), status=status, content_type="application/json")


@web.middleware
async def tell_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn failures into statuses; an outcome that must stay unknown ends in a broken connection."""
    try:
        return await handler(request)
    except SourceIncomplete as error:
        return reply(Rows(error.rows, complete=False), protocol.PARTIAL_STATUS)
    except SourceMalformed:
        return web.Response(body=_CUT_OFF, content_type="application/json")
    except OutcomeUnknown:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=protocol.UNAVAILABLE_STATUS)
    except (msgspec.DecodeError, ValueError) as error:
        return reply(Refusal(str(error)), protocol.BAD_REQUEST_STATUS)
    except TieoutError as error:
        response = reply(Refusal(_reason(error)), _STATUS.get(type(error), 500))
        if isinstance(error, SourceThrottled):
            response.headers["Retry-After"] = str(error.retry_after_s or 0)
        return response


def _reason(error: TieoutError) -> str:
    return error.reason if isinstance(error, ActionRefused) else str(error)


class VenueRoutes:
    """The calls of the port, read from requests."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[web.RouteDef]:
        """Every route of the venue's API."""
        reads: dict[str, Handler] = {
            "get_positions": self._positions,
            "get_balances": self._balances,
            "get_open_orders": self._open_orders,
            "get_fills": self._fills,
            "get_activities": self._activities,
            "get_order": self._order,
            "get_account_info": self._info,
            "get_instruments": self._instruments,
            "server_time": self._time,
        }
        # An action is a POST, also a cancel: HTTP clients repeat a DELETE by themselves.
        actions: dict[str, Handler] = {"submit_order": self._submit, "cancel_order": self._cancel}
        return [
            *(web.get(f"/v1/{{account}}/{PATHS[call]}", read) for call, read in reads.items()),
            *(web.post(f"/v1/{{account}}/{PATHS[call]}", act) for call, act in actions.items()),
        ]

    def _broker(self, request: web.Request) -> SimulatedBroker:
        return self._venue.broker(request.match_info["account"])

    async def _positions(self, request: web.Request) -> web.Response:
        return reply(Rows(await self._broker(request).get_positions(), complete=True))

    async def _balances(self, request: web.Request) -> web.Response:
        return reply(Rows(await self._broker(request).get_balances(), complete=True))

    async def _open_orders(self, request: web.Request) -> web.Response:
        return reply(Rows(await self._broker(request).get_open_orders(), complete=True))

    async def _fills(self, request: web.Request) -> web.Response:
        return reply(Rows(await self._broker(request).get_fills(_since(request)), complete=True))

    async def _activities(self, request: web.Request) -> web.Response:
        return reply(Rows(await self._broker(request).get_activities(_since(request)), complete=True))

    async def _order(self, request: web.Request) -> web.Response:
        ids = msgspec.convert(dict(request.query), OrderId)
        order = await self._broker(request).get_order(
            broker_order_id=ids.broker_order_id, client_order_id=ids.client_order_id
        )
        return reply(Found(order is not None, order))

    async def _info(self, request: web.Request) -> web.Response:
        return reply(await self._broker(request).get_account_info())

    async def _instruments(self, request: web.Request) -> web.Response:
        assets = msgspec.json.decode(request.query.get("assets", ""), type=tuple[str, ...])
        return reply(Rows(await self._broker(request).get_instruments(assets), complete=True))

    async def _time(self, request: web.Request) -> web.Response:
        return reply(Time(await self._broker(request).server_time()))

    async def _submit(self, request: web.Request) -> web.Response:
        order = msgspec.json.decode(await request.read(), type=OrderRequest)
        return reply(await self._broker(request).submit_order(order))

    async def _cancel(self, request: web.Request) -> web.Response:
        ids = msgspec.json.decode(await request.read(), type=OrderId)
        order = await self._broker(request).cancel_order(
            broker_order_id=ids.broker_order_id, client_order_id=ids.client_order_id
        )
        return reply(order)


def _since(request: web.Request) -> datetime:
    return msgspec.convert(request.query.get("since", ""), Moment)
