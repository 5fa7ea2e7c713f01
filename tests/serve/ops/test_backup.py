"""Back up and restore, as docs/operations.md says it, of a service that runs; and what systemd hears of it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.metrics_doc import DOCUMENT
from tests.serve.ops.process import served, write_configuration
from tieout.serve.cli import run

pytestmark = pytest.mark.long


def script() -> str:
    """The commands of the document."""
    found = re.search(
        r"^## Back up and restore.*?^```sh\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


def back_up(folder: Path, to: Path) -> None:
    """Do what the document says."""
    environment = {**os.environ, "from": str(folder), "to": str(to)}
    subprocess.run(["bash", "-c", script()], env=environment, check=True, timeout=60)


async def command(*words: str) -> int:
    """The exit status of a command, which has an event loop of its own."""
    return await asyncio.to_thread(run, words)


async def verified(folder: Path) -> int:
    """What `tieout audit verify` says of a store that lies there."""
    store, kept = ("--store", f"{folder}/tieout.db"), ("--keys", f"{folder}/keys")
    return await command("audit", "verify", *store, *kept, "--head", f"{folder}/heads")


async def test_a_copy_of_a_service_that_runs_verifies_and_goes_on(tmp_path: Path) -> None:
    """What is copied as the document says is sound, has all that was committed before, and a service goes on from it."""
    first, copy, second = tmp_path / "first", tmp_path / "copy", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.setblocking(False)
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    async with served(write_configuration(first, "main"), environment=environment) as running:
        await running.ask("/v1/accounts/main/reconcile", "POST")
        before = await running.ask("/v1/audit/entries")
        back_up(first, copy)
        for _ in range(3):  # it goes on, and the copy does not
            await running.ask("/v1/accounts/main/reconcile", "POST")
        after = await running.ask("/v1/audit/entries")
        async with asyncio.timeout(20):
            words = [(await asyncio.get_running_loop().sock_recv(heard, 100)).decode() for _ in range(3)]
    assert words == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert last_of(heard) == "STOPPING=1"
    heard.close()
    assert len(after["entries"]) > len(before["entries"])
    assert (await verified(first), await verified(copy)) == (0, 0)
    path = write_configuration(second, "main")
    for name in ("keys", "tieout.db"):
        shutil.move(copy / name, second / name)
    async with served(path) as restored:
        await restored.ask("/v1/accounts/main/reconcile", "POST")
        found = await restored.ask("/v1/audit/entries")
    assert found["entries"][: len(before["entries"])] == before["entries"]
    assert len(found["entries"]) > len(before["entries"])
    assert await verified(second) == 0
    await restored_without_its_head(path, first, second)


async def restored_without_its_head(path: Path, first: Path, second: Path) -> None:
    """The store alone was restored, and the head kept besides is past it: nothing starts on it until a person has said so."""
    shutil.copy(first / "keys/head", second / "keys/head")
    assert await command("check", "--config", str(path)) == 3
    assert await verified(second) == 1
    assert await command("audit", "key", "head", "--yes", "--config", str(path)) == 0
    assert await command("check", "--config", str(path)) == 0


def last_of(heard: socket.socket) -> str:
    """The last word that was said."""
    said = ""
    while True:
        try:
            said = heard.recv(100).decode()
        except BlockingIOError:
            return said
