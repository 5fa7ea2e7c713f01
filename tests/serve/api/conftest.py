"""The service that tests ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.serve.api.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A service over two accounts, listening on loopback."""
    async with staged(tmp_path) as running:
        yield running
