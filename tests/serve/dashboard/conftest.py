"""One service and one browser for all tests of the pages: NiceGUI is one in a process, and a start takes seconds."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.serve.dashboard.scene import CHROMIUM, Scene, scene


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="scene")
async def _scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """The service with its pages, and a browser."""
    if CHROMIUM is None and os.environ.get("TIEOUT_CI"):
        pytest.fail("there is no chromium here, and CI looks at the pages whatever it takes")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: `apt-get install chromium` brings it")
    async with scene(tmp_path_factory.mktemp("scene")) as running:
        yield running
