"""A look at a part of an account: judged like a reading, followed by nothing. Pure.

What was not read is not compared. A look can say what is seen; what a difference means, and what is done about it, only a
whole reading can, for what explains it may be in what was left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec.structs import replace

from tieout.decide.lifecycle import SECTION_OF
from tieout.live.reporting import report_id
from tieout.model.discrepancy import CauseCode
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.model.snapshot import Observation, Section, Snapshot


def name_of(account: str, sections: Collection[Section], at: datetime, readings: int) -> str:
    """A look's own name: not that of the whole reconciliation that may come at the same moment."""
    return report_id(f"{account} {' '.join(sorted(sections))}", at, readings)


def part_of(order: Sequence[tuple[Section, ...]], sections: Collection[Section]) -> tuple[tuple[Section, ...], ...]:
    """*order*, of *sections* alone."""
    return tuple(tuple(each for each in row if each in sections) for row in order)


def only(observation: Observation, section: Section) -> Observation:
    """The observation with one section to compare; fills and activities stay, for they explain."""
    narrowed = {}
    for name in ("local", "broker"):
        side = getattr(observation, name)
        if isinstance(side, Snapshot):
            blank = {other: None for other in ("positions", "balances", "orders") if other != section}
            coverage = {key: state for key, state in (side.coverage or {}).items() if key not in blank} or None
            side = replace(side, **blank, coverage=coverage)
        narrowed[name] = side
    return replace(observation, **narrowed)


def can_stand(look: ReconciliationReport, whole: ReconciliationReport, sections: Collection[Section]) -> bool:
    """Whether a look at *sections* tells of them what the last *whole* reading told, besides what is still in flight.

    Anything else, a row that is gone, a section that was read worse, a halt that would come or go, is for a whole one.
    """
    looked = [each for each in SECTION_OF.values() if each in sections]
    if not any(look.coverage[each] == "compared" for each in looked):
        return False
    if any(look.coverage[each] != whole.coverage[each] for each in looked):
        return False
    if {halt.id for halt in look.halts} != {halt.id for halt in whole.halts}:
        return False
    told, known = _rows(look, sections), _rows(whole, sections)
    new = [row for row in look.discrepancies if _said(row) not in known]
    return known <= told and all(_in_flight(row) for row in new)


def _rows(report: ReconciliationReport, sections: Collection[Section]) -> set[object]:
    return {_said(row) for row in report.discrepancies if SECTION_OF[row.domain] in sections}


def _said(row: Discrepancy) -> object:
    return row.discrepancy_id, row.difference, row.cause.code, row.confirmed, row.strategy


def _in_flight(row: Discrepancy) -> bool:
    """What is too young for a verdict, wholly, whatever else there is: it is looked at again in any case."""
    return row.cause.code is CauseCode.IN_FLIGHT and not row.cause.residual and not row.confirmed
