"""What an account must hold, worked out from its public records alone, in fractions: the contract's words a second time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction

from tieout.brokers.simulated import Instrument
from tieout.model.snapshot import Activity, Fill, Snapshot

Key = tuple[str, str]


class Auditor:
    """Cash and positions after every fill and activity of a snapshot, in the order of their numbers."""

    def __init__(self, listed: Mapping[str, Instrument], snapshot: Snapshot) -> None:
        self._listed = listed
        self.cash: dict[str, Fraction] = defaultdict(Fraction)
        self.amounts: dict[Key, Fraction] = defaultdict(Fraction)
        self.averages: dict[Key, Fraction] = {}
        numbered: list[tuple[int, Fill | Activity]] = [
            *((number(row.fill_id), row) for row in snapshot.fills or ()),
            *((number(row.activity_id), row) for row in snapshot.activities or ()),
        ]
        for _, row in sorted(numbered, key=lambda pair: pair[0]):
            if isinstance(row, Fill):
                self._fill(row)
            else:
                self._activity(row)

    def _fill(self, fill: Fill) -> None:
        terms = self._listed[fill.asset]
        quantity, price, size = Fraction(fill.quantity), Fraction(fill.price), Fraction(terms.multiplier)
        signed = quantity if fill.side == "buy" else -quantity
        if terms.kind in ("spot", "cash"):
            self.cash[terms.currency] -= signed * price * size
        if terms.base is not None:
            self.cash[terms.base] += signed
        else:
            self._trade(terms, (fill.asset, fill.position_side or "net"), signed, price)
        if fill.fee:
            assert fill.fee_currency is not None
            self.cash[fill.fee_currency] -= Fraction(fill.fee)

    def _trade(self, terms: Instrument, key: Key, signed: Fraction, price: Fraction) -> None:
        held, average, size = self.amounts[key], self.averages.get(key), Fraction(terms.multiplier)
        self.amounts[key] = after = held + signed
        if held * signed >= 0:
            if not held:
                self.averages[key] = price
            elif average is None:
                return
            elif terms.kind == "inverse":
                self.averages[key] = rounded(abs(after) / (abs(held) / average + abs(signed) / price))
            else:
                self.averages[key] = rounded((abs(held) * average + abs(signed) * price) / abs(after))
            return
        closed = min(abs(held), abs(signed)) * (1 if held > 0 else -1)
        if average is not None and terms.kind == "margin":
            self.cash[terms.currency] += closed * size * (price - average)
        if average is not None and terms.kind == "inverse":
            self.cash[terms.currency] += rounded(closed * size * (1 / average - 1 / price))
        if held * after < 0:
            self.averages[key] = price
        if not after:
            self.averages.pop(key, None)

    def _activity(self, row: Activity) -> None:
        if row.kind == "split":
            self._split(row)
        elif row.kind == "symbol_change":
            for asset, leg in list(self.amounts):
                if asset == row.asset:
                    self.amounts[str(row.new_asset), leg] = self.amounts.pop((asset, leg))
                    if (asset, leg) in self.averages:
                        self.averages[str(row.new_asset), leg] = self.averages.pop((asset, leg))
        elif row.currency is not None and row.amount is not None:
            self.cash[row.currency] += Fraction(row.amount)
        else:
            for name, units in ((row.asset, row.amount), (row.new_asset, row.new_amount)):
                if name is not None and units is not None:
                    self._shift((name, "net"), Fraction(units))

    def _shift(self, key: Key, units: Fraction) -> None:
        before = self.amounts[key]
        self.amounts[key] += units
        if before * self.amounts[key] <= 0:
            # What such a row costs is the market's price of that moment, which no record tells: only amounts are audited.
            self.averages.pop(key, None)

    def _split(self, row: Activity) -> None:
        ratio = Fraction(str(row.ratio))
        unit = Fraction(self._listed[str(row.asset)].unit)
        for key in [key for key in self.amounts if key[0] == row.asset]:
            self.amounts[key] = int(self.amounts[key] * ratio / unit) * unit
            if key in self.averages:
                self.averages[key] = rounded(self.averages[key] / ratio)


def rounded(value: Fraction) -> Fraction:
    """To 18 decimals, half even."""
    return Fraction(round(value * 10**18), 10**18)


def cut(value: Fraction) -> Fraction:
    """To 18 decimals, toward zero."""
    return Fraction(int(value * 10**18), 10**18)


def number(record_id: str) -> int:
    """The venue numbers all its records in one row."""
    return int(record_id.rsplit("-", 1)[1])


def locked(listed: Mapping[str, Instrument], snapshot: Snapshot) -> dict[str, Fraction]:
    """What the live orders of a snapshot must hold back, by currency."""
    held: dict[str, Fraction] = defaultdict(Fraction)
    for order in snapshot.orders or ():
        terms, price = listed[order.asset], order.limit_price or order.stop_price
        if not order.live or price is None or terms.kind not in ("spot", "cash"):
            continue
        left = Fraction(order.quantity) - Fraction(order.filled or 0)
        worth = left * Fraction(price) * Fraction(terms.multiplier)
        coin = terms.currency if order.side == "buy" else terms.base
        if coin is None:
            continue
        held[coin] += worth if order.side == "buy" else left
        if (terms.fee_currency or terms.currency) == coin:
            charged = left if coin == terms.base else worth
            held[coin] += max(cut(charged * Fraction(terms.fee_rate)), Fraction(0))
    return held
