"""`DurableBooks`: the books of an engine, each change of which is on the disk before it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Self

from msgspec import Struct

from tieout.books.base import CanApply
from tieout.books.disk import Disk
from tieout.books.durable_views import DurableOrders, LedgerView
from tieout.books.engine_books import KEPT_ENDED, EngineBooks
from tieout.books.events import (
    LAYOUT,
    ActivityCame,
    Adopted,
    CaseApplied,
    Equipped,
    Event,
    FillCame,
    Priced,
    decode_line,
    decode_state,
    encode_line,
    encode_state,
    kept,
    perform,
)
from tieout.books.instruments import Instrument
from tieout.books.state import Restored, StateManager
from tieout.clock import Clock
from tieout.errors import BookError, StateError, StateLost
from tieout.model.changes import Change
from tieout.model.snapshot import Activity, Fill, Snapshot

COMPACT_AFTER = 1000


class Reopened(Struct, frozen=True):
    """What was found in the folder: the generation (None: nothing was ever kept there), and how many changes after it.

    `said` is what a person has to be told: that an older generation had to be taken and why, or that a line was cut short.
    """

    generation: int | None
    changes: int = 0
    said: str | None = None


class DurableBooks:
    """Books of one account that survive: what has returned is there after a crash, and what is there is never half a change.

    The surface is that of `EngineBooks`. A change that cannot be kept raises `BookError`, and the books are as they were.
    One process at a time has the folder. `trouble` says why the last attempt to shorten the journal failed, else None;
    nothing is lost by that.
    """

    can_apply = CanApply.HERE

    def __init__(self, books: EngineBooks, state: StateManager, reopened: Reopened, compact_after: int) -> None:
        self._books, self._state, self._compact_after = books, state, compact_after
        self._due, self._least = compact_after, 0
        self.restored = reopened
        self.trouble: str | None = None
        self.orders = DurableOrders(books, self._change)

    @classmethod
    def open(
        cls,
        account: str,
        folder: Path,
        clock: Clock,
        *,
        instruments: Mapping[str, Instrument] | None = None,
        keep_ended: timedelta = KEPT_ENDED,
        opened_from: Snapshot | None = None,
        compact_after: int = COMPACT_AFTER,
        disk: Disk | None = None,
    ) -> DurableBooks:
        """The books that *folder* holds; where it never held any, new ones.

        Args:
            account: The account's name.
            folder: Where they are kept; a folder of their own.
            clock: Where the time of a reading comes from.
            instruments: What is known of assets, by name; None for what the books know already.
            keep_ended: How long after its last change an ended order still stands in a reading.
            opened_from: What new books begin with; books that are there take no notice of it.
            compact_after: After how many changes the journal is made a generation, once it is as long as that.
            disk: The file system.

        Raises:
            StateLost: Books were kept there, and cannot be had whole.
            StateError: The folder is another account's, in use by another process, or cannot be read or written.
            BookError: A row of *opened_from* breaks a rule of the contract.
        """
        with ExitStack() as undo:
            state = StateManager(folder, account=account, layout=LAYOUT, disk=disk)
            undo.callback(state.close)
            found = state.restore()
            if found is not None:
                opened = _replayed(folder, found, clock, keep_ended)
            elif opened_from is not None:
                _check_account(account, opened_from)
                opened = EngineBooks.opened_from(opened_from, clock, instruments=instruments, keep_ended=keep_ended)
            else:
                opened = EngineBooks(account, clock, instruments=instruments, keep_ended=keep_ended)
            books = cls(opened, state, _reopened(found), compact_after)
            books._settle(new=found is None, instruments=instruments)
            undo.pop_all()
        return books

    @property
    def ledger(self) -> LedgerView:
        """The ledger, to be read."""
        return self._books.ledger

    async def read(self) -> Snapshot:
        """The books as they stand now, on the injected clock."""
        return await self._books.read()

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book *changes* in their order, all of them or none, also across a crash.

        Raises:
            BookError: One of them does not fit, or they cannot be kept; the books are as they were.
        """
        self._change(CaseApplied(tuple(changes), reason))

    async def adopt(self, statement: Snapshot) -> None:
        """Take *statement* as the opening entries of empty books.

        Raises:
            BookError: It is another account's, something stands in the books, a row does not fit, or it cannot be kept.
        """
        _check_account(self._books.account, statement)
        self._change(Adopted(statement))

    def book_fill(self, fill: Fill, *, reason: str = "") -> None:
        """Book a fill in the ledger and on its order.

        Raises:
            BookError: It stands already, does not fit, or cannot be kept; the books are as they were.
        """
        self._change(FillCame(fill, reason))

    def book_activity(self, activity: Activity, *, reason: str = "") -> None:
        """Book an activity.

        Raises:
            BookError: It stands already, does not fit, or cannot be kept; the books are as they were.
        """
        self._change(ActivityCame(activity, reason))

    def set_prices(
        self, market: Mapping[str, Decimal] | None = None, *, usd: Mapping[str, Decimal] | None = None
    ) -> None:
        """State prices. They survive the end of the process at once, and a power cut with the next booking.

        Raises:
            BookError: They cannot be kept; the books are as they were.
        """
        # A price is stated again by the market, so it is not worth a wait for the disk.
        self._change(Priced(dict(market or {}), dict(usd or {})), durable=False)

    def compact(self) -> None:
        """Make what the journal holds a generation.

        Raises:
            StateError: It was not kept; what was there before is there still.
        """
        body = encode_state(self._books.export())
        self._state.compact(body)
        self._due, self._least, self.trouble = self._compact_after, len(body), None

    def close(self) -> None:
        """Make the journal a generation, if that is possible, and let go of the folder."""
        if self._state.events or not self._state.sound:
            self._shorten()
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _change(self, event: Event, *, durable: bool = True) -> None:
        """The one place where books change: in memory, then on the disk, and back in memory where that fails."""
        if not self._state.sound:
            self._begin_anew()
        back, is_kept = self._books.saved(), False
        try:
            if perform(self._books, event):
                self._append(event, durable=durable)
            is_kept = True
            self._books.orders.settle()
        finally:
            if not is_kept:
                back()
        if self._state.events >= self._due and self._state.journal_size >= self._least:
            self._shorten()

    def _append(self, event: Event, *, durable: bool) -> None:
        try:
            self._state.append(encode_line(kept(self._books, event)), durable=durable)
        except StateError as failure:
            raise BookError("journal", failure.why) from None

    def _begin_anew(self) -> None:
        """Have a sound journal again after a failure."""
        try:
            self.compact()
        except StateError as failure:
            raise BookError("journal", failure.why) from None

    def _shorten(self) -> None:
        """Make the journal a generation; what fails here is tried again later, for the journal holds everything."""
        try:
            self.compact()
        except (StateError, BookError) as failure:
            self.trouble = failure.why
            self._due = self._state.events + self._compact_after

    def _settle(self, *, new: bool, instruments: Mapping[str, Instrument] | None) -> None:
        """Let the folder be in order before the first change."""
        if new:
            self.compact()
            return
        if not self._state.sound or self.restored.said is not None:
            self._shorten()
        if instruments is not None and dict(instruments) != self._books.instruments:
            self._change(Equipped(dict(instruments)))


def _reopened(found: Restored | None) -> Reopened:
    return Reopened(None) if found is None else Reopened(found.generation, len(found.events), found.said)


def _replayed(folder: Path, found: Restored, clock: Clock, keep_ended: timedelta) -> EngineBooks:
    """The books of a generation after every event since.

    Raises:
        StateLost: They are not what they were.
    """
    lost = StateLost(f"{folder} holds books that do not read back as they were kept; run the version that wrote them")
    state = decode_state(found.state)
    if state is None or not found.whole:
        raise lost
    try:
        books = EngineBooks.restored(state, clock, keep_ended=keep_ended)
        for raw in found.events:
            line = decode_line(raw)
            if line is None or not perform(books, line.event) or kept(books, line.event) != line:
                raise lost
    except BookError:
        raise lost from None
    return books


def _check_account(account: str, statement: Snapshot) -> None:
    if statement.account != account:
        raise BookError(f"account {statement.account}", f"these are the books of {account}")
