"""How a caller becomes known: by a token, or by the session of a user who logged in."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from msgspec import Struct

from tieout.clock import Clock
from tieout.errors import WordRefused
from tieout.record.granted import Granted
from tieout.record.grants import Grants
from tieout.record.users import IDLE, LASTS, LOCKS, TRIES, SessionRow, UserRow, Users
from tieout.serve.access.passwords import Passwords
from tieout.serve.access.roles import LONGEST_NAME, Caller, Role
from tieout.serve.access.tokens import digest_of, read_token

NOTED_EVERY = timedelta(minutes=1)
WRONG = "the name or the password is wrong"
CROWDED = timedelta(seconds=5)
STRANGERS = 1000  # names that nobody has, whose tries are counted all the same


class Session(Struct, frozen=True, kw_only=True):
    """A user who is logged in, and until when; `csrf` is what a page shows besides the cookie to change anything."""

    caller: Caller
    csrf: str
    until: datetime


class Login(Struct, frozen=True, kw_only=True):
    """What came of a try to log in: a session and its cookie, or why not, and from when on to try again."""

    session: Session | None = None
    cookie: str = ""
    why: str = ""
    again_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Login(why={self.why!r})"


class Callers:
    """Whoever asks, by what they show. All raise `RecordError` where that cannot be looked up.

    Attributes:
        passwords: How they are compared.
        issuer: Whom sessions may rest on besides passwords, now; "" is nobody.
    """

    def __init__(self, grants: Grants, users: Users, clock: Clock) -> None:
        self._grants, self._users, self._clock = grants, users, clock
        self.passwords, self.issuer = Passwords(), ""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._strangers: OrderedDict[str, tuple[int, datetime | None]] = OrderedDict()

    async def by_token(self, text: str) -> Caller | None:
        """Whoever has a token that counts now."""
        read = read_token(text)
        if read is None:
            return None
        name, digest = read
        row = await self._grants.token(name)
        if row is None or not hmac.compare_digest(row.digest, digest):
            return None
        if row.revoked_at is not None or row.expires_at <= self._clock.now():
            return None
        return caller_of(row)

    async def by_session(self, cookie: str) -> Session | None:
        """Whoever has a session that counts now."""
        digest, now = digest_of(cookie), self._clock.now()
        row = await self._users.session(digest)
        if row is None or not _counts(row, now) or row.user.issuer not in (None, self.issuer):
            return None
        if now - row.seen_at >= NOTED_EVERY:
            await self._users.seen(digest, now)
        return _session(row)

    async def login(self, name: str, password: str) -> Login:
        """Log a user in. What is wrong is told alike, whether there is such a user or not.

        One try of a name is looked at after the other: many at once are no more than those.
        """
        name = name[: LONGEST_NAME + 1]
        async with self._turns.setdefault(name, asyncio.Lock()):
            return await self._login(name, password)

    async def _login(self, name: str, password: str) -> Login:
        now = self._clock.now()
        row = await self._users.user(name)
        locked = self._stranger_locked(name) if row is None else row.locked_until
        if locked is not None and locked > now:
            return Login(why="too many wrong passwords", again_at=locked)
        if self.passwords.crowded:
            return Login(why="too many log in at once", again_at=now + CROWDED)
        right = await self.passwords.fits(password, None if row is None else row.password)
        if row is None or row.disabled_at is not None or not right:
            until = self._stranger_failed(name, now) if row is None else await self._users.failed(name, now)
            return Login(why=WRONG, again_at=until)
        cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        try:
            await self._users.begin(name, digest_of(cookie), csrf, now, password=row.password)
        except WordRefused:  # while it was compared they were given another
            return Login(why=WRONG)
        return Login(session=Session(caller=caller_of(row), csrf=csrf, until=now + LASTS), cookie=cookie)

    async def admit(self, row: UserRow) -> Login:
        """Begin a session of somebody whom the issuer vouches for.

        Raises:
            WordRefused: They may sign in no more, or somebody else has their name.
        """
        now, cookie, csrf = self._clock.now(), secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        await self._users.begin_vouched(row, digest_of(cookie), csrf, now)
        return Login(session=Session(caller=caller_of(row), csrf=csrf, until=now + LASTS), cookie=cookie)

    async def logout(self, cookie: str) -> None:
        """End a session."""
        await self._users.end(digest_of(cookie), self._clock.now())

    def _stranger_locked(self, name: str) -> datetime | None:
        return self._strangers.get(name, (0, None))[1]

    def _stranger_failed(self, name: str, now: datetime) -> datetime | None:
        failures = self._strangers.pop(name, (0, None))[0] + 1
        until = None if failures < TRIES else now + LOCKS[min(failures - TRIES, len(LOCKS) - 1)]
        self._strangers[name] = failures, until
        if len(self._strangers) > STRANGERS:
            self._strangers.popitem(last=False)
        return until


def caller_of(row: Granted) -> Caller:
    """Whoever was granted that."""
    return Caller(
        name=row.name,
        roles=frozenset(Role(role) for role in row.roles),
        accounts=None if row.accounts is None else frozenset(row.accounts),
        amounts=row.amounts,
        display=getattr(row, "display", None),
    )


def _counts(row: SessionRow, now: datetime) -> bool:
    over = row.ended_at is not None or row.user.disabled_at is not None
    return not over and now - row.began_at < LASTS and now - row.seen_at < IDLE


def _session(row: SessionRow) -> Session:
    return Session(caller=caller_of(row.user), csrf=row.csrf, until=min(row.began_at + LASTS, row.seen_at + IDLE))
