"""Who asks, and whether they may: each route says what it needs, and a route that says nothing is not served."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute

from tieout.record.grants import Denial
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.access.tokens import caller_of, read_token
from tieout.serve.api.problems import Denied
from tieout.serve.desk import Desk

PUBLIC = frozenset({"/healthz", "/readyz"})


def desk_of(request: Request) -> Desk:
    """The desk behind a request."""
    desk: Desk = request.app.state.desk
    return desk


def needs(permission: Permission) -> Callable[..., object]:
    """A dependency: whoever asks, where they may do that, on the account that the path names.

    Raises:
        Denied: 401 where nobody knows who asks, 403 where they may not; both are entries of the log.
    """

    async def allowed(request: Request) -> Caller:
        caller = await _known(request)
        account = request.path_params.get("account")
        if not caller.may(permission, account):
            await deny(request, caller, f"may not {permission}", account)
        return caller

    allowed.permission = permission  # type: ignore[attr-defined]  # for `require_guarded`
    return allowed


async def deny(request: Request, caller: Caller | None, why: str, account: str | None = None) -> None:
    """Log that somebody is not let, and say so.

    Raises:
        Denied: Always.
    """
    desk = desk_of(request)
    route = request.scope.get("route")
    what = f"{request.method} {getattr(route, 'path', '?')}"
    who = None if caller is None else caller.name
    denial = Denial(
        at=desk.clock.now(), who=who, what=what, why=why, account=account if account in desk.accounts else None
    )
    await desk.grants.denied(denial, once=secrets.token_hex(8))
    if caller is None:
        raise Denied(HTTPStatus.UNAUTHORIZED, "show a token that counts: Authorization: Bearer tieout_…")
    raise Denied(HTTPStatus.FORBIDDEN, f"{caller.name} {why}" + ("" if account is None else f" on {account}"))


async def _known(request: Request) -> Caller:
    shown = request.headers.get("authorization", "")
    scheme, _, text = shown.partition(" ")
    read = read_token(text.strip()) if scheme.lower() == "bearer" else None
    desk = desk_of(request)
    caller = None
    if read is not None:
        name, digest = read
        caller = caller_of(await desk.grants.token(name), digest, desk.clock.now())
    if caller is None:
        await deny(request, None, "is not known")
    assert caller is not None
    return caller


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
