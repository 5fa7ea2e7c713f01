"""The venue's own ledger: what a fill and an activity do to positions and cash, by the rules of the contract."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tieout.model.amounts import ZERO, fraction, ratio
from tieout.model.snapshot import Activity, Fill, Leg

from .instruments import Instrument, rounded


@dataclass(frozen=True, slots=True)
class Holding:
    """A position: signed amount, and its average cost where it is known."""

    amount: Decimal
    average: Decimal | None


@dataclass(slots=True)
class Holdings:
    """What an account holds; rows and currencies that came to 0 are gone."""

    cash: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    positions: dict[tuple[str, Leg], Holding] = field(default_factory=dict)

    def pay(self, currency: str, amount: Decimal) -> None:
        """Add a signed amount of cash."""
        self.cash[currency] += amount
        if not self.cash[currency]:
            del self.cash[currency]

    def put(self, asset: str, leg: Leg, holding: Holding) -> None:
        """Replace a position."""
        if holding.amount:
            self.positions[asset, leg] = holding
        else:
            self.positions.pop((asset, leg), None)


def book_fill(holdings: Holdings, instrument: Instrument, fill: Fill) -> None:
    """Let an execution move cash and position, fee included."""
    if instrument.paid_in_full:
        sign = -1 if fill.side == "buy" else 1
        holdings.pay(instrument.currency, sign * instrument.notional(fill.quantity, fill.price))
    if instrument.base is not None:
        holdings.pay(instrument.base, fill.signed)
    else:
        profit = _trade(holdings, instrument, fill)
        if not instrument.paid_in_full:
            holdings.pay(instrument.currency, profit)
    if fill.fee and fill.fee_currency is not None:
        holdings.pay(fill.fee_currency, -fill.fee)


def _trade(holdings: Holdings, instrument: Instrument, fill: Fill) -> Decimal:
    """Move the position; returns the profit that closing realised, 0 where its cost is not known."""
    leg = fill.position_side or "net"
    held = holdings.positions.get((fill.asset, leg), Holding(ZERO, None))
    after = held.amount + fill.signed
    closing = held.amount * fill.signed < 0
    if not closing:
        average = held.average if held.amount else fill.price
        if held.amount and average is not None:
            average = instrument.average(abs(held.amount), average, fill.quantity, fill.price)
        holdings.put(fill.asset, leg, Holding(after, average))
        return ZERO
    turned = held.amount * after < 0
    holdings.put(fill.asset, leg, Holding(after, fill.price if turned else held.average))
    closed = held.amount if turned else -fill.signed
    return ZERO if held.average is None else instrument.profit(closed, held.average, fill.price)


def book_activity(
    holdings: Holdings,
    activity: Activity,
    prices: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
) -> None:
    """Let an activity move cash or positions; *prices* cost what it opens, *instruments* say how a split is cut."""
    if activity.kind == "split":
        assert activity.asset is not None and activity.ratio is not None, "checked when it was recorded"
        _split(holdings, activity.asset, activity.ratio, instruments[activity.asset].unit)
    elif activity.kind == "symbol_change":
        assert activity.asset is not None and activity.new_asset is not None, "checked when it was recorded"
        _rename(holdings, activity.asset, activity.new_asset)
    elif activity.currency is not None and activity.amount is not None:
        holdings.pay(activity.currency, activity.amount)
    else:
        for asset, amount in ((activity.asset, activity.amount), (activity.new_asset, activity.new_amount)):
            if asset is not None and amount is not None:
                _shift(holdings, asset, amount, prices.get(asset))


def _split(holdings: Holdings, asset: str, text: str, unit: Decimal) -> None:
    above, below = fraction(text)
    for (name, leg), held in list(holdings.positions.items()):
        if name == asset:
            amount = held.amount * above // (below * unit) * unit
            average = None if held.average is None else rounded(ratio(held.average * below, above))
            holdings.put(asset, leg, Holding(amount, average))


def _rename(holdings: Holdings, asset: str, new_asset: str) -> None:
    for (name, leg), held in list(holdings.positions.items()):
        if name == asset:
            del holdings.positions[name, leg]
            holdings.put(new_asset, leg, held)


def _shift(holdings: Holdings, asset: str, amount: Decimal, price: Decimal | None) -> None:
    """Add units that no trade paid for: what they open costs the market's price, what they add to keeps its average."""
    held = holdings.positions.get((asset, "net"), Holding(ZERO, None))
    after = held.amount + amount
    keeps = held.amount * after > 0
    holdings.put(asset, "net", Holding(after, held.average if keeps else price))
