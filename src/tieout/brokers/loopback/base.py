"""The server that every skin is put on: listens on 127.0.0.1, checks who asks, lets faults strike, keeps what was asked.

A skin gives `routes` (handlers that return a `Reply`, or a document of JSON for one of status 200), `authenticate` for those
that are signed, and `no` for the world's refusals. Rows come from `desk`, never from the world directly, so that lies show.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from tieout.brokers.simulated import World
from tieout.clock import Clock, SystemClock
from tieout.errors import ActionRefused, TieoutError
from tieout.model.amounts import dec

from .bodies import Reply, bent, send
from .desk import Desk
from .faults import HttpFault, HttpFaults, HttpRule
from .rights import ALL
from .sockets import LoopbackStream

_GRACE_S = 0.1
_OF_KEYS = (
    "apiRestrictions",
    "query-api",
    "account/config",
    "GetApiKeyInfo",
    "key_permissions",
)  # any key may ask these
_PAGING = frozenset(("after", "cursor", "fromId", "ofs", "page", "page_token", "until", "createdBeforeOrAt"))
_MOMENTARY = frozenset(("nonce", "recvWindow", "signature", "timestamp"))


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """One key of an account; at venues without keys, `key` is the address that names the account.

    *may* are its rights: "read", "trade", "withdraw", "move"; and "bound", if it is bound to addresses.
    """

    account: str
    key: str
    secret: str = ""
    password: str = ""
    may: frozenset[str] = ALL


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `target` is path and query as they were sent; header names are lower case.

    `names` are what stands in the route's braces, `account` is the world's account once the signature was checked.
    """

    method: str
    target: str
    body: str
    headers: Mapping[str, str]
    names: Mapping[str, str] = {}
    account: str = ""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query as it was sent."""
        return self.target.partition("?")[2]

    @property
    def fields(self) -> dict[str, str]:
        """The query's and a form's fields."""
        form = "" if self.body.startswith(("{", "[")) else self.body
        return dict(parse_qsl(self.query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True))

    @property
    def document(self) -> Any:
        """The body's JSON, numbers with a fraction as `Decimal`.

        Raises:
            Refused: It is none.
        """
        try:
            return json.loads(self.body, parse_float=dec)
        except ValueError:
            raise Refused(Reply({"msg": "no JSON"}, 400)) from None


class Refused(TieoutError):
    """The skin's answer is a refusal: *reply* is sent."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"refused with status {reply.status}")


Handler = Callable[[Asked], object]


class Route(msgspec.Struct, frozen=True):
    """Who answers *method* at *path*; what stands there in braces is a name for what stands in the request."""

    method: str
    path: str
    handler: Handler
    signed: bool = True


def _list(asked: Asked) -> str:
    """Which list a request asks a page of: its path and fields, but for those that say which page, when, and who asks."""
    kept = {name: value for name, value in asked.fields.items() if name not in _PAGING | _MOMENTARY}
    return f"{asked.method} {asked.path} {sorted(kept.items())}"


