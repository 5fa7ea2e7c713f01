"""What the service measures of itself, for Prometheus: with a token, like everything else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import deny, desk_of, needs
from tieout.serve.api.shapes import gives_bytes

router = APIRouter(tags=["metrics"])
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", responses=gives_bytes("text/plain"), response_class=Response)
async def metrics(request: Request, caller: Annotated[Caller, Depends(needs(Permission.SEE))]) -> Response:
    """Every metric, of all accounts; docs/operations.md says what each means."""
    if caller.accounts is not None:
        await deny(request, caller, "may not see metrics, being for some accounts alone")
    return Response(await desk_of(request).measured.exposed(), media_type=TEXT)
