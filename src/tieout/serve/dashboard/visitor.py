"""Who looks at a page: known by a cookie, and looked up anew for each page, each event and each update of what is shown."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

from tieout.serve.access.roles import Caller
from tieout.serve.access.tokens import caller_of, read_token
from tieout.serve.desk import Desk

COOKIE = "tieout_session"
LONGEST = timedelta(hours=12)
MOST = 10_000  # sessions; the oldest ends where there are more


class _Session(Struct, frozen=True):
    """Who is signed in: by which token, which is itself not kept."""

    token: str
    digest: bytes
    ends: datetime


class Visitors:
    """Who is signed in. It is kept in memory alone: a service that starts anew knows nobody.

    Args:
        desk: What the tokens are looked up in.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sessions: dict[bytes, _Session] = {}

    async def enter(self, shown: str) -> str | None:
        """The cookie of a new session for whoever shows a token that counts; None for anybody else."""
        read = read_token(shown.strip())
        if read is None:
            return None
        session = _Session(*read, ends=self._desk.clock.now() + LONGEST)
        if await self._caller(session) is None:
            return None
        self._tidy()
        cookie = secrets.token_urlsafe(32)
        self._sessions[_key(cookie)] = session
        return cookie

    def leave(self, cookie: str | None) -> None:
        """End a session, if it is one."""
        if cookie is not None:
            self._sessions.pop(_key(cookie), None)

    async def known(self, cookie: str | None) -> Caller | None:
        """Whoever bears the cookie, as they are now; None where the session or its token counts no more."""
        session = None if cookie is None else self._sessions.get(_key(cookie))
        return None if session is None else await self._caller(session)

    async def _caller(self, session: _Session) -> Caller | None:
        now = self._desk.clock.now()
        if session.ends <= now:
            return None
        return caller_of(await self._desk.grants.token(session.token), session.digest, now)

    def _tidy(self) -> None:
        now = self._desk.clock.now()
        self._sessions = {name: each for name, each in self._sessions.items() if each.ends > now}
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]


def _key(cookie: str) -> bytes:
    """Who reads this process's memory by accident finds no cookie in it."""
    return hashlib.sha256(cookie.encode()).digest()
