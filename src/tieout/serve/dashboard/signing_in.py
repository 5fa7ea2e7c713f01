"""Signing in and out: two forms, which work without a script."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from tieout.errors import BadInput
from tieout.record.grants import Denial
from tieout.record.users import LASTS
from tieout.serve.access.callers import Login
from tieout.serve.api.guard import COOKIE, desk_of, is_from_here, origin_of, require_login_pace, session_of
from tieout.serve.api.problems import Denied
from tieout.serve.api.shapes import read_body
from tieout.serve.dashboard.gate import LOGIN

ELSEWHERE = LOGIN + "/oidc"
MAX_FORM = 8192
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
NOT_HERE = "That did not come from this page: open it anew, and try again."

router = APIRouter(include_in_schema=False)
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "assets"), autoescape=True, undefined=StrictUndefined
)


@router.get(LOGIN)
async def show_form(request: Request) -> Response:
    """The form; whoever is signed in already goes on to the pages."""
    after = own_path(request.query_params.get("next", "/"))
    if await session_of(request) is not None:
        return RedirectResponse(after, HTTPStatus.SEE_OTHER)
    # Whoever follows a link from elsewhere shows no cookie on the way: the form comes again by itself, and then it is there.
    return form(request, after, bounce=request.headers.get("sec-fetch-site") in ("cross-site", "same-site"))


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Begin a session for whoever gives a name and its password."""
    fields = await _fields(request)
    after = own_path(fields.get("next", "/"))
    if not is_from_here(request.headers):
        return form(request, after, NOT_HERE, HTTPStatus.FORBIDDEN)
    desk = desk_of(request)
    try:
        require_login_pace(request)
    except Denied as denied:
        return form(request, after, f"Not signed in: {denied.why}.", denied.status)
    login = await desk.callers.login(fields.get("name", ""), fields.get("password", ""))
    if login.session is None:
        await desk.denials.note(Denial(who=None, origin=origin_of(request), what="log in", why=login.why))
        again = "" if login.again_at is None else f" Try again at {login.again_at:%H:%M:%S} UTC."
        return form(request, after, f"Not signed in: {login.why}.{again}", HTTPStatus.UNAUTHORIZED)
    answer = RedirectResponse(after, HTTPStatus.SEE_OTHER)
    set_session(request, answer, login)
    return answer


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session, wherever else it is open."""
    if not is_from_here(request.headers):
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)  # another site ends nobody's session, nor has them lose it
    cookie = request.cookies.get(COOKIE)
    if cookie:
        await desk_of(request).callers.logout(cookie)
    answer = RedirectResponse(LOGIN, HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def set_session(request: Request, answer: Response, login: Login) -> None:
    """Let *answer* hand the browser the cookie of its session."""
    answer.set_cookie(
        COOKIE,
        login.cookie,
        max_age=LASTS.days * 86_400 + LASTS.seconds,
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict",
    )


def own_path(text: str) -> str:
    """*text* where it is a path of ours; else the first page: nobody is sent elsewhere from here."""
    plain = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return quote(text, safe="/%-._~") if plain else "/"


async def _fields(request: Request) -> dict[str, str]:
    try:
        raw = await read_body(request, MAX_FORM)
    except BadInput:
        return {}
    return {name: values[0] for name, values in parse_qs(raw.decode("utf-8", "replace")).items()}


def form(
    request: Request, after: str, problem: str = "", status: HTTPStatus = HTTPStatus.OK, *, bounce: bool = False
) -> Response:
    """The form, with what went wrong; a link beside it where there is an issuer to sign in through."""
    elsewhere = desk_of(request).elsewhere
    through = None if elsewhere is None else elsewhere.label
    away = f"{ELSEWHERE}?next={quote(after, safe='')}"
    told = page("login.html.jinja", problem=problem, after=after, bounce=bounce, through=through, away=away)
    return HTMLResponse(told, status, {"Content-Security-Policy": POLICY})


def page(template: str, **told: object) -> str:
    """One of the pages that work without a script."""
    return _pages.get_template(template).render(**told)
