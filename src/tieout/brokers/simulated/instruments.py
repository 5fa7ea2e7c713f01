"""What is traded, and the arithmetic of one trade in it: notional, fee, realised profit and average cost.

Notional and profit are exact; fees are cut toward zero and averages rounded half even, both to 18 decimals.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from msgspec import Struct

from tieout.errors import ActionRefused
from tieout.model.amounts import DIVIDE, ONE, ZERO, dec, plain, ratio, truncate
from tieout.model.snapshot import Name, Settlement

PLACES = 18
SMALLEST = Decimal(1).scaleb(-PLACES)
_LARGEST_INPUT = Decimal(10) ** 12
_LARGEST_NOTIONAL = Decimal(10) ** 20
_MULTIPLIER_PLACES = 4

InstrumentKind = Literal["spot", "cash", "margin", "inverse"]


class Instrument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to trade.

    Attributes:
        kind: `spot` moves two coins and has no position row; `cash` pays in full and has one (shares); `margin` and
            `inverse` settle only the realised profit.
        currency: What a trade moves in cash: the quote currency, or the settlement coin of an inverse contract.
        base: The coin that a spot pair buys; None otherwise.
        multiplier: Units behind one contract, of at most 4 decimals.
        fee_rate: Below 0 is a rebate. A fraction of the notional, or of the quantity where the fee is taken in `base`;
            in a third coin, units of that coin for one unit of notional.
        fee_currency: None is `currency`.
        unit: The smallest holding that a split leaves.
    """

    asset: Name
    kind: InstrumentKind
    currency: Name
    base: Name | None = None
    multiplier: Decimal = ONE
    fee_rate: Decimal = ZERO
    fee_currency: Name | None = None
    unit: Decimal = Decimal("1e-8")

    @property
    def settlement(self) -> Settlement:
        """How its trades move cash, in the words of the contract."""
        return "cash" if self.kind == "spot" else self.kind

    @property
    def paid_in_full(self) -> bool:
        """Whether a buy costs its notional, so that resting orders lock funds."""
        return self.kind in ("spot", "cash")

    @property
    def charged_in(self) -> str:
        """The currency that fees are taken in."""
        return self.fee_currency or self.currency

    def notional(self, quantity: Decimal, price: Decimal) -> Decimal:
        """The value of *quantity* at *price* in `currency`, unsigned."""
        if self.kind == "inverse":
            return rounded(ratio(quantity * self.multiplier, price))
        return quantity * price * self.multiplier

    def fee(self, quantity: Decimal, price: Decimal) -> Decimal:
        """The fee in `charged_in`, above 0 when paid, cut toward zero."""
        in_base = self.base is not None and self.fee_currency == self.base
        worth = quantity if in_base else self.notional(quantity, price)
        return dec(plain(truncate(worth * self.fee_rate, SMALLEST)))

    def average(self, held: Decimal, average: Decimal, quantity: Decimal, price: Decimal) -> Decimal:
        """The average cost after *quantity* more at *price*; *held* unsigned. Harmonic for an inverse contract."""
        if self.kind == "inverse":
            return rounded(ratio(held + quantity, ratio(held, average) + ratio(quantity, price)))
        return rounded(ratio(held * average + quantity * price, held + quantity))

    def profit(self, closed: Decimal, average: Decimal, price: Decimal) -> Decimal:
        """What closing *closed* (signed like the position) at *price* realises in `currency`."""
        if self.kind == "inverse":
            return rounded(closed * self.multiplier * (ratio(ONE, average) - ratio(ONE, price)))
        return closed * self.multiplier * (price - average)


def rounded(value: Decimal) -> Decimal:
    """*value* to at most 18 decimals, half even."""
    return dec(plain(value.quantize(SMALLEST, rounding=ROUND_HALF_EVEN, context=DIVIDE)))


def require_instrument(instrument: Instrument) -> None:
    """Raise `ActionRefused` where an instrument's terms contradict each other."""
    if (instrument.kind == "spot") != (instrument.base is not None):
        raise ActionRefused("add instrument", "a spot pair has a base, and nothing else has")
    if instrument.multiplier <= 0 or _places(instrument.multiplier) > _MULTIPLIER_PLACES:
        raise ActionRefused("add instrument", "a multiplier above 0 of at most 4 decimals is needed")
    if instrument.kind == "spot" and instrument.multiplier != 1:
        raise ActionRefused("add instrument", "a spot pair has no multiplier")
    if not instrument.fee_rate.is_finite() or _places(instrument.fee_rate) > PLACES or instrument.unit < SMALLEST:
        raise ActionRefused("add instrument", "rate and unit have at most 18 decimals")


def require_number(action: str, what: str, value: Decimal) -> None:
    """Raise `ActionRefused` unless *value* is above 0 and of a size that sums of it stay within 64 digits."""
    if not value.is_finite() or value <= 0:
        raise ActionRefused(action, f"{what} must be above 0")
    if _places(value) > PLACES or value >= _LARGEST_INPUT:
        raise ActionRefused(action, f"{what} has more digits than this venue counts")


def require_notional(action: str, instrument: Instrument, quantity: Decimal, price: Decimal) -> None:
    """Raise `ActionRefused` where a trade would be larger than this venue counts."""
    if instrument.notional(quantity, price) >= _LARGEST_NOTIONAL:
        raise ActionRefused(action, "larger than this venue counts")


def require_amount(action: str, amount: Decimal) -> None:
    """Raise `ActionRefused` unless *amount*, signed, is not 0 and of a size that this venue counts."""
    if not amount.is_finite() or not amount or _places(amount) > PLACES or abs(amount) >= _LARGEST_NOTIONAL:
        raise ActionRefused(action, "an amount other than 0 of at most 18 decimals is needed")


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number"
    return -exponent
