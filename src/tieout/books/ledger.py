"""`DecimalLedger`: exact books in memory, an append-only list of entries and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeGuard

from tieout.books.activities import book_activity, unbook_activity
from tieout.books.checks import check_reason, check_row
from tieout.books.entries import (
    ActivityBooked,
    ActivityOpened,
    ActivityReversed,
    BalanceOpened,
    BalanceSet,
    Entry,
    FillBooked,
    FillOpened,
    FillReversed,
    LedgerState,
    PositionOpened,
    PositionSet,
    Record,
)
from tieout.books.holdings import Holdings, book_fill, unbook_fill
from tieout.books.instruments import HeldIn, Instrument, Terms, reads_as_pair, terms_of
from tieout.books.positions import FLAT, Holding, moved
from tieout.books.standing import Standing
from tieout.errors import BookError
from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Activity, Balance, Fill, Leg, Position

OPENING = (PositionOpened, BalanceOpened, FillOpened, ActivityOpened)


class DecimalLedger:
    """Books of one account. What is refused raises `BookError` and leaves them as they were.

    Amounts are signed in units of the asset, prices are in quote currency a unit; nothing is rounded but the quotients
    in an average cost and in an inverse contract's profit (64 digits, half even), and a split (toward zero to 1e-8).
    """

    def __init__(self, instruments: Mapping[str, Instrument] | None = None, *, pairs_in: HeldIn = "balances") -> None:
        """Open empty books.

        Args:
            instruments: What is known of assets, by name.
            pairs_in: Where a spot pair is held that is not registered and has no position row.
        """
        self._registry = dict(instruments or {})
        self._pairs_in = pairs_in
        self._entries: list[Entry] = []
        self._held = Holdings(instruments=dict(self._registry))
        self._standing = Standing()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that was ever written, reversed bookings and their reversals included."""
        return tuple(self._entries)

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self._entries)

    @property
    def held(self) -> Holdings:
        """What the books hold now; a copy."""
        return self._held.copy()

    @property
    def standing(self) -> Standing:
        """The fills and activities that stand."""
        return self._standing

    @exact
    def held_at(self, number: int) -> Holdings:
        """What the books held after entry *number*; 0 is before the first.

        Raises:
            BookError: There is no such entry yet.
        """
        if not 0 <= number <= len(self._entries):
            raise BookError(f"entry {number}", f"the ledger has entries 1 to {len(self._entries)}")
        return self._fold(self._entries[:number])

    def open(self, row: Position | Balance | Fill | Activity, *, reason: str = "opening") -> Entry:
        """Write one opening entry: a holding as it was, or a record that the opening holdings already contain.

        Raises:
            BookError: The row breaks a rule of the contract, is there already, or comes after the first booking.
        """
        check_row(row)
        if self._entries and not isinstance(self._entries[-1].record, OPENING):
            raise BookError("opening entry", "the books are in use already; opening entries come first")
        if isinstance(row, Fill):
            return self._append(FillOpened(row), reason)
        if isinstance(row, Activity):
            return self._append(ActivityOpened(row), reason)
        if isinstance(row, Balance):
            if row.currency in self._held.cash:
                raise BookError(f"balance {row.currency}", "it has been opened already")
            return self._append(BalanceOpened(row), reason)
        if (row.asset, row.leg) in self._held.positions:
            raise BookError(f"position {row.asset}", "it has been opened already")
        return self._append(PositionOpened(row), reason)

    def book_fill(self, fill: Fill, *, reason: str = "") -> Entry:
        """Book a fill once.

        Raises:
            BookError: It stands already, breaks a rule, or leaves open which leg it moves.
        """
        check_row(fill)
        if self._standing.find_fill(fill) is not None:
            raise BookError(f"fill {fill.fill_id}", "it is booked already")
        return self._append(FillBooked(fill, self._terms(fill)), reason)

    def reverse_fill(self, fill: Fill, *, reason: str = "") -> Entry:
        """Take one booking of this fill back out; amounts, cash and cost become what they would be without it.

        Raises:
            BookError: No booking of it stands.
        """
        number = self._standing.find_fill(fill)
        if number is None:
            raise BookError(f"fill {fill.fill_id}", "no booking of it stands, so there is nothing to reverse")
        booked = self._entries[number - 1].record
        if isinstance(booked, FillOpened):
            return self._append(FillReversed(booked.fill, number, self._terms(booked.fill)), reason)
        assert isinstance(booked, FillBooked), "a standing fill was booked or opened"
        return self._append(FillReversed(booked.fill, number), reason)

    def book_activity(self, activity: Activity, *, reason: str = "") -> Entry:
        """Book an activity once.

        Raises:
            BookError: Its id stands already, or it breaks a rule of its kind.
        """
        check_row(activity)
        if self._standing.find_activity(activity) is not None:
            raise BookError(f"activity {activity.activity_id}", "it is booked already")
        return self._append(ActivityBooked(activity), reason)

    def reverse_activity(self, activity: Activity, *, reason: str = "") -> Entry:
        """Take one booking of this activity back out.

        Raises:
            BookError: No booking of it stands.
        """
        number = self._standing.find_activity(activity)
        if number is None:
            raise BookError(
                f"activity {activity.activity_id}", "no booking of it stands, so there is nothing to reverse"
            )
        booked = self._entries[number - 1].record
        assert isinstance(booked, ActivityBooked | ActivityOpened), "a standing activity was booked or opened"
        opened = isinstance(booked, ActivityOpened)
        return self._append(ActivityReversed(booked.activity, number, opened), reason)

    @exact
    def set_position(
        self, asset: str, leg: Leg, amount: Decimal, *, reason: str, average_price: Decimal | None = None
    ) -> Entry:
        """Bring a leg to a signed amount: an adjustment of the difference, which later reversals leave in place.

        Raises:
            BookError: It gives no reason, or the amount does not fit the leg.
        """
        check_reason(f"position {asset}", reason)
        check_row(Position(asset=asset, amount=amount, side=leg, average_price=average_price))
        change = amount - self._held.positions.get((asset, leg), FLAT).amount
        return self._append(PositionSet(asset, leg, amount, change, average_price), reason)

    @exact
    def set_balance(self, currency: str, total: Decimal, *, reason: str) -> Entry:
        """Bring a currency to a total: an adjustment of the difference, which later reversals leave in place.

        Raises:
            BookError: It gives no reason, or the total is not a number of the contract.
        """
        check_reason(f"balance {currency}", reason)
        check_row(Balance(currency=currency, total=total))
        known = self._held.cash.get(currency, ZERO) + self._held.fees_apart.get(currency, ZERO)
        return self._append(BalanceSet(currency, total, total - known), reason)

    @exact
    def equip(self, instruments: Mapping[str, Instrument]) -> None:
        """Replace what is known of assets; bookings keep the terms they were booked under."""
        self._registry = dict(instruments)
        self._held = self._fold(self._entries)

    @exact
    def cut_back(self, number: int) -> None:
        """Drop the entries after *number*, which nobody has seen: the way out of a case that failed half way."""
        assert 0 <= number <= len(self._entries), "only what was written can be dropped"
        if number < len(self._entries):
            self._take(self._entries[:number])

    def export(self) -> LedgerState:
        """Everything that these books are."""
        return LedgerState(self.entries, dict(self._registry), self._pairs_in)

    def _take(self, entries: Sequence[Entry]) -> None:
        """Consist of *entries*, and of nothing else."""
        self._held = self._fold(entries)
        self._entries = list(entries)
        self._standing = Standing()
        for entry in entries:
            self._standing.take(entry)

    def _terms(self, fill: Fill) -> Terms:
        known, held = self._held.instruments.get(fill.asset), self._held
        pair = not held.has_row(fill.asset) and reads_as_pair(fill, known, held.cash)
        terms = terms_of(fill, known, held_in=self._pairs_in if pair else "positions")
        if terms.inverse and fill.price <= 0:
            raise BookError(f"fill {fill.fill_id}", "an inverse contract cannot trade at a price of 0 or less")
        return terms

    @exact
    def _append(self, record: Record, reason: str) -> Entry:
        entry = Entry(len(self._entries) + 1, record, reason)
        if _undoes_booking(record):
            self._held = self._fold([*self._entries, entry])
        else:
            draft = self._held.draft()
            _apply(draft, record)
            self._held.commit(draft)
        self._entries.append(entry)
        self._standing.take(entry)
        return entry

    def _fold(self, entries: Iterable[Entry]) -> Holdings:
        """What *entries* add up to. A booking that one of them reverses counts as never made."""
        entries = list(entries)
        undone = {record.booking for entry in entries if _undoes_booking(record := entry.record)}
        held = Holdings(instruments=dict(self._registry))
        for entry in entries:
            if entry.number not in undone:
                _apply(held, entry.record)
        return held


