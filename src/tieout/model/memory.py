"""What earlier readings of an account taught, and the next one needs. Frozen: each reading makes the next memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct, field

from tieout.model.discrepancy import Key
from tieout.model.snapshot import Position, Snapshot


class Memory(Struct, frozen=True):
    """Facts that outlive a reading.

    Attributes:
        positions: The last complete broker snapshot whose positions were not doubted; the baseline of continuity.
        balances: The same for balances.
        held_back: For rows in doubt: the older snapshot that stays their baseline.
        own_ids: Client and broker order ids that local ever listed as its own.
        positioned: Assets that had a position row on either side, before the last reading.
        shown: The position rows of the last reading; gone over only when the next one shows others.
        ahead: For records dated after their own side's clock: when a reading first showed them.
        lookups: For each of local's live orders, when it was answered that there is none such: first time, and how often.
        local_held: Whether local was ever seen with anything in it.
        readings: How many readings there were.
    """

    positions: Snapshot | None = None
    balances: Snapshot | None = None
    held_back: dict[Key, Snapshot] = field(default_factory=dict)
    own_ids: frozenset[str] = frozenset()
    positioned: frozenset[str] = frozenset()
    shown: tuple[tuple[Position, ...], ...] = ()
    ahead: dict[str, datetime] = field(default_factory=dict)
    lookups: dict[str, tuple[datetime, datetime, int]] = field(default_factory=dict)
    local_held: bool = False
    readings: int = 0

    def baseline(self, key: Key) -> Snapshot | None:
        """The broker snapshot that *key* is held against."""
        held = self.held_back.get(key)
        return held or (self.positions if key.domain == "position" else self.balances)

    def ever_positioned(self, names: Collection[str]) -> frozenset[str]:
        """Those of *names* that ever had a position row on either side."""
        lately = {row.asset for rows in self.shown for row in rows if row.asset in names and row.amount}
        return frozenset(lately) | (self.positioned & frozenset(names))
