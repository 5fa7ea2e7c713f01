"""Users and their sessions in tables; each change of a user, and each login, is an entry of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import Connection, Executable, Row, Select, delete, func, insert, or_, select, update

from tieout.errors import WordRefused
from tieout.record.entry import Draft, EntryKind
from tieout.record.granted import Granted, joined, parted
from tieout.record.recorder import StoreRecord
from tieout.record.store.schema import sessions, users
from tieout.record.writer import Overtaken, Unit

# A page that is open looks by itself, and counts as use: it is closed, or asleep, before a session can be idle.
LASTS, IDLE = timedelta(hours=12), timedelta(hours=1)  # how long a session counts in any case, and without use
TRIES = 5  # before a name is locked
TAKEN = "there is, or was, a user of that name; names are not given twice"
LOCKS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
VOUCHED = "oidc:"  # how the names begin that an issuer gives, and nobody else


class UserRow(Granted, frozen=True, kw_only=True):
    """A person who may log in.

    Attributes:
        password: The argon2 hash of it; empty where an issuer vouches for them, and then none is right.
        disabled_at: From when on they may no more.
        failures: Wrong passwords since the last right one.
        locked_until: Until when no password is looked at, after too many of those.
        issuer: Who vouches for them; None where a password does.
        display: How that issuer called them last; others may bear the same, so nothing rests on it.
    """

    password: str
    disabled_at: datetime | None = None
    failures: int = 0
    locked_until: datetime | None = None
    issuer: str | None = None
    display: str | None = None

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
        if row.name.casefold().startswith(VOUCHED):
            raise WordRefused(f"names that begin with {VOUCHED} are given by an issuer alone")
        named = await self._record.database.read(list_users)
        if any(row.name.casefold() == each.name.casefold() for each in named):
            raise WordRefused(TAKEN)
        await self._change(f"user:{row.name}", row.created_by, row.refs, insert(users).values(_values(row)))
        if await self.user(row.name) != row:  # somebody else gave it at the same moment
            raise WordRefused(TAKEN)

    async def set_password(self, name: str, password: str, *, actor: str, at: datetime) -> None:
        """Give a user another password (its hash); whoever is logged in under the old one no longer is.

        Raises:
            WordRefused: There is no such user, or none who has a password.
        """
        if (await self._known(name)).issuer is not None:
            raise WordRefused("an issuer vouches for that user: they sign in there, without a password of ours")
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

    async def begin(self, name: str, digest: bytes, csrf: str, at: datetime, *, password: str) -> None:
        """A session of a user who showed the right password, of which *password* is the hash that was compared.

        Raises:
            WordRefused: They have another one by now, or may log in no more.
        """
        draft = Draft(event=_login(digest), kind=EntryKind.GRANT, actor=name, refs={"login": name})

        def rows(connection: Connection, _: Sequence[int]) -> None:
            # The log's head is held: nobody else changes a user meanwhile.
            right = (users.c.name == name, users.c.password == password, users.c.disabled_at.is_(None))
            if connection.execute(select(users.c.name).where(*right)).first() is None:
                raise Overtaken
            connection.execute(update(users).where(users.c.name == name).values(failures=0, locked_until=None))
            for statement in _session(name, digest, csrf, at):
                connection.execute(statement)

        try:
            await self._record.write(Unit((draft,), rows))
        except Overtaken:
            raise WordRefused("that password counts no more") from None

    async def begin_vouched(self, row: UserRow, digest: bytes, csrf: str, at: datetime) -> None:
        """A session of somebody whom *row*'s issuer vouches for. What they may, in all their sessions, is what *row* says.

        Raises:
            WordRefused: They may sign in no more, or somebody else has that name.
        """

        def rows(connection: Connection, _: Sequence[int]) -> None:
            # The log's head is held: nobody else changes a user meanwhile.
            query = select(users).where(func.lower(users.c.name) == row.name.lower())
            known = [_user(each) for each in connection.execute(query)]
            if any(_differs(each, row) for each in known):
                raise Overtaken
            changed = {name: each for name, each in _values(row).items() if not known or name in _EACH_LOGIN}
            done = update(users).where(users.c.name == row.name) if known else insert(users)
            connection.execute(done.values(changed))
            for statement in _session(row.name, digest, csrf, at):
                connection.execute(statement)

        refs = {"login": row.name, "issuer": row.issuer or "", **({"called": row.display} if row.display else {})}
        draft = Draft(event=_login(digest), kind=EntryKind.GRANT, actor=row.name, refs={**row.refs, **refs})
        try:
            await self._record.write(Unit((draft,), rows))
        except Overtaken:
            raise WordRefused("you may sign in no more, or somebody else has your name") from None

    async def withdraw(self, name: str, issuer: str, at: datetime) -> None:
        """Take everything from somebody whom *issuer* no longer gives any role, where they had one; log them out."""
        known = await self.user(name)
        if known is not None and known.issuer == issuer and known.roles:
            changed = update(users).where(users.c.name == name).values(roles="", amounts=False)
            event = f"withdraw:{name}:{at.isoformat()}"
            await self._change(event, name, {"withdrawn": name}, changed, _over(name, at))

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


_EACH_LOGIN = ("roles", "accounts", "amounts", "display")


def _differs(known: UserRow, row: UserRow) -> bool:
    """Whether whoever has the name is another one, or may no more."""
    return known.name != row.name or known.issuer != row.issuer or known.disabled_at is not None


def _login(digest: bytes) -> str:
    return f"login:{hashlib.sha256(digest).hexdigest()[:32]}"


def _values(row: UserRow) -> dict[str, object]:
    values = {each: getattr(row, each) for each in UserRow.__struct_fields__}
    return values | {"roles": " ".join(row.roles), "accounts": joined(row.accounts)}


def _session(name: str, digest: bytes, csrf: str, at: datetime) -> tuple[Executable, ...]:
    """What begins a session of a user; those of theirs that count no more are forgotten."""
    past = (sessions.c.ended_at.is_not(None), sessions.c.began_at <= at - LASTS, sessions.c.seen_at <= at - IDLE)
    values = {"digest": digest, "user": name, "csrf": csrf, "began_at": at, "seen_at": at}
    return delete(sessions).where(sessions.c.user == name, or_(*past)), insert(sessions).values(values)


def _over(name: str, at: datetime) -> object:
    return update(sessions).where(sessions.c.user == name, sessions.c.ended_at.is_(None)).values(ended_at=at)


def _user(row: Row[tuple[object, ...]]) -> UserRow:
    named = {each: getattr(row, each) for each in UserRow.__struct_fields__}
    return UserRow(**{**named, "roles": tuple(row.roles.split()), "accounts": parted(row.accounts)})
