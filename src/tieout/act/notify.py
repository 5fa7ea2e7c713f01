"""The ways to a person: `AppriseNotifier` for one address that apprise knows, `LoggedNotifier` for the log.

An address bears secrets. It is shown nowhere: not in a log, an exception, a table; a channel goes by its scheme alone.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from tieout.errors import AlertUndelivered, BadInput, Problem
from tieout.model.alerting import Level

SEND_SECONDS = 30
FILE = "file:"
OTHERS = 0o077
MAX_FILE = 65536
REFUSED, UNREACHABLE, TIMEOUT = "not accepted", "not reachable", "no answer in time"


class Notifier(Protocol):
    """One channel to a person; `name` is what may be shown of it."""

    name: str

    async def tell(self, title: str, body: str, level: Level) -> None:
        """Send a message; when this returns, the channel took it.

        Raises:
            AlertUndelivered: It did not, or nobody knows: sending it again may show it twice.
        """


LOG_LEVEL = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR}


class LoggedNotifier:
    """The process's own log: one line of JSON a message, at its level."""

    name = "log"

    def __init__(self) -> None:
        self._log = logging.getLogger("tieout.alert")

    async def tell(self, title: str, body: str, level: Level) -> None:
        """Write it."""
        line = json.dumps({"alert": title, "level": level, "lines": body.splitlines()}, ensure_ascii=False)
        self._log.log(LOG_LEVEL[level], "%s", line)


class AppriseNotifier:
    """One address of apprise's.

    Args:
        url: The address.
        place: Where it was given, for a problem with it.
        seconds: How long it may take.

    Raises:
        BadInput: Apprise does not know such an address. What it is stays unsaid.
    """

    def __init__(self, url: str, place: str = "urls", *, seconds: int = SEND_SECONDS) -> None:
        _hush()
        with warnings.catch_warnings():
            # It loads all its plugins with the first address, and some stand on what Python is about to drop.
            warnings.simplefilter("ignore", DeprecationWarning)
            import apprise  # half a second, and only for those who alert

            asset = apprise.AppriseAsset(app_id="Tieout", app_desc="Tieout", storage_mode="memory", plugin_paths=[])
            plugin = apprise.Apprise.instantiate(url, asset=asset) if "://" in url else None
        if plugin is None:
            what = "this is no address that apprise can send to"
            raise BadInput([Problem("alerts", place, what, "see its list of services; the address is not shown here")])
        self.name = url.partition("://")[0].strip().lower()
        self._apprise, self._seconds = apprise.Apprise(asset=asset), seconds
        self._apprise.add(plugin)
        self._types = {
            Level.INFO: apprise.NotifyType.INFO,
            Level.WARNING: apprise.NotifyType.WARNING,
            Level.ERROR: apprise.NotifyType.FAILURE,
        }

    async def tell(self, title: str, body: str, level: Level) -> None:
        """Send it, as plain text, so that the channel shows an asset's name as it is and never as markup."""
        heard: list[str] = []
        token = _heard.set(heard)
        try:
            result = await self._apprise.async_notify(
                body=body, title=title, notify_type=self._types[level], body_format="text", timeout=self._seconds
            )
        finally:
            _heard.reset(token)
        if not result:
            late = result.status.name == "TIMEOUT"
            raise AlertUndelivered(self.name, TIMEOUT if late else next(iter(heard), REFUSED))


# What apprise, or what it sends with, says of a failure may hold a token: it is dropped, and only its class is kept.
_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_SILENT = ("apprise", "slixmpp", "sleekxmpp")
_QUIET = ("urllib3", "requests", "requests_oauthlib", "oauthlib", "httpx", "httpcore", "paho", "gntp", "smpplib")
_QUIET_EXACTLY = ("urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib.oauth1_auth", "httpx")
_STATUS = re.compile(r"\berror[=: ]+([45]\d\d)\b")


def _hush() -> None:
    """Keep apprise, and the libraries under it, from logging the addresses and tokens that they are given."""
    for name in _SILENT:
        _filtered(name, _swallow)
    for name in _QUIET:
        log = logging.getLogger(name)
        if log.level < logging.WARNING:
            log.setLevel(logging.WARNING)
    for name in _QUIET_EXACTLY:  # filters hold whatever level somebody sets later, but for one logger alone
        _filtered(name, _only_errors)


def _filtered(name: str, keep: logging._FilterType) -> None:
    logging.getLogger(name).addFilter(keep)  # the same one twice counts once


def _swallow(record: logging.LogRecord) -> bool:
    heard = _heard.get()
    if heard is not None and record.levelno >= logging.WARNING:
        said = record.getMessage()
        status = _STATUS.search(said)
        if status is not None:
            heard.append(f"{REFUSED} ({status[1]})")
        elif "onnection error" in said:
            heard.append(UNREACHABLE)
    return False


def _only_errors(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def channels_of(urls: Sequence[str], place: str = "urls") -> tuple[AppriseNotifier, ...]:
    """A channel for each address; ``file:PATH`` stands for all those in a file.

    Raises:
        BadInput: All that is wrong with them, none of them shown.
    """
    problems: list[Problem] = []
    found: list[AppriseNotifier] = []
    for index, url in enumerate(urls):
        try:
            where = f"{place}[{index}]"
            if url.startswith(FILE) and not url.startswith(f"{FILE}//"):
                lines = _read_private(Path(url.removeprefix(FILE)), where)
                found += [AppriseNotifier(line, f"{where}, line {number}") for number, line in lines]
            else:
                found.append(AppriseNotifier(url, where))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return tuple(found)


def _read_private(path: Path, place: str) -> list[tuple[int, str]]:
    """The lines of a file that say something, with their numbers; it must be its owner's only."""
    try:
        # Without O_NONBLOCK a named pipe in its place would keep us waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            raw = file.read(MAX_FILE + 1) if stat.S_ISREG(mode) else b""
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "cannot be read"
        raise BadInput([Problem("alerts", place, f"{path}: {what}", "name a text file, one address a line")]) from None
    if len(raw) > MAX_FILE:
        raise BadInput([Problem("alerts", place, f"{path}: it is too long", f"keep it within {MAX_FILE} bytes")])
    if mode & OTHERS:
        raise BadInput([Problem("alerts", place, f"{path}: others can read it", "chmod 600 it")])
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    found = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not found:
        raise BadInput([Problem("alerts", place, f"{path}: no address in it", "write one address a line")])
    return found
