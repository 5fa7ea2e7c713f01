"""The service's own log on standard error, a line each: as text or as JSON. No secret reaches it, and no amount of others.

Our own sentences bear no amounts. Those of libraries may: they are heard from WARNING on, and lose whatever has a digit.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor

from tieout.clock import Clock
from tieout.errors import TieoutError, in_words
from tieout.model.secret import scrubbed
from tieout.serve.render.text import inert

Form = Literal["plain", "json"]
OURS = "tieout"
GONE = "***"
LONGEST = 4000
_KEYS = re.compile(r"secret|token|passw|passphrase|pwd|key|authori|cookie|credential|signature|session|dsn|url", re.I)
_VALUES = (
    (re.compile(r"\btieout_[\w-]+"), GONE),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.I), rf"\1 {GONE}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), GONE),
    (re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----.*?(-----END[^-]*-----|$)", re.S), GONE),
    # Of an address its host alone, and of one that is no web address, such as of an alert, not even that.
    (re.compile(r"\b(https?|wss?)://(?:[^\s/@'\"]*@)?([^\s/?#'\"]+)[^\s'\"]*", re.I), r"\1://\2"),
    (re.compile(r"\b(?!https?:|wss?:)([a-z][a-z0-9+.-]*)://[^\s'\"]+", re.I), rf"\1://{GONE}"),
    (
        re.compile(
            r"(?i)\b([\w-]*(?:secret|token|password|passphrase|api[_-]?key|signature)['\"]?\s*[=:]\s*)[^\s,;&]+"
        ),
        rf"\1{GONE}",
    ),
)


def log_to_stderr(form: Form, *, verbose: bool = False) -> None:
    """Let everything that this process logs be one line each on standard error; *verbose* tells of each request, too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_heard)
    handler.setFormatter(formatter(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # what cannot be written is not followed by a traceback with it
    sys.excepthook = _ended


def formatter(form: Form) -> logging.Formatter:
    """Makes a line of a record."""
    render: Processor = structlog.processors.JSONRenderer(serializer=_json) if form == "json" else _plain
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _told],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redacted, render],
        keep_exc_info=False,
        keep_stack_info=False,
    )


def described(error: BaseException) -> str:
    """What was raised and where. Not its text, unless it is ours: others write amounts and secrets into theirs."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " ".join(f"{Path(each.filename).stem}:{each.lineno}" for each in frames)
    said = (
        f"{type(error).__name__}: {getattr(error, 'told', error)}"
        if isinstance(error, TieoutError)
        else type(error).__name__
    )
    return f"{said} at {where}" if where else said


def redacted(text: str) -> str:
    """*text* without what is a secret, by its value or by its form."""
    text = scrubbed(text)
    for pattern, instead in _VALUES:
        text = pattern.sub(instead, text)
    return text[:LONGEST]


class RequestLog:
    """Tells at DEBUG what was asked and how it was answered: by the route's own path, for what was put into it is unknown."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app, self._clock = app, clock
        self._log = logging.getLogger("tieout.requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        before, status = self._clock.monotonic_ns(), 0

        async def heard(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, heard)
        finally:
            took = (self._clock.monotonic_ns() - before) // 10**6
            path = getattr(scope.get("route"), "path", "another path")
            self._log.debug("%s %s: %d in %d ms", scope["method"], path, status, took)


def _heard(record: logging.LogRecord) -> bool:
    return _is_ours(record.name) or record.levelno >= logging.WARNING


def _is_ours(name: str) -> bool:
    return name == OURS or name.startswith(f"{OURS}.")


def _told(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The record in our words: when, how bad, who says so, what."""
    record: logging.LogRecord = event["_record"]
    ours, event = _is_ours(record.name), {**event}
    said, more = str(event.pop("event")), {name: each for name, each in event.items() if not name.startswith("_")}
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else None
    return {
        **{name: event[name] for name in ("_record", "_from_structlog")},
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": said if ours else in_words(said),
        **({} if error is None else {"fault": described(error)}),
        **(more if ours else {}),
    }


def _redacted(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: _value(name, each) for name, each in event.items() if name not in ("exc_info", "stack_info", "stack")}


def _value(name: str, value: object) -> object:
    if _KEYS.search(name):
        return GONE
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _value(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_value("", each) for each in value]
    return redacted(str(value))


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event).decode()


def _plain(_logger: object, _method: str, event: Mapping[str, object]) -> str:
    more = {name: each for name, each in event.items() if name not in ("at", "level", "logger", "event")}
    line = f"{event['at']} {str(event['level']).upper()} {event['logger']}: {event['event']}"
    for name, each in more.items():
        line += f" {name}={each}"
    return inert(line.replace("\r", "").replace("\n", " | "))


def _ended(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    logging.getLogger("tieout.service").critical("ended by a fault inside Tieout: %s", described(error))
