"""Breaks: which there are, the life of one, and what people say about it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Struct

from tieout.model.discrepancy import CauseCode, ReconciliationStrategy, Severity
from tieout.record import breaks as kept
from tieout.record.breaks import BreakRow
from tieout.record.history import Wanted
from tieout.record.lives import Life, Step, read_life
from tieout.record.looking import Looking
from tieout.record.people import Said
from tieout.record.standing import Plan, known_accounts, read_standing, with_standing
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.accounts import Once, Word, said_once
from tieout.serve.api.guard import deny, desk_of, needs, note_denial
from tieout.serve.api.problems import Denied
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
    limit: int
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
    )
    return Filters(wanted=wanted, closed=closed, limit=limit, offset=offset)


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
        rows = [
            row
            for row in kept.list_breaks(seen.connection, asked.wanted, closed=asked.closed)
            if caller.is_for(row.account)
        ]
        names = {row.account for row in rows} & set(known_accounts(seen.connection))
        standings = {name: read_standing(seen.connection, seen.sealed, name) for name in names}
        page = rows[asked.offset : asked.offset + asked.limit]
        return Breaks(tuple(with_standing(row, standings[row.account], now) for row in page), len(rows))

    return answer(await desk.look(read, amounts=True))


@router.get("/{break_id}", responses=gives(BreakShown, NOT_FOUND), response_class=Response)
async def show_break(
    request: Request, break_id: str, caller: Annotated[Caller, Depends(needs(Permission.SEE))]
) -> Response:
    """The whole life of a break, each step with its entry in the log, and what waits; amounts where they are shown to you."""
    head = await _head(request, break_id, caller, Permission.SEE)
    desk = desk_of(request)

    def read(seen: Looking) -> Life:
        return read_life(seen.connection, seen.sealed, head)

    def waits(seen: Looking) -> Plan | None:
        plan = read_standing(seen.connection, seen.sealed, head.account).plan_of(head.discrepancy_id)
        return plan if plan is not None and plan.waits else None

    life = await desk.look(read, amounts=caller.sees_amounts)
    waiting = await desk.look(waits, amounts=True)  # what it names are records, and no figures
    return answer(BreakShown(head=life.head, steps=life.steps, erased=life.erased, waiting=waiting))


_SAYS = gives(Word, NOT_FOUND, CONFLICT)
Approver = Annotated[Caller, Depends(needs(Permission.APPROVE))]


@router.post("/{break_id}/approve", responses=_SAYS, openapi_extra=takes(Answer), response_class=Response)
async def approve(
    request: Request,
    break_id: str,
    caller: Approver,
    body: Annotated[Answer, Depends(body_of(Answer))],
    once: Once = None,
) -> Response:
    """Let what waits for a break be carried out, by the next reading that shows just what the last one showed."""
    head = await _head(request, break_id, caller, Permission.APPROVE)
    people = desk_of(request).people
    said = await people.approve(
        head.discrepancy_id, actor=caller.name, why=body.reason, once=said_once(caller, once), plan=body.plan
    )
    return _said(said)


@router.post("/{break_id}/reject", responses=_SAYS, openapi_extra=takes(Answer), response_class=Response)
async def reject(
    request: Request,
    break_id: str,
    caller: Approver,
    body: Annotated[Answer, Depends(body_of(Answer))],
    once: Once = None,
) -> Response:
    """Refuse what waits for a break."""
    head = await _head(request, break_id, caller, Permission.APPROVE)
    people = desk_of(request).people
    said = await people.reject(
        head.discrepancy_id, actor=caller.name, why=body.reason, once=said_once(caller, once), plan=body.plan
    )
    return _said(said)


@router.post("/{break_id}/accept", responses=_SAYS, openapi_extra=takes(Acceptance), response_class=Response)
async def accept(
    request: Request,
    break_id: str,
    caller: Approver,
    body: Annotated[Acceptance, Depends(body_of(Acceptance))],
    once: Once = None,
) -> Response:
    """Accept a break as known until a date: it neither halts nor alerts, unless it grows or turns round."""
    head = await _head(request, break_id, caller, Permission.APPROVE)
    said = await desk_of(request).people.accept(
        head.discrepancy_id, until=body.until, actor=caller.name, why=body.reason, once=said_once(caller, once)
    )
    return _said(said)


@router.post("/{break_id}/resolve", responses=_SAYS, openapi_extra=takes(Resolution), response_class=Response)
async def resolve(
    request: Request,
    break_id: str,
    caller: Approver,
    body: Annotated[Resolution, Depends(body_of(Resolution))],
    once: Once = None,
) -> Response:
    """Have a break resolved by another strategy than the policy's."""
    head = await _head(request, break_id, caller, Permission.APPROVE)
    said = await desk_of(request).people.resolve(
        head.discrepancy_id, strategy=body.strategy, actor=caller.name, why=body.reason, once=said_once(caller, once)
    )
    return _said(said)


@router.post("/{break_id}/comment", responses=_SAYS, openapi_extra=takes(Reason), response_class=Response)
async def comment(
    request: Request,
    break_id: str,
    caller: Annotated[Caller, Depends(needs(Permission.COMMENT))],
    body: Annotated[Reason, Depends(body_of(Reason))],
    once: Once = None,
) -> Response:
    """Add a comment to the life of a break, open or closed."""
    head = await _head(request, break_id, caller, Permission.COMMENT)
    people = desk_of(request).people
    return _said(
        await people.comment(head.discrepancy_id, actor=caller.name, why=body.reason, once=said_once(caller, once))
    )


@router.post("/{break_id}/assign", responses=_SAYS, openapi_extra=takes(Assignment), response_class=Response)
async def assign(
    request: Request,
    break_id: str,
    caller: Annotated[Caller, Depends(needs(Permission.COMMENT))],
    body: Annotated[Assignment, Depends(body_of(Assignment))],
    once: Once = None,
) -> Response:
    """Say who is to look after a break."""
    head = await _head(request, break_id, caller, Permission.COMMENT)
    said = await desk_of(request).people.assign(
        head.discrepancy_id, to=body.to, actor=caller.name, why=body.reason, once=said_once(caller, once)
    )
    return _said(said)


async def _head(request: Request, break_id: str, caller: Caller, permission: Permission) -> BreakRow:
    """The break that is meant.

    Raises:
        Denied: There is none, or it is of an account that is not the caller's; both are told alike.
    """
    desk = desk_of(request)
    found = await desk.look(lambda seen: kept.breaks_by_id(seen.connection, [break_id]), amounts=False)
    if found and not caller.is_for(found[0].account):
        await note_denial(request, caller, f"may not {permission}", found[0].account)
        found = ()
    if not found:
        raise Denied(NOT_FOUND, "there is no break of that id; GET /v1/breaks lists them")
    if not caller.may(permission, found[0].account):
        await deny(request, caller, f"may not {permission}", found[0].account)
    return found[0]


def _said(said: Said) -> Response:
    return answer(Word(entry=said.word.entry, again=said.again, halts=said.halts, doubts=said.doubts))
