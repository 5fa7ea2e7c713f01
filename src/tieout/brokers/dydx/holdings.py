"""The parent sub-account's own document -> positions and cash, proven whole by the equity that it states.

Source: the indexer computes equity as USDC plus size × oracle price over the very rows that it lists, and a parent's as the
sum of its children's; a row or a child that got lost on the way shows as a difference.

dYdX books the whole notional of a trade in USDC: who buys with borrowed money has cash below 0. So every fill here is a
`cash` settlement. Funding that is due and not settled on the chain yet is in the USDC figure already.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tieout.brokers.dydx.owner import Owner
from tieout.brokers.dydx.rows import Json, RowError, listed, number, table, text, whole
from tieout.model.amounts import DIVIDE, ONE, ZERO, dec, exact, plain, ratio
from tieout.model.snapshot import Balance, Position

USDC = "USDC"
_SIGNS = {"LONG": 1, "SHORT": -1}
_SLACK = Decimal("0.000001")  # one quantum of USDC
_PRICE_PLACES = Decimal(1).scaleb(-18)


class Holdings(Struct, frozen=True):
    """What one answer says. *doubt* is why it is not known to be whole, None where it is; *height* is its block."""

    positions: tuple[Position, ...]
    balances: tuple[Balance, ...]
    height: int
    doubt: str | None = None


EMPTY = Holdings((), (), 0)


class _Child(Struct, frozen=True):
    number: int
    positions: tuple[Position, ...]
    cash: dict[str, Decimal]
    worth: Decimal
    equity: Decimal
    height: int

    @property
    def adds_up(self) -> bool:
        """Whether its rows give its equity; a coin that is not USDC has no price here."""
        return set(self.cash) - {USDC} != set() or abs(self.worth - self.equity) <= _SLACK


@exact
def holdings(body: object, owner: Owner) -> Holdings:
    """What the answer to ``/addresses/A/parentSubaccountNumber/N`` holds.

    Raises:
        RowError: It breaks its format, or is about another account.
    """
    told = table(body, "the answer")
    parent = table(told.get("subaccount", told), "the sub-account")
    if text(parent, "address") != owner.address or whole(parent, "parentSubaccountNumber") != owner.parent:
        raise RowError("the answer is about another account")
    children = [_child(row, owner) for row in listed(parent.get("childSubaccounts"), "childSubaccounts")]
    if not children or len({child.number for child in children}) != len(children):
        raise RowError("no sub-accounts, or one of them twice")
    return Holdings(
        positions=_net(row for child in children for row in child.positions),
        balances=_cash(children),
        height=min(child.height for child in children),
        doubt=_doubt(children, number(parent, "equity")),
    )


def _doubt(children: list[_Child], equity: Decimal) -> str | None:
    if abs(sum((child.equity for child in children), ZERO) - equity) > _SLACK:
        return "its sub-accounts do not add up to its equity"
    return None if all(child.adds_up for child in children) else "its rows do not add up to its equity"


def _child(row: Json, owner: Owner) -> _Child:
    of = whole(row, "subaccountNumber")
    if text(row, "address") != owner.address or not owner.holds(of):
        raise RowError("a sub-account of somebody else")
    positions = table(row.get("openPerpetualPositions"), "openPerpetualPositions")
    assets = table(row.get("assetPositions"), "assetPositions")
    cash = {symbol: _signed(table(held, "an asset"), "symbol", symbol, of) for symbol, held in assets.items()}
    made = [_position(table(held, "a position"), market, of) for market, held in positions.items()]
    return _Child(
        number=of,
        positions=tuple(position for position, _ in made if position.amount),
        cash=cash,
        worth=sum((worth for _, worth in made), cash.get(USDC, ZERO)),
        equity=number(row, "equity"),
        height=whole(row, "latestProcessedBlockHeight"),
    )


def _signed(row: Json, name: str, key: str, of: int) -> Decimal:
    """An asset position, below 0 for a debt: its size is unsigned, and its side says which it is."""
    size, sign = number(row, "size"), _SIGNS.get(str(row.get("side")))
    if sign is None or size < 0 or text(row, name) != key or whole(row, "subaccountNumber") != of:
        raise RowError("an asset position that contradicts itself")
    return size * sign


def _position(row: Json, market: str, of: int) -> tuple[Position, Decimal]:
    """A position with its worth at the oracle's price; its size is signed, and never made from sums of trades."""
    size, sign = number(row, "size"), _SIGNS.get(str(row.get("side")))
    if sign is None or size * sign < 0 or text(row, "market") != market or whole(row, "subaccountNumber") != of:
        raise RowError("a position that contradicts itself")
    if text(row, "status") != "OPEN":
        raise RowError("a position that is not open among the open ones")
    entry, profit = number(row, "entryPrice"), number(row, "unrealizedPnl")
    position = Position(
        asset=market,
        amount=size,
        average_price=entry or None,
        market_price=_oracle_price(size, entry, profit),
        currency=USDC,
        multiplier=ONE,
        settlement="cash",
        quote=USDC,
    )
    return position, profit + size * entry


def _oracle_price(size: Decimal, entry: Decimal, profit: Decimal) -> Decimal | None:
    """The price that the indexer valued the position at, where the digits of its profit give it exactly."""
    if not size:
        return None
    price = (entry + ratio(profit, size)).quantize(_PRICE_PLACES, context=DIVIDE).normalize()
    told = dec(plain(price))
    return told if (told - entry) * size == profit and told > 0 else None


def _net(rows: Iterable[Position]) -> tuple[Position, ...]:
    """One row a market: isolated positions are in sub-accounts of their own. Mixed prices are given up, not averaged."""
    merged: dict[str, Position] = {}
    for row in rows:
        known = merged.get(row.asset)
        if known is not None:
            average = known.average_price if known.average_price == row.average_price else None
            row = replace(known, amount=known.amount + row.amount, average_price=average)
        merged[row.asset] = row
    return tuple(merged[asset] for asset in sorted(merged) if merged[asset].amount)


def _cash(children: Iterable[_Child]) -> tuple[Balance, ...]:
    sums: dict[str, Decimal] = {}
    for child in children:
        for symbol, amount in child.cash.items():
            sums[symbol] = sums.get(symbol, ZERO) + amount
    return tuple(Balance(symbol, sums[symbol]) for symbol in sorted(sums) if sums[symbol])