@exact
def _apply(held: Holdings, record: Record) -> None:
    """What one entry makes of the holdings; a reversal of an effective booking is left to the fold, which skips both."""
    if isinstance(record, FillBooked):
        book_fill(held, record.fill, record.terms)
    elif isinstance(record, ActivityBooked):
        book_activity(held, record.activity)
    elif isinstance(record, FillReversed) and record.terms is not None:
        unbook_fill(held, record.fill, record.terms)
    elif isinstance(record, ActivityReversed) and record.opened:
        unbook_activity(held, record.activity)
    elif isinstance(record, PositionOpened):
        _open_position(held, record.position)
    elif isinstance(record, BalanceOpened):
        held.pay(record.balance.currency, record.balance.total)
    elif isinstance(record, PositionSet):
        key = record.asset, record.leg
        row = moved(held.positions.get(key, FLAT), record.change)
        stated = record.average_price is not None and row.amount
        held.put(key, Holding(row.amount, record.average_price) if stated else row)
    elif isinstance(record, BalanceSet):
        held.pay(record.currency, record.change)


def _open_position(held: Holdings, row: Position) -> None:
    held.put((row.asset, row.leg), Holding(row.amount, row.average_price if row.amount else None))
    known = held.instruments.get(row.asset) or Instrument(asset=row.asset)
    held.instruments[row.asset] = known.completed_by(row)


def _undoes_booking(record: Record) -> TypeGuard[FillReversed | ActivityReversed]:
    """Whether it reverses a booking that had an effect in these books (an opening entry has none of its own)."""
    if isinstance(record, FillReversed):
        return record.terms is None
    return isinstance(record, ActivityReversed) and not record.opened


@exact
def ledger_from(
    entries: Sequence[Entry], instruments: Mapping[str, Instrument] | None = None, *, pairs_in: HeldIn = "balances"
) -> DecimalLedger:
    """The ledger that consists of *entries*, to the entry.

    Raises:
        BookError: Their numbers do not start at 1 or leave a gap, or one of them does not fit.
    """
    for number, entry in enumerate(entries, 1):
        if entry.number != number:
            raise BookError(f"entry {entry.number}", f"entry {number} is due")
    ledger = DecimalLedger(instruments, pairs_in=pairs_in)
    ledger._take(entries)
    return ledger
