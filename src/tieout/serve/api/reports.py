"""Reports: which there are, and one as it was made, with what became of its actions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Struct

from tieout.model.discrepancy import Severity
from tieout.model.report import ReconciliationReport, Status
from tieout.record import history
from tieout.record.history import ReportRow, Wanted
from tieout.record.looking import Looking, opened
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import deny, desk_of, needs, note_denial, of_caller
from tieout.serve.api.problems import Denied
from tieout.serve.api.shapes import Moment, answer, gives

router = APIRouter(prefix="/v1/reports", tags=["reports"])
Seer = Annotated[Caller, Depends(needs(Permission.SEE))]
NOT_FOUND, GONE = HTTPStatus.NOT_FOUND, HTTPStatus.GONE
MOST = 500


class Reports(Struct, frozen=True):
    """Reports, the newest last; `total` is how many fit, of which these are the last."""

    reports: tuple[ReportRow, ...]
    total: int


@router.get("", responses=gives(Reports), response_class=Response)
async def list_reports(
    request: Request,
    caller: Seer,
    account: Annotated[list[str], Query(default_factory=list)],
    severity: Annotated[list[Severity], Query(default_factory=list)],
    status: Annotated[list[Status], Query(default_factory=list)],
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """The last reports that fit, without amounts."""
    asked = Wanted(
        account=tuple(account),
        severity=tuple(severity),
        status=tuple(status),
        since=since,
        until=until,
        limit=limit,
    )
    wanted = of_caller(caller, asked)
    if wanted is None:
        return answer(Reports((), 0))
    found = await desk_of(request).look(lambda seen: history.list_reports(seen.connection, wanted), amounts=False)
    return answer(Reports(found.rows, found.total))


@router.get("/{report_id}", responses=gives(ReconciliationReport, NOT_FOUND, GONE), response_class=Response)
async def show_report(request: Request, report_id: str, caller: Seer) -> Response:
    """A report as it was made; it is full of amounts, and for those who see them."""
    desk = desk_of(request)
    found = await desk.look(lambda seen: history.find_reports(seen.connection, report_id.upper()), amounts=False)
    row = next((each for each in found if each.report_id == report_id.upper()), None)
    if row is not None and not caller.is_for(row.account):
        await note_denial(request, caller, "may not see", row.account)
        row = None
    if row is None:
        raise Denied(NOT_FOUND, "there is no report of that id; GET /v1/reports lists them")
    if not caller.sees_amounts:
        await deny(request, caller, "may not see amounts", row.account)

    def read(seen: Looking) -> ReconciliationReport | None:
        made = history.read_report(seen.connection, opened(seen), row.entry)
        fates = history.fates_of_report(seen.connection, row.report_id)
        return None if made is None else history.with_outcomes(made, fates)

    report = await desk.look(read, amounts=True)
    if report is None:
        raise Denied(GONE, "it was erased when its time had come; the log still has its entry")
    return answer(report)
