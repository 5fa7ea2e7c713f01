"""What happened at the venue, as facts. The world is their sum: folding them again gives the same world, to the digit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from tieout.errors import TieoutError
from tieout.model.snapshot import Activity, Fill, Moment, Order

from .instruments import Instrument


class WorldBroken(TieoutError):
    """The simulator's file could not be written: what it holds in memory is no longer what it would find again."""


class Opened(Struct, frozen=True, tag="opened"):
    """A new world began, with the seed that its ids bear."""

    seed: int


class AccountAdded(Struct, frozen=True, tag="account"):
    """An account was opened, empty."""

    account: str
    currency: str
    hedge_mode: bool


class InstrumentAdded(Struct, frozen=True, tag="instrument"):
    """An instrument was listed."""

    instrument: Instrument


class Priced(Struct, frozen=True, tag="price"):
    """An instrument trades at *price*, with *available* units to be had there (None: any number)."""

    asset: str
    price: Decimal
    available: Decimal | None = None


class UsdPriced(Struct, frozen=True, tag="usd_price"):
    """One unit of a currency is worth *price* USD."""

    currency: str
    price: Decimal


class Seen(Struct, frozen=True, tag="seen"):
    """A submit with this client id reached the venue, whatever came of it."""

    account: str
    client_order_id: str


class Resting(Struct, frozen=True):
    """An order with what only the venue keeps: its place in the queue, and whether its stop was touched."""

    number: int
    order: Order
    reduce_only: bool = False
    triggered: bool = False


class OrderPut(Struct, frozen=True, tag="order"):
    """An order now stands as *resting* says."""

    account: str
    resting: Resting


class Filled(Struct, frozen=True, tag="fill"):
    """An execution; holdings and cash moved with it."""

    account: str
    fill: Fill


class Moved(Struct, frozen=True, tag="activity"):
    """Something other than a trade changed holdings or cash."""

    account: str
    activity: Activity


class Renamed(Struct, frozen=True, tag="renamed"):
    """An instrument bears another name from now on."""

    asset: str
    new_asset: str


Fact = Opened | AccountAdded | InstrumentAdded | Priced | UsdPriced | Seen | OrderPut | Filled | Moved | Renamed


class Entry(Struct, frozen=True):
    """One fact and when it happened."""

    at: Moment
    fact: Fact


class Journal(Protocol):
    """Where a world is kept. What `append` was given MUST be found by `read` after a crash at any later moment."""

    def read(self) -> list[Entry]:
        """Every entry, in the order in which they were appended."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep *entries*, all of them or none, durably once this returns.

        Raises:
            WorldBroken: They could not be kept.
        """

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""


class MemoryJournal:
    """A journal for a world that lives as long as its process."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def read(self) -> list[Entry]:
        """Every entry so far."""
        return list(self._entries)

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep them in memory."""
        self._entries.extend(entries)

    def close(self) -> None:
        """Nothing is held open."""