class LoopbackVenue(ABC):
    """A venue's protocol over *world*.

    Args:
        world: The truth; several servers may share it.
        logins: The keys that are let in, each with the world's account it is for.
        clock: What signatures' times are held against; the world's by default. A client that lives in the machine's time
            while the world is virtual needs the machine's.

    Attributes:
        latency_s: Added to every answer.
        skew: By how much the venue's clock is ahead, for signatures and for its own time.
        asked: Every request so far, oldest first.
        streams: The venue's WebSockets, where it has some.
        steps: Of prices and of quantities, as they are listed for some assets. Who trades keeps to them; nobody looks.
    """

    kinds: frozenset[str] = frozenset()  # fields whose words name a kind of account or of row
    stream_kinds: ClassVar[tuple[Callable[[Any], LoopbackStream], ...]] = ()  # the venue's WebSockets

    def __init__(self, world: World, *logins: Login, clock: Clock | None = None) -> None:
        self.world, self.desk = world, Desk(world)
        self.logins = {login.key: login for login in logins}
        self.steps: dict[str, tuple[str, str]] = {}
        self.may: frozenset[str] = ALL  # the rights of whoever asks at the moment
        self.faults = HttpFaults()
        self.asked: list[Asked] = []
        self.latency_s: float = 0
        self.skew = timedelta()
        self._clock = clock or world.clock
        self._waits = SystemClock()
        self._stopping = asyncio.Event()
        self._before: dict[str, Reply] = {}
        self.streams = tuple(kind(self) for kind in self.stream_kinds)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> LoopbackVenue:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on a free port; `url` is then where, without a slash at the end."""
        app = web.Application()
        for route in self.routes():
            app.router.add_route(route.method, route.path, self._serving(route))
        for stream in self.streams:
            stream.open(app, self.world)
        app.router.add_route("*", "/{path:.*}", self._serving(Route("*", "", self.unknown, signed=False)))
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_GRACE_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port; whoever still waits for an answer gets none. Safe to repeat."""
        self._stopping.set()
        for stream in self.streams:
            stream.shut(self.world)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @abstractmethod
    def routes(self) -> Iterable[Route]:
        """What the venue answers."""

    def authenticate(self, _asked: Asked) -> str:
        """The world's account that a signed request is for. For skins of venues that have signatures.

        Raises:
            Refused: The key is not known, or the signature or its time is wrong.
        """
        raise Refused(self.forbidden())

    def admitted(self, asked: Asked, login: Login) -> str:
        """The world's account of a *login* that has shown itself, if the key may do what is asked.

        Raises:
            Refused: It may not.
        """
        self.may = login.may
        about_itself = asked.path.endswith(_OF_KEYS)
        if not about_itself and ("trade" if self.acts(asked) else "read") not in login.may:
            raise Refused(self.forbidden())
        return login.account

    def acts(self, asked: Asked) -> bool:
        """Whether a request is about sending or cancelling an order. For skins."""
        return asked.method != "GET"

    def forbidden(self) -> Reply:
        """How the venue tells that the key lacks the right. For skins."""
        return Reply({"msg": "forbidden"}, 403)

    @abstractmethod
    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """How the venue tells that the world refused."""

    def unknown(self, _asked: Asked) -> Reply:
        """What a path that the venue does not have is answered. For skins."""
        return Reply({"msg": "not found"}, 404)

    def endpoint(self, asked: Asked) -> str:
        """What fault rules know a request by: ``METHOD /path?query``; skins may add words of the body."""
        return f"{asked.method} {asked.target}"

    def present(self) -> datetime:
        """The venue's time."""
        return self.world.clock.now() + self.skew

    def fresh(self, told: datetime, *, behind: timedelta, ahead: timedelta) -> bool:
        """Whether a signature's time is near enough to the venue's, by the clock of signatures or by the world's own."""
        clocks = (self._clock.now() + self.skew, self.present())
        return any(present - behind <= told <= present + ahead for present in clocks)

    def _serving(self, route: Route) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.StreamResponse:
            asked = Asked(
                method=request.method,
                target=request.raw_path,
                body=await request.text(),
                headers={name.lower(): value for name, value in request.headers.items()},
                names=dict(request.match_info),
            )
            self.asked.append(asked)
            return await self._answer(request, route, asked)

        return serve

    async def _answer(self, request: web.Request, route: Route, asked: Asked) -> web.StreamResponse:
        if self.latency_s:
            await self._waits.sleep(self.latency_s)
        rule = self.faults.draw(self.endpoint(asked))
        reply = Reply({}) if rule is not None and not rule.effective else self._reply(route, asked, rule)
        if rule is not None and rule.fault is HttpFault.STALL:
            with contextlib.suppress(TimeoutError):  # its end is what was asked for
                await asyncio.wait_for(self._stopping.wait(), rule.seconds or None)
        if rule is not None and rule.fault is HttpFault.DUPLICATE and _PAGING & set(asked.fields):
            reply = self._before.get(_list(asked), reply)
        self._before[_list(asked)] = reply
        return await send(request, bent(rule, reply, self.kinds), rule, self._waits)

    def _reply(self, route: Route, asked: Asked, rule: HttpRule | None) -> Reply:
        """What the skin answers, with the world bent by *rule* for as long as that takes."""
        self.desk.rule = rule
        try:
            if route.signed:
                asked = msgspec.structs.replace(asked, account=self.authenticate(asked))
            told = route.handler(asked)
        except Refused as refused:
            return refused.reply
        except ActionRefused as error:
            return self.no(asked, error)
        finally:
            self.desk.rule = None
        return told if isinstance(told, Reply) else Reply(told)
