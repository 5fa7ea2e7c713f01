"""Whether the process lives, and whether it does its work. Nothing of any account is told."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from tieout.errors import RecordError
from tieout.serve.api.guard import desk_of
from tieout.serve.api.problems import problem
from tieout.serve.api.shapes import answer, gives

router = APIRouter(tags=["health"])


class Health(Struct, frozen=True):
    """That it is well."""

    status: str


@router.get("/healthz", responses=gives(Health), response_class=Response)
async def healthz() -> Response:
    """The process lives, and its event loop turns."""
    return answer(Health("alive"))


@router.get("/readyz", responses=gives(Health), response_class=Response)
async def readyz(request: Request) -> Response:
    """The record can be read and every account is reconciled in time; 503 otherwise."""
    desk = desk_of(request)
    try:
        await desk.look(lambda _: None, amounts=False)
    except RecordError:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the record cannot be read")
    late = sum(bool(desk.schedule.watch.troubles(name)) for name in desk.accounts)
    if late:
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE, f"{late} of {len(desk.accounts)} accounts are not reconciled well"
        )
    return answer(Health("ready"))
