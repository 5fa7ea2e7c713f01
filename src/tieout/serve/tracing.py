"""Where traces go: nowhere, and nothing of OpenTelemetry is loaded, unless the configuration or the environment says so."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tieout.config import Config
from tieout.errors import BadInput, Problem
from tieout.serve.extras import extra_lacking
from tieout.spans import TRACER, span

VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
API = "/v1/"
_ADDRESS = re.compile(r"https?://[^/@\s]+(/[^@\s]*)?")


@asynccontextmanager
async def traced(config: Config, environment: Mapping[str, str] | None = None) -> AsyncIterator[bool]:
    """Spans of all that is begun while this stands go to the collector that is named; whether there is one.

    Raises:
        BadInput: The address is none, or the libraries are not here.
    """
    environment = os.environ if environment is None else environment
    named = _named(config, environment)
    if named is None:
        yield False
        return
    place, endpoint = named
    try:
        from tieout.serve.exporting import Exporting
    except ModuleNotFoundError as error:
        if extra_lacking(error) is None:
            raise
        mend = "install tieout[traces], or name no collector"
        raise BadInput([Problem(*place, "traces take libraries that are not here", mend)]) from error
    exporting = Exporting(endpoint, called=environment.get("OTEL_SERVICE_NAME", "").strip() or "tieout")
    TRACER.set(exporting)
    try:
        yield True
    finally:
        TRACER.set(None)
        await exporting.close()


def _named(config: Config, environment: Mapping[str, str]) -> tuple[tuple[str, str], str] | None:
    """The collector, and which file and place name it. What the environment says counts before any file."""
    off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    told = environment.get(VARIABLE, "").strip()
    if told and _ADDRESS.fullmatch(told) is None:
        mend = "give one such as http://127.0.0.1:4318, without a password, or unset it"
        raise BadInput([Problem("environment", VARIABLE, "no address of the web", mend)])
    if told:
        return ("environment", VARIABLE), told
    return None if config.service.traces is None else ((config.file, "service.traces"), config.service.traces)


class TracedRequests:
    """Tells of each request of the interface: by its method and the route's own path, for what was put into it is unknown."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        method, status = _method(scope), 500  # what whoever asks is told where the application fails

        async def heard(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        with span(method, {"http.request.method": method}, whole=True) as told:
            try:
                await self._app(scope, receive, heard)
            finally:
                route = getattr(scope.get("route"), "path", None)
                known = {} if route is None else {"http.route": route}
                told.tell({**known, "http.response.status_code": status}, name=f"{method} {route or ''}".strip())


def _method(scope: Scope) -> str:
    """Its method, or that it is a strange one: whoever asks may have made it up."""
    return (
        scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "_OTHER"
    )
