"""A real `tieout serve`, as an operator starts it: a process of its own, with a file to configure it and a log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tests.serve.api.stage import ACCOUNT, CLOCK, CONFIGURATION, write_side
from tieout.config import load
from tieout.record import keys
from tieout.record.grants import Grants, TokenRow
from tieout.record.opening import open_record
from tieout.serve.access.roles import Role
from tieout.serve.access.tokens import make_token

PATIENCE_S = 60


class Served:
    """The process, and what it said so far."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, url: str, token: str) -> None:
        self.folder, self.process, self.url, self.token = folder, process, url, token

    @property
    def log(self) -> str:
        """Its standard error."""
        return (self.folder / "log").read_text("utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The same, of a service that logs JSON: every line of it is an object."""
        return [json.loads(line) for line in self.log.splitlines()]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                assert self.process.returncode is None, self.log
                await asyncio.sleep(0.05)  # another process does it, at its own time

    async def ask(self, path: str, method: str = "GET") -> Any:
        """One request."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with ClientSession() as session, session.request(method, self.url + path, headers=headers) as got:
            raw = await got.read()
            return json.loads(raw) if "json" in got.headers.get("Content-Type", "") else raw.decode()

    def signal(self, number: signal.Signals) -> None:
        """Tell it."""
        self.process.send_signal(number)


def write_configuration(folder: Path, *names: str, more: str = "") -> Path:
    """The configuration of the accounts *names*, whose sides match."""
    told = "".join(ACCOUNT.format(name=name, folder=folder) for name in names)
    for name in names:
        for source in ("local", "broker"):
            if not (folder / f"{name}-{source}.json").exists():
                write_side(folder, name, source, "2")
    path = folder / "tieout.toml"
    part = path.with_suffix(".part")
    part.write_text(CONFIGURATION.format(folder=folder, accounts=more + told), "utf-8")
    part.replace(path)
    return path


async def make_access(path: Path, *roles: Role) -> str:
    """A token for the service of a configuration."""
    settings = load(path, None, {}).record
    record = await open_record(settings, CLOCK)
    made, now = make_token(), CLOCK.now()
    row = TokenRow(
        id=made.id, digest=made.digest, name="tester", roles=tuple(roles), created_at=now, created_by="test",
        expires_at=now.replace(year=now.year + 1), accounts=None, amounts=True,
    )  # fmt: skip
    await Grants(record).add_token(row)
    await record.close()
    return made.text


@asynccontextmanager
async def served(
    path: Path, *options: str, environment: Mapping[str, str] = {}, roles: tuple[Role, ...] = tuple(Role)
) -> AsyncIterator[Served]:
    """`tieout serve` over the configuration *path*, until this ends; it then ended by itself, and well."""
    folder = path.parent
    if not (folder / "keys").exists():
        keys.create(folder / "keys", "test")
    token = await make_access(path, *roles)
    with (folder / "log").open("wb") as log, (folder / "out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tieout", "serve", "--config", str(path), *options,
            stdout=out, stderr=log, env={**os.environ, **environment}, cwd=folder,
        )  # fmt: skip
    try:
        running = Served(folder, process, "", token)
        await running.until(lambda: "listens at" in (folder / "out").read_text())
        running.url = (folder / "out").read_text().partition("listens at ")[2].split()[0]
        yield running
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0, running.log
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
