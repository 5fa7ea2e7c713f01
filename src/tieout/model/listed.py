"""What a venue says of its instruments against what the user's table says, and against what is held: sentences for a person.

Nothing is concluded from them. What the user says counts over what the venue says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from tieout.model.amounts import plain
from tieout.model.identity import identity_of
from tieout.model.instrument import Instrument
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Snapshot

OVER = {
    "suspended": "is not traded there now",
    "delisted": "is listed there no more",
    "expired": "has expired there",
}


def under_one_name(found: Iterable[Instrument], settings: Settings, day: date) -> dict[str, Instrument]:
    """What was listed, by the names that are used here. Where two stand under one name, nobody knows which is meant: neither.

    Args:
        found: What the venue listed.
        settings: Whose table says which names mean one asset.
        day: The day of which it speaks.
    """
    identity = identity_of(settings.assets)
    named: dict[str, list[Instrument]] = {}
    for row in found:
        if row.asset not in identity.twins:
            named.setdefault(identity.name(row.asset, day), []).append(row)
    return {name: rows[0] for name, rows in named.items() if len(rows) == 1}


def contradictions(settings: Settings) -> Iterator[str]:
    """A sentence for each word of the user's table that the venue's list contradicts."""
    for asset, row in settings.listed.items():
        told = settings.asset(asset)
        for name, said, listed in (
            ("contract_size", told.contract_size, row.contract_size),
            ("multiplier", told.multiplier, row.contract_size),
        ):
            if said is not None and listed is not None and said != listed:
                yield _two_words(asset, name, plain(said), f"contracts of {plain(listed)}")
        if told.settlement is not None and row.settlement is not None and told.settlement != row.settlement:
            yield _two_words(asset, "settlement", told.settlement, f'it as "{row.settlement}"')


def _two_words(asset: str, name: str, said: str, listed: str) -> str:
    return (
        f'{asset}: [assets."{asset}"] says {name} = "{said}", and the venue lists {listed}: '
        "one of the two is wrong, and yours is the one that counts."
    )


def no_longer_traded(observation: Observation, settings: Settings) -> Iterator[str]:
    """A sentence for each asset that a side holds, and that the venue says to be traded no more."""
    for asset in sorted(_held(observation.local) | _held(observation.broker)):
        row = settings.listed.get(asset)
        if row is not None and row.status in OVER:
            yield f"{asset}: the venue says that it {OVER[row.status]}."


def called_otherwise(observation: Observation, settings: Settings) -> Iterator[str]:
    """A sentence for each name in the books that the venue lists under another one, where that can be one asset only."""
    for name in sorted(_held(observation.local) - _held(observation.broker) - settings.listed.keys()):
        meant = [asset for asset, row in settings.listed.items() if name in (row.asset, *row.names)]
        if len(meant) == 1:
            yield (
                f"{name}: the venue lists {meant[0]}, which it also calls {name}. "
                f'If that is what the books mean, write aliases = ["{name}"] in [assets."{meant[0]}"].'
            )


def counted_in_contracts(settings: Settings) -> Iterator[str]:
    """A sentence for each contract of another size than 1 of which the user's table says nothing."""
    for asset, row in settings.listed.items():
        told = settings.asset(asset)
        if row.contract_size in (None, 1) or told.units != 1 or told.multiplier is not None:
            continue
        assert row.contract_size is not None
        size = plain(row.contract_size)
        yield (
            f"{asset}: the venue counts contracts of {size}. If the books count units and not contracts, "
            f'write contract_size = "{size}" in [assets."{asset}"].'
        )


def _held(side: object) -> set[str]:
    """What a side holds, or has an order of."""
    if not isinstance(side, Snapshot):
        return set()
    held = {row.asset for row in side.positions or () if row.amount}
    return held | {row.asset for row in side.orders or () if row.live}
