"""A venue's own OpenAPI as the judge between an adapter and our loopback server: `prism proxy` from npm stands between them.

What the adapter asks and what the server answers both have to keep to the document. A violation counts unless it is listed
with a reason, and a reason that explains nothing any more counts too.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conform.output import say
from tests.loopback import on_loopback

PACKAGE = "@stoplight/prism-cli@5.14.2"
_HOP = frozenset(("connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"))


class Judged(NamedTuple):
    """One venue.

    Attributes:
        document: Its OpenAPI, under payloads/openapi.
        upstream: Our server, listening.
        drive: Uses the adapter at a URL, in every way it has.
        explained: What a violation looks like that is not ours (a pattern), and why.
        changed: What has to be changed in the document before it describes the venue's real paths.
    """

    venue: str
    document: str
    upstream: str
    drive: Callable[[str], Awaitable[None]]
    explained: Mapping[str, str]
    changed: Callable[[str], str] = str


class Violation(NamedTuple):
    """What Prism found wrong with one exchange."""

    request: str
    text: str


def prism() -> Path | None:
    """Prism's command, installed once into the machine's folder for temporary files; None where there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder = Path(tempfile.gettempdir()) / "tieout-prism"
    command = folder / "node_modules" / ".bin" / "prism"
    if not command.exists():
        ran = subprocess.run([npm, "install", "--silent", "--prefix", str(folder), PACKAGE], check=False)
        if ran.returncode:
            return None
    return command


@asynccontextmanager
async def proxied(command: Path, document: Path, upstream: str) -> AsyncIterator[str]:
    """The URL of Prism, with *document* in its hand, before *upstream*."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        str(command), "proxy", str(document), upstream, "--port", str(port), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"listening on" not in await process.stdout.readline():
                assert process.returncode is None, "prism did not start"
        draining = asyncio.create_task(process.stdout.read())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
    await draining


@asynccontextmanager
async def noted(target: str, found: list[Violation], asked: list[str]) -> AsyncIterator[str]:
    """The URL of a listener before Prism: it passes all on, and notes what Prism says in its headers."""

    async def pass_on(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with session.request(
            request.method, target + request.raw_path, headers=headers, data=await request.read()
        ) as answer:
            for each in json.loads(answer.headers.get("sl-violations", "[]")):
                place, where = ".".join(map(str, each["location"])), f"{request.method} {request.path}"
                found.append(Violation(where, f"{place}: {each['message']}"))
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    async with aiohttp.ClientSession() as session, on_loopback(app, access_log=None) as url:
        yield url


async def judge(judged: Judged, shared: Path, command: Path) -> tuple[int, int]:
    """Judge one venue; how many exchanges kept to its document, and what failed."""
    text = (shared / "payloads" / "openapi" / judged.document).read_text()
    found, asked = list[Violation](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / judged.document
        document.write_text(judged.changed(text))
        async with proxied(command, document, judged.upstream) as between, noted(between, found, asked) as url:
            await judged.drive(url)
    return _told(judged, found, asked)


def _told(judged: Judged, found: list[Violation], asked: list[str]) -> tuple[int, int]:
    used = Counter[str]()
    wrong = list[Violation]()
    for each in found:
        why = next((pattern for pattern in judged.explained if re.search(pattern, f"{each.request} {each.text}")), None)
        used[why or ""] += 1
        wrong += [] if why else [each]
    idle = [pattern for pattern in judged.explained if not used[pattern]]
    say(f"{judged.venue}: {len(asked)} requests, {len(found)} violations, {len(wrong)} of them unexplained")
    for violation, times in Counter(wrong).items():
        say(f"VIOLATION {times} x {judged.venue} {violation.request} {violation.text}")
    for pattern, why in judged.explained.items():
        say(f"explained {used[pattern]} x {pattern}: {why}")
    return len(asked) - len({each.request for each in wrong}), len(wrong) + len(idle)


async def run(shared: Path) -> tuple[int, int]:
    """Judge every venue that has a document; nothing where there is no npm."""
    from tests.conform.venues import DOCUMENTED  # the servers and adapters, which need nothing of this

    command = await asyncio.to_thread(prism)
    if command is None:
        say("not judged by OpenAPI: no npm here, or no registry")
        return 0, 0
    passed = failed = 0
    for opened in DOCUMENTED:
        async with opened() as judged:
            fine, wrong = await judge(judged, shared, command)
            passed, failed = passed + fine, failed + wrong
    return passed, failed


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(run(Path(sys.argv[1])))[1] else 0)
