"""Garbage that only refers to itself is found before it fills the machine, and seldom looked for among what is old."""

from __future__ import annotations

import asyncio
import gc
import weakref
from datetime import UTC, datetime

import pytest

from tieout.clock import VirtualClock
from tieout.live.alarm import LoggedAlarm
from tieout.serve.collecting import LOOK_S, WHOLE_S, collecting_seldom


class Ring:
    """What refers to itself."""

    def __init__(self) -> None:
        self.own = self


def old_garbage() -> weakref.ref[Ring]:
    """A ring that was kept until it was old, and then let go of."""
    ring = Ring()
    for _ in range(3):
        gc.collect(1)
    return weakref.ref(ring)


@pytest.mark.parametrize(("held", "looks"), [(125, 3), (124, WHOLE_S // LOOK_S + 3)])
async def test_old_garbage_goes(held: int, looks: int) -> None:
    """Once the process has come to hold a quarter more, and else within the hour; looks at what is young leave it."""
    before, now = gc.get_threshold(), [100]
    async with collecting_seldom(VirtualClock(datetime(2026, 11, 22, tzinfo=UTC)), LoggedAlarm(), lambda: now[0]):
        await asyncio.sleep(0)
        ring = old_garbage()
        for _ in range(10):
            gc.collect(1)
            await asyncio.sleep(0)
        assert ring() is not None
        now[0] = held
        for _ in range(looks):
            await asyncio.sleep(0)
        assert ring() is None
    assert gc.get_threshold() == before
