"""`EngineBooks`: a ledger and an order manager as the local side of a reconciliation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tieout.books.base import CanApply
from tieout.books.entries import FillReversed, LedgerState
from tieout.books.instruments import Instrument
from tieout.books.ledger import DecimalLedger, ledger_from
from tieout.books.opening import opening_rows, order_manager_from
from tieout.books.orders import ENDED, OrdersState, orders_from
from tieout.books.statement import balance_rows, position_rows
from tieout.clock import Clock
from tieout.errors import BookError
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    Change,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.snapshot import SECTIONS, Activity, Balance, Fill, Order, Snapshot

KEPT_ENDED = timedelta(days=7)


class BooksState(Struct, frozen=True):
    """All that books are; `opened` without its rows, which are entries of the ledger."""

    opened: Snapshot
    ledger: LedgerState
    orders: OrdersState
    balances: dict[str, Balance]
    prices: dict[str, Decimal]
    usd_prices: dict[str, Decimal]


class EngineBooks:
    """The books of one account of an engine: read whole, written a case at a time (`books.base.LocalBooks`).

    The engine books its own fills and activities here too, so that positions, cash and orders move together.
    """

    can_apply = CanApply.HERE

    def __init__(
        self,
        account: str,
        clock: Clock,
        *,
        instruments: Mapping[str, Instrument] | None = None,
        keep_ended: timedelta = KEPT_ENDED,
    ) -> None:
        """Open empty books, which vouch for fills and activities from now on.

        Args:
            account: The account's name.
            clock: Where the time of a reading comes from.
            instruments: What is known of assets, by name.
            keep_ended: How long after its last change an ended order still stands in a reading.
        """
        now = clock.now()
        empty = Snapshot(
            schema="tieout.snapshot/1",
            account=account,
            source="local",
            as_of=now,
            positions=(),
            balances=(),
            orders=(),
            fills=(),
            activities=(),
            fills_since=now,
            activities_since=now,
        )
        self._open(empty, clock, instruments, keep_ended)

    @classmethod
    def opened_from(
        cls,
        snapshot: Snapshot,
        clock: Clock,
        *,
        instruments: Mapping[str, Instrument] | None = None,
        keep_ended: timedelta = KEPT_ENDED,
    ) -> EngineBooks:
        """Books that hold what *snapshot* (of either side) says; its fills and activities are history it contains already.

        Positions, balances or orders that the snapshot does not have stay not read. Repeated fills are kept, and each can
        be reversed.

        Raises:
            BookError: A row breaks a rule of the contract.
        """
        books = cls.__new__(cls)
        books._open(snapshot, clock, instruments, keep_ended)
        return books

    def _open(
        self,
        snapshot: Snapshot,
        clock: Clock,
        instruments: Mapping[str, Instrument] | None,
        keep_ended: timedelta,
    ) -> None:
        self.ledger = DecimalLedger(instruments, pairs_in="positions" if snapshot.balances is None else "balances")
        for row in opening_rows(snapshot):
            self.ledger.open(row)
        self.orders = order_manager_from(snapshot)
        self._clock, self._keep_ended, self._instruments = clock, keep_ended, dict(instruments or {})
        # A list that was not there begins now, and says so; one that was there vouches for what it vouched for.
        self._opened = replace(
            snapshot,
            source="local",
            fills_since=snapshot.as_of if snapshot.fills is None else snapshot.fills_since,
            activities_since=snapshot.as_of if snapshot.activities is None else snapshot.activities_since,
        )
        self._balances = {row.currency: row for row in snapshot.balances or ()}
        self._prices = {row.asset: row.market_price for row in snapshot.positions or () if row.market_price is not None}
        self._usd_prices: dict[str, Decimal] = {}

    @property
    def account(self) -> str:
        """Whose books they are."""
        return self._opened.account

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What is known of assets, by name."""
        return self._instruments

    async def read(self) -> Snapshot:
        """The books as they stand now, on the injected clock.

        Ended orders are left out once they are older than `keep_ended`; reversed bookings no longer stand in the lists.
        """
        opened, held, now = self._opened, self.ledger.held, self._clock.now()
        return replace(
            opened,
            as_of=now,
            positions=None if opened.positions is None else tuple(position_rows(held, self._prices)),
            balances=None if opened.balances is None else tuple(balance_rows(held, self._balances, self._usd_prices)),
            orders=None if opened.orders is None else tuple(o for o in self.orders.orders if self._shows(o, now)),
            fills=self.ledger.standing.fills,
            activities=self.ledger.standing.activities,
        )

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book *changes* in their order, all of them or none.

        Raises:
            BookError: One of them does not fit; the books are as they were.
        """
        self.book_case(changes, reason=reason)

    def book_case(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book *changes* in their order, all of them or none, at once.

        Raises:
            BookError: One of them does not fit; the books are as they were.
        """
        with self._all_or_none():
            for change in changes:
                self._apply_one(change, reason)

    async def adopt(self, statement: Snapshot) -> None:
        """Take *statement* as the opening entries; its records are history that it contains already.

        Raises:
            BookError: Something stands in the books, or a row breaks a rule of the contract.
        """
        self.open_with(statement)

    def open_with(self, statement: Snapshot) -> None:
        """Adopt *statement*, at once.

        Raises:
            BookError: Something stands in the books, or a row breaks a rule of the contract.
        """
        if self.ledger.size or self.orders.changes:
            raise BookError(f"account {self._opened.account}", "the books are not empty")
        # Built whole before it counts: a row that does not fit leaves these books as they were.
        opened = EngineBooks.opened_from(
            statement, self._clock, instruments=self._instruments, keep_ended=self._keep_ended
        )
        for used in self.orders.export().seen:
            opened.orders.note_sent(used)
        opened._prices, opened._usd_prices = {**self._prices, **opened._prices}, dict(self._usd_prices)
        self.__dict__.update(opened.__dict__)

    def book_fill(self, fill: Fill, *, reason: str = "") -> None:
        """Book a fill in the ledger and on its order.

        Raises:
            BookError: It stands already, or does not fit; the books are as they were.
        """
        entry = self.ledger.book_fill(fill, reason=reason)
        try:
            self.orders.book_fill(fill, reason=reason)
        except BookError:
            self.ledger.cut_back(entry.number - 1)
            raise

    def book_activity(self, activity: Activity, *, reason: str = "") -> None:
        """Book an activity.

        Raises:
            BookError: It stands already, or does not fit; the books are as they were.
        """
        self.ledger.book_activity(activity, reason=reason)

    def set_prices(
        self, market: Mapping[str, Decimal] | None = None, *, usd: Mapping[str, Decimal] | None = None
    ) -> bool:
        """Say what one of an asset costs in its quote currency, and of a currency in USD; tells whether any of it is news."""
        before = self._prices, self._usd_prices
        self._prices, self._usd_prices = {**before[0], **(market or {})}, {**before[1], **(usd or {})}
        return (self._prices, self._usd_prices) != before

    def export(self) -> BooksState:
        """Everything that these books are."""
        rows = {name: None if getattr(self._opened, name) is None else () for name in SECTIONS}
        return BooksState(
            opened=replace(self._opened, **rows),
            ledger=self.ledger.export(),
            orders=self.orders.export(),
            balances=dict(self._balances),
            prices=dict(self._prices),
            usd_prices=dict(self._usd_prices),
        )

    @classmethod
    def restored(cls, state: BooksState, clock: Clock, *, keep_ended: timedelta = KEPT_ENDED) -> EngineBooks:
        """The books that were exported as *state*.

        Raises:
            BookError: It was not exported from books.
        """
        books, kept = cls.__new__(cls), state.ledger
        books._clock, books._keep_ended, books._instruments = clock, keep_ended, dict(kept.instruments)
        books.ledger, books.orders = (
            ledger_from(kept.entries, kept.instruments, pairs_in=kept.pairs_in),
            orders_from(state.orders),
        )
        books._opened, books._balances = state.opened, dict(state.balances)
        books._prices, books._usd_prices = dict(state.prices), dict(state.usd_prices)
        return books

    def equip(self, instruments: Mapping[str, Instrument]) -> None:
        """Replace what is known of assets; bookings keep the terms they were booked under."""
        self.ledger.equip(instruments)
        self._instruments = dict(instruments)

    def saved(self) -> Callable[[], None]:
        """A way back: calling it brings the books to where they are now."""
        ledger, entries, orders_back = self.ledger, self.ledger.size, self.orders.saved()
        kept = {name: value.copy() if isinstance(value, dict) else value for name, value in vars(self).items()}

        def back() -> None:
            vars(self).update(kept)
            ledger.cut_back(entries)
            orders_back()

        return back

    def _shows(self, order: Order, now: datetime) -> bool:
        touched = order.touched_at
        return order.status not in ENDED or touched is None or now - touched <= self._keep_ended

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """Take back everything written inside if it does not end well. Nothing is awaited, so nobody sees the middle."""
        back, whole = self.saved(), False
        try:
            yield
            whole = True
        finally:
            if not whole:
                back()

    def _apply_one(self, change: Change, reason: str) -> None:
        ledger, orders = self.ledger, self.orders
        match change:
            case BookFill(fill):
                self.book_fill(fill, reason=reason)
            case ReverseFill(fill):
                entry = ledger.reverse_fill(fill, reason=reason)
                assert isinstance(entry.record, FillReversed), "a reversal writes what it reversed"
                orders.reverse_fill(entry.record.fill, reason=reason)
            case BookActivity(activity):
                self.book_activity(activity, reason=reason)
            case ReverseActivity(activity):
                ledger.reverse_activity(activity, reason=reason)
            case UpdateOrder(order):
                orders.update_order(order, reason=reason)
            case AdoptOrder(order):
                orders.adopt_order(order, reason=reason)
            case SetPosition():
                ledger.set_position(
                    change.asset,
                    change.leg,
                    change.amount,
                    reason=f"{reason}: {change.reason}" if reason else change.reason,
                    average_price=change.average_price,
                )
            case SetBalance():
                ledger.set_balance(
                    change.currency, change.total, reason=f"{reason}: {change.reason}" if reason else change.reason
                )
