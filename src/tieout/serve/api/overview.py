"""What there is: the interface's own description."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from tieout.serve.access.roles import Permission
from tieout.serve.api.guard import needs

router = APIRouter(prefix="/v1", tags=["overview"])


@router.get("/openapi.json", dependencies=[Depends(needs(Permission.SEE))], include_in_schema=False)
async def openapi(request: Request) -> Response:
    """Every route, with what it takes and gives (OpenAPI 3.1)."""
    return JSONResponse(request.app.openapi())
