"""How seldom a service has Python look through all that it keeps for garbage that only refers to itself.

Each such look stops every account at once, for the longer the more there are: 0.8 s with 5,000. Left to itself Python looks
whenever a quarter more has lasted for a while, and each reading replaces what the one before left: each 8 s where somebody is
asking, too. What falls idle young, which is nearly all, is found as ever.
"""

from __future__ import annotations

import contextlib
import gc
import resource
from collections.abc import AsyncIterator, Callable

from tieout.clock import Clock
from tieout.live.alarm import Alarm
from tieout.serve.tasks import beside

YOUNG, YOUNGER = 10_000, 10
NEVER = 1_000_000_000  # looks at what is young
LOOK_S, WHOLE_S = 10, 3600
GROWTH = 5, 4


def most_held() -> int:
    """The most memory that this process ever held, in the machine's own unit."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextlib.asynccontextmanager
async def collecting_seldom(clock: Clock, alarm: Alarm, held: Callable[[], int] = most_held) -> AsyncIterator[None]:
    """Meanwhile all is looked through once an hour, and when the process has come to hold a quarter more than ever."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG, YOUNGER, NEVER)
    try:
        async with beside(_collect(clock, held), "looking for garbage", alarm):
            yield
    finally:
        gc.set_threshold(*before)


async def _collect(clock: Clock, held: Callable[[], int]) -> None:
    more, less = GROWTH
    while True:
        gc.collect()
        then, at_ns = held(), clock.monotonic_ns()
        while held() * less < then * more and clock.monotonic_ns() - at_ns < WHOLE_S * 10**9:
            await clock.sleep(LOOK_S)
