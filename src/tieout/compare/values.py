"""What a difference is worth and how bad it is: tolerance first, then the bands (contract, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tieout.model.amounts import ONE, ratio
from tieout.model.settings import Settings
from tieout.model.snapshot import Balance, Position


class Prices:
    """USD values of units, from both sides' rows and the settings; where the sides differ the larger counts."""

    def __init__(self, settings: Settings, *sides: Mapping[str, Balance]) -> None:
        self._settings, self._sides = settings, sides

    def usd(self, currency: str | None) -> Decimal | None:
        """USD for one unit of *currency*; None where nobody says."""
        if currency is None:
            return None
        if currency == "USD":
            return ONE
        told = self._settings.asset(currency).usd_price
        if told is not None:
            return told
        rows = [side[currency] for side in self._sides if currency in side]
        return max((row.usd_price for row in rows if row.usd_price is not None and row.usd_price > 0), default=None)

    def position_value(
        self, units: Decimal, local: Position | None, broker: Position | None, *, scaled: bool
    ) -> Decimal | None:
        """USD worth of |units| of a position.

        Args:
            units: The difference, in the units compared.
            local: Local's row, where it has one.
            broker: The broker's row, whose price comes first.
            scaled: Whether *units* already contain the multiplier.
        """
        rows = [row for row in (broker, local) if row is not None]
        price = next((row.market_price for row in rows if row.market_price is not None), None)
        usd = self.usd(next((row.currency for row in rows if row.currency is not None), None))
        if price is None or usd is None:
            return None
        size = abs(units)
        if not scaled:
            size *= self._multiplier(rows)
        if any(row.settlement == "inverse" for row in rows) or self._told_inverse(rows):
            return ratio(size, price) * usd if price else None
        return abs(size * price * usd)

    def _told_inverse(self, rows: list[Position]) -> bool:
        return any(self._settings.asset(row.asset).settlement == "inverse" for row in rows)

    def _multiplier(self, rows: list[Position]) -> Decimal:
        given = next((row.multiplier for row in rows if row.multiplier is not None), None)
        told = next((self._settings.asset(row.asset).multiplier for row in rows), None)
        return given or told or ONE
