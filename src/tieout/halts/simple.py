"""Three ways to tell any program of halts: a flag file, a command, a webhook. Each shows what it can of their effect."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from tieout.books.posting import MOST, post
from tieout.errors import BadInput
from tieout.halts.base import told, unproven
from tieout.model.codec import read_bytes
from tieout.model.halt import Halt

SECONDS = 10


class FlagFile:
    """A file that is there while anything is halted; it says what. A program that looks at it before each order obeys.

    Args:
        account: Whose orders.
        path: The file.
        obeyed: Where the program writes which halts it obeys, ``{"halts": [ids]}``; None takes the flag for its effect.
    """

    def __init__(self, account: str, path: Path, *, obeyed: Path | None = None) -> None:
        self._account, self._path, self._obeyed = account, path, obeyed

    async def follow(self, halts: Sequence[Halt], *, lifts: bool) -> str | None:
        """Write the flag, or take it away; then read it, and what the program says."""
        try:
            return await asyncio.to_thread(self._follow, halts, lifts)
        except (OSError, BadInput) as error:
            return f"the flag file cannot be written or read ({type(error).__name__})"

    def forget(self) -> None:
        """Nothing is remembered."""

    def _follow(self, halts: Sequence[Halt], lifts: bool) -> str | None:
        if halts:
            body = told(self._account, halts)
            if not self._path.exists() or read_bytes(self._path, MOST) != body:
                fresh = self._path.with_name(self._path.name + ".new")
                fresh.write_bytes(body)
                fresh.replace(self._path)  # nobody finds half of it
            if read_bytes(self._path, MOST) != body:
                return "the flag file does not say what was written"
        elif lifts:
            self._path.unlink(missing_ok=True)
        if self._obeyed is None or not halts:
            return None
        return (
            unproven(read_bytes(self._obeyed, MOST), halts) if self._obeyed.exists() else "the program says nothing yet"
        )


class Command:
    """A program that is started with the halts on its standard input, and prints which it obeys.

    Args:
        account: Whose orders.
        words: The program and its arguments; no shell reads them.
    """

    def __init__(self, account: str, words: Sequence[str]) -> None:
        self._account, self._words = account, tuple(words)

    async def follow(self, halts: Sequence[Halt], *, lifts: bool) -> str | None:
        """Start it: with all halts that stand, none where trading may go on."""
        if not halts and not lifts:
            return None
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", os.defpath)},  # no secret of ours
            )
        except OSError as error:
            return f"the command cannot be started ({type(error).__name__})"
        try:
            async with asyncio.timeout(SECONDS):
                answer, _ = await process.communicate(told(self._account, halts))
        except TimeoutError:
            return f"the command did not end within {SECONDS} seconds"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            return f"the command ended with {process.returncode}"
        return unproven(answer, halts) if halts else None

    def forget(self) -> None:
        """Nothing is remembered."""


class Webhook:
    """An address that is told of the halts, and answers which it obeys.

    Args:
        account: Whose orders.
        url: Where to. A redirection is not followed.
        secret: What messages are signed with; None signs none.
    """

    def __init__(self, account: str, url: str, *, secret: str | None = None) -> None:
        self._account, self._url, self._secret = account, url, secret

    async def follow(self, halts: Sequence[Halt], *, lifts: bool) -> str | None:
        """Tell it: all halts that stand, none where trading may go on."""
        if not halts and not lifts:
            return None
        said, why = await post(self._url, told(self._account, halts), secret=self._secret, seconds=SECONDS)
        if why:
            return f"the webhook {why}"
        return unproven(said, halts) if halts else None

    def forget(self) -> None:
        """Nothing is remembered."""
