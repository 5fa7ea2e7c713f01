"""How trades settled, where nothing says: all cash first, then all margin, then mixtures by asset.

The one that leaves no residual counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product

from tieout.explain.market import Market
from tieout.explain.projection import Effects
from tieout.explain.records import Record
from tieout.model.discrepancy import Key
from tieout.model.snapshot import Settlement

Settlements = dict[str, Settlement]


def choose(
    records: Sequence[Record], market: Market, effects: Callable[[Settlements], Effects], max_choices: int
) -> list[Settlements]:
    """The settlement of every asset traded in *records*, told or found out by which one closes the cash.

    One where something closes it or nothing can be found out; else the one that leaves least, all-cash and all-margin.
    """
    told: Settlements = {}
    open_assets: set[str] = set()
    for record in records:
        if record.fill is None or market.spot(record.fill):
            continue
        settlement = market.settlement(record.fill)
        if settlement is None:
            open_assets.add(record.fill.asset)
        else:
            told[record.fill.asset] = settlement
    assets = sorted(open_assets - set(told))
    if not assets:
        return [told]
    if not market.balances_compared:
        cash: Settlements = dict.fromkeys(assets, "cash")
        return [{**told, **cash}]
    best: Settlements | None = None
    least: tuple[int, Decimal] | None = None
    for choice in _choices(assets, max_choices):
        settlements = {**told, **choice}
        left = _left(effects(settlements), market, records)
        if least is None or left < least:
            best, least = settlements, left
        if not left[0]:
            return [settlements]
    assert best is not None
    plain: list[Settlements] = [{**told, **choice} for choice in _choices(assets, 0)]
    return [best, *(choice for choice in plain if choice != best)]


def _choices(assets: Sequence[str], max_choices: int) -> Iterator[Settlements]:
    options: tuple[Settlement, Settlement] = ("cash", "margin")
    for option in options:
        yield dict.fromkeys(assets, option)
    if 1 < len(assets) <= max_choices:
        for mixture in product(options, repeat=len(assets)):
            if len(set(mixture)) > 1:
                yield dict(zip(assets, mixture, strict=True))


def _left(effects: Mapping[Key, Decimal], market: Market, records: Sequence[Record]) -> tuple[int, Decimal]:
    """How many currencies stay open, and by how much together."""
    quotes = {market.quote(record.fill) for record in records if record.fill is not None}
    keys = {key for key in effects if key.domain == "balance"} | {Key("balance", name) for name in quotes if name}
    gaps = [abs(market.difference(key) - effects.get(key, Decimal(0))) for key in keys]
    return sum(1 for gap in gaps if gap), sum(gaps, Decimal(0))
