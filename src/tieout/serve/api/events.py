"""What happens, as it happens: the entries of the log as server-sent events. Who was away goes on where they were.

Source: the HTML standard, server-sent events. An event's id is the entry's index; `Last-Event-ID` is where a client was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse

from tieout.errors import RecordError
from tieout.record.audit.exporting import Placed, last_index, read_entries
from tieout.record.looking import Looking
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.api.guard import caller_of, desk_of, needs
from tieout.serve.api.problems import Denied
from tieout.serve.api.shapes import gives_bytes

router = APIRouter(prefix="/v1/events", tags=["events"])
EVERY_S, QUIET_S = 1, 15  # how often it is looked, and after how long without an event one is told that it stands
AT_ONCE = 500
STREAMS = 20  # of one caller: each looks at the record every second
SSE = "text/event-stream"


@router.get("", responses=gives_bytes(SSE), response_class=Response)
async def events(
    request: Request,
    caller: Annotated[Caller, Depends(needs(Permission.SEE))],
    after: Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=2**62)] = None,
) -> Response:
    """Every entry of the log from now on, or behind the one that you had last; only of your accounts, if you are for some."""
    if desk_of(request).streams[caller.name] >= STREAMS:
        raise Denied(HTTPStatus.TOO_MANY_REQUESTS, f"you listen {STREAMS} times already: end one of those", QUIET_S)
    first = after + 1 if after is not None else 1 + await desk_of(request).look(_last, amounts=False)
    return StreamingResponse(_events(request, caller.name, first), media_type=SSE)


async def _events(request: Request, name: str, first: int) -> AsyncIterator[bytes]:
    desk = desk_of(request)
    if desk.streams[name] >= STREAMS:
        return
    desk.streams[name] += 1
    try:
        async for told in _told(request, name, first):
            yield told
    finally:
        desk.streams[name] -= 1


async def _told(request: Request, name: str, first: int) -> AsyncIterator[bytes]:
    desk, quiet = desk_of(request), 0
    yield b": listening\n\n"
    while not desk.closing.is_set():
        try:
            # Looked up each time: a token that was taken back, or a session that ended, hears nothing more.
            caller = await caller_of(request)
            if caller is None or caller.name != name or not caller.may(Permission.SEE):
                return
            found = await desk.look(lambda seen, start=first: _read(seen, start), amounts=False)  # type: ignore[misc]
            told = b"".join(_event(placed) for placed in found if caller.hears_of(placed.entry.account))
        except RecordError:
            found, told = [], b""  # nothing is lost: it is read from there once the record can be had
        first, quiet = first + len(found), 0 if told else quiet + EVERY_S
        if told or quiet >= QUIET_S:
            yield told or b": still here\n\n"
            quiet = 0
        if len(found) < AT_ONCE:
            with suppress(TimeoutError):
                await asyncio.wait_for(desk.closing.wait(), EVERY_S)


def _read(seen: Looking, first: int) -> list[Placed]:
    return list(read_entries(seen.connection, first, min(_last(seen) + 1, first + AT_ONCE)))


def _last(seen: Looking) -> int:
    return last_index(seen.connection)


def _event(placed: Placed) -> bytes:
    return f"id: {placed.index}\nevent: {placed.entry.kind}\ndata: ".encode() + placed.raw + b"\n\n"
