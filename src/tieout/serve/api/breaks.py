"""Breaks: which there are, the life of one, and what people say about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Struct

from tieout.model.discrepancy import CauseCode, ReconciliationStrategy, Severity
from tieout.record.breaks import BreakRow, breaks_by_id, count_breaks
from tieout.record.breaks import list_breaks as read_breaks
from tieout.record.history import Wanted
from tieout.record.lives import Step, read_life
from tieout.record.looking import Looking
from tieout.record.standing import Plan, read_standing, with_standing
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import desk_of, needs, note_denial, of_caller, stating
from tieout.serve.api.problems import Denied
from tieout.serve.api.saying import Once, Speaker, Word, kept, speaker
from tieout.serve.api.shapes import answer, body_of, gives, takes

router = APIRouter(prefix="/v1/breaks", tags=["breaks"])
NOT_FOUND, CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
MOST = 500


class Breaks(Struct, frozen=True):
    """Breaks, the worst first; `total` is how many fit, of which these are some."""

    breaks: tuple[BreakRow, ...]
    total: int


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, for whoever reads the log later."""

    reason: str


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """Yes or no to what waits, and why; with the `plan` that was shown it is refused where another one waits by now."""

    reason: str
    plan: str | None = None


class BreakShown(Struct, frozen=True, kw_only=True):
    """A break, its life, and what waits for a person; `erased` counts readings whose amounts were erased."""

    head: BreakRow
    steps: tuple[Step, ...]
    erased: int
    waiting: Plan | None


class Acceptance(Struct, frozen=True, forbid_unknown_fields=True):
    """Until when a break is known, and why."""

    reason: str
    until: datetime


