"""Two snapshots -> what differs. Pure: the same input gives the same differences, to the byte.

`compare` is the whole stage; `compare_asset`, `compare_currency` and `compare_pair` judge one pair of rows, for tables too
large to hold as records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter

from tieout.compare.balances import compare_currency
from tieout.compare.fills import compare_fills
from tieout.compare.orders import compare_pair
from tieout.compare.positions import compare_asset
from tieout.compare.values import Prices
from tieout.model.align import only, unequal
from tieout.model.amounts import ZERO, exact
from tieout.model.discrepancy import Difference
from tieout.model.pairing import pair_legs, paired_orders, renamed_assets
from tieout.model.report import SectionCoverage
from tieout.model.settings import Settings
from tieout.model.snapshot import Balance, Lookup, Position, Section, Snapshot

__all__ = ["compare", "compare_asset", "compare_currency", "compare_pair"]

COMPARABLE = frozenset(("compared", "partial"))


@exact
def compare(
    local: Snapshot,
    broker: Snapshot,
    coverage: Mapping[str, SectionCoverage],
    settings: Settings,
    lookups: Iterable[Lookup] = (),
) -> tuple[Difference, ...]:
    """Every difference between two sides, in a fixed order: positions, balances, orders, fills, each by name.

    Args:
        local: Local's statement.
        broker: The broker's statement.
        coverage: Which sections may be compared, and whether an absent row means anything.
        settings: The account's tolerances, units and scope.
        lookups: What single orders were answered; an order found so counts as the broker's record of it.
    """
    prices = Prices(settings, _by_currency(local), _by_currency(broker))
    found: list[Difference] = []
    if coverage.get("positions") in COMPARABLE:
        found += _positions(local, broker, settings, prices)
    if coverage.get("balances") in COMPARABLE:
        found += _balances(local, broker, settings, prices)
    if coverage.get("orders") in COMPARABLE:
        found += _orders(local, broker, settings, lookups)
    if coverage.get("fills") in COMPARABLE:
        found += compare_fills(local, broker, settings, renamed_assets(broker.activities or ()))
    order = {"position": 0, "balance": 1, "order": 2, "fill": 3}
    return tuple(sorted(found, key=lambda difference: (order[difference.key.domain], difference.key)))


def _judged(local: Snapshot, broker: Snapshot, section: Section) -> Callable[[bool, bool], bool]:
    """Whether a row gets a verdict, by where it is: in a partial section an absent row gets none."""
    ours, theirs = local.covers(section) == "complete", broker.covers(section) == "complete"
    return lambda held, stated: (held or ours) and (stated or theirs)


def _positions(local: Snapshot, broker: Snapshot, settings: Settings, prices: Prices) -> Iterable[Difference]:
    ours, theirs = local.positions or (), broker.positions or ()
    names = {name for name in unequal(ours, theirs, _asset) | _unmanaged(settings) if settings.scope.admits(name)}
    held, stated = only(ours, names, _asset), only(theirs, names, _asset)
    balances, judged = {row.currency for row in broker.balances or ()}, _judged(local, broker, "positions")
    for name in sorted(names):
        if not judged(name in held, name in stated):
            continue
        aside = ZERO if name in balances and name not in stated else settings.unmanaged.get(name, ZERO)
        pairs = pair_legs(held.get(name, ()), stated.get(name, ()), aside if name in stated or name in held else ZERO)
        yield from compare_asset(name, pairs, settings, prices)


def _balances(local: Snapshot, broker: Snapshot, settings: Settings, prices: Prices) -> Iterable[Difference]:
    ours, theirs = local.balances or (), broker.balances or ()
    names = {name for name in unequal(ours, theirs, _currency) | _unmanaged(settings) if settings.scope.admits(name)}
    held, stated = only(ours, names, _currency), only(theirs, names, _currency)
    judged = _judged(local, broker, "balances")
    for name in sorted(names):
        if not judged(name in held, name in stated):
            continue
        a, b = held.get(name, (None,))[0], stated.get(name, (None,))[0]
        aside = settings.unmanaged.get(name, ZERO) if a or b else ZERO
        difference = compare_currency(name, a, b, settings, prices, unmanaged=aside)
        if difference is not None:
            yield difference


def _orders(local: Snapshot, broker: Snapshot, settings: Settings, lookups: Iterable[Lookup]) -> Iterable[Difference]:
    pairs = paired_orders(local, broker, lookups)
    absent_locally = local.covers("orders") == "complete"
    absent_at_broker = broker.covers("orders") == "complete"
    for pair in pairs:
        if settings.scope.admits(pair.asset):
            difference = compare_pair(pair, settings, absent_locally=absent_locally, absent_at_broker=absent_at_broker)
            if difference is not None:
                yield difference


def _unmanaged(settings: Settings) -> set[str]:
    return set(settings.unmanaged)


def _by_currency(side: Snapshot) -> dict[str, Balance]:
    return {row.currency: row for row in side.balances or ()}


# Called once a row over whole books, so they are what C gives.
_asset: Callable[[Position], str] = attrgetter("asset")
_currency: Callable[[Balance], str] = attrgetter("currency")
