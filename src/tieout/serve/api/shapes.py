"""What routes take and give, as msgspec reads and writes it, and as OpenAPI describes it: exact numbers both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BeforeValidator, WithJsonSchema

from tieout import __version__
from tieout.errors import BadInput, Problem
from tieout.model.codec import encode
from tieout.serve.api.guard import desk_of
from tieout.serve.api.problems import MEDIA_TYPE, Denied, ProblemAnswer

T = TypeVar("T")
Described = dict[str, object]  # a piece of OpenAPI
MAX_BODY = 64 * 1024
MAX_ARRIVING = 256 * 1024 * 1024  # of all callers together
BODY_S = 60


def _moment(given: object) -> datetime:
    # pydantic takes numbers for times, too, and times without a zone.
    try:
        found = msgspec.convert(given, datetime)
    except msgspec.ValidationError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("no time with a zone, such as 2026-11-20T10:00:00Z")
    return found


# A moment in a query: RFC 3339, with its zone.
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]
_REF = "#/components/schemas/{name}"
_SHAPES: set[Any] = {ProblemAnswer}


def answer(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """*value* as JSON; decimals are texts with every digit."""
    return Response(encode(value), status, media_type="application/json")


def answer_many(value: Any) -> Response:
    """*value*, which holds no decimals, as JSON: the same bytes, written at once."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def gives(shape: Any, *failures: HTTPStatus, status: HTTPStatus = HTTPStatus.OK) -> dict[int | str, Described]:
    """The answers of a route, for FastAPI's `responses`: *shape*, or a problem under each of *failures*.

    Every route that needs somebody to be known may answer 401, 403, 429 and 503 as well.
    """
    _SHAPES.add(shape)
    told: dict[int | str, Described] = {int(status): {"description": "Done.", "content": _json(shape)}}
    for each in {*failures, *ALWAYS}:
        content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name=ProblemAnswer.__name__)}}}
        told[int(each)] = {"description": each.phrase, "content": content}
    return told


def gives_bytes(media_type: str, *failures: HTTPStatus) -> dict[int | str, Described]:
    """The answers of a route that gives no JSON."""
    told = gives(ProblemAnswer, *failures)
    told[200] = {"description": "Done.", "content": {media_type: {"schema": {"type": "string"}}}}
    return told


ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def takes(shape: Any) -> Described:
    """The body of a route, for FastAPI's `openapi_extra`."""
    _SHAPES.add(shape)
    return {"requestBody": {"required": True, "content": _json(shape)}}


async def read_body(request: Request, most: int = MAX_BODY) -> bytes:
    """The body as it came.

    Raises:
        BadInput: It is longer than *most* bytes, or takes too long.
        Denied: 503 where too much arrives from all callers together.
    """
    desk, raw = desk_of(request), bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                raw += part
                desk.arriving += len(part)
                if len(raw) > most:
                    raise BadInput([Problem("the body", "", f"longer than {most} bytes", "send less at a time")])
                if desk.arriving > MAX_ARRIVING:
                    raise Denied(HTTPStatus.SERVICE_UNAVAILABLE, "too much arrives at once: try again", 5)
    except TimeoutError:
        raise BadInput([Problem("the body", "", f"not here after {BODY_S} s", "send it faster")]) from None
    finally:
        desk.arriving -= len(raw)
    return bytes(raw)


def body_of(shape: type[T], most: int = MAX_BODY) -> Callable[[Request], Awaitable[T]]:
    """A dependency that reads the body as *shape*.

    Raises:
        BadInput: It is too long, no JSON, or of another shape.
    """

    async def read(request: Request) -> T:
        raw = await read_body(request, most)
        try:
            return msgspec.json.decode(raw, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput([Problem("the body", "", _plainly(error), "see /v1/openapi.json for its shape")]) from None

    return read


def describe(app: FastAPI) -> None:
    """Let *app* describe itself with the shapes of its routes."""

    def told() -> Described:
        if app.openapi_schema is None:
            made = get_openapi(title="Tieout", version=__version__, routes=app.routes, description=app.description)
            shapes = sorted(_SHAPES, key=str)
            _, components = msgspec.json.schema_components(shapes, ref_template=_REF)
            parts = made.setdefault("components", {})
            parts.setdefault("schemas", {}).update(components)
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{"token": []}]
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = told  # type: ignore[method-assign]


def _json(shape: Any) -> Described:
    (schema,), _ = msgspec.json.schema_components([shape], ref_template=_REF)
    return {"application/json": {"schema": schema}}


def _plainly(error: Exception) -> str:
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error).lower()
