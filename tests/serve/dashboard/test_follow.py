"""What a page follows, and how often it reads it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.serve.api.stage import Stage
from tests.serve.dashboard.bare import cookie_of, opened
from tieout.serve.access.roles import Role
from tieout.serve.dashboard.page import opened as page_opened
from tieout.serve.dashboard.parts import put

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_after_a_long_reading_a_page_rests(stage: Stage) -> None:
    """Any page, however many breaks there are: at most a fifth of the time is spent on reading for it."""
    read_at = list[int]()
    with opened(stage, await cookie_of(stage, "ron", Role.VIEWER)) as page:

        async def read() -> int:
            read_at.append(page.clock.monotonic_ns())
            page.clock.advance(1)
            return len(read_at)

        def show(number: int) -> None:
            put("p", str(number), "number")

        made = await page_opened("Breaks", "/breaks")
        assert made is not None
        await made.follow(read, show)
        for _ in range(10):
            page.clock.advance(1)
            await page.look()
        assert page.told("number") == ["1", "2", "3"]
    assert [later - sooner for sooner, later in pairwise(read_at)] == [5 * 10**9] * 2
