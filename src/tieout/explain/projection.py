"""What a set of records would do to a book, exactly: applied in the order of time, each effect on its key.

This is the arithmetic of the contract's "what a fill moves in cash". Average costs are kept as fractions, so that nothing
is rounded on the way; only a realised profit that has no finite decimal is rounded, to 18 places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from tieout.explain.market import Market
from tieout.explain.records import Record, Standing
from tieout.model.amounts import DIVIDE, ZERO, fraction, truncate
from tieout.model.discrepancy import Key
from tieout.model.snapshot import Activity, Fill, Settlement

Effects = dict[Key, Decimal]


class Projection:
    """A copy of one book, as far as the records at hand touch it.

    Args:
        market: Where effects land.
        settlements: How each asset settles.
        held: What the book holds of a key before, in the units compared.
        later: For an asset and a moment: what the book's own records after that moment added to a key (they are not split).
    """

    def __init__(
        self,
        market: Market,
        settlements: Mapping[str, Settlement],
        held: Callable[[Key], Decimal],
        later: Callable[[Key, Record], Decimal],
    ) -> None:
        self._market, self._settlements, self._held, self._later = market, settlements, held, later
        self._averages: dict[Key, Fraction | None] = {}
        self.changes: Effects = defaultdict(lambda: ZERO)

    def amount(self, key: Key) -> Decimal:
        """What the copy holds now."""
        return self._held(key) + self.changes[key]

    def apply(self, record: Record) -> None:
        """Let one record take effect, in its standing: booked, taken back out, or corrected."""
        if record.activity is not None:
            self._activity(record, record.activity, -1 if record.standing is Standing.SURPLUS else 1)
            return
        assert record.fill is not None
        if record.standing is Standing.SURPLUS:
            self._fill(record.fill, -1, of_broker=False)
            return
        if record.other is not None:
            self._fill(record.other, -1, of_broker=False)
        self._fill(record.fill, 1, of_broker=True)

    def _fill(self, fill: Fill, way: int, *, of_broker: bool) -> None:
        market = self._market
        if market.spot(fill):
            base, quote = market.base(fill), market.quote(fill)
            assert base is not None and quote is not None
            self.changes[Key("balance", base)] += way * fill.signed
            self.changes[Key("balance", quote)] -= way * fill.signed * fill.price
        else:
            self._trade(fill, way, of_broker=of_broker)
        if fill.fee and fill.fee_currency:
            home = market.home(fill.fee_currency, otherwise=Key("balance", fill.fee_currency))
            self.changes[home] -= way * fill.fee

    def _trade(self, fill: Fill, way: int, *, of_broker: bool) -> None:
        key = self._market.leg(fill.asset, fill.position_side)
        scale = self._market.scale(fill.asset, of_broker=of_broker)
        signed = fill.signed * scale
        settlement = self._settlements.get(fill.asset, "cash")
        contracts = fill.signed * self._market.multiplier(fill.asset, of_broker=of_broker)
        if settlement == "cash":
            quote = self._market.quote(fill)
            if quote is not None:
                self.changes[Key("balance", quote)] -= way * contracts * fill.price
            if key is not None:
                self.changes[key] += way * signed
        elif key is not None:
            size = Fraction(contracts) / Fraction(signed) if signed else Fraction(0)
            self._margin(fill, key, way, (signed, size), settlement)

    def _margin(self, fill: Fill, key: Key, way: int, traded: tuple[Decimal, Fraction], settlement: Settlement) -> None:
        """Realise the profit of what a trade closes; *traded* is its signed amount and what one unit of that contains."""
        signed, content = traded
        now = self.amount(key)
        before = now if way > 0 else now - signed
        average = self._average(key)
        if way < 0 and before * now <= 0:
            # The trade that is taken back had closed what was held: its cost is no longer local's to tell.
            known = self._market.average(key, 1 if before > 0 else -1)
            average = Fraction(known) if known is not None else average
        if before * signed < 0 and average is not None:
            closed = min(abs(before), abs(signed)) * (1 if before > 0 else -1)
            size = Fraction(closed) * content
            coin = self._market.settle_coin(fill) if settlement == "inverse" else self._market.quote(fill)
            profit = _profit(size, average, Fraction(fill.price), settlement)
            if coin is not None:
                self.changes[Key("balance", coin)] += way * _decimal(profit)
        self._averages[key] = _next_average(before, signed, average, fill.price, settlement) if way > 0 else average
        self.changes[key] += way * signed

    def _average(self, key: Key) -> Fraction | None:
        if key not in self._averages:
            known = self._market.average(key)
            self._averages[key] = Fraction(known) if known is not None else None
        return self._averages[key]

    def _activity(self, record: Record, row: Activity, way: int) -> None:
        if row.kind == "split":
            assert row.asset is not None and row.ratio is not None
            for key in self._keys(row.asset):
                self._split(record, key, row.ratio, way)
        elif row.kind == "symbol_change":
            assert row.asset is not None and row.new_asset is not None
            for key in self._keys(row.asset):
                moved = self.amount(key) - self._later(key, record)
                self.changes[key] -= way * moved
                self.changes[self._renamed(key, row.new_asset)] += way * moved
        else:
            for name, amount in ((row.asset, row.amount), (row.new_asset, row.new_amount)):
                if name is not None and amount is not None:
                    self.changes[self._market.home(name, otherwise=Key("position", name))] += way * amount
            if row.asset is None and row.currency is not None and row.amount is not None:
                self.changes[Key("balance", row.currency)] += way * row.amount

    def _split(self, record: Record, key: Key, ratio: str, way: int) -> None:
        above, below = fraction(ratio) if way > 0 else fraction(ratio)[::-1]
        held = self.amount(key) - self._later(key, record)
        unit = self._market.settings.smallest_unit(key.asset, cash=False)
        # Rounded toward zero to the smallest unit, as venues do; the cash in lieu is a record of its own.
        grown = truncate(DIVIDE.divide(held * above, below), unit)
        self.changes[key] += grown - held
        average = self._average(key) if key.domain == "position" else None
        if average is not None:
            self._averages[key] = average * Fraction(below) / Fraction(above)

    def _keys(self, asset: str) -> list[Key]:
        """Every row that a corporate change of *asset* touches."""
        if self._market.home(asset, otherwise=Key("position", asset)).domain == "balance":
            return [Key("balance", asset)]
        return [Key("position", asset, pair.leg) for pair in self._market.legs(asset)]

    def _renamed(self, key: Key, name: str) -> Key:
        if key.domain == "balance":
            return Key("balance", name)
        return Key("position", name, key.leg)


def _profit(size: Fraction, average: Fraction, price: Fraction, settlement: Settlement) -> Fraction:
    """What closing *size* (signed as held, multiplier included) at *price* realises."""
    if settlement == "inverse":
        return size * (1 / average - 1 / price) if average and price else Fraction(0)
    return size * (price - average)


def _next_average(
    before: Decimal, signed: Decimal, average: Fraction | None, price: Decimal, settlement: Settlement
) -> Fraction | None:
    if not before:
        return Fraction(price)
    if before * signed < 0:
        return Fraction(price) if abs(signed) > abs(before) else average
    if average is None:
        return None
    held, added = Fraction(abs(before)), Fraction(abs(signed))
    if settlement == "inverse":
        # Weighted by what the contracts cost in coins, else adding to a position would create profit.
        return (held + added) / (held / average + added / Fraction(price)) if average and price else None
    return (average * held + Fraction(price) * added) / (held + added)


def _decimal(value: Fraction) -> Decimal:
    """The exact decimal where there is one, else rounded half even to 18 places."""
    numerator, denominator = Decimal(value.numerator), Decimal(value.denominator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        return numerator / denominator
    return DIVIDE.quantize(DIVIDE.divide(numerator, denominator), Decimal("1e-18"))


def total(
    records: Iterable[Record],
    market: Market,
    settlements: Mapping[str, Settlement],
    later: Callable[[Key, Record], Decimal],
) -> Effects:
    """What *records*, in the order of time, change on a copy of local; keys that end where they began are left out."""
    copy = Projection(market, settlements, market.held, later)
    for record in records:
        copy.apply(record)
    return {key: amount for key, amount in copy.changes.items() if amount}
