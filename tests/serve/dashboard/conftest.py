"""One service and one browser for all tests of the pages: NiceGUI is one in a process, and a start takes seconds."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.record import postgres
from tests.serve.api.stage import Stage, staged
from tests.serve.dashboard.scene import CHROMIUM, Scene, scene


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="stage")
async def _stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A service of four accounts, whose pages are looked at without a browser."""
    names = ("main", "other", "gone", "quiet")
    async with staged(tmp_path_factory.mktemp("stage"), names) as running:
        for name in names:
            await running.desk.schedule.request(name)
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="scene")
async def _scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """The service with its pages, and a browser."""
    if CHROMIUM is None and os.environ.get("TIEOUT_CI"):
        pytest.fail("there is no chromium here, and CI looks at the pages whatever it takes")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: `apt-get install chromium` brings it")
    async with scene(tmp_path_factory.mktemp("scene")) as running:
        yield running


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """One PostgreSQL for all tests of this process."""
    with postgres.running() as running:
        yield running
