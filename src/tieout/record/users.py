"""Users and their sessions in tables; each change of a user, and each login, is an entry of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, insert, select, update

from tieout.errors import WordRefused
from tieout.record.entry import Draft, EntryKind
from tieout.record.granted import Granted, joined, parted
from tieout.record.recorder import StoreRecord
from tieout.record.store.schema import sessions, users
from tieout.record.writer import Unit

TRIES = 5  # before a name is locked
LOCKS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))


class UserRow(Granted, frozen=True, kw_only=True):
    """A person who may log in.

    Attributes:
        password: The argon2 hash of it.
        disabled_at: From when on they may no more.
        failures: Wrong passwords since the last right one.
        locked_until: Until when no password is looked at, after too many of those.
    """

    password: str
    disabled_at: datetime | None = None
    failures: int = 0
    locked_until: datetime | None = None

    def __repr__(self) -> str:
        return f"UserRow(name={self.name!r})"


class SessionRow(Struct, frozen=True, kw_only=True):
    """Somebody who logged in. `csrf` is what a page has to show besides the cookie before anything is changed."""

    digest: bytes
    user: UserRow
    csrf: str
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None


def find_user(connection: Connection, name: str) -> UserRow | None:
    """A user by name."""
    row = connection.execute(select(users).where(users.c.name == name)).first()
    return None if row is None else _user(row)


def list_users(connection: Connection) -> tuple[UserRow, ...]:
    """All that there ever were, by name."""
    return tuple(_user(row) for row in connection.execute(select(users).order_by(users.c.name)))


class Users:
    """Who may log in, kept in the record. All raise `RecordError` where it cannot be kept, and then it does not count."""

    def __init__(self, record: StoreRecord) -> None:
        self._record = record

    async def user(self, name: str) -> UserRow | None:
        """A user by name."""
        return await self._record.database.read(lambda connection: find_user(connection, name))

    async def add(self, row: UserRow) -> None:
        """Let somebody log in from now on.

        Raises:
            WordRefused: The name is taken, also by somebody who may no more: the log would mix them up.
        """
        named = await self._record.database.read(list_users)
        if any(row.name.casefold() == each.name.casefold() for each in named):
            raise WordRefused("there is, or was, a user of that name; names are not given twice")
        values = {each: getattr(row, each) for each in UserRow.__struct_fields__}
        values |= {"roles": " ".join(row.roles), "accounts": joined(row.accounts)}
        await self._change(f"user:{row.name}", row.created_by, row.refs, insert(users).values(values))

    async def set_password(self, name: str, password: str, *, actor: str, at: datetime) -> None:
        """Give a user another password (its hash); whoever is logged in under the old one no longer is.

        Raises:
            WordRefused: There is no such user.
        """
        await self._known(name)
        values = {"password": password, "failures": 0, "locked_until": None}
        changed = update(users).where(users.c.name == name).values(values)
        await self._change(f"password:{name}:{at.isoformat()}", actor, {"password": name}, changed, _over(name, at))

    async def disable(self, name: str, *, actor: str, at: datetime) -> None:
        """Let a user log in no more, and log them out.

        Raises:
            WordRefused: There is no such user, or they may not already.
        """
        if (await self._known(name)).disabled_at is not None:
            raise WordRefused("that user may not log in already")
        changed = update(users).where(users.c.name == name).values(disabled_at=at)
        await self._change(f"disable:{name}", actor, {"disabled": name}, changed, _over(name, at))

    async def failed(self, name: str, at: datetime) -> datetime | None:
        """Count a wrong password; until when the name is locked now, where it is."""

        def count(connection: Connection) -> datetime | None:
            row = connection.execute(select(users.c.failures).where(users.c.name == name)).first()
            if row is None:
                return None
            failures = row.failures + 1
            beyond = failures - TRIES
            until = None if beyond < 0 else at + LOCKS[min(beyond, len(LOCKS) - 1)]
            connection.execute(update(users).where(users.c.name == name).values(failures=failures, locked_until=until))
            return until

        return await self._record.database.write(count)

    async def begin(self, name: str, digest: bytes, csrf: str, at: datetime) -> None:
        """A session of a user who showed the right password."""
        values = {"digest": digest, "user": name, "csrf": csrf, "began_at": at, "seen_at": at}
        right = update(users).where(users.c.name == name).values(failures=0, locked_until=None)
        made = insert(sessions).values(values)
        await self._change(f"login:{hashlib.sha256(digest).hexdigest()[:32]}", name, {"login": name}, made, right)

    async def session(self, digest: bytes) -> SessionRow | None:
        """A session by the digest of its cookie."""

        def read(connection: Connection) -> SessionRow | None:
            query: Select[tuple[object, ...]] = select(
                users, *(getattr(sessions.c, each) for each in ("digest", "csrf", "began_at", "seen_at", "ended_at"))
            ).join(users, users.c.name == sessions.c.user)
            row = connection.execute(query.where(sessions.c.digest == digest)).first()
            if row is None:
                return None
            own = {each: getattr(row, each) for each in SessionRow.__struct_fields__ if each != "user"}
            return SessionRow(user=_user(row), **own)

        return await self._record.database.read(read)

    async def seen(self, digest: bytes, at: datetime) -> None:
        """Note that a session is in use."""
        changed = update(sessions).where(sessions.c.digest == digest).values(seen_at=at)
        await self._record.database.write(lambda connection: connection.execute(changed))

    async def end(self, digest: bytes, at: datetime) -> None:
        """Log somebody out."""
        changed = update(sessions).where(sessions.c.digest == digest).values(ended_at=at)
        await self._record.database.write(lambda connection: connection.execute(changed))

    async def _known(self, name: str) -> UserRow:
        found = await self.user(name)
        if found is None:
            raise WordRefused("there is no user of that name; `tieout access users` lists them")
        return found

    async def _change(self, event: str, actor: str, refs: dict[str, str], *statements: object) -> None:
        draft = Draft(event=event, kind=EntryKind.GRANT, actor=actor, refs=refs)

        def rows(connection: Connection, _: Sequence[int]) -> None:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

        await self._record.write(Unit((draft,), rows))


def _over(name: str, at: datetime) -> object:
    return update(sessions).where(sessions.c.user == name, sessions.c.ended_at.is_(None)).values(ended_at=at)


def _user(row: Row[tuple[object, ...]]) -> UserRow:
    named = {each: getattr(row, each) for each in UserRow.__struct_fields__}
    return UserRow(**{**named, "roles": tuple(row.roles.split()), "accounts": parted(row.accounts)})
