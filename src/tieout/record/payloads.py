"""Sealed content, stored once: the same words of the same account are recognised by a keyed digest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct
from sqlalchemy import Connection, insert, select

from tieout.errors import LogBroken
from tieout.record.plain import among
from tieout.record.store.database import Database
from tieout.record.store.schema import payloads
from tieout.record.vault import Opened, Sealed, Vault
from tieout.record.writer import Overtaken

REMEMBERED = 100_000  # contents of the last readings, of ten thousand accounts: an unchanged one needs no question


def id_of(commitment: bytes) -> int:
    """The row that a commitment names: its first 63 bits, known before the row is written."""
    return int.from_bytes(commitment[:8]) >> 1


class Kept(Struct, frozen=True):
    """A payload that is stored already, or will be with the entry that names its commitment."""

    commitment: bytes
    digest: bytes | None = None
    fresh: Sealed | None = None

    @property
    def id(self) -> int:
        """Its row."""
        return id_of(self.commitment)


class Payloads:
    """What a vault sealed into a database."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def vault(self) -> Vault:
        """What it is sealed with."""
        return self._vault

    def seal(self, content: bytes) -> Kept:
        """Content that is never the same twice."""
        sealed = self._vault.seal(content)
        return Kept(sealed.commitment, fresh=sealed)

    async def share(self, account: str, contents: Mapping[str, bytes]) -> dict[str, Kept]:
        """Each of *contents*, sealed where the account never had it before.

        Raises:
            RecordUnavailable: The database cannot be asked.
        """
        digests = {name: self._vault.dedup(account, content) for name, content in contents.items()}
        unknown = [digest for digest in digests.values() if digest not in self._known]
        stored = await self._database.read(lambda connection: _stored(connection, unknown)) if unknown else {}
        self._remember(stored)
        kept = {digest: self._again(digest) for digest in digests.values() if digest in self._known}
        fresh = {digest: contents[name] for name, digest in digests.items() if digest not in kept}
        # Orders do not wait for the sealing: what it takes grows with the account.
        kept |= await asyncio.to_thread(self._sealed, fresh) if fresh else {}
        return {name: kept[digest] for name, digest in digests.items()}

    def _again(self, digest: bytes) -> Kept:
        self._known.move_to_end(digest)
        return Kept(self._known[digest], digest)

    def _sealed(self, fresh: Mapping[bytes, bytes]) -> dict[bytes, Kept]:
        made = {digest: self._vault.seal(content) for digest, content in fresh.items()}
        return {digest: Kept(sealed.commitment, digest, sealed) for digest, sealed in made.items()}

    def written(self, kept: Iterable[Kept]) -> None:
        """Remember what is on the disk now."""
        self._remember({each.digest: each.commitment for each in kept if each.digest is not None})

    def forget(self) -> None:
        """Ask the database again from now on: something was erased."""
        self._known.clear()

    def _remember(self, found: Mapping[bytes, bytes]) -> None:
        self._known.update(found)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def open(self, connection: Connection, commitments: Iterable[bytes]) -> dict[bytes, Opened | None]:
        """The payloads behind *commitments*; None for one that was erased.

        Raises:
            LogBroken: One is not there, or is not what was sealed.
        """
        wanted = {id_of(each): each for each in commitments}
        rows = connection.execute(select(payloads).where(payloads.c.id.in_(list(wanted))))
        found: dict[bytes, Opened | None] = {}
        for row in rows:
            commitment = wanted[row.id]
            if row.sealed is None:
                found[commitment] = None
            else:
                found[commitment] = self._vault.open(Sealed(commitment, row.wrapped_key, row.sealed))
        for commitment in wanted.values():
            if commitment not in found:
                raise LogBroken("a payload that the log commits to is not there: its row was deleted")
        return found


def insert_fresh(connection: Connection, kept: Collection[Kept]) -> None:
    """Write those that are not stored yet.

    Raises:
        Overtaken: One that was stored has been erased since.
    """
    shared = {each.id for each in kept if each.fresh is None}
    if len(among(connection, _HELD, shared)) != len(shared):
        raise Overtaken
    fresh = {each.id: each for each in kept if each.fresh is not None}
    if fresh:
        connection.execute(insert(payloads), [_row(each) for each in fresh.values()])


def _row(kept: Kept) -> dict[str, object]:
    assert kept.fresh is not None
    return {
        "id": kept.id,
        "digest": kept.digest,
        "commitment": kept.commitment,
        "wrapped_key": kept.fresh.wrapped_key,
        "sealed": kept.fresh.sealed,
    }


def _stored(connection: Connection, digests: list[bytes]) -> dict[bytes, bytes]:
    rows = connection.execute(
        select(payloads.c.digest, payloads.c.commitment).where(
            payloads.c.digest.in_(digests), payloads.c.sealed.is_not(None)
        )
    )
    return {row.digest: row.commitment for row in rows}


_HELD = "SELECT id FROM payloads WHERE sealed IS NOT NULL AND id IN "
