"""Books that another program keeps: it pushes them here, and fetches from here what is to be booked.

Whoever may push an account's books may see its corrections, with their amounts: it is to book them.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import Struct

from tieout.books.corrections import Correction
from tieout.books.pushed import BooksState, PushedBooks
from tieout.books.pushes import Batch, FillPushed
from tieout.model.codec import decode_snapshot
from tieout.model.snapshot import Snapshot
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import account_of, desk_of, needs
from tieout.serve.api.problems import Denied
from tieout.serve.api.shapes import answer, body_of, gives, read_body, takes

MAY_PUSH = Depends(needs(Permission.PUSH_BOOKS))
router = APIRouter(prefix="/v1/books/{account}", tags=["books"], dependencies=[MAY_PUSH])
NOT_FOUND, CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
MOST_SNAPSHOT, MOST_EVENTS = 64 * 1024 * 1024, 4 * 1024 * 1024
MOST_NUMBER = 2**62


class BatchTaken(Struct, frozen=True):
    """What became of events: how many were news, how many were known before, and how the books stand then."""

    news: int
    known: int
    books: BooksState


class Corrections(Struct, frozen=True):
    """What is to be booked, oldest first: each whole or not at all, and none before it was acknowledged."""

    corrections: tuple[Correction, ...]


class Acknowledgement(Struct, frozen=True, forbid_unknown_fields=True):
    """That a correction is taken, or with `refused` why it is not."""

    refused: str | None = None


@router.get("", responses=gives(BooksState, NOT_FOUND, CONFLICT), response_class=Response)
async def show_books(request: Request, account: str) -> Response:
    """How the pushed books stand: whether they are established, up to which event, and what waits."""
    return answer(await _books(request, account).state())


@router.put(
    "/snapshot",
    responses=gives(BooksState, NOT_FOUND, CONFLICT),
    openapi_extra=takes(Snapshot),
    response_class=Response,
)
async def put_snapshot(
    request: Request,
    account: str,
    stream: Annotated[str, Query(max_length=64, description="The stream of events that goes on from it.")] = "",
    sequence: Annotated[int, Query(ge=0, le=MOST_NUMBER, description="The last event that it contains.")] = 0,
) -> Response:
    """Tell the books whole, as of one moment. It takes the place of the last snapshot, and ends every doubt."""
    books = _books(request, account)
    snapshot = decode_snapshot(await read_body(request, MOST_SNAPSHOT), "the body", "local")
    state = await books.put(snapshot, stream=stream, sequence=sequence)
    await _look(request, account, books)
    return answer(state)


@router.post(
    "/events",
    responses=gives(BatchTaken, NOT_FOUND, CONFLICT),
    openapi_extra=takes(Batch),
    response_class=Response,
)
async def post_events(
    request: Request, account: str, body: Annotated[Batch, Depends(body_of(Batch, MOST_EVENTS))]
) -> Response:
    """Tell what happened since. An event is known by its id: to send it again changes nothing, and a gap is noticed."""
    books = _books(request, account)
    state, taken = await books.add(body)
    for event in body.events:
        if isinstance(event, FillPushed):
            desk_of(request).schedule.on_fill(account, event.fill)
    await _look(request, account, books)
    return answer(BatchTaken(taken.news, taken.known, state))


@router.get("/corrections", responses=gives(Corrections, NOT_FOUND, CONFLICT), response_class=Response)
async def list_corrections(
    request: Request,
    account: str,
    ended: Annotated[bool, Query(description="Also what became of earlier ones.")] = False,
) -> Response:
    """What is to be booked where the books are kept."""
    return answer(Corrections(await _books(request, account).corrections(ended=ended)))


@router.post(
    "/corrections/{correction}/ack",
    responses=gives(Correction, NOT_FOUND, CONFLICT),
    openapi_extra=takes(Acknowledgement),
    response_class=Response,
)
async def acknowledge(
    request: Request,
    account: str,
    correction: str,
    caller: Annotated[Caller, MAY_PUSH],
    body: Annotated[Acknowledgement, Depends(body_of(Acknowledgement))],
) -> Response:
    """Take a correction, before it is booked, or refuse it. It counts as applied once the books that are pushed show it.

    409 says that it is not to be booked any more.
    """
    taken = await _books(request, account).acknowledge(correction, by=caller.name, refused=body.refused)
    await desk_of(request).drawer.note(account, correction, taken.state, caller.name)
    return answer(taken)


def _books(request: Request, account: str) -> PushedBooks:
    local = account_of(request, account).local
    if not isinstance(local, PushedBooks):
        raise Denied(
            CONFLICT, f'the books of {account} are not pushed; say kind = "pushed" in [accounts.{account}.local]'
        )
    return local


async def _look(request: Request, account: str, books: PushedBooks) -> None:
    """Have the account read soon where the books may show by now what was to be booked."""
    if await books.corrections():
        desk_of(request).schedule.on_change(account)
