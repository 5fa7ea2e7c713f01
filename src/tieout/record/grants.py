"""Tokens in tables, each change of them an entry of the log; and denials, as the log has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, Row, insert, select, update

from tieout.errors import WordRefused
from tieout.record.entry import Draft, EntryKind
from tieout.record.granted import Granted, joined, parted
from tieout.record.recorder import StoreRecord
from tieout.record.store.schema import tokens
from tieout.record.writer import Unit


class TokenRow(Granted, frozen=True, kw_only=True):
    """A token as the store has it: not the token itself, but the digest of it.

    Attributes:
        id: Which; the token bears it, too.
        expires_at: From when on it counts no more.
        revoked_at: When somebody took it back.
    """

    id: str
    digest: bytes
    expires_at: datetime
    revoked_at: datetime | None = None


class Denial(Struct, frozen=True, kw_only=True):
    """That somebody was not let.

    Attributes:
        who: By name; None where nobody knows.
        origin: The address that asked.
        what: What they wanted.
        why: Why not.
        account: On which account, where it was one of ours.
    """

    who: str | None
    origin: str
    what: str
    why: str
    account: str | None = None


def find_token(connection: Connection, name: str) -> TokenRow | None:
    """A token by its id."""
    row = connection.execute(select(tokens).where(tokens.c.id == name)).first()
    return None if row is None else _token(row)


def list_tokens(connection: Connection) -> tuple[TokenRow, ...]:
    """All that were ever made, the newest first."""
    return tuple(_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.created_at.desc())))


class Grants:
    """What is granted, kept in the record. All raise `RecordError` where it cannot be kept, and then it does not count."""

    def __init__(self, record: StoreRecord) -> None:
        self._record = record

    async def token(self, name: str) -> TokenRow | None:
        """A token by its id."""
        return await self._record.database.read(lambda connection: find_token(connection, name))

    async def add_token(self, row: TokenRow) -> None:
        """Let a token count from now on."""
        refs = {"token": row.id, "expires": row.expires_at.isoformat(), **row.refs}
        draft = Draft(event=f"token:{row.id}", kind=EntryKind.GRANT, actor=row.created_by, refs=refs)

        def rows(connection: Connection, _: Sequence[int]) -> None:
            values = {each: getattr(row, each) for each in TokenRow.__struct_fields__}
            values |= {"roles": " ".join(row.roles), "accounts": joined(row.accounts)}
            connection.execute(insert(tokens).values(values))

        await self._record.write(Unit((draft,), rows))

    async def revoke_token(self, name: str, *, actor: str, at: datetime) -> None:
        """Let a token count no more.

        Raises:
            WordRefused: There is no such token, or it was revoked before.
        """
        found = await self.token(name)
        if found is None or found.revoked_at is not None:
            raise WordRefused("there is no token of that id that counts; `tieout access tokens` lists them")
        draft = Draft(event=f"revoke:{name}", kind=EntryKind.GRANT, actor=actor, refs={"revoked": name})

        def rows(connection: Connection, _: Sequence[int]) -> None:
            connection.execute(update(tokens).where(tokens.c.id == name).values(revoked_at=at))

        await self._record.write(Unit((draft,), rows))

    async def denied(self, denial: Denial, at: datetime, *, count: int, once: str) -> None:
        """Log that somebody was not let, and how often since it was last logged; *once* names this entry."""
        refs = {"what": denial.what, "why": denial.why, "from": denial.origin, "at": at.isoformat()}
        if count > 1:
            refs["count"] = str(count)
        draft = Draft(
            event=f"denied:{once}",
            kind=EntryKind.DENY,
            account=denial.account,
            actor=denial.who or "nobody known",
            refs=refs,
        )
        await self._record.write(Unit((draft,)))


def _token(row: Row[tuple[object, ...]]) -> TokenRow:
    named = {each: getattr(row, each) for each in TokenRow.__struct_fields__}
    return TokenRow(**{**named, "roles": tuple(row.roles.split()), "accounts": parted(row.accounts)})