class Assignment(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to look after a break, and why."""

    reason: str
    to: str


class Resolution(Struct, frozen=True, forbid_unknown_fields=True):
    """By which other strategy a break is to be resolved, and why."""

    reason: str
    strategy: ReconciliationStrategy


class Filters(Struct, frozen=True, kw_only=True):
    """Which breaks are asked for."""

    wanted: Wanted
    closed: bool
    offset: int


def filters(
    account: Annotated[list[str], Query(default_factory=list)],
    asset: Annotated[list[str], Query(default_factory=list)],
    cause: Annotated[list[CauseCode], Query(default_factory=list)],
    severity: Annotated[list[Severity], Query(default_factory=list)],
    closed: Annotated[bool, Query(description="Closed ones too.")] = False,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Filters:
    """A dependency: the filters of a list of breaks."""
    wanted = Wanted(
        account=tuple(account),
        asset=tuple(asset),
        cause=tuple(cause),
        severity=tuple(severity),
        limit=limit,
    )
    return Filters(wanted=wanted, closed=closed, offset=offset)


@router.get("", responses=gives(Breaks), response_class=Response)
async def list_breaks(
    request: Request,
    caller: Annotated[Caller, Depends(needs(Permission.SEE))],
    asked: Annotated[Filters, Depends(filters)],
) -> Response:
    """Breaks as they were last seen, the worst first, without amounts."""
    desk = desk_of(request)
    now = desk.clock.now()

    def read(seen: Looking) -> Breaks:
        wanted = of_caller(caller, asked.wanted)
        if wanted is None:
            return Breaks((), 0)
        total = count_breaks(seen.connection, wanted, closed=asked.closed)
        page = read_breaks(seen.connection, wanted, closed=asked.closed, offset=asked.offset)
        standings = {name: read_standing(seen.connection, seen.sealed, name) for name in {row.account for row in page}}
        return Breaks(tuple(with_standing(row, standings[row.account], now) for row in page), total)

    return answer(await desk.look(read, amounts=True))


@router.get("/{break_id}", responses=gives(BreakShown, NOT_FOUND), response_class=Response)
async def show_break(
    request: Request, break_id: str, caller: Annotated[Caller, Depends(needs(Permission.SEE))]
) -> Response:
    """The whole life of a break, each step with its entry in the log, and what waits; amounts where they are shown to you."""
    head = await _head(request, break_id, caller, Permission.SEE)
    desk = desk_of(request)
    now = desk.clock.now()

    def read(seen: Looking) -> BreakShown:
        standing = read_standing(seen.connection, seen.sealed, head.account)
        shown = with_standing(head, standing, now)
        life = read_life(seen.connection, seen.sealed if caller.sees_amounts else None, shown)
        waiting = standing.plan_of(shown.discrepancy_id) if shown.awaits else None
        return BreakShown(head=shown, steps=life.steps, erased=life.erased, waiting=waiting)

    return answer(await desk.look(read, amounts=True))  # a plan names records, and no figures


def speaks(permission: Permission) -> Callable[..., object]:
    """A dependency: whoever says something of the break that the path names, where they may.

    Raises:
        Denied: They may not, or there is no such break.
    """
    may = Depends(needs(permission))

    async def of_break(request: Request, break_id: str, caller: Caller = may, once: Once = None) -> Speaker:
        head = await _head(request, break_id, caller, permission)
        return speaker(request, caller, head.discrepancy_id, once)

    return stating(permission, of_break)


_SAYS = gives(Word, NOT_FOUND, CONFLICT)
Approver = Annotated[Speaker, Depends(speaks(Permission.APPROVE))]
Commenter = Annotated[Speaker, Depends(speaks(Permission.COMMENT))]


@router.post("/{break_id}/approve", responses=_SAYS, openapi_extra=takes(Answer), response_class=Response)
async def approve(by: Approver, body: Annotated[Answer, Depends(body_of(Answer))]) -> Response:
    """Let what waits for a break be carried out, by the next reading that shows just what the last one showed."""
    return kept(await by.people.approve(by.about, actor=by.actor, why=body.reason, once=by.once, plan=body.plan))


@router.post("/{break_id}/reject", responses=_SAYS, openapi_extra=takes(Answer), response_class=Response)
async def reject(by: Approver, body: Annotated[Answer, Depends(body_of(Answer))]) -> Response:
    """Refuse what waits for a break."""
    return kept(await by.people.reject(by.about, actor=by.actor, why=body.reason, once=by.once, plan=body.plan))


@router.post("/{break_id}/accept", responses=_SAYS, openapi_extra=takes(Acceptance), response_class=Response)
async def accept(by: Approver, body: Annotated[Acceptance, Depends(body_of(Acceptance))]) -> Response:
    """Accept a break as known until a date: it neither halts nor alerts, unless it grows or turns round."""
    return kept(await by.people.accept(by.about, actor=by.actor, why=body.reason, once=by.once, until=body.until))


@router.post("/{break_id}/resolve", responses=_SAYS, openapi_extra=takes(Resolution), response_class=Response)
async def resolve(by: Approver, body: Annotated[Resolution, Depends(body_of(Resolution))]) -> Response:
    """Have a break resolved by another strategy than the policy's."""
    return kept(
        await by.people.resolve(by.about, actor=by.actor, why=body.reason, once=by.once, strategy=body.strategy)
    )


@router.post("/{break_id}/comment", responses=_SAYS, openapi_extra=takes(Reason), response_class=Response)
async def comment(by: Commenter, body: Annotated[Reason, Depends(body_of(Reason))]) -> Response:
    """Add a comment to the life of a break, open or closed."""
    return kept(await by.people.comment(by.about, actor=by.actor, why=body.reason, once=by.once))


@router.post("/{break_id}/assign", responses=_SAYS, openapi_extra=takes(Assignment), response_class=Response)
async def assign(by: Commenter, body: Annotated[Assignment, Depends(body_of(Assignment))]) -> Response:
    """Say who is to look after a break."""
    return kept(await by.people.assign(by.about, actor=by.actor, why=body.reason, once=by.once, to=body.to))


async def _head(request: Request, break_id: str, caller: Caller, permission: Permission) -> BreakRow:
    """The break that is meant.

    Raises:
        Denied: There is none, or it is of an account that is not the caller's; both are told alike.
    """
    desk = desk_of(request)
    found = await desk.look(lambda seen: breaks_by_id(seen.connection, [break_id]), amounts=False)
    if found and not caller.is_for(found[0].account):
        await note_denial(request, caller, f"may not {permission}", found[0].account)
        found = ()
    if not found:
        raise Denied(NOT_FOUND, "there is no break of that id; GET /v1/breaks lists them")
    return found[0]
