"""Signing in and out: two forms, which work without a script. A token that is shown here is not kept."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from tieout.record.grants import Denial
from tieout.serve.api.guard import desk_of
from tieout.serve.dashboard.gate import LOGIN, is_from_here
from tieout.serve.dashboard.visitor import COOKIE, LONGEST, Visitors

MAX_FORM = 4096
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
UNKNOWN = "That token does not count: it is mistyped, has expired or was revoked."
ELSEWHERE = "That did not come from this page: open it anew, and try again."

router = APIRouter(include_in_schema=False)
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "assets"), autoescape=True, undefined=StrictUndefined
)


def visitors_of(request: Request) -> Visitors:
    """Who is signed in, behind a request."""
    visitors: Visitors = request.app.state.visitors
    return visitors


@router.get(LOGIN)
async def show_form(request: Request) -> Response:
    """The form; whoever is signed in already goes on to the pages."""
    if await visitors_of(request).known(request.cookies.get(COOKIE)) is not None:
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    return _form()


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Begin a session for whoever shows a token that counts."""
    if not is_from_here(request.headers):
        return _form(ELSEWHERE, HTTPStatus.FORBIDDEN)
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_FORM:
            return _form(UNKNOWN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    shown = parse_qs(bytes(raw).decode("utf-8", "replace")).get("token", [""])[0]
    cookie = await visitors_of(request).enter(shown)
    if cookie is None:
        desk = desk_of(request)
        denial = Denial(at=desk.clock.now(), who=None, what=f"POST {LOGIN}", why="is not known")
        await desk.grants.denied(denial, once=secrets.token_hex(8))
        return _form(UNKNOWN, HTTPStatus.UNAUTHORIZED)
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=LONGEST.days * 86_400 + LONGEST.seconds,
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",
    )
    return answer


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session, wherever else it is open."""
    if is_from_here(request.headers):
        visitors_of(request).leave(request.cookies.get(COOKIE))
    answer = RedirectResponse(LOGIN, HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


def _form(problem: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    page = _pages.get_template("login.html.jinja").render(problem=problem)
    return HTMLResponse(page, status, {"Content-Security-Policy": POLICY})
