"""One identity for an asset over both sides: which names mean it, and how much of local's unit one unit at the broker is.

The table is the user's word (`[assets.NAME]`); nothing in it is guessed. What cannot be meant is a `Clash`, found at load.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from tieout.errors import SourceMalformed
from tieout.model.settings import AssetSettings
from tieout.model.snapshot import Source


class Clash(NamedTuple):
    """What in the table cannot be meant: where, what, and how to mend it."""

    place: str
    what: str
    mend: str


class Identity(Struct, frozen=True):
    """Which names mean one asset, and in which units each side counts it.

    Attributes:
        names: A name as a side says it -> the asset's one name. What is not in it means itself.
        twins: Names of assets of their own that are counted as another: their amounts add up.
        renamed: A former name -> the asset's one name, and the day (UTC) from which on it means that.
        sizes: An asset -> how much of local's unit one unit at the broker is.
        packs: Those of them that the broker prices by its own unit, and not by local's.
        at_broker, in_books: An asset -> the name that is written to that side.
    """

    names: Mapping[str, str] = {}
    twins: frozenset[str] = frozenset()
    renamed: Mapping[str, tuple[str, date]] = {}
    sizes: Mapping[str, Decimal] = {}
    packs: frozenset[str] = frozenset()
    at_broker: Mapping[str, str] = {}
    in_books: Mapping[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.names or self.renamed or self.sizes)

    def name(self, said: str, day: date) -> str:
        """The one name of what a side called *said* on *day*."""
        known = self.names.get(said)
        if known is None and said in self.renamed:
            now, since = self.renamed[said]
            return now if day >= since else said
        return known or said

    def meanings(self, said: str) -> set[str]:
        """Every asset that *said* means, on whatever day."""
        now = {self.names[said]} if said in self.names else {said}
        return now | ({self.renamed[said][0]} if said in self.renamed else set())

    def others(self, asset: str) -> tuple[str, ...]:
        """Every other name that can mean *asset*."""
        named = [said for said, now in self.names.items() if now == asset]
        return (*named, *(said for said, (now, _) in self.renamed.items() if now == asset))


class Sayer(Struct, frozen=True):
    """Who says something, and when.

    Attributes:
        identity: What the names mean.
        source: Which side it is: only the broker's amounts are converted.
        at: The moment of which it speaks.
    """

    identity: Identity
    source: Source
    at: datetime

    @property
    def day(self) -> date:
        """The day of which it speaks, in UTC."""
        return self.at.astimezone(UTC).date()

    def refuse(self, section: str, why: str) -> SourceMalformed:
        """The failure of a section that cannot be brought under one name an asset."""
        return SourceMalformed(self.source, section, why)


def identity_of(assets: Mapping[str, AssetSettings]) -> Identity:
    """The table that *assets* describe, in which no name means two things (`clashes` tells)."""
    names: dict[str, str] = {}
    for asset, told in assets.items():
        names |= dict.fromkeys(_meant(asset, told), asset)
    return Identity(
        names,
        frozenset(twin for told in assets.values() for twin in told.same_as),
        {old: (asset, day) for asset, told in assets.items() for old, day in (told.renamed or {}).items()},
        {asset: told.units for asset, told in assets.items() if told.contract_size or told.pack_size},
        frozenset(asset for asset, told in assets.items() if told.pack_size),
        {asset: told.broker_name for asset, told in assets.items() if told.broker_name is not None},
        {asset: told.local_name for asset, told in assets.items() if told.local_name is not None},
    )


def _meant(asset: str, told: AssetSettings) -> Iterator[str]:
    """Names that always mean *asset*, its own left out."""
    own = (*told.aliases, *told.same_as, *(name for name in (told.broker_name, told.local_name) if name))
    return (name for name in own if name != asset)


def clashes(assets: Mapping[str, AssetSettings], others: Iterable[tuple[str, Container[str]]] = ()) -> list[Clash]:
    """Everything in *assets* that cannot be meant.

    Args:
        assets: What is told of each asset.
        others: Other settings that name assets, each with its place: none of them may use a second name.
    """
    found: list[Clash] = []
    meant: dict[str, str] = {}
    for asset, told in assets.items():
        found += _of_one(asset, told)
        for name in dict.fromkeys((*_meant(asset, told), *(told.renamed or {}))):
            if name in assets:
                what = f"{name} has a table of its own, and would also mean {asset}"
                found.append(Clash(f"assets.{asset}", what, "two assets are never merged: take one of the two away"))
            elif name in meant:
                what = f"{name} would mean both {meant[name]} and {asset}"
                found.append(Clash(f"assets.{asset}", what, "two assets are never merged: take it out of one of them"))
            meant.setdefault(name, asset)
    for place, named in others:
        for name in sorted(name for name in meant if name in named):
            found.append(Clash(place, f"{name} is another name of {meant[name]}", f"write {meant[name]} there"))
    return found


def _of_one(asset: str, told: AssetSettings) -> Iterator[Clash]:
    place, former = f"assets.{asset}", told.renamed or {}
    if not all((asset, *told.aliases, *told.same_as, *former)):
        yield Clash(place, "an empty name", "take it away")
    if asset in (*told.aliases, *told.same_as, *former):
        yield Clash(place, f"{asset} is given as another name of itself", "take it out of the list")
    twice = sorted({*told.aliases, *former} & set(told.same_as) | set(told.aliases) & set(former))
    for name in twice:
        yield Clash(place, f"{name} stands in two of aliases, same_as and renamed", "leave it in one of them")
    for side in (told.broker_name, told.local_name):
        if side is not None and side in told.same_as:
            yield Clash(
                place, f"{side} is an asset of its own (same_as)", f"orders and records of {asset} need its name"
            )
    yield from _of_units(told, place)


def _of_units(told: AssetSettings, place: str) -> Iterator[Clash]:
    for name, size in (("contract_size", told.contract_size), ("pack_size", told.pack_size)):
        if size is None:
            continue
        what = f"a {name.replace('_', ' ')}"
        if size <= 0:
            yield Clash(f"{place}.{name}", "not above 0", "write how much of local's unit one of the broker's is")
        if told.same_as:
            mend = "give each an asset of its own, for nobody says whose unit it is"
            yield Clash(f"{place}.{name}", f"{what} beside same_as", mend)
        if told.multiplier is not None:
            mend = "take multiplier away: what is counted in local's unit needs none"
            yield Clash(f"{place}.{name}", f"{what} beside a multiplier", mend)
    if told.contract_size is not None and told.pack_size is not None:
        mend = "a pack is priced as a whole, a contract by what is in it: leave the one that it is"
        yield Clash(f"{place}.pack_size", "a pack size beside a contract size", mend)
