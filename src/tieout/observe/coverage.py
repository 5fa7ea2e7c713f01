"""How far both sides were read: which sections may be compared, and which were needed and are not there."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from tieout.model.report import SectionCoverage
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Section, SideError, Snapshot

COMPARED: tuple[Section, ...] = ("positions", "balances", "orders", "fills")


def coverage_of(observation: Observation, settings: Settings) -> dict[str, SectionCoverage]:
    """For each section: compared, partial, failed, not fetched, or not required."""
    return {section: _coverage(section, observation, settings) for section in COMPARED}


def _coverage(section: Section, observation: Observation, settings: Settings) -> SectionCoverage:
    local, broker = observation.local, observation.broker
    needed = is_required(section, observation, settings)
    if isinstance(local, SideError) or isinstance(broker, SideError):
        return "failed"
    states = {side.covers(section) for side in (local, broker)}
    if states == {"complete"}:
        return "compared"
    if "failed" in states:
        stated = any((side.coverage or {}).get(section) == "failed" for side in (local, broker))
        if stated:
            return "failed"
        return "not_fetched" if needed or _somewhere(section, local, broker) else "not_required"
    return "partial"


def _somewhere(section: Section, *sides: Snapshot) -> bool:
    return any(getattr(side, section) is not None for side in sides)


def is_required(section: Section, observation: Observation, settings: Settings) -> bool:
    """Whether a reading without *section* is incomplete: as configured, else what local has or the broker has rows in."""
    if settings.required is not None:
        return section in settings.required
    if section not in ("positions", "balances", "orders"):
        return False
    local, broker = observation.local, observation.broker
    has = isinstance(local, Snapshot) and (
        getattr(local, section) is not None or (local.coverage or {}).get(section) is not None
    )
    return has or (isinstance(broker, Snapshot) and bool(getattr(broker, section)))


def is_complete(observation: Observation, coverage: dict[str, SectionCoverage], settings: Settings) -> bool:
    """Whether everything required was read whole, and anything was compared at all."""
    if isinstance(observation.local, SideError) or isinstance(observation.broker, SideError):
        return False
    required = [section for section in COMPARED if is_required(section, observation, settings)]
    return "compared" in coverage.values() and all(coverage[section] == "compared" for section in required)


def required_of(observation: Observation, settings: Settings, sections: Collection[Section]) -> Settings:
    """*settings* under which a reading of *sections* misses nothing else."""
    required = tuple(each for each in COMPARED if each in sections and is_required(each, observation, settings))
    return replace(settings, required=required)
