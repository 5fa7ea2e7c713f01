"""Tells a program over HTTP that corrections wait. The message says how many, and nothing of what is in them."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from msgspec import Struct

from tieout.books.posting import post
from tieout.clock import Clock
from tieout.model.snapshot import Moment

TRIES, SECONDS, PAUSE_S = 3, 5, 1
_log = logging.getLogger(__name__)


class Ring(Struct, frozen=True, kw_only=True):
    """What is told: that so many corrections of an account wait to be fetched."""

    account: str
    waiting: int
    at: Moment


class WebhookBell:
    """A bell (`books.pushed.Bell`) that posts to an address; whoever hears nothing fetches corrections all the same.

    Nobody waits for it: one message of an account is under way at a time, and the next one says how many wait by then.

    Args:
        url: Where to. A redirection is not followed.
        clock: What the pause between two tries is waited on.
        secret: What messages are signed with; None signs none.
    """

    def __init__(self, url: str, clock: Clock, *, secret: str | None = None) -> None:
        self._url, self._clock, self._secret = url, clock, secret
        self._due: dict[str, int] = {}
        self._ringing: dict[str, asyncio.Task[None]] = {}

    def ring(self, account: str, waiting: int) -> None:
        """Have it said that so many corrections wait."""
        self._due[account] = waiting
        if account not in self._ringing:
            name = f"tieout tells of corrections of {account}"
            self._ringing[account] = asyncio.create_task(self._ring(account), name=name)

    async def close(self) -> None:
        """Wait for what is under way, for as long as one try may take."""
        tasks = set(self._ringing.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=SECONDS)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks)

    async def _ring(self, account: str) -> None:
        try:
            while account in self._due:
                await self._tell(account, self._due.pop(account))
        finally:
            del self._ringing[account]

    async def _tell(self, account: str, waiting: int) -> None:
        """Say that corrections wait; what does not go through is logged, without the address."""
        body = msgspec.json.encode(Ring(account=account, waiting=waiting, at=self._clock.now()))
        why = ""
        for turn in range(TRIES):
            if turn:
                await self._clock.sleep(PAUSE_S)
            _, why = await post(self._url, body, secret=self._secret, seconds=SECONDS)
            if not why:
                return
        _log.warning("%s: that corrections wait could not be told to its hook_url (it %s)", account, why)
