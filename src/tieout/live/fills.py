"""Whether a fill is large enough to reconcile at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from tieout.compare.values import Prices
from tieout.model.amounts import HUNDRED, ZERO, exact
from tieout.model.settings import Settings
from tieout.model.snapshot import Balance, Fill, Leg, Observation, Position, Snapshot

Holding = tuple[str, Leg]


class LargeFills:
    """Judges the fills of one account by what the last observation says, and the fills reported since.

    Args:
        settings: The account's, for prices and multipliers that it tells.
        observed: The last observation, where there is one.
        usd: A fill worth at least this is large; None does not look at its worth.
        percent: One of at least this share of the position before it is large; None does not look at it.
    """

    def __init__(
        self,
        settings: Settings,
        observed: Callable[[], Observation | None],
        *,
        usd: Decimal | None,
        percent: Decimal | None,
    ) -> None:
        self._settings, self._observed = settings, observed
        self._usd, self._percent = usd, percent
        self._last: Observation | None = None
        self._moved: dict[Holding, Decimal] = {}

    @exact
    def large(self, fill: Fill) -> bool:
        """Tell whether *fill* is large. What nobody knows the worth of is.

        A fill that opens a position is no share of it: its worth decides or, where that is not looked at, it is large.
        """
        observation = self._observed()
        if observation is not self._last:
            self._last, self._moved = observation, {}
        before = self._before(fill)
        held = fill.asset, fill.position_side or "net"
        self._moved[held] = self._moved.get(held, ZERO) + fill.signed
        return self._by_worth(fill) or self._by_share(fill, before)

    def _by_worth(self, fill: Fill) -> bool:
        if self._usd is None:
            return False
        worth = self._worth(fill)
        return worth is None or worth >= self._usd

    def _by_share(self, fill: Fill, before: Decimal | None) -> bool:
        if self._percent is None:
            return False
        if not before:
            return before is None or self._usd is None
        return HUNDRED * fill.quantity >= self._percent * abs(before)

    def _sides(self) -> list[Snapshot]:
        """Broker's statement before local's; what failed is not there."""
        sides = () if self._last is None else (self._last.broker, self._last.local)
        return [side for side in sides if isinstance(side, Snapshot)]

    def _before(self, fill: Fill) -> Decimal | None:
        """The position before *fill*, as local has it, else the broker; None where neither says."""
        leg = fill.position_side or "net"
        side = next((side for side in reversed(self._sides()) if side.covers("positions") == "complete"), None)
        if side is None:
            return None
        rows = [row for row in side.positions or () if row.asset == fill.asset]
        if any((row.leg == "net") != (leg == "net") for row in rows):
            return None  # one side speaks of legs, the other does not
        held = sum((row.amount for row in rows if row.leg == leg), ZERO)
        return held + self._moved.get((fill.asset, leg), ZERO)

    def _worth(self, fill: Fill) -> Decimal | None:
        """USD worth of *fill*; None where its price in USD, or how much of an asset one unit is, is not known."""
        sides = self._sides()
        row = next((row for side in sides for row in side.positions or () if row.asset == fill.asset), None)
        told = self._settings.asset(fill.asset)
        plain = fill.settlement == "cash" or told.multiplier is not None
        if row is None and not plain:
            return None
        row = row or Position(fill.asset, ZERO, currency=fill.quote, settlement=fill.settlement)
        if row.currency is None:
            row = replace(row, currency=fill.quote)
        prices = Prices(self._settings, *(_by_currency(side) for side in sides))
        return prices.position_value(fill.quantity, replace(row, market_price=fill.price), None, scaled=False)


def _by_currency(side: Snapshot) -> dict[str, Balance]:
    return {row.currency: row for row in side.balances or ()}
