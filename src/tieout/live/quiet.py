"""Which readings may be taken at once, and which of those may stand. Pure.

At once, orders are asked for beside fills and activities, and holdings behind all of them: one step less. If nothing was
listed that happened since the reading began, the lists would have said the same before the orders, so that the reading is,
row by row, one in the strict order. If it agrees as well, it stands. Of any other nothing is kept.
"""

from __future__ import annotations

from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation, Snapshot


def stands(observation: Observation, report: ReconciliationReport) -> bool:
    """Whether all was read whole, both sides agree in everything, and nothing happened at the broker meanwhile."""
    broker = observation.broker
    if not isinstance(broker, Snapshot) or broker.coverage is not None:
        return False
    if report.status != "matched" or report.discrepancies or report.halts:
        return False
    began, fills, activities = broker.as_of, broker.fills or (), broker.activities or ()
    return all(fill.at < began for fill in fills) and all(row.at < began for row in activities)
