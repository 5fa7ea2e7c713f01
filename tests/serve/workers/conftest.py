"""A PostgreSQL for the workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.record import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """One PostgreSQL for all tests of this process."""
    with postgres.running() as running:
        yield running
