"""The log: its checkpoint, its entries with their proofs, and all of it as tiles for clients of others.

Entries name accounts and people, and bear no amounts. The log as a whole is for those who may see every account.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Struct

from tieout.record.audit.exporting import last_index, newest_checkpoint, read_entries
from tieout.record.audit.proving import prove
from tieout.record.audit.tiles import WIDTH, parse_tile, read_tile
from tieout.record.looking import Looking
from tieout.record.tlog.merkle import leaf_hash
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import deny, desk_of, needs
from tieout.serve.api.problems import Denied
from tieout.serve.api.shapes import answer, gives, gives_bytes

router = APIRouter(prefix="/v1/audit", tags=["audit"])
Seer = Annotated[Caller, Depends(needs(Permission.SEE))]
NOT_FOUND = HTTPStatus.NOT_FOUND
MOST = 500


class PlacedEntry(Struct, frozen=True):
    """An entry: where it stands, its leaf hash (RFC 6962, hex), and itself, byte for byte as it is hashed."""

    index: int
    leaf: str
    entry: msgspec.Raw


class Entries(Struct, frozen=True):
    """Entries in their order, of those that you may see; `next` is where to go on, None at the end of the log."""

    entries: tuple[PlacedEntry, ...]
    next: int | None


@router.get("/checkpoint", responses=gives_bytes("text/plain"), response_class=Response)
async def checkpoint(request: Request, caller: Seer) -> Response:
    """The newest signed head of the log, as a C2SP signed note."""
    await _require_whole(request, caller)
    note = await desk_of(request).look(lambda seen: newest_checkpoint(seen.connection), amounts=False)
    return Response(note.encode(), media_type="text/plain")


@router.get("/entries", responses=gives(Entries), response_class=Response)
async def entries(
    request: Request,
    caller: Seer,
    since: Annotated[int, Query(ge=0, le=2**62, description="From which index on.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """Entries from an index on: all of them, or those of your accounts."""

    def read(seen: Looking) -> Entries:
        end = last_index(seen.connection) + 1
        found = list[PlacedEntry]()
        for placed in read_entries(seen.connection, since, min(end, since + limit)):
            if caller.hears_of(placed.entry.account):
                found.append(PlacedEntry(placed.index, leaf_hash(placed.raw).hex(), msgspec.Raw(placed.raw)))
        return Entries(tuple(found), since + limit if since + limit < end else None)

    return answer(await desk_of(request).look(read, amounts=False))


@router.get("/entries/{index}/proof", responses=gives_bytes("text/plain", NOT_FOUND), response_class=Response)
async def proof(request: Request, caller: Seer, index: int) -> Response:
    """The proof of an entry, as `tieout audit check-proof` takes it."""
    await _require_whole(request, caller)

    def read(seen: Looking) -> bytes | None:
        return prove(seen.connection, index) if 0 <= index <= last_index(seen.connection) else None

    made = await desk_of(request).look(read, amounts=False)
    if made is None:
        raise Denied(NOT_FOUND, "there is no such entry; GET /v1/audit/entries lists them")
    return Response(made, media_type="text/plain")


@router.get("/log/checkpoint", responses=gives_bytes("text/plain"), response_class=Response)
async def log_checkpoint(request: Request, caller: Seer) -> Response:
    """The same checkpoint, where C2SP's tlog-tiles has it."""
    return await checkpoint(request, caller)


@router.get(
    "/log/tile/{path:path}", responses=gives_bytes("application/octet-stream", NOT_FOUND), response_class=Response
)
async def tile(request: Request, caller: Seer, path: str) -> Response:
    """A tile of hashes or of entries (C2SP tlog-tiles), such as `0/000` or `entries/000.p/7`."""
    await _require_whole(request, caller)
    wanted = parse_tile(path)
    found = None
    if wanted is not None:
        found = await desk_of(request).look(lambda seen: read_tile(seen.connection, wanted), amounts=False)
    if wanted is None or found is None:
        raise Denied(NOT_FOUND, "there is no such tile (yet); the checkpoint says how long the log is")
    # A whole tile never changes again.
    lasting = {"Cache-Control": "private, max-age=31536000, immutable"} if wanted.width == WIDTH else {}
    return Response(found, media_type="application/octet-stream", headers=lasting)


async def _require_whole(request: Request, caller: Caller) -> None:
    if caller.accounts is not None:
        await deny(request, caller, "may not see the whole log, being for some accounts alone")
