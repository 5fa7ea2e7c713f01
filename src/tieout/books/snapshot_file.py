"""Local books that are a snapshot file: another program writes it, and Tieout reads it anew each time."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from tieout.books.base import CanApply
from tieout.books.engine_books import EngineBooks
from tieout.clock import Clock
from tieout.errors import BadInput, BookError, SourceMalformed, SourceUnreachable
from tieout.model.changes import Change
from tieout.model.codec import decode_snapshot, encode, read_bytes
from tieout.model.snapshot import Balance, Position, Snapshot

FOR_EVER = timedelta(days=36500)
SECTIONS = ("positions", "balances", "orders", "fills", "activities")


class SnapshotFile:
    """One account's books in a file (`books.base.LocalBooks`).

    Args:
        path: The file (tieout.snapshot/1, source "local"). Its writer must replace it whole: write another, then rename.
        account: Whose books they are.
        clock: What its age is measured by.
        writable: Whether changes may be written into it; else they are refused.
        max_age_seconds: A file that says it is older, or so far ahead, is not what local holds now. None takes any.
        own: Nobody writes it but through here: what it holds it holds now, whatever moment it speaks of.
    """

    def __init__(
        self,
        path: Path,
        account: str,
        clock: Clock,
        *,
        writable: bool = False,
        max_age_seconds: int | None = None,
        own: bool = False,
    ) -> None:
        self._path, self._account, self._clock = path, account, clock
        self._writable, self._own = writable, own
        self.can_apply = CanApply.HERE if writable else CanApply.NOT
        self._max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)

    async def read(self) -> Snapshot:
        """What the file says now.

        Raises:
            SourceUnreachable: It is not there, or is older, or further ahead, than it may be.
            SourceMalformed: It is torn, no snapshot, or another account's.
        """
        held = self._decoded(self._bytes())
        if self._own:
            return replace(held, as_of=max(held.as_of, self._clock.now()))
        age = self._clock.now() - held.as_of
        if self._max_age is not None and abs(age) > self._max_age:
            # One from the future would count as new for long after its writer died.
            seconds = abs(int(age.total_seconds()))
            what = (
                "seconds old: is its writer running?" if age > self._max_age else "seconds ahead: is its clock right?"
            )
            raise SourceUnreachable("local", str(self._path), f"it is {seconds} {what}")
        return held

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Write *changes* into the file, all of them or none. The moment that the file speaks of stays.

        Raises:
            BookError: The file is not to be written, moved meanwhile, or one of them does not fit.
        """
        self._may_write()
        with self._alone():
            try:
                raw = self._bytes()
                before = self._decoded(raw)
            except (SourceUnreachable, SourceMalformed) as error:
                raise BookError(str(self._path), error.why) from error
            books = EngineBooks.opened_from(before, self._clock, keep_ended=FOR_EVER)
            await books.apply(changes, reason=reason)
            after = _as_stated(await books.read(), before)
            self._write(after, lambda: self._bytes() == raw)

    async def adopt(self, statement: Snapshot) -> None:
        """Write *statement* as the opening entries, where the file is not there or holds nothing.

        Raises:
            BookError: The file is not to be written, or holds something.
        """
        self._may_write()
        if self._path.exists():
            try:
                held = self._decoded(self._bytes())
            except (SourceUnreachable, SourceMalformed) as error:
                raise BookError(str(self._path), error.why) from error
            if any(getattr(held, section) for section in SECTIONS):
                raise BookError(f"account {self._account}", "the books are not empty")
        self._write(replace(statement, source="local", account=self._account), lambda: True)

    def _may_write(self) -> None:
        if not self._writable:
            why = "another program writes this file; book it there, or say writable = true where Tieout may write it"
            raise BookError(str(self._path), why)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep another Tieout from changing the file between our reading and our writing of it."""
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
        except OSError as error:
            raise BookError(str(self._path), (error.strerror or "cannot be written").lower()) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BookError(str(self._path), "another process changes it now; the next reading looks again") from None
        finally:
            os.close(folder)

    def _bytes(self) -> bytes:
        try:
            return read_bytes(self._path)
        except BadInput as error:
            raise SourceUnreachable("local", str(self._path), error.problems[0].what) from error

    def _decoded(self, raw: bytes) -> Snapshot:
        try:
            held = decode_snapshot(raw, str(self._path), "local")
        except BadInput as error:
            first = error.problems[0]
            raise SourceMalformed("local", str(self._path), f"{first.place} {first.what}".strip()) from error
        if held.account != self._account:
            raise SourceMalformed("local", str(self._path), "it is of another account")
        return held

    def _write(self, snapshot: Snapshot, unmoved: Callable[[], bool]) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else 0o600  # it holds amounts
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600, exist_ok=False)
            fresh.chmod(mode)
            with fresh.open("wb") as file:
                file.write(encode(snapshot) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if not unmoved():
                fresh.unlink()
                raise BookError(str(self._path), "its writer has written it meanwhile; the next reading looks again")
            # A crash before this line leaves the old books and a file beside them; after it, the new ones.
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise BookError(str(self._path), (error.strerror or "cannot be written").lower()) from error
        except SourceUnreachable as error:
            raise BookError(str(self._path), error.why) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_stated(after: Snapshot, before: Snapshot) -> Snapshot:
    """The books after a change as the file says them: what the change did not touch stays to the letter."""
    rows = {(row.asset, row.leg): row for row in before.positions or ()}
    cash = {row.currency: row for row in before.balances or ()}
    positions = after.positions and tuple(_position(row, rows.get((row.asset, row.leg))) for row in after.positions)
    balances = after.balances and tuple(_balance(row, cash.get(row.currency)) for row in after.balances)
    return replace(
        after,
        # What the file did not speak of before, such as later fills at the broker, it does not speak of now.
        as_of=before.as_of,
        positions=positions,
        balances=balances,
        fills=None if before.fills is None and not after.fills else after.fills,
        activities=None if before.activities is None and not after.activities else after.activities,
        fills_since=before.fills_since,
        activities_since=before.activities_since,
    )


def _position(row: Position, old: Position | None) -> Position:
    if old is None:
        return row
    if row.amount == old.amount and row.average_price in (None, old.average_price):
        return old
    return replace(old, amount=row.amount, average_price=row.average_price)


def _balance(row: Balance, old: Balance | None) -> Balance:
    """A total that moved says nothing of what is free of it."""
    if old is None:
        return row
    return old if row.total == old.total else replace(old, total=row.total, available=None, locked=None)
