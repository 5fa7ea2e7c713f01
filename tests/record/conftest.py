"""Both databases: every promise of the store is held on SQLite files and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.record import postgres
from tieout.clock import VirtualClock
from tieout.record import keys
from tieout.record.settings import RecordSettings

START = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """One PostgreSQL for all tests of this process."""
    with postgres.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind without a row; on PostgreSQL, where they take longest, its tables are there already."""
    if request.param == "postgres":
        running: postgres.Server = request.getfixturevalue("server")
        return running.made()
    return str(tmp_path / "tieout.db")


@pytest.fixture(params=["sqlite", "postgres"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind without a table."""
    if request.param == "postgres":
        running: postgres.Server = request.getfixturevalue("server")
        return running.fresh()
    return str(tmp_path / "tieout.db")


@pytest.fixture
def settings(where: str, tmp_path: Path) -> RecordSettings:
    """A record's settings, its keys made."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=where, keys=str(tmp_path / "keys"))


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that moves when it is told to."""
    return VirtualClock(START)
