"""Rows of one side that fall under one name -> one row, exactly; what does not add up is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tieout.model.amounts import ZERO, divided
from tieout.model.identity import Sayer
from tieout.model.snapshot import Balance, Position, Section


def netted(section: Section, said: Sequence[tuple[Any, Any]], sayer: Sayer) -> Iterator[Any]:
    """Positions or balances with one row a name (and leg), in the order in which they were said."""
    groups: dict[Hashable, list[tuple[Any, Any]]] = defaultdict(list)
    whose: dict[str, set[str]] = defaultdict(set)
    for row, meant in said:
        groups[(_key(meant), getattr(meant, "leg", None))].append((row, meant))
        if _held(meant) and _key(row) not in sayer.identity.twins:
            whose[_key(meant)].add(_key(row))
    for asset, names in whose.items():
        if len(names) > 1:
            told = " and ".join(sorted(names))
            why = f"{told} are names of {asset} and stand there both: one asset has one name on a side; see same_as"
            raise sayer.refuse(section, why)
    for pairs in groups.values():
        yield from _one_of(section, pairs, sayer)


def _one_of(section: Section, pairs: Sequence[tuple[Any, Any]], sayer: Sayer) -> Sequence[Any]:
    """The rows of one name (and leg) as one; as they are where a side said one of them twice, which it may not."""
    rows = [meant for _, meant in pairs]
    if len(rows) == 1 or len({_key(row) for row, _ in pairs}) < len(rows):
        return rows
    held = [row for row in rows if _held(row)] or rows[:1]
    if len(held) == 1:
        return held
    return [_sum_of_balances(held) if section == "balances" else _sum_of_positions(held, sayer)]


def _sum_of_balances(rows: Sequence[Balance]) -> Balance:
    prices = [row.usd_price for row in rows if row.usd_price is not None]
    return Balance(
        currency=rows[0].currency,
        total=sum((row.total for row in rows), ZERO),
        available=_sum([row.available for row in rows]),
        locked=_sum([row.locked for row in rows]),
        usd_price=max(prices, default=None),
    )


def _sum_of_positions(rows: Sequence[Position], sayer: Sayer) -> Position:
    first, total = rows[0], sum((row.amount for row in rows), ZERO)
    for field in ("multiplier", "settlement", "currency", "base", "quote"):
        if len({getattr(row, field) for row in rows}) > 1:
            why = f"rows that count as {first.asset} have different values of {field}: they do not add up"
            raise sayer.refuse("positions", why)
    prices = {row.market_price for row in rows}
    return replace(
        first,
        amount=total,
        average_price=_average(rows, total),
        market_price=first.market_price if len(prices) == 1 else None,
    )


def _average(rows: Sequence[Position], total: Decimal) -> Decimal | None:
    """The average price of rows together, where it has one and it is exact; None, *not told*, where not."""
    prices = [row.average_price for row in rows if row.average_price is not None]
    if len(prices) < len(rows) or len({row.amount > 0 for row in rows}) > 1:
        return None
    if len(set(prices)) == 1:
        return prices[0]
    cost = sum((row.amount * price for row, price in zip(rows, prices, strict=True)), ZERO)
    return divided(cost, total)


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    told = [value for value in values if value is not None]
    return sum(told, ZERO) if len(told) == len(values) else None


def _key(row: Position | Balance) -> str:
    return row.currency if isinstance(row, Balance) else row.asset


def _held(row: Position | Balance) -> bool:
    return bool(row.total if isinstance(row, Balance) else row.amount)
