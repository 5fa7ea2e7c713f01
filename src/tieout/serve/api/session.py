"""Logging in and out, for people. Programs show a token instead."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Struct

from tieout.record.grants import Denial
from tieout.record.users import LASTS
from tieout.serve.access.callers import Session
from tieout.serve.access.roles import Role
from tieout.serve.api.guard import COOKIE, desk_of, origin_of, require_from_here, require_login_pace, session_of
from tieout.serve.api.problems import Denied
from tieout.serve.api.shapes import answer, body_of, gives, takes

router = APIRouter(prefix="/v1/session", tags=["session"])


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who logs in."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"LoginRequest(name={self.name!r})"


class SessionAnswer(Struct, frozen=True, kw_only=True):
    """Who is logged in. `csrf` goes into the header X-CSRF-Token of every request that changes anything."""

    name: str
    roles: tuple[Role, ...]
    accounts: tuple[str, ...] | None
    sees_amounts: bool
    csrf: str
    until: datetime


class Ended(Struct, frozen=True):
    """That nobody is logged in."""

    ended: bool


@router.post(
    "",
    responses=gives(SessionAnswer),
    openapi_extra=takes(LoginRequest),
    dependencies=[Depends(require_from_here)],
    response_class=Response,
)
async def log_in(request: Request, body: Annotated[LoginRequest, Depends(body_of(LoginRequest))]) -> Response:
    """Log in: the answer sets a cookie that scripts cannot read."""
    desk = desk_of(request)
    require_login_pace(request)
    login = await desk.callers.login(body.name, body.password)
    if login.session is None:
        denial = Denial(who=None, origin=origin_of(request), what="log in", why=login.why)
        await desk.denials.note(denial)
        wait = (
            None if login.again_at is None else max(1, -((desk.clock.now() - login.again_at) // timedelta(seconds=1)))
        )
        again = "" if wait is None else f"; try again in {wait} s"
        raise Denied(HTTPStatus.UNAUTHORIZED, login.why + again, wait)
    told = answer(_told(login.session))
    told.set_cookie(
        COOKIE,
        login.cookie,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return told


@router.get("", responses=gives(SessionAnswer), response_class=Response)
async def show_session(request: Request) -> Response:
    """Who is logged in."""
    session = await session_of(request)
    if session is None:
        raise Denied(HTTPStatus.UNAUTHORIZED, "nobody is logged in")
    return answer(_told(session))


@router.delete("", responses=gives(Ended), dependencies=[Depends(require_from_here)], response_class=Response)
async def log_out(request: Request) -> Response:
    """Log out. Safe to repeat."""
    cookie = request.cookies.get(COOKIE)
    if cookie:
        await desk_of(request).callers.logout(cookie)
    told = answer(Ended(True))
    told.delete_cookie(COOKIE)
    return told


def _told(session: Session) -> SessionAnswer:
    caller = session.caller
    return SessionAnswer(
        name=caller.name,
        roles=tuple(sorted(caller.roles)),
        accounts=None if caller.accounts is None else tuple(sorted(caller.accounts)),
        sees_amounts=caller.sees_amounts,
        csrf=session.csrf,
        until=session.until,
    )
