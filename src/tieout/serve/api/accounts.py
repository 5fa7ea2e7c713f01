"""Accounts: how each stands; reconcile now, halt, resume."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Struct

from tieout.model.halt import Halt
from tieout.model.report import ReconciliationReport
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import account_of, desk_of, needs, stating
from tieout.serve.api.saying import Once, Speaker, Word, kept, speaker
from tieout.serve.api.shapes import answer, answer_many, body_of, gives, takes
from tieout.serve.desk import AccountState

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
NOT_FOUND, CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT


class Accounts(Struct, frozen=True):
    """The accounts that the caller may see."""

    accounts: tuple[AccountState, ...]


class HaltRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why trading is to stop, and of which asset alone; None stops the account."""

    reason: str
    asset: str | None = None


class ResumeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why trading may go on; `shown` are the halts that the person was shown, as the account's state has them."""

    reason: str
    asset: str | None = None
    shown: tuple[Halt, ...] | None = None


@router.get("", responses=gives(Accounts), response_class=Response)
async def list_accounts(request: Request, caller: Annotated[Caller, Depends(needs(Permission.SEE))]) -> Response:
    """How every account stands that you may see."""
    desk = desk_of(request)
    return answer_many(Accounts(await desk.states([name for name in desk.accounts if caller.is_for(name)])))


@router.get(
    "/{account}",
    responses=gives(AccountState, NOT_FOUND),
    dependencies=[Depends(needs(Permission.SEE))],
    response_class=Response,
)
async def show_account(request: Request, account: str) -> Response:
    """How an account stands."""
    account_of(request, account)
    found = await desk_of(request).states([account])
    account_of(request, account)  # it may have gone meanwhile
    return answer(found[0])


@router.post(
    "/{account}/reconcile",
    responses=gives(ReconciliationReport, NOT_FOUND),
    dependencies=[Depends(needs(Permission.RECONCILE))],  # whose role sees amounts: the report is full of them
    response_class=Response,
)
async def reconcile(request: Request, account: str) -> Response:
    """Reconcile now; the report of a reconciliation that began after this was asked."""
    account_of(request, account)
    return answer(await desk_of(request).schedule.request(account))


def speaks(permission: Permission) -> Callable[..., object]:
    """A dependency: whoever says something of the account that the path names, where they may.

    Raises:
        Denied: They may not, or there is no such account.
    """
    may = Depends(needs(permission))

    async def of_account(request: Request, account: str, caller: Caller = may, once: Once = None) -> Speaker:
        account_of(request, account)
        return speaker(request, caller, account, once)

    return stating(permission, of_account)


@router.post(
    "/{account}/halt",
    responses=gives(Word, NOT_FOUND, CONFLICT),
    openapi_extra=takes(HaltRequest),
    response_class=Response,
)
async def halt(
    by: Annotated[Speaker, Depends(speaks(Permission.HALT))],
    body: Annotated[HaltRequest, Depends(body_of(HaltRequest))],
) -> Response:
    """Stop trading of an account, or of one of its assets, until somebody resumes it."""
    return kept(await by.people.halt(by.about, asset=body.asset, actor=by.actor, why=body.reason, once=by.once))


@router.post(
    "/{account}/resume",
    responses=gives(Word, NOT_FOUND, CONFLICT),
    openapi_extra=takes(ResumeRequest),
    response_class=Response,
)
async def resume(
    by: Annotated[Speaker, Depends(speaks(Permission.RESUME))],
    body: Annotated[ResumeRequest, Depends(body_of(ResumeRequest))],
) -> Response:
    """Lift the halts of an account that you were shown; it is refused where others stand by now."""
    shown = None if body.shown is None else [each for each in body.shown if body.asset in (None, by.about, each.asset)]
    said = await by.people.resume(
        by.about, asset=body.asset, actor=by.actor, why=body.reason, once=by.once, shown=shown
    )
    return kept(said)
