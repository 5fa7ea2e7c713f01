"""The pages put beside the interface, on one application: NiceGUI is told here how to serve them, and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import nicegui
from fastapi import FastAPI
from nicegui import Client, core, ui
from starlette.staticfiles import StaticFiles

from tieout.record.settings import RecordSettings
from tieout.serve.dashboard import account, accounts, audit, breaks, charts, life, signing_in
from tieout.serve.dashboard.gate import Gate, Pages
from tieout.serve.dashboard.glancing import Glances
from tieout.serve.dashboard.verifying import Verifier
from tieout.serve.dashboard.visitor import cookie_in
from tieout.serve.desk import Desk

ASSETS = Path(__file__).parent / "assets"
RECONNECT_SECONDS = 5
PATIENCE_SECONDS = 30  # for a page to be made, on a machine that is busy
PAGES: dict[str, Callable[..., Awaitable[None]]] = {
    "/": accounts.show,
    "/accounts/{account}": account.show,
    "/breaks": breaks.show,
    "/history": charts.show,
    "/audit": audit.show,
    "/breaks/{break_id}": life.show,
}
HEAD = (
    '<link rel="stylesheet" href="/assets/tieout.css"><script src="/assets/theme.js"></script>'
    '<script defer src="/assets/live.js"></script>'
)


def add_dashboard(app: FastAPI, desk: Desk, record: RecordSettings) -> None:
    """Let *app* serve the pages over *desk*, beside what it serves already; once in a process, for NiceGUI is one."""
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
    app.include_router(signing_in.router)
    if desk.elsewhere is not None:
        from tieout.serve.dashboard import signing_in_elsewhere  # loads what only the extra has

        app.include_router(signing_in_elsewhere.router)
    for path, show in PAGES.items():
        ui.page(path, title="Tieout", response_timeout=PATIENCE_SECONDS)(show)
    ui.run_with(
        app,
        favicon=ASSETS / "tieout.svg",
        dark=None,
        language="en-US",
        reconnect_timeout=RECONNECT_SECONDS,
        tailwind=False,
        show_welcome_message=False,
        gzip_middleware_factory=None,
    )
    nicegui.app.state.desk, nicegui.app.state.glances = desk, Glances(desk)
    nicegui.app.state.verifier = Verifier(record, desk.clock)
    app.router.routes.pop()  # it let everybody in
    app.router.routes.append(Pages(Gate(nicegui.app, desk), app.router))
    ui.add_head_html(HEAD, shared=True)
    _bind_events()


def _bind_events() -> None:
    """Let a socket speak for pages of its own session alone, even where somebody learnt the name of another's page."""
    handlers = core.sio.handlers["/"]
    handlers["log"] = lambda _sid, _message: None  # nobody writes into our log from outside
    for name in ("handshake", "event", "javascript_response", "ack"):
        handlers[name] = _bound(getattr(handlers[name], "inner", handlers[name]))
    handlers["connect"] = _bound_connect(getattr(handlers["connect"], "inner", handlers["connect"]))


def _bound(inner: Any) -> Any:
    def heard(sid: str, message: Any) -> Any:
        named = message.get("client_id") if isinstance(message, dict) else None
        return inner(sid, message) if _is_own(named, core.sio.get_environ(sid) or {}) else False

    heard.inner = inner  # type: ignore[attr-defined]
    return heard


def _bound_connect(inner: Any) -> Any:
    """A socket may say in its address already which page it is of: that is no way round."""

    async def heard(sid: str, environ: Any, sent: Any = None) -> Any:
        named = parse_qs(environ.get("QUERY_STRING", "")).get("client_id", [None])[0]
        if named is not None and not _is_own(named, environ):
            return False
        return await inner(sid, environ, sent)

    heard.inner = inner  # type: ignore[attr-defined]
    return heard


def _is_own(named: object, environ: Mapping[str, str]) -> bool:
    """Whether the page of that name was made for the session that a socket shows."""
    client = Client.instances.get(named) if isinstance(named, str) else None
    shown = cookie_in(environ.get("HTTP_COOKIE", ""))
    if client is None or client.request is None or shown is None:
        return False
    return shown == cookie_in(client.request.headers.get("cookie", ""))
