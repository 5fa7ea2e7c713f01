"""What goes wrong, as problem+json (RFC 9457) in plain words: never a traceback, never an amount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from msgspec import Struct
from starlette.exceptions import HTTPException

from tieout.errors import BadInput, BookError, ReconciliationError, RecordError, TieoutError, WordRefused

MEDIA_TYPE = "application/problem+json"


class ProblemAnswer(Struct, frozen=True, kw_only=True):
    """What is wrong with a request, or with us.

    Attributes:
        status: The HTTP status.
        title: The status in words.
        detail: What is wrong, where, and how to mend it: for a person.
        problems: Each single one, where there are several.
    """

    status: int
    title: str
    detail: str
    problems: tuple[str, ...] = ()


class Denied(Exception):
    """A request that is not let through. *why* is told to whoever asks; *again_s* is when to try again, in seconds."""

    def __init__(self, status: HTTPStatus, why: str, again_s: int | None = None) -> None:
        self.status, self.why, self.again_s = status, why, again_s
        super().__init__(why)


def problem(
    status: HTTPStatus, detail: str, problems: tuple[str, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    """The answer that says so."""
    body = ProblemAnswer(status=status, title=status.phrase, detail=detail, problems=problems)
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


def answer_failures(app: FastAPI) -> None:
    """Let *app* answer every failure as a problem."""
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)


async def _denied(_: Request, error: Exception) -> Response:
    assert isinstance(error, Denied)
    headers = {"WWW-Authenticate": "Bearer"} if error.status is HTTPStatus.UNAUTHORIZED else {}
    if error.again_s is not None:
        headers["Retry-After"] = str(error.again_s)
    return problem(error.status, error.why, headers=headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, WordRefused)
    return problem(HTTPStatus.CONFLICT, error.why)


async def _not_booked(_: Request, error: Exception) -> Response:
    assert isinstance(error, BookError)
    return problem(HTTPStatus.CONFLICT, error.why)


async def _bad_input(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadInput)
    told = tuple(str(each) for each in error.problems)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, told[0], told)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Where and what, without the value: somebody may have sent a secret in the wrong place.
    told = tuple(".".join(str(step) for step in each["loc"]) + f": {each['msg']}" for each in error.errors())
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, told[0], told)


async def _unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, TieoutError)
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"})


async def _plain(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return problem(status, _PLAINLY.get(status, status.description or status.phrase), headers=dict(error.headers or {}))


_PLAINLY = {HTTPStatus.NOT_FOUND: "there is nothing here; /v1/openapi.json lists what there is"}
Answers = Callable[[Request, Any], Awaitable[Response]]
_ANSWERS: dict[type[Exception], Answers] = {
    Denied: _denied,
    WordRefused: _refused,
    BookError: _not_booked,
    BadInput: _bad_input,
    RequestValidationError: _invalid,
    RecordError: _unavailable,
    ReconciliationError: _unavailable,
    HTTPException: _plain,
}
