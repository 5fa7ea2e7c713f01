"""What the broker says of an account's own orders between reconciliations: fills are booked once, ends are followed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from tieout.books.entries import FillBooked
from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock
from tieout.errors import BookError, SourceError
from tieout.live.alarm import Alarm
from tieout.live.orders import Orders
from tieout.live.reporting import EPOCH
from tieout.live.strategy import EngineSettings, TradingBooks
from tieout.model.snapshot import Fill, Order

T = TypeVar("T")
MAX_LOOKUPS = 10


class Feed:
    """Fetches fills and open orders, and books the fills of own orders.

    What somebody else did, or the broker by force, is left to reconciliations: how that is met is a matter of policy.

    Args:
        account: The account's name.
        broker: Is asked.
        books: Take the fills.
        orders: The account's own orders.
        clock: Measures how time passes.
        alarm: The way to a person.
        settings: How far back a look reaches.
    """

    def __init__(
        self,
        account: str,
        broker: BrokerAdapter,
        books: TradingBooks,
        orders: Orders,
        *,
        clock: Clock,
        alarm: Alarm,
        settings: EngineSettings,
    ) -> None:
        self._account, self._broker, self._books, self._orders = account, broker, books, orders
        self._alarm, self._answer_seconds = alarm, settings.answer_seconds
        self._overlap = timedelta(seconds=settings.overlap_seconds)
        self._clock = clock
        self._newest = self._venue_began = EPOCH
        self._began_ns: int | None = None
        self._turn = 0
        self._complained: set[str] = set()

    async def poll(self) -> None:
        """One look.

        Raises:
            SourceError: The broker did not answer; what was booked before it failed stays.
            TimeoutError: It took too long.
        """
        if self._began_ns is None:
            self._newest = self._venue_began = await self._asked(self._broker.server_time())
            self._began_ns = self._clock.monotonic_ns()
        await self._follow_orders()
        fills = await self._asked(self._broker.get_fills(self._newest - self._overlap))
        for fill in sorted(fills, key=lambda each: each.at):
            if self._is_ours(fill) and self._books.ledger.standing.find_fill(fill) is None:
                await self._book(fill)
        # On the venue's clock: ours may be wrong. A fill dated into its future must not hide those that come before it.
        present = self._venue_began + timedelta(microseconds=(self._clock.monotonic_ns() - self._began_ns) // 1000)
        self._newest = max([self._newest, *(min(fill.at, present) for fill in fills)])

    async def _follow_orders(self) -> None:
        """Acknowledge orders that were pending, and notice those that ended."""
        live = self._orders.live
        if not live:
            return
        listed = await self._asked(self._broker.get_open_orders())
        absent = []
        for order in live:
            found = next((each for each in listed if _same(order, each)), None)
            if found is None:
                absent.append(order)
            elif order.status == "pending" or order.broker_order_id is None:
                await self._orders.follow(found)
        await self._look_up(absent)

    async def _look_up(self, absent: list[Order]) -> None:
        """Ask about single orders, a few at a time. *No such order* proves nothing yet: reconciliations conclude."""
        if not absent or not self._broker.capabilities().order_lookup:
            return
        start = self._turn * MAX_LOOKUPS % len(absent) if len(absent) > MAX_LOOKUPS else 0
        self._turn += 1
        for order in [*absent[start:], *absent[:start]][:MAX_LOOKUPS]:
            ids = {"broker_order_id": order.broker_order_id, "client_order_id": order.client_order_id}
            try:
                found = await self._asked(self._broker.get_order(**ids))
            except (SourceError, TimeoutError):
                return  # fills are more urgent; the next look asks on
            if found is not None and found.status != "unknown":
                await self._orders.follow(found)

    def _is_ours(self, fill: Fill) -> bool:
        try:
            order = self._books.orders.find(client_order_id=fill.client_order_id, broker_order_id=fill.broker_order_id)
        except BookError:
            return False  # its two ids contradict each other: with all the evidence, a reconciliation judges that
        return order is not None and not fill.liquidation

    async def _book(self, fill: Fill) -> None:
        try:
            self._books.book_fill(fill)
        except BookError as error:
            if fill.fill_id not in self._complained:
                self._complained.add(fill.fill_id)
                await self._alarm.raise_alarm(self._account, f"the books do not take {error}")

    async def _asked(self, answer: Awaitable[T]) -> T:
        async with asyncio.timeout(self._answer_seconds):
            return await answer


def _same(mine: Order, stated: Order) -> bool:
    same_client = mine.client_order_id is not None and mine.client_order_id == stated.client_order_id
    return same_client or (mine.broker_order_id is not None and mine.broker_order_id == stated.broker_order_id)


class Newly:
    """Tells each fill that was booked since it was made once, whoever booked it; corrections of it are not told again."""

    def __init__(self, books: TradingBooks, tell: Callable[[Fill], None]) -> None:
        self._books, self._ledger, self._tell = books, books.ledger, tell
        self._told: defaultdict[tuple[str, str, str], set[str | None]] = defaultdict(set)
        for fill in books.ledger.standing.fills:
            self._is_new(fill)
        self._read = len(books.ledger.entries)

    def look(self) -> None:
        """Tell what was booked since the last look."""
        if self._books.ledger is not self._ledger:
            self._ledger, self._read = self._books.ledger, 0  # adopted: opening entries are no fills of this life
        entries = self._ledger.entries
        fresh, self._read = entries[self._read :], len(entries)
        for entry in fresh:
            if isinstance(entry.record, FillBooked) and self._is_new(entry.record.fill):
                self._tell(entry.record.fill)

    def _is_new(self, fill: Fill) -> bool:
        orders = self._told[(fill.asset, fill.fill_id, fill.side)]
        name = fill.broker_order_id
        new = not orders or (name is not None and None not in orders and name not in orders)
        orders.add(name)
        return new
