"""Where a record's effects land: which leg, which currency, in which units. Built from both sides' rows of what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import cast

from tieout.model.align import only
from tieout.model.amounts import ONE, ZERO
from tieout.model.discrepancy import Difference, DiscrepancyType, Key
from tieout.model.pairing import LegPair, pair_legs
from tieout.model.settings import Settings
from tieout.model.snapshot import Fill, Leg, Position, Settlement, Snapshot

NO_AMOUNT = (DiscrepancyType.COST_MISMATCH, DiscrepancyType.LOCKED_MISMATCH)


class Market:
    """One observation's rows, and what they say about assets: legs, multipliers, quote currencies, homes of coins.

    Args:
        local, broker: The two sides.
        differences: What differs, to which effects are held.
        names: Assets and currencies that may be touched; only their rows are gathered.
        settings: The account's settings.
        positioned: Assets that earlier readings showed as positions.
        renamed: The present name of assets that the broker has renamed.
    """

    def __init__(
        self,
        local: Snapshot,
        broker: Snapshot,
        differences: Iterable[Difference],
        names: frozenset[str],
        settings: Settings,
        positioned: frozenset[str] = frozenset(),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.positioned, self._renamed = positioned, renamed or {}
        self.local_rows = only(local.positions or (), names, _asset)
        self.broker_rows = only(broker.positions or (), names, _asset)
        gathered = (*self.local_rows.values(), *self.broker_rows.values())
        paid_in = {name for rows in gathered for row in rows for name in (row.currency, row.quote, row.base) if name}
        self.local_cash = {r.currency: r for r in local.balances or () if r.currency in names or r.currency in paid_in}
        self.broker_cash = {
            r.currency: r for r in broker.balances or () if r.currency in names or r.currency in paid_in
        }
        self.positions_compared = _whole(local, broker, "positions")
        self.balances_compared = _whole(local, broker, "balances")
        self.differences = {d.key: d for d in differences if d.type not in NO_AMOUNT}
        self._legs: dict[str, tuple[LegPair, ...]] = {}
        self._rows: dict[str, tuple[Position, ...]] = {}

    def legs(self, asset: str) -> tuple[LegPair, ...]:
        """The legs of *asset* as they are compared: one at least."""
        known = self._legs.get(asset)
        if known is None:
            aside = self.settings.unmanaged.get(asset, ZERO) if asset in self.broker_rows else ZERO
            known = pair_legs(self.local_rows.get(asset, ()), self.broker_rows.get(asset, ()), aside)
            self._legs[asset] = known
        return known

    def pair(self, key: Key) -> LegPair | None:
        """The leg that *key* names, as both sides hold it."""
        return next((pair for pair in self.legs(key.asset) if pair.leg == key.leg), None)

    def difference(self, key: Key) -> Decimal:
        """broker - local for *key*, in the units compared; 0 where they agree."""
        found = self.differences.get(key)
        return found.difference if found is not None else ZERO

    def compared(self, key: Key) -> bool:
        """Whether both sides stated *key*'s section whole."""
        return self.positions_compared if key.domain == "position" else self.balances_compared

    def listed(self, key: Key) -> bool:
        """Whether either side has a row for *key*'s currency or asset."""
        if key.domain == "balance":
            return key.asset in self.local_cash or key.asset in self.broker_cash
        return key.asset in self.local_rows or key.asset in self.broker_rows

    def held(self, key: Key) -> Decimal:
        """What local holds of *key*, in the units compared."""
        if key.domain == "balance":
            row = self.local_cash.get(key.asset)
            return row.total if row is not None else ZERO
        pair = self.pair(key)
        return pair.local if pair is not None else ZERO

    def average(self, key: Key, way: int = 0) -> Decimal | None:
        """The average cost of what local holds; the broker's where local does not say.

        With *way* +1 or -1: of whoever holds the leg that way, local first.
        """
        pair = self.pair(key)
        sides = ((pair.local, pair.local_row), (pair.broker, pair.broker_row)) if pair else ()
        rows = [row for amount, row in sides if row is not None and amount * way >= 0]
        return next((row.average_price for row in rows if row.average_price is not None), None)

    def leg(self, asset: str, stated: Leg | None) -> Key | None:
        """Where a record of *asset* lands; None where a hedged account leaves it open.

        A record without a leg is given to one only if exactly one leg differs.
        """
        pairs = self.legs(asset)
        if all(pair.leg == "net" for pair in pairs):
            return Key("position", asset)
        if stated in ("long", "short"):
            return Key("position", asset, cast(Leg, stated))
        differing = [key for pair in pairs if (key := Key("position", asset, pair.leg)) in self.differences]
        return differing[0] if len(differing) == 1 else None

    def scale(self, asset: str, *, of_broker: bool) -> Decimal:
        """Units compared for one unit as that side counts."""
        first = self.legs(asset)[0]
        return first.broker_scale if of_broker else first.local_scale

    def rows(self, asset: str) -> tuple[Position, ...]:
        """All rows of *asset*, the broker's first; where it has none, those of what it is called now."""
        known = self._rows.get(asset)
        if known is None:
            known = (*self.broker_rows.get(asset, ()), *self.local_rows.get(asset, ()))
            now = self._renamed.get(asset, asset)
            known = known or (*self.broker_rows.get(now, ()), *self.local_rows.get(now, ()))
            self._rows[asset] = known
        return known

    def multiplier(self, asset: str, *, of_broker: bool = True) -> Decimal:
        """Contract size for cash effects: that side's, else the other's, else as configured or listed, else 1."""
        rows = self.rows(asset) if of_broker else reversed(self.rows(asset))
        given = next((row.multiplier for row in rows if row.multiplier is not None), None)
        return given or self.settings.asset(asset).multiplier or self.settings.listed_size(asset) or ONE

    def home(self, name: str, *, otherwise: Key) -> Key:
        """Whether *name* lives among the balances or among the positions of this account."""
        if name in self.local_cash or name in self.broker_cash:
            return Key("balance", name)
        if name in self.local_rows or name in self.broker_rows:
            return self.leg(name, None) or otherwise
        return otherwise

    def quote(self, fill: Fill) -> str | None:
        """The currency that a trade is paid in; None where nothing says."""
        rows = self.rows(fill.asset)
        stated = fill.quote or next((row.quote for row in rows if row.quote is not None), None)
        return stated or next((row.currency for row in rows if row.currency is not None), None) or _split(fill.asset)[1]

    def settle_coin(self, fill: Fill) -> str | None:
        """The coin in which an inverse contract pays."""
        rows = self.rows(fill.asset)
        stated = next((row.currency for row in rows if row.currency is not None), None)
        return stated or self.base(fill)

    def base(self, fill: Fill) -> str | None:
        """The currency that a spot pair buys."""
        return fill.base or next((row.base for row in self.rows(fill.asset) if row.base), None) or _split(fill.asset)[0]

    def spot(self, fill: Fill) -> bool:
        """Whether a trade moves two balances: no side has, or had, a position row of the asset."""
        if fill.settlement in ("margin", "inverse") or fill.asset in self.positioned:
            return False
        if any(row.amount for row in self.rows(fill.asset)):
            return False
        return self.base(fill) is not None and self.quote(fill) is not None

    def settlement(self, fill: Fill) -> Settlement | None:
        """How a trade of the asset settles, where anything says."""
        stated = fill.settlement or next((row.settlement for row in self.rows(fill.asset) if row.settlement), None)
        return stated or self.settings.asset(fill.asset).settlement


def names_of(differences: Iterable[Difference], fills: Iterable[Fill], others: Iterable[str | None]) -> frozenset[str]:
    """Every asset and currency whose rows may be needed."""
    names: set[str | None] = {d.key.asset for d in differences}
    for fill in fills:
        names.update((fill.asset, fill.fee_currency, fill.quote, fill.base, *_split(fill.asset)))
    names.update(others)
    names.discard(None)
    return frozenset(cast("set[str]", names))


def _split(asset: str) -> tuple[str | None, str | None]:
    """Base and quote by the asset's name: at ``/`` (up to ``:``), or at ``-`` where that gives exactly two parts."""
    if "/" in asset:
        base, _, rest = asset.partition("/")
        return base or None, rest.partition(":")[0] or None
    parts = asset.split("-")
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else (None, None)


def _whole(local: Snapshot, broker: Snapshot, section: str) -> bool:
    return all(
        side.covers("positions" if section == "positions" else "balances") == "complete" for side in (local, broker)
    )


# Called once a row over whole books, so it is what C gives.
_asset: Callable[[Position], str] = attrgetter("asset")
