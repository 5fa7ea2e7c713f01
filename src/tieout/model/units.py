"""Whether the two sides count an asset in different units, and in which they were counted here: sentences for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from tieout.model.amounts import ONE, divided, exact, plain
from tieout.model.discrepancy import CauseCode
from tieout.model.report import Discrepancy
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Observation, Snapshot


@exact
def unit_doubts(found: Iterable[Discrepancy], observation: Observation, settings: Settings) -> Iterator[str]:
    """A sentence for each position whose two amounts differ by nothing but a factor that contracts have.

    A difference that records explain to the end is none of these, whatever its factor.
    """
    for row in found:
        if row.domain != "position" or not row.local_amount or not row.broker_amount:
            continue
        if not row.cause.residual and row.cause.code is not CauseCode.MULTIPLIER:
            continue
        told, factor = settings.asset(row.asset), divided(row.local_amount, row.broker_amount)
        if factor is None or factor <= 0 or factor == ONE:
            continue
        sizes = _sizes(row.asset, observation, settings)
        if not (_is_power_of_ten(factor) or factor in sizes or divided(ONE, factor) in sizes):
            continue
        size, name = plain(factor * told.units), "contract_size" if told.pack_size is None else "pack_size"
        yield (
            f"{row.asset}: local has exactly {plain(factor)} times what the broker has"
            f"{_as_listed(row.asset, size, settings)}. "
            f'If local counts units and the broker contracts, write {name} = "{size}" in [assets."{row.asset}"].'
        )


def contradicted(observation: Observation, settings: Settings) -> Iterator[str]:
    """A sentence for each contract size of the user's that the broker's own rows contradict; the user's word counts.

    *observation* is in local's units, so what a row says of its contract is 1 where both say the same.
    """
    rows = observation.broker.positions or () if isinstance(observation.broker, Snapshot) else ()
    for row in rows:
        told, listed = settings.asset(row.asset).contract_size, settings.listed.get(row.asset)
        if listed is not None and listed.contract_size is not None:
            continue  # `listed.contradictions` tells
        if told is not None and row.amount and row.multiplier not in (None, ONE):
            assert row.multiplier is not None
            stated = plain(row.multiplier * told)
            yield (
                f'{row.asset}: [assets."{row.asset}"] says contract_size = "{plain(told)}", and the broker says {stated}: '
                "one of the two is wrong, and yours is the one that counts."
            )


def words_of(asset: str, told: AssetSettings) -> Iterator[str]:
    """What the amounts of an asset in a report mean, where they are not what both sides said, to the letter."""
    if told.contract_size is not None:
        yield f"{asset}: the broker counts contracts of {plain(told.contract_size)}; here they are counted in local's unit."
    if told.pack_size is not None:
        yield f"{asset}: the broker counts and prices packs of {plain(told.pack_size)}; here both are local's unit's."
    others = [*told.aliases, *(name for name in (told.broker_name, told.local_name) if name), *(told.renamed or {})]
    if others:
        yield f"{asset} is what a side may call {', '.join(dict.fromkeys(others))}."
    if told.same_as:
        yield f"{asset} is the sum of {', '.join((asset, *told.same_as))}, which you declared equal."


def _as_listed(asset: str, size: str, settings: Settings) -> str:
    listed = settings.listed.get(asset)
    if listed is None or listed.contract_size is None or plain(listed.contract_size) != size:
        return ""
    return f", and the venue lists contracts of {size}"


def _sizes(asset: str, observation: Observation, settings: Settings) -> set[Decimal]:
    """Contract sizes, and steps, that anybody states for the asset."""
    sides = [side for side in (observation.local, observation.broker) if isinstance(side, Snapshot)]
    rows = [row for side in sides for row in side.positions or () if row.asset == asset]
    told, listed = settings.asset(asset), settings.listed.get(asset)
    stated = (told.multiplier, told.step, settings.listed_size(asset), listed and listed.quantity_step)
    return {size for size in (*stated, *(row.multiplier for row in rows)) if size}


def _is_power_of_ten(value: Decimal) -> bool:
    return value.normalize().as_tuple().digits == (1,)
