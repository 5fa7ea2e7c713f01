"""What the books hold at one entry, and what each kind of record makes of it.

Whether a name (a fee's currency, an activity's asset) is a balance or a position row is decided by what the books list: a
balance of that name first for currencies, a position row first for assets.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal

from tieout.books.instruments import HeldIn, Instrument, Terms
from tieout.books.positions import FLAT, Holding, closed_by, moved, profit, split, traded, untraded
from tieout.errors import BookError
from tieout.model.amounts import ZERO
from tieout.model.snapshot import Fill, Leg

Key = tuple[str, Leg]
LEGS: tuple[Leg, ...] = ("net", "long", "short")


@dataclass(slots=True)
class Holdings:
    """Positions by (asset, leg) and cash by currency; rows that went flat stay, with amount 0.

    `fees_apart` is what fees took in currencies that the books do not list: they were never told how much of it there is,
    so there is no total to state. It joins the balance once the currency is listed.
    """

    positions: MutableMapping[Key, Holding] = field(default_factory=dict)
    cash: MutableMapping[str, Decimal] = field(default_factory=dict)
    fees_apart: MutableMapping[str, Decimal] = field(default_factory=dict)
    instruments: MutableMapping[str, Instrument] = field(default_factory=dict)

    def draft(self) -> Holdings:
        """A layer over these holdings: what is written to it reaches them only by `commit`."""
        return Holdings(
            ChainMap({}, self.positions),
            ChainMap({}, self.cash),
            ChainMap({}, self.fees_apart),
            ChainMap({}, self.instruments),
        )

    def commit(self, draft: Holdings) -> None:
        """Take over what was written to *draft*, which came from these holdings."""
        for mine, theirs in (
            (self.positions, draft.positions),
            (self.cash, draft.cash),
            (self.fees_apart, draft.fees_apart),
            (self.instruments, draft.instruments),
        ):
            assert isinstance(theirs, ChainMap), "only a draft can be committed"
            mine.update(theirs.maps[0])

    def copy(self) -> Holdings:
        """The same holdings, independent of these."""
        return Holdings(dict(self.positions), dict(self.cash), dict(self.fees_apart), dict(self.instruments))

    def has_row(self, asset: str) -> bool:
        """Whether the asset has, or had, a position row."""
        return any((asset, leg) in self.positions for leg in LEGS)

    def put(self, key: Key, holding: Holding) -> None:
        """Write one row.

        Raises:
            BookError: A long leg would fall below 0, or a short one rise above it.
        """
        asset, leg = key
        if (leg == "long" and holding.amount < 0) or (leg == "short" and holding.amount > 0):
            raise BookError(f"{asset} {leg}", "the leg would change its sign; check the position_side of its records")
        self.positions[key] = holding

    def pay(self, currency: str, amount: Decimal) -> None:
        """Move the balance of *currency* by a signed amount, listing it if it is new."""
        self.cash[currency] = self.cash.get(currency, ZERO) + self.fees_apart.get(currency, ZERO) + amount
        if self.fees_apart.get(currency):
            self.fees_apart[currency] = ZERO

    def shift(self, name: str, amount: Decimal, *, new: HeldIn = "positions") -> HeldIn:
        """Move an asset by a signed amount wherever it is held; a name nobody listed becomes *new*.

        Returns:
            Where it is held.
        """
        if self.has_row(name) or (name not in self.cash and new == "positions"):
            key = name, self._leg_moved(name, amount)
            self.put(key, moved(self.positions.get(key, FLAT), amount))
            return "positions"
        self.pay(name, amount)
        return "balances"

    def spend(self, currency: str, amount: Decimal) -> None:
        """Move a currency by a signed amount: its balance, else a position row of that name, else a new balance."""
        if currency in self.cash:
            self.pay(currency, amount)
        else:
            self.shift(currency, amount, new="balances")

    def _leg_moved(self, asset: str, amount: Decimal) -> Leg:
        """The net row, else the only leg that is not flat, else the leg that such an amount closes."""
        legs = [leg for leg in LEGS if (asset, leg) in self.positions]
        if not legs or "net" in legs:
            return "net"
        held = [leg for leg in legs if self.positions[asset, leg].amount]
        if len(held) == 1:
            return held[0]
        return "long" if amount < 0 else "short"


def leg_of(held: Holdings, fill: Fill) -> Leg:
    """The leg a fill moves.

    Raises:
        BookError: Legs are held and the fill names none: that is not for the books to guess.
    """
    if fill.position_side is not None:
        return fill.position_side
    if held.has_row(fill.asset) and (fill.asset, "net") not in held.positions:
        raise BookError(f"fill {fill.fill_id}", "it names no position_side, and the asset is held in legs")
    return "net"


def book_fill(held: Holdings, fill: Fill, terms: Terms) -> None:
    """Book a fill: position, cash and fee.

    Raises:
        BookError: It names no leg where legs are held, or turns one around.
    """
    before = FLAT
    if terms.held_in == "positions":
        key = fill.asset, leg_of(held, fill)
        before = held.positions.get(key, FLAT)
        held.put(key, traded(before, fill.signed, fill.price, inverse=terms.inverse))
    for currency, amount in _cash_moves(fill, terms, before):
        held.spend(currency, amount)
    _take_fee(held, fill, -(fill.fee or ZERO))


def unbook_fill(held: Holdings, fill: Fill, terms: Terms) -> None:
    """Take out a fill that the opening amounts contain, as exactly as they let one tell what was there before it.

    The average cost before it is unknown where the fill closed or flipped the position; a profit on it is then not claimed.

    Raises:
        BookError: As for `book_fill`.
    """
    _take_fee(held, fill, fill.fee or ZERO)
    before = FLAT
    if terms.held_in == "positions":
        key = fill.asset, leg_of(held, fill)
        before = untraded(held.positions.get(key, FLAT), fill.signed, fill.price, inverse=terms.inverse)
        held.put(key, before)
    for currency, amount in _cash_moves(fill, terms, before):
        held.spend(currency, -amount)


def _cash_moves(fill: Fill, terms: Terms, before: Holding) -> Iterator[tuple[str, Decimal]]:
    """What the trade itself moves in cash, fee aside: (currency, signed amount)."""
    if terms.settlement == "cash":
        if terms.quote is not None:
            yield terms.quote, -fill.signed * fill.price * terms.multiplier
        if terms.held_in == "balances" and terms.base is not None:
            yield terms.base, fill.signed
        return
    currency = terms.base if terms.inverse else terms.quote
    if currency is None:
        return
    closed = closed_by(before, fill.signed) * terms.multiplier
    known = before.average is not None and (not terms.inverse or before.average > 0)
    if not closed:
        yield currency, ZERO
    elif known and before.average is not None:
        yield currency, profit(closed, before.average, fill.price, inverse=terms.inverse)


def _take_fee(held: Holdings, fill: Fill, amount: Decimal) -> None:
    currency = fill.fee_currency
    if not amount or currency is None:
        return
    if currency in held.cash or held.has_row(currency):
        held.spend(currency, amount)
    else:
        held.fees_apart[currency] = held.fees_apart.get(currency, ZERO) + amount


def rename_row(held: Holdings, old: Key, new: Key) -> None:
    """Rename a row; where the new name is held already, the two become one with their cost weighted."""
    row, there = held.positions[old], held.positions.get(new, FLAT)
    known = held.instruments.get(old[0])
    inverse = known is not None and known.settlement == "inverse"
    held.put(old, FLAT)
    held.put(new, traded(there, row.amount, row.average, inverse=inverse))


def split_asset(held: Holdings, asset: str, above: Decimal, below: Decimal) -> None:
    """Split every row of *asset*, or its balance: *above* new units for *below* old ones."""
    if held.has_row(asset):
        for leg in LEGS:
            if (asset, leg) in held.positions:
                held.put((asset, leg), split(held.positions[asset, leg], above, below))
    elif asset in held.cash:
        held.cash[asset] = split(Holding(held.cash[asset]), above, below).amount
