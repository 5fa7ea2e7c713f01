"""A stream for venues without one: what the broker says is looked at again and again, and told where it changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.clock import Clock
from tieout.errors import SourceError, SourceIncomplete
from tieout.model.snapshot import Balance, Order, Position, Section

LISTENING_S = 30  # from look to look while the venue tells by itself: it does not tell of everything
_LONGEST_S = 30  # for one look at one section
_SHARE = (
    2  # it rests at least so many times as long as it looked, so that others get their turn under the venue's limits
)
_SECTIONS: tuple[Section, ...] = ("positions", "balances", "orders")
Digest = frozenset[tuple[object, ...]]


class Polled:
    """Looks at positions, balances and orders; prices and times in them do not count.

    A section that cannot be read is left out of that look, and what it then says is told, whatever it is.

    Args:
        broker: Is asked.
        clock: What is waited on.
        seconds: From the end of one look to the next.
        told: Whether the venue tells by itself now; then looks are rarer.
    """

    def __init__(self, broker: BrokerAdapter, *, clock: Clock, seconds: int, told: Callable[[], bool] = bool) -> None:
        self.name = f"{broker.name} polled"
        self._broker, self._clock, self._seconds, self._told = broker, clock, seconds, told
        self._last: dict[Section, Digest | None] = {}
        self.looks = 0

    @property
    def listening(self) -> bool:
        """Always: what changes is seen at the next look."""
        return True

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """One event for each section that changed. The first look tells of all: nobody knows what was before it."""
        while True:
            began = self._clock.monotonic_ns()
            for section in _SECTIONS:
                if section in self._broker.capabilities().sections and await self._changed(section):
                    yield StreamEvent(what=Heard.TOUCHED, section=section)
            self.looks += 1
            took = (self._clock.monotonic_ns() - began) / 10**9
            rest = max(self._seconds, LISTENING_S) if self._told() else self._seconds
            await self._clock.sleep(max(rest, _SHARE * took))

    async def close(self) -> None:
        """Nothing is held: the broker is its owner's to close."""

    async def _changed(self, section: Section) -> bool:
        """Whether *section* is known now, and is not known to be what it was."""
        seen = await self._look(section)
        last, self._last[section] = self._last.get(section), seen
        return seen is not None and seen != last

    async def _look(self, section: Section) -> Digest | None:
        """What *section* holds; None where that is not known now."""
        questions: dict[Section, Callable[[], Awaitable[Iterable[object]]]] = {
            "positions": self._broker.get_positions,
            "balances": self._broker.get_balances,
            "orders": self._broker.get_open_orders,
        }
        try:
            async with asyncio.timeout(_LONGEST_S):
                rows = await questions[section]()
        except SourceIncomplete as part:
            rows = part.rows
        except (SourceError, TimeoutError):
            return None
        return frozenset(_digest(row) for row in rows)


def _digest(row: object) -> tuple[object, ...]:
    match row:
        case Position():
            return row.asset, row.leg, row.amount
        case Balance():
            return row.currency, row.total
        case Order():
            return row.broker_order_id, row.client_order_id, row.status, row.quantity, row.done
    raise AssertionError(f"a {type(row).__name__}")
