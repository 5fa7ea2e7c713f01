"""A drawer: for each account one sealed content of now, such as the books that are pushed to us. No entry speaks of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import IntegrityError

from tieout.errors import RecordUnavailable
from tieout.record.accounts import Accounts
from tieout.record.entry import Draft, EntryKind
from tieout.record.recorder import StoreRecord
from tieout.record.rows import upsert
from tieout.record.store.schema import pushed_books
from tieout.record.vault import Sealed
from tieout.record.writer import Unit

T = TypeVar("T")


class Drawer:
    """The drawer of a record. All raise `RecordError` where it cannot be read or kept; what was kept survives a crash."""

    def __init__(self, record: StoreRecord) -> None:
        self._record, self._accounts = record, Accounts(record.database)

    async def content(self, account: str) -> bytes | None:
        """What lies there for *account*; None where nothing does."""
        row = await self._accounts.row(account)
        found = await self._record.database.read(lambda connection: _row(connection, row))
        return self._opened(found)

    async def change(self, account: str, change: Callable[[bytes | None], tuple[bytes | None, T]]) -> T:
        """Put what *change* makes of the content in its place, in one transaction; returns its other result.

        What *change* raises is raised, and then the content is as it was; where it gives None it stays, too.
        """
        row = await self._accounts.row(account)

        def work(connection: Connection) -> T:
            after, result = change(self._opened(_row(connection, row, lock=True)))
            if after is not None:
                sealed = self._record.payloads.vault.seal(after)
                values = {name: getattr(sealed, name) for name in Sealed.__struct_fields__}
                upsert(connection, pushed_books, [{"account": row, **values}], ["account"])
            return result

        try:
            return await self._record.database.write(work)
        except IntegrityError:
            raise RecordUnavailable("another process keeps the same books for the first time; try again") from None

    async def note(self, account: str, correction: str, state: str, by: str) -> None:
        """Log what somebody said of a correction; to say it again changes nothing."""
        refs = {"correction": correction, "state": state}
        draft = Draft(
            event=f"correction:{account}:{correction}:{state}",
            kind=EntryKind.CORRECT,
            account=account,
            actor=by,
            refs=refs,
        )
        await self._record.write(Unit((draft,)))

    def _opened(self, found: Row[tuple[object, ...]] | None) -> bytes | None:
        if found is None:
            return None
        sealed = Sealed(found.commitment, found.wrapped_key, found.sealed)
        return self._record.payloads.vault.open(sealed).payload


def _row(connection: Connection, account: int, *, lock: bool = False) -> Row[tuple[object, ...]] | None:
    query = select(pushed_books).where(pushed_books.c.account == account)
    return connection.execute(query.with_for_update() if lock else query).first()
