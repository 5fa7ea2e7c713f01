"""Answers as bytes: exact numbers in JSON, and the ways in which a body comes bent or broken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from aiohttp import web

from tieout.clock import Clock

from .faults import HttpFault, HttpRule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN_KIND = "SOMETHING_NEW"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_NUMBER_IN_TEXT = re.compile(rb'"(-?\d+\.\d+)"(?=[,}\]])')  # a key is followed by a colon
_PIECES = 8


class Reply(msgspec.Struct, frozen=True):
    """An answer: a document of JSON (a `Decimal` is a number, exactly; bytes go out as they are), status and headers."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = {}

    @property
    def raw(self) -> bytes:
        """The body as it is sent."""
        return self.body if isinstance(self.body, bytes) else _ENCODER.encode(self.body)


def text(value: Decimal | None) -> str:
    """A number as venues write it: every digit, no exponent; an empty text where there is none."""
    return "" if value is None else format(value, "f")


def milliseconds(at: datetime) -> int:
    """*at* in milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def at_milliseconds(told: str | int) -> datetime:
    """The moment *told* milliseconds after the start of 1970."""
    return EPOCH + timedelta(milliseconds=int(told))


def bent(rule: HttpRule | None, reply: Reply, kinds: frozenset[str]) -> Reply:
    """*reply* with its rows bent as *rule* says; *kinds* are the fields that name a kind."""
    if rule is None:
        return reply
    match rule.fault:
        case HttpFault.TEXT:
            return Reply(rule.text.encode(), rule.status, rule.headers)
        case HttpFault.FLOATS:
            return Reply(_NUMBER_IN_TEXT.sub(rb"\1", reply.raw), reply.status, reply.headers)
        case HttpFault.TRUNCATED:
            return Reply(reply.raw[: len(reply.raw) // 2], reply.status, reply.headers)
        case HttpFault.VANISHED:
            return Reply(_emptied(reply.body), reply.status, reply.headers)
        case HttpFault.NEW_KIND:
            return Reply(_renamed(reply.body, kinds), reply.status, reply.headers)
        case HttpFault.EXTRA:
            return Reply(_extended(reply.body), reply.status, reply.headers)
    return reply


def _emptied(body: object) -> object:
    if isinstance(body, list):
        return []
    return {name: _emptied(value) for name, value in body.items()} if isinstance(body, dict) else body


def _renamed(body: object, kinds: frozenset[str]) -> object:
    if isinstance(body, list):
        return [_renamed(value, kinds) for value in body]
    if not isinstance(body, dict):
        return body
    return {
        name: UNKNOWN_KIND if name in kinds and isinstance(value, str) else _renamed(value, kinds)
        for name, value in body.items()
    }


def _extended(body: object) -> object:
    if isinstance(body, list):
        return [_extended(value) for value in body]
    if not isinstance(body, dict):
        return body
    return {name: _extended(value) for name, value in body.items()} | {"futureField": {"nested": ["new", "1.5", None]}}


async def send(request: web.Request, reply: Reply, rule: HttpRule | None, clock: Clock) -> web.StreamResponse:
    """Send *reply*, or break off, as *rule* says; waits on *clock*."""
    if rule is not None and rule.fault is HttpFault.RESET:
        _abort(request)
        return web.Response()
    if rule is not None and rule.fault in (HttpFault.SHORT, HttpFault.DRIP):
        return await _in_pieces(request, reply, rule, clock)
    headers = {"Content-Type": _content_type(reply.raw), **reply.headers}
    return web.Response(body=reply.raw, status=reply.status, headers=headers)


def _content_type(raw: bytes) -> str:
    return "text/html" if raw.startswith(b"<") else "application/json"


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _in_pieces(request: web.Request, reply: Reply, rule: HttpRule, clock: Clock) -> web.StreamResponse:
    raw = reply.raw
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": _content_type(raw), **reply.headers})
    response.content_length = len(raw) + (99 if rule.fault is HttpFault.SHORT else 0)
    await response.prepare(request)
    if rule.fault is HttpFault.SHORT:
        await response.write(raw)
        _close(request)
        return response
    size = -(-len(raw) // _PIECES)
    for start in range(0, len(raw), size):
        await clock.sleep(rule.seconds / _PIECES)
        await response.write(raw[start : start + size])
    await response.write_eof()
    return response


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
