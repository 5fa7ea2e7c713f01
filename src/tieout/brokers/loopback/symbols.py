"""A world's instruments as venues name them: the world calls a spot pair BASE/QUOTE and a contract BASE/QUOTE:SETTLE."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from tieout.brokers.simulated import Instrument
from tieout.brokers.simulated.state import State
from tieout.errors import ActionRefused


class Listed(Struct, frozen=True):
    """An instrument with the parts of its name; `settle` is empty for a spot pair."""

    asset: str
    base: str
    quote: str
    settle: str
    instrument: Instrument

    @property
    def spot(self) -> bool:
        """Whether it moves two coins."""
        return not self.settle

    @property
    def sort(self) -> str:
        """A pair, or a contract that settles in its quote currency, or in its base."""
        return "spot" if self.spot else "linear" if self.linear else "inverse"

    @property
    def linear(self) -> bool:
        """Whether it is a contract that settles in its quote currency."""
        return self.settle == self.quote


def listed(state: State) -> Iterator[Listed]:
    """Every instrument whose name has the parts that a venue of pairs needs."""
    for asset, instrument in state.instruments.items():
        pair, _, settle = asset.partition(":")
        base, _, quote = pair.partition("/")
        if base and quote:
            yield Listed(asset, base, quote, settle, instrument)


def asset_of(state: State, fits: Callable[[Listed], bool]) -> str:
    """The asset of the one instrument that *fits*.

    Raises:
        ActionRefused: This venue lists no such instrument.
    """
    found = next((row for row in listed(state) if fits(row)), None)
    if found is None:
        raise ActionRefused("asset", "this venue lists no such instrument")
    return found.asset


def by_asset(state: State) -> dict[str, Listed]:
    """Every instrument by its name in the world."""
    return {row.asset: row for row in listed(state)}


def number_of(world_id: str | None) -> int:
    """The number in an id of the world, ``o-7-000012`` -> 12, for venues whose ids are numbers."""
    return int((world_id or "").rpartition("-")[2])


def order_id(state: State, number: str) -> str:
    """The world's id of the order with that *number*; one that it never gave out where *number* is none."""
    return f"o-{state.seed}-{int(number):06d}" if number.isdecimal() else "none"
