"""From the moment that something differs at a venue until a reading sees it, one confirms it, and a person is told of it.

Trades behind the account's back at random moments, at every kind of venue at once, over real sockets, with the unmodified
clients, heard by the venue's stream or looked at. Each account has a record; what is told of waits in its outbox and goes out
to a channel that keeps it. Trades come at least three seconds after the last message, for two messages of an account are
five seconds apart. Then somebody mends the books, so that the next one is a break of its own.

Run by hand: `python tests/bench/detection.py`, or with `stream 20` or `polling 20` for one of the two with so many trades,
and with `limited` behind that under the venues' own rate limits, which whole readings of some venues exceed.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from msgspec import Struct

from tests.brokers.streams.scene import LIMITED, VENUES, Said, Scene
from tests.conform.output import say
from tieout.brokers.streams.polled import Polled
from tieout.clock import SystemClock
from tieout.decide import Policy, Rule
from tieout.live.telling import Outgoing, deliver_alerts
from tieout.model.alerting import Level
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import Discrepancy
from tieout.model.settings import Settings
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.outbox import Outbox
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings

SETTLE_S, POLL_S, GIVEN_UP_S = 2, 2, 120.0
QUIET_S, EVERY_S = 3.0, {False: 6.0, True: 20.0}  # longer apart where limits hold
POLICY = Policy(rules=(Rule(strategy=ReconciliationStrategy.WARN_ONLY),))  # everything is told of, and nothing mended
CLOCK = SystemClock()
OPENING = asyncio.Lock()  # tables are made for one store at a time


class Seen(Struct):
    """One trade: seconds until it was in a report, until it was confirmed there, and until a channel had the alert."""

    seen: float
    confirmed: float
    told: float


class Kept:
    """A channel that keeps what it is told."""

    name = "kept"

    def __init__(self) -> None:
        self.said: list[str] = []
        self._news = asyncio.Event()

    async def tell(self, title: str, body: str, level: Level) -> None:
        """Keep it."""
        self.said.append(body)
        self._news.set()

    async def hears(self, asset: str) -> None:
        """Wait until *asset* is told of."""
        async with asyncio.timeout(GIVEN_UP_S):
            while not any(asset in body for body in self.said):
                self._news.clear()
                await self._news.wait()


async def watched(scene: Scene, channel: Kept, trades: int, chance: random.Random) -> list[Seen]:
    """How long each of *trades* took."""
    told = list[Seen]()
    for number in range(1, trades + 1):
        await CLOCK.sleep(QUIET_S + chance.uniform(0, EVERY_S[LIMITED[0]]))
        channel.said.clear()
        began = CLOCK.monotonic_ns()
        asset = scene.trade(0, str(number))

        def found(confirmed: bool, asset: str = asset, due: int = number) -> bool:
            rows = [row for row in scene.reports[-1].discrepancies if _is(row, asset, due)]
            return any(row.confirmed or not confirmed for row in rows)

        await scene.until(lambda: found(False), GIVEN_UP_S)
        seen = (CLOCK.monotonic_ns() - began) / 10**9
        await scene.until(lambda: found(True), GIVEN_UP_S)
        confirmed = (CLOCK.monotonic_ns() - began) / 10**9
        await channel.hears(asset)
        told.append(Seen(seen, confirmed, (CLOCK.monotonic_ns() - began) / 10**9))
        await scene.mend()
    return told


def _is(row: Discrepancy, asset: str, due: int) -> bool:
    return row.asset == asset and row.domain in ("position", "balance") and row.difference == due


async def measured(venue: str, how: str, trades: int) -> list[Seen]:
    """The figures of one venue."""
    async with recorded() as record, VENUES[venue]() as scene:
        scene.settings, scene.policy, scene.record = Settings(settle_seconds=Decimal(SETTLE_S)), POLICY, record
        if how == "polling":
            scene.streams = [Polled(scene.broker, clock=CLOCK, seconds=POLL_S)]
        channel = Kept()
        outgoing = Outgoing(Outbox(record), [channel], CLOCK, alarm=scene.alarm)
        async with delivering(outgoing, scene.alarm):
            await scene.start()
            await scene.until(lambda: len(scene.reports) >= 2)
            told = await watched(scene, channel, trades, random.Random(venue))
        looks = sum(any("look" in each.detail.values() for each in report.actions) for report in scene.reports)
        say(f"  {venue}: {len(scene.reports)} reports ({looks} looks with news), {len(scene.server.asked)} requests")
        return told


@asynccontextmanager
async def recorded() -> AsyncIterator[StoreRecord]:
    """A record of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = RecordSettings(store=f"{folder}/t.db", keys=f"{folder}/keys")
        keys.create(Path(folder) / "keys", "tieout-bench")
        async with OPENING:
            record = await open_record(settings, CLOCK)
        try:
            yield record
        finally:
            await record.close()


@asynccontextmanager
async def delivering(outgoing: Outgoing, alarm: Said) -> AsyncIterator[None]:
    """Send what waits, meanwhile."""
    task = asyncio.create_task(deliver_alerts(outgoing, CLOCK, alarm))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def table(how: str, trades: int) -> None:
    """All venues at once."""
    limits = "the venues' own limits" if LIMITED[0] else "no limits"
    say(f"{how}: {trades} trades a venue, settle window {SETTLE_S} s, {limits}")
    found = await asyncio.gather(*(measured(venue, how, trades) for venue in VENUES), return_exceptions=True)
    say("venue          seen p50   p99    most     confirmed p50   most     told p50   most   (s)")
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
    seen, sure, said = (sorted(getattr(each, what) for each in told) for what in ("seen", "confirmed", "told"))
    p99 = seen[max(0, -(-99 * len(seen) // 100) - 1)]
    say(
        f"{name:14} {statistics.median(seen):8.3f} {p99:6.3f} {seen[-1]:7.3f} {statistics.median(sure):13.3f} {sure[-1]:8.3f}"
        f" {statistics.median(said):10.3f} {said[-1]:7.3f}"
    )


if __name__ == "__main__":
    ways = sys.argv[1:2] or ["stream", "polling"]
    LIMITED[0] = "limited" in sys.argv
    for way in ways:
        asyncio.run(table(way, int(sys.argv[2]) if len(sys.argv) > 2 else 20))
