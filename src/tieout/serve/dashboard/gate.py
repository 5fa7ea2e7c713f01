"""What stands before the pages: nobody who is not signed in gets anything, and nothing is fetched from elsewhere."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Match, Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tieout.errors import RecordError
from tieout.record.grants import Denial
from tieout.serve.access.roles import Caller
from tieout.serve.api.guard import COOKIE, is_from_here
from tieout.serve.dashboard.visitor import caller_by, cookie_in
from tieout.serve.desk import Desk

LOGIN = "/login"
API = "/v1/"
# The pages' own scripts are compiled in the browser, so they cannot do without these two; nothing comes from elsewhere.
PAGES_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class Gate:
    """Lets those in who are signed in. It is looked at again in each event: a socket stays open for long."""

    def __init__(self, pages: ASGIApp, desk: Desk) -> None:
        self._pages, self._desk = pages, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        headers = Headers(scope=scope)
        known = await caller_by(cookie_in(headers.get("cookie", "")), self._desk)
        if known is None or not is_from_here(headers):
            await self._note(known, scope, headers)
            await _refuse(scope, receive, send)
            return
        wait = 0 if scope["path"].startswith("/_nicegui") else self._desk.pace.wait_seconds(f"caller {known.name}")
        if wait:
            late = PlainTextResponse(f"too many requests: ask again in {wait} s\n", 429, {"Retry-After": str(wait)})
            await late(scope, receive, send)
            return
        # Whoever asks may not say where the page fetches its scripts.
        scope["headers"] = [each for each in scope["headers"] if not each[0].lower().startswith(b"x-forwarded-prefix")]

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", PAGES_POLICY)
            await send(message)

        await self._pages(scope, receive, with_policy)

    async def _note(self, known: Caller | None, scope: Scope, headers: Headers) -> None:
        """Log it, but for whoever shows nothing and is only led to the form."""
        if scope["type"] != "websocket" and known is None and COOKIE not in headers.get("cookie", ""):
            return
        denial = Denial(
            who=None if known is None else known.name,
            origin=(scope.get("client") or ("nowhere",))[0],
            what="page (socket)" if scope["type"] == "websocket" else "page",
            why="is not known" if known is None else "is sent by another site",
        )
        with suppress(RecordError):  # nobody is let for that
            await self._desk.denials.note(denial)


class Pages(Mount):
    """Takes what nothing else of the application knows, but for what lies below the interface's own path."""

    def __init__(self, app: ASGIApp, router: Router) -> None:
        super().__init__("/", app)
        self._router = router

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is a page that is asked for."""
        path = scope.get("path", "")
        others = (route for route in self._router.routes if route is not self)
        if path.startswith(API) or any(route.matches(scope)[0] is not Match.NONE for route in others):
            return Match.NONE, {}
        return super().matches(scope)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "sign in first"})
        return
    wants_page = "text/html" in Headers(scope=scope).get("accept", "")
    if scope["method"] == "GET" and wants_page:
        await RedirectResponse(f"{LOGIN}?next={quote(scope['path'], safe='')}", 303)(scope, receive, send)
    else:
        await PlainTextResponse("sign in first\n", 401)(scope, receive, send)
