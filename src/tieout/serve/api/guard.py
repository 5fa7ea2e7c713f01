"""Who asks, and whether they may: each route says what it needs, and a route that says nothing is not served."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from msgspec.structs import replace
from starlette.datastructures import Headers

from tieout.live.account import Account
from tieout.record.grants import Denial
from tieout.record.history import Wanted
from tieout.serve.access.callers import Session
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.problems import Denied
from tieout.serve.desk import Desk

PUBLIC = frozenset({"/healthz", "/readyz", "/v1/session"})
COOKIE, CSRF = "tieout_session", "X-CSRF-Token"
CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


def desk_of(request: Request) -> Desk:
    """The desk behind a request."""
    desk: Desk = request.app.state.desk
    return desk


def needs(permission: Permission) -> Callable[..., object]:
    """A dependency: whoever asks, where they may do that, on the account that the path names.

    Raises:
        Denied: 401 where nobody knows who asks, 403 where they may not; both are entries of the log. 429 where they ask too
            often.
    """

    async def allowed(request: Request) -> Caller:
        caller = await _known(request)
        require_pace(request, f"caller {caller.name}")
        account = request.path_params.get("account")
        if not caller.may(permission, account):
            await deny(request, caller, f"may not {permission}", account)
        return caller

    return stating(permission, allowed)


def stating(permission: Permission, dependency: Callable[..., object]) -> Callable[..., object]:
    """*dependency*, which asks for *permission* and says so: `require_guarded` and the matrix of tests read it."""
    dependency.permission = permission  # type: ignore[attr-defined]
    return dependency


async def deny(request: Request, caller: Caller | None, why: str, account: str | None = None) -> None:
    """Log that somebody is not let, and say so.

    Raises:
        Denied: Always.
    """
    await note_denial(request, caller, why, account)
    if caller is None:
        raise Denied(HTTPStatus.UNAUTHORIZED, "show a token that counts (Authorization: Bearer tieout_…), or log in")
    raise Denied(HTTPStatus.FORBIDDEN, f"{caller.name} {why}" + ("" if account is None else f" on {account}"))


async def note_denial(request: Request, caller: Caller | None, why: str, account: str | None = None) -> None:
    """Log that somebody is not let, whatever they are told."""
    desk = desk_of(request)
    denial = Denial(
        who=None if caller is None else caller.name,
        origin=origin_of(request),
        what=f"{request.method} {getattr(request.scope.get('route'), 'path', '?')}",
        why=why,
        account=account if account in desk.accounts else None,
    )
    await desk.denials.note(denial)


def account_of(request: Request, account: str) -> Account:
    """What is watched under that name, now.

    Raises:
        Denied: 404, nothing is.
    """
    found = desk_of(request).running.accounts.get(account)
    if found is None:
        raise Denied(HTTPStatus.NOT_FOUND, "there is no account of that name; GET /v1/accounts lists them")
    return found


def of_caller(caller: Caller, wanted: Wanted) -> Wanted | None:
    """What is wanted, of the caller's accounts alone; None where that is nothing."""
    if caller.accounts is None:
        return wanted
    mine = caller.accounts & set(wanted.account) if wanted.account else caller.accounts
    return replace(wanted, account=tuple(sorted(mine))) if mine else None


def origin_of(request: Request) -> str:
    """The address that asks."""
    return "nowhere" if request.client is None else request.client.host


async def session_of(request: Request) -> Session | None:
    """The session whose cookie a request bears."""
    cookie = request.cookies.get(COOKIE)
    return None if not cookie else await desk_of(request).callers.by_session(cookie)


async def caller_of(request: Request) -> Caller | None:
    """Whoever asks, now: by the token that they show, else by the session whose cookie they bear."""
    shown = request.headers.get("authorization")
    if shown is None:
        session = await session_of(request)
        return None if session is None else session.caller
    scheme, _, text = shown.partition(" ")
    return await desk_of(request).callers.by_token(text.strip()) if scheme.lower() == "bearer" else None


async def _known(request: Request) -> Caller:
    caller = await caller_of(request)
    if caller is not None and not await _is_from_our_page(request):
        await deny(request, caller, "sent no token of its page: is it another site that asks?")
    if caller is None:
        require_pace(request, f"address {origin_of(request)}")
        await deny(request, None, "is not known")
    assert caller is not None
    return caller


async def _is_from_our_page(request: Request) -> bool:
    """A cookie is sent by a browser whoever wrote the page; what the page itself has to show is not, nor is a token."""
    if request.method in CHANGES_NOTHING or request.headers.get("authorization") is not None:
        return True
    session = await session_of(request)
    return session is not None and hmac.compare_digest(request.headers.get(CSRF, "").encode(), session.csrf.encode())


def is_from_here(headers: Headers) -> bool:
    """Whether what is asked comes from one of our own pages, or from nobody's: never from another site's page."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is None:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    # Somebody may follow a link to us from elsewhere: that shows a page, and says nothing.
    follows = headers.get("sec-fetch-mode") == "navigate" and origin is None
    return site in ("none", "same-origin") or follows


def require_pace(request: Request, who: str) -> None:
    """Count a request of *who*.

    Raises:
        Denied: 429 where they ask too often.
    """
    wait = desk_of(request).pace.wait_seconds(who)
    if wait:
        raise Denied(HTTPStatus.TOO_MANY_REQUESTS, f"too many requests: ask again in {wait} s", wait)


def require_login_pace(request: Request) -> None:
    """Count a try to log in.

    Raises:
        Denied: 429 where too many come from one address.
    """
    wait = desk_of(request).logins.wait_seconds(origin_of(request))
    if wait:
        raise Denied(HTTPStatus.TOO_MANY_REQUESTS, f"too many tries to log in: try again in {wait} s", wait)


def require_from_here(request: Request) -> None:
    """Refuse what a page of another site lets a browser send.

    Raises:
        Denied: 403.
    """
    if not is_from_here(request.headers):
        raise Denied(HTTPStatus.FORBIDDEN, "that was sent by a page of another site")


def require_guarded(routers: Iterable[APIRouter]) -> None:
    """Every route needs something, or stands in `PUBLIC`; a new one that was forgotten never goes out."""
    for route in routes_of(routers):
        assert route.path in PUBLIC or permission_of(route) is not None, f"{route.path} says nothing of who may"


def permission_of(route: APIRoute) -> Permission | None:
    """What a route needs; None where it says nothing."""
    for each in route.dependant.dependencies:
        found: Permission | None = getattr(each.call, "permission", None)
        if found is not None:
            return found
    return None


def routes_of(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    """The routes of *routers*, which have no others below them."""
    for router in routers:
        for route in router.routes:
            assert isinstance(route, APIRoute), "what is no route of an API cannot say what it needs"
            yield route
