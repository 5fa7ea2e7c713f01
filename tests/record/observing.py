"""Readings as a reconciler makes them, without one: an observation, judged, and what of it is in the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from tests.record.making import snapshot
from tieout.decide import Policy
from tieout.live.road import State, reconcile_observation
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation
from tieout.record.base import Reading
from tieout.record.recorder import StoreRecord
from tieout.record.store.database import Database
from tieout.record.store.schema import metadata


def observed(
    at: datetime, *, local: str = "100", broker: str = "100", account: str = "main", rows: int = 1
) -> Observation:
    """Both sides of an account, with so many units of each asset."""
    sides = (snapshot("local", at, amount=local, account=account, rows=rows),)
    return Observation(at, account, *sides, snapshot("broker", at, amount=broker, account=account, rows=rows))


def judged(observation: Observation, configuration: str = "none", state: bytes | None = None) -> Reading:
    """The observation as it is recorded."""
    outcome = reconcile_observation(observation, State(), Settings(), Policy(), trigger="manual", settled=True)
    return Reading(
        observation=observation,
        report=outcome.report,
        plans=outcome.decided.plans,
        configuration=configuration,
        state_before=state,
    )


def reading(at: datetime, *, state: bytes | None = None, **sides: Any) -> Reading:
    """A reading at a moment; sides as `observed` takes them."""
    return judged(observed(at, **sides), state=state)


def rows_in(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {
        name: connection.execute(select(func.count()).select_from(table)).scalar() or 0
        for name, table in sorted(metadata.tables.items())
    }


async def counted(where: StoreRecord | Database) -> dict[str, int]:
    """How many rows each table has."""
    database = where.database if isinstance(where, StoreRecord) else where
    return await database.read(rows_in)
