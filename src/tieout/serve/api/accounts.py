"""Accounts: how each stands; reconcile now, halt, resume."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from msgspec import Struct

from tieout.model.halt import Halt
from tieout.model.report import ReconciliationReport
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import desk_of, needs
from tieout.serve.api.problems import Denied
from tieout.serve.api.shapes import answer, body_of, gives, takes
from tieout.serve.desk import AccountState

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
Once = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
NOT_FOUND, CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT


class Accounts(Struct, frozen=True):
    """The accounts that the caller may see."""

    accounts: tuple[AccountState, ...]


class HaltRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why trading is to stop, and of which asset alone; None stops the account."""

    reason: str
    asset: str | None = None


class ResumeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why trading may go on; `shown` are the ids of the halts that the person was shown."""

    reason: str
    asset: str | None = None
    shown: tuple[str, ...] = ()


class Word(Struct, frozen=True, kw_only=True):
    """What was said, as it was kept: it is heard by the next reading.

    Attributes:
        entry: Where it stands in the log.
        again: Whether it was said before under the same key; then nothing was said twice.
        halts: The halts that it lifts, or, of a halt, those that stand.
        doubts: What to know before relying on it.
    """

    entry: int | None
    again: bool
    halts: tuple[Halt, ...] = ()
    doubts: tuple[str, ...] = ()


@router.get("", responses=gives(Accounts), response_class=Response)
async def list_accounts(request: Request, caller: Annotated[Caller, Depends(needs(Permission.SEE))]) -> Response:
    """How every account stands that you may see."""
    desk = desk_of(request)
    return answer(Accounts(await desk.states([name for name in desk.accounts if caller.is_for(name)])))


@router.get(
    "/{account}",
    responses=gives(AccountState, NOT_FOUND),
    dependencies=[Depends(needs(Permission.SEE))],
    response_class=Response,
)
async def show_account(request: Request, account: str) -> Response:
    """How an account stands."""
    _require_known(request, account)
    (state,) = await desk_of(request).states([account])
    return answer(state)


@router.post(
    "/{account}/reconcile",
    responses=gives(ReconciliationReport, NOT_FOUND),
    dependencies=[Depends(needs(Permission.RECONCILE))],  # whose role sees amounts: the report is full of them
    response_class=Response,
)
async def reconcile(request: Request, account: str) -> Response:
    """Reconcile now; the report of a reconciliation that began after this was asked."""
    _require_known(request, account)
    return answer(await desk_of(request).schedule.request(account))


@router.post(
    "/{account}/halt",
    responses=gives(Word, NOT_FOUND, CONFLICT),
    openapi_extra=takes(HaltRequest),
    response_class=Response,
)
async def halt(
    request: Request,
    account: str,
    caller: Annotated[Caller, Depends(needs(Permission.HALT))],
    body: Annotated[HaltRequest, Depends(body_of(HaltRequest))],
    once: Once = None,
) -> Response:
    """Stop trading of an account, or of one of its assets, until somebody resumes it."""
    _require_known(request, account)
    said = await desk_of(request).people.halt(
        account, asset=body.asset, actor=caller.name, why=body.reason, once=said_once(caller, once)
    )
    return answer(Word(entry=said.word.entry, again=said.again, halts=said.halts, doubts=said.doubts))


@router.post(
    "/{account}/resume",
    responses=gives(Word, NOT_FOUND, CONFLICT),
    openapi_extra=takes(ResumeRequest),
    response_class=Response,
)
async def resume(
    request: Request,
    account: str,
    caller: Annotated[Caller, Depends(needs(Permission.RESUME))],
    body: Annotated[ResumeRequest, Depends(body_of(ResumeRequest))],
    once: Once = None,
) -> Response:
    """Lift the halts of an account that you were shown; it is refused where others stand by now."""
    _require_known(request, account)
    people = desk_of(request).people
    standing = (await people.lifting(account, asset=body.asset)).halts
    shown = [halt for halt in standing if halt.id in body.shown] if body.shown else None
    said = await people.resume(
        account, asset=body.asset, actor=caller.name, why=body.reason, once=said_once(caller, once), shown=shown
    )
    return answer(Word(entry=said.word.entry, again=said.again, halts=said.halts, doubts=said.doubts))


def said_once(caller: Caller, key: str | None) -> str | None:
    """The name that makes a word harmless to say again: the caller's own key, which is nobody else's."""
    return None if key is None else hashlib.sha256(f"{caller.name}\n{key}".encode()).hexdigest()[:32]


def _require_known(request: Request, account: str) -> None:
    if account not in desk_of(request).accounts:
        raise Denied(NOT_FOUND, "there is no account of that name; GET /v1/accounts lists them")
