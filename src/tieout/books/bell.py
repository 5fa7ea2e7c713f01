"""Tells a program over HTTP that corrections wait. The message says how many, and nothing of what is in them."""

from __future__ import annotations

import hashlib
import hmac
import logging

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Struct

from tieout.clock import Clock
from tieout.model.snapshot import Moment

SIGNATURE = "Tieout-Signature"
TRIES, SECONDS, PAUSE_S = 3, 5, 1
_log = logging.getLogger(__name__)


class Ring(Struct, frozen=True, kw_only=True):
    """What is told: that so many corrections of an account wait to be fetched."""

    account: str
    waiting: int
    at: Moment


def signature(secret: str, body: bytes) -> str:
    """What a message bears as `Tieout-Signature`: HMAC-SHA256 of its body under the secret that both know."""
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


class WebhookBell:
    """A bell (`books.pushed.Bell`) that posts to an address; whoever hears nothing fetches corrections all the same.

    Args:
        url: Where to. A redirection is not followed.
        clock: What the pause between two tries is waited on.
        secret: What messages are signed with; None signs none.
    """

    def __init__(self, url: str, clock: Clock, *, secret: str | None = None) -> None:
        self._url, self._clock, self._secret = url, clock, secret

    async def ring(self, account: str, waiting: int) -> None:
        """Say that corrections wait; what does not go through is logged, without the address."""
        body = msgspec.json.encode(Ring(account=account, waiting=waiting, at=self._clock.now()))
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body)
        why = ""
        for turn in range(TRIES):
            if turn:
                await self._clock.sleep(PAUSE_S)
            why = await self._posted(body, headers)
            if not why:
                return
        _log.warning("%s: that corrections wait could not be told to its hook_url (%s)", account, why)

    async def _posted(self, body: bytes, headers: dict[str, str]) -> str:
        """Why it did not go through; empty where it did."""
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS)) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return "" if answer.status < 300 else f"it answered {answer.status}"
        except (TimeoutError, ClientError, OSError) as error:
            return type(error).__name__
