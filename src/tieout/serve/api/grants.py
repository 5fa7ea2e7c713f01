"""Tokens and users, for those who administer."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta, Struct

from tieout.record.granted import Granted
from tieout.record.grants import TokenRow, list_tokens
from tieout.record.users import UserRow, list_users
from tieout.serve.access.roles import Caller, Permission, Role, require_name
from tieout.serve.access.tokens import make_token
from tieout.serve.api.guard import desk_of, needs
from tieout.serve.api.shapes import answer, body_of, gives, takes

router = APIRouter(prefix="/v1", tags=["access"])
Admin = Annotated[Caller, Depends(needs(Permission.ADMINISTER))]
ADMINISTERS = [Depends(needs(Permission.ADMINISTER))]
CONFLICT, CREATED = HTTPStatus.CONFLICT, HTTPStatus.CREATED


class Grant(Struct, frozen=True, kw_only=True):
    """What somebody may; `accounts` None is all. `display` is how an issuer calls whom it vouches for."""

    name: str
    roles: tuple[str, ...]
    accounts: tuple[str, ...] | None
    amounts: bool
    created_at: datetime
    created_by: str
    id: str | None = None
    ends_at: datetime | None = None
    display: str | None = None


class GrantList(Struct, frozen=True):
    """Tokens, or users."""

    grants: tuple[Grant, ...]


class TokenRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make: whose, for what, and for how many days."""

    name: str
    roles: tuple[Role, ...]
    accounts: tuple[str, ...] | None = None
    amounts: bool = False
    days: Annotated[int, Meta(ge=1, le=400)] = 90


class UserRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to make."""

    name: str
    password: str
    roles: tuple[Role, ...]
    accounts: tuple[str, ...] | None = None
    amounts: bool = False

    def __repr__(self) -> str:
        return f"UserRequest(name={self.name!r})"


class TokenMade(Struct, frozen=True):
    """A token, shown this once."""

    id: str
    token: str
    expires_at: datetime


@router.get("/tokens", responses=gives(GrantList), dependencies=ADMINISTERS, response_class=Response)
async def show_tokens(request: Request) -> Response:
    """Every token that was made, without the tokens themselves."""
    rows = await desk_of(request).look(lambda seen: list_tokens(seen.connection), amounts=False)
    return answer(GrantList(tuple(_told(row, row.id, row.revoked_at or row.expires_at) for row in rows)))


@router.post(
    "/tokens", responses=gives(TokenMade, status=CREATED), openapi_extra=takes(TokenRequest), status_code=CREATED
)
async def add_token(
    request: Request, caller: Admin, body: Annotated[TokenRequest, Depends(body_of(TokenRequest))]
) -> Response:
    """Make a token; the answer holds it, this once."""
    require_name(body.name)
    made, now = make_token(), desk_of(request).clock.now()
    row = TokenRow(
        id=made.id,
        digest=made.digest,
        name=body.name,
        roles=tuple(sorted(set(body.roles))),
        accounts=body.accounts,
        amounts=body.amounts,
        created_at=now,
        created_by=caller.name,
        expires_at=now + timedelta(days=body.days),
    )
    await desk_of(request).grants.add_token(row)
    return answer(TokenMade(made.id, made.text, row.expires_at), CREATED)


@router.delete("/tokens/{token_id}", responses=gives(GrantList, CONFLICT), response_class=Response)
async def revoke_token(request: Request, caller: Admin, token_id: str) -> Response:
    """Let a token count no more."""
    desk = desk_of(request)
    await desk.grants.revoke_token(token_id, actor=caller.name, at=desk.clock.now())
    return await show_tokens(request)


@router.get("/users", responses=gives(GrantList), dependencies=ADMINISTERS, response_class=Response)
async def show_users(request: Request) -> Response:
    """Everybody who may log in, or might once."""
    rows = await desk_of(request).look(lambda seen: list_users(seen.connection), amounts=False)
    return answer(GrantList(tuple(_told(row, None, row.disabled_at) for row in rows)))


@router.post(
    "/users",
    responses=gives(GrantList, CONFLICT, status=CREATED),
    openapi_extra=takes(UserRequest),
    status_code=CREATED,
)
async def add_user(
    request: Request, caller: Admin, body: Annotated[UserRequest, Depends(body_of(UserRequest))]
) -> Response:
    """Let a person log in."""
    require_name(body.name)
    desk = desk_of(request)
    row = UserRow(
        name=body.name,
        roles=tuple(sorted(set(body.roles))),
        accounts=body.accounts,
        amounts=body.amounts,
        created_at=desk.clock.now(),
        created_by=caller.name,
        password=await desk.callers.passwords.hash(body.password),
    )
    await desk.users.add(row)
    return answer(GrantList((_told(row, None, None),)), CREATED)


@router.delete("/users/{name}", responses=gives(GrantList, CONFLICT), response_class=Response)
async def disable_user(request: Request, caller: Admin, name: str) -> Response:
    """Let a user log in no more, and log them out everywhere."""
    desk = desk_of(request)
    await desk.users.disable(name, actor=caller.name, at=desk.clock.now())
    return await show_users(request)


def _told(row: Granted, name: str | None, ends_at: datetime | None) -> Grant:
    return Grant(
        name=row.name,
        roles=row.roles,
        accounts=row.accounts,
        amounts=row.amounts,
        created_at=row.created_at,
        created_by=row.created_by,
        id=name,
        ends_at=ends_at,
        display=getattr(row, "display", None),
    )
