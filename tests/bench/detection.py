"""From the moment that something differs at a venue until a reading sees it, and until a second one confirms it.

Trades behind the account's back at random moments, at every kind of venue at once, over real sockets, with the unmodified
clients, heard by the venue's stream or looked at.

Run by hand: `python tests/bench/detection.py`, or with `stream 20` or `polling 20` for one of the two with so many trades,
and with `limited` behind that under the venues' own rate limits, which whole readings of some venues exceed.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from msgspec import Struct

from tests.brokers.streams.scene import LIMITED, VENUES, Scene
from tests.conform.output import say
from tieout.brokers.streams.polled import Polled
from tieout.clock import SystemClock
from tieout.model.report import Discrepancy
from tieout.model.settings import Settings

SETTLE_S, POLL_S, EVERY_S, GIVEN_UP_S = 2, 2, 6.0, 30.0
CLOCK = SystemClock()


class Seen(Struct):
    """One trade: seconds until it was in a report, and until it was confirmed there."""

    seen: float
    confirmed: float


async def watched(scene: Scene, trades: int, chance: random.Random) -> list[Seen]:
    """How long each of *trades* took."""
    told = list[Seen]()
    for number in range(1, trades + 1):
        await CLOCK.sleep(chance.uniform(0, EVERY_S))
        began = CLOCK.monotonic_ns()
        asset = scene.trade(0)

        def found(confirmed: bool, asset: str = asset, due: int = number) -> bool:
            rows = [row for row in scene.reports[-1].discrepancies if _is(row, asset, due)]
            return any(row.confirmed or not confirmed for row in rows)

        await scene.until(lambda: found(False), GIVEN_UP_S)
        seen = (CLOCK.monotonic_ns() - began) / 10**9
        await scene.until(lambda: found(True), GIVEN_UP_S)
        told.append(Seen(seen, (CLOCK.monotonic_ns() - began) / 10**9))
    return told


def _is(row: Discrepancy, asset: str, due: int) -> bool:
    return row.asset == asset and row.domain in ("position", "balance") and row.difference == due


async def measured(venue: str, how: str, trades: int) -> list[Seen]:
    """The figures of one venue."""
    async with VENUES[venue]() as scene:
        scene.settings = Settings(settle_seconds=Decimal(SETTLE_S))
        if how == "polling":
            scene.streams = [Polled(scene.broker, clock=CLOCK, seconds=POLL_S)]
        await scene.start()
        await scene.until(lambda: len(scene.reports) >= 2)
        told = await watched(scene, trades, random.Random(venue))
        say(f"  {venue}: {len(scene.reports)} readings, {len(scene.server.asked)} requests")
        return told


async def table(how: str, trades: int) -> None:
    """All venues at once."""
    limits = "the venues' own limits" if LIMITED[0] else "no limits"
    say(f"{how}: {trades} trades a venue, settle window {SETTLE_S} s, {limits}")
    found = await asyncio.gather(*(measured(venue, how, trades) for venue in VENUES), return_exceptions=True)
    say("venue          seen p50   p99    most     confirmed p50   most   (s)")
    everything = list[Seen]()
    for venue, told in zip(VENUES, found, strict=True):
        if isinstance(told, BaseException):
            say(f"{venue:14} failed: {told!r}")
            continue
        everything += told
        _line(venue, told)
    if everything:
        _line("all", everything)


def _line(name: str, told: list[Seen]) -> None:
    seen, sure = sorted(each.seen for each in told), sorted(each.confirmed for each in told)
    p99 = seen[max(0, -(-99 * len(seen) // 100) - 1)]
    say(
        f"{name:14} {statistics.median(seen):8.3f} {p99:6.3f} {seen[-1]:7.3f} {statistics.median(sure):13.3f} {sure[-1]:8.3f}"
    )


if __name__ == "__main__":
    ways = sys.argv[1:2] or ["stream", "polling"]
    LIMITED[0] = "limited" in sys.argv
    for way in ways:
        asyncio.run(table(way, int(sys.argv[2]) if len(sys.argv) > 2 else 20))
