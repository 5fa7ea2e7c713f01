"""Requests over HTTP with the standard library alone: exact numbers, and tries again that change nothing."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.client import HTTPException
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

import msgspec
from msgspec import Struct

from tieout.errors import ServiceRefused, ServiceUnreachable

T = TypeVar("T")
LATER = frozenset({429, 502, 503, 504})
LONGEST_PAUSE_S = 30
MOST = 64 * 1024 * 1024  # bytes of an answer
Wait = Callable[[float], object]


class _Problem(Struct):
    """What the service says of a request that it refuses."""

    detail: str = ""


class _NoRedirect(HTTPRedirectHandler):
    """The token goes to the address that was given, and to no other."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""
        return


class Asking:
    """Requests to one service, each tried again where it did not answer: none of them does anything twice.

    Args:
        url: Where it listens. Beyond this machine it has to be https: the token goes there.
        token: The caller's.
        timeout: Seconds for one try.
        tries: How often in all.
        ca_file: The certificates that are trusted, instead of the system's.
        wait: Waits between two tries; it may return early.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: int = 10,
        tries: int = 4,
        ca_file: str | None = None,
        wait: Wait | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(
                "beyond this machine the service is asked over https, or its token could be read on the way"
            )
        self._url, self._token, self._timeout, self._tries = url.rstrip("/"), token, timeout, tries
        self._wait = wait or threading.Event().wait
        context = ssl.create_default_context(cafile=ca_file)
        # No proxy of the environment: what is pushed are amounts, and the service is near.
        self._opener = build_opener(HTTPSHandler(context=context), ProxyHandler({}), _NoRedirect())

    def __repr__(self) -> str:
        return f"Asking({self._url!r})"

    def ask(self, method: str, path: str, shape: type[T], body: bytes | None = None) -> T:
        """What the service answers, as *shape*.

        Raises:
            ServiceUnreachable: It did not answer, or cannot do it now, however often it was tried.
            ServiceRefused: It said no.
        """
        pause, why = 0.5, "it was not asked"
        for turn in range(self._tries):
            if turn:
                self._wait(min(pause, LONGEST_PAUSE_S))
                pause *= 2
            try:
                return self._answered(method, path, shape, body)
            except HTTPError as error:
                with error:
                    why = _said(error)
                    if error.code not in LATER:
                        raise ServiceRefused(error.code, why) from None
                    pause = max(pause, _asked_to_wait(error))
            except (HTTPException, OSError, ValueError) as error:  # the last of an address that it was sent on to
                reason = getattr(error, "reason", None)
                why = f"no answer ({type(reason if isinstance(reason, Exception) else error).__name__})"
        raise ServiceUnreachable(why)

    def _answered(self, method: str, path: str, shape: type[T], body: bytes | None) -> T:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = Request(self._url + path, data=body, headers=headers, method=method)
        with self._opener.open(request, timeout=self._timeout) as answer:
            raw = answer.read(MOST + 1)
        try:
            return msgspec.json.decode(raw, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ServiceUnreachable("what answers there is no service of Tieout, or of another version") from None


def part(text: str) -> str:
    """*text* as one part of a path."""
    return quote(text, safe="")


def _said(error: HTTPError) -> str:
    try:
        told = msgspec.json.decode(error.read(MOST), type=_Problem).detail
    except (msgspec.DecodeError, UnicodeDecodeError, OSError, HTTPException):
        told = ""
    return told or f"it answered {error.code}"


def _asked_to_wait(error: HTTPError) -> int:
    told = error.headers.get("Retry-After", "")
    return int(told) if told.isdecimal() and len(told) < 10 else 0
