"""How far a venue's server is away, step by step: name, connection, TLS, a first answer. Nothing of an account is in it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from tieout.clock import Clock

T = TypeVar("T")
Step = Literal["name", "connection", "TLS", "HTTP"]
EACH_S = 5
_AGENT = "tieout-doctor"


class Reached(Struct, frozen=True, kw_only=True):
    """Milliseconds of each step that succeeded; `failed` is the first that did not, and *why* a few words for it."""

    host: str
    name_ms: int | None = None
    connection_ms: int | None = None
    tls_ms: int | None = None
    http_ms: int | None = None
    failed: Step | None = None
    why: str = ""


class _Failed(Exception):
    def __init__(self, step: Step, why: str) -> None:
        self.step, self.why = step, why
        super().__init__(why)


async def reach(origin: str, clock: Clock) -> Reached:
    """How *origin* (``https://host:port``) was reached just now; one unsigned HEAD is sent to it.

    To a ``tcp://host:port`` nothing is sent: it speaks in its own way.
    """
    parts = urlsplit(origin)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    took: dict[Step, int] = {}

    async def step(name: Step, doing: Callable[[], Awaitable[T]]) -> T:
        began = clock.monotonic_ns()
        try:
            async with asyncio.timeout(EACH_S):
                done = await doing()
        except (OSError, ssl.SSLError, TimeoutError, UnicodeError, EOFError, ValueError) as error:
            raise _Failed(name, _why(error)) from None
        took[name] = round((clock.monotonic_ns() - began) / 10**6)
        return done

    try:
        loop = asyncio.get_running_loop()
        await step("name", lambda: loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        reader, writer = await step("connection", lambda: asyncio.open_connection(host, port))
        try:
            if secure:
                context = ssl.create_default_context()
                await step("TLS", lambda: writer.start_tls(context, server_hostname=host))
            if parts.scheme != "tcp":
                await step("HTTP", lambda: _first_line(reader, writer, parts.netloc))
        finally:
            writer.close()
    except _Failed as failed:
        return _reached(parts.netloc, took, failed.step, failed.why)
    return _reached(parts.netloc, took)


def _reached(host: str, took: dict[Step, int], failed: Step | None = None, why: str = "") -> Reached:
    name, connection, tls, http = (took.get(step) for step in ("name", "connection", "TLS", "HTTP"))
    return Reached(host=host, name_ms=name, connection_ms=connection, tls_ms=tls, http_ms=http, failed=failed, why=why)


async def _first_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
    head = f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {_AGENT}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode("ascii"))
    await writer.drain()
    if not (await reader.readline()).startswith(b"HTTP/"):
        raise ValueError("no answer in HTTP")


def _why(error: Exception) -> str:
    """A few words, none of which the other side chose."""
    if isinstance(error, TimeoutError):
        return f"no answer within {EACH_S} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not one that this machine trusts"
    if isinstance(error, ssl.SSLError):
        return "no secure connection could be agreed on"
    if isinstance(error, socket.gaierror):
        return "nobody knows an address of that name"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections"
    if isinstance(error, OSError):
        return "the connection broke"
    return "what came back is no HTTP"
