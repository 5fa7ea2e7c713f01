"""One reconciliation of each venue over loopback with added latency: time, CPU, requests, and waits for the limiter.

The servers speak the venues' own protocols (`tieout.brokers.loopback`) in a process of their own, so that CPU is the client's
alone. Each account holds a hundred rows. Run by hand: `python tests/bench/street.py`.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import msgspec
from msgspec.structs import replace

from tests.conform.output import say
from tieout.books.base import CanApply
from tieout.brokers.base import BrokerAdapter
from tieout.brokers.loopback.base import Login
from tieout.brokers.loopback.street import PLOTS, Plot, adapter_of, furnished, login_of
from tieout.brokers.wire.limits import Limiter, Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import limits_of
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock
from tieout.decide.policy import Policy
from tieout.live.quiet import stands
from tieout.live.road import State, reconcile_observation
from tieout.model.settings import Settings
from tieout.model.snapshot import Section, Snapshot
from tieout.observe.reading import READ_AT_ONCE, READ_ORDER, Reach, ReadOrder, read_account

ROWS, ROUNDS, LATENCY_MS = 100, 15, 50
MANY = (
    "binance",
    "binanceusdm",
    "coinbase",
)  # a dozen requests for activities, or one for each wallet: measured without
WIDE = Limits(((10**9, 1000),))
PATIENCE = ReadPatience(tries_again=0, seconds=120, each_seconds=30)


class Place(msgspec.Struct, frozen=True):
    """Where a server listens, and the key that it lets in."""

    url: str
    login: Login


def full(plot: Plot) -> Plot:
    """*plot* with a hundred assets like its first one, each held."""
    asset, amount, _price = plot.holds[0]
    base = asset.partition("/")[0].partition("-")[0]
    rest = asset.removeprefix(base)
    names = [f"{''.join('ABCDEFGHIJ'[int(digit)] for digit in f'{n:03d}')}{rest}" for n in range(ROWS)]
    return replace(plot, holds=tuple((name, amount, "20.25") for name in names), cash=(plot.cash[0], "900000"))


class Aged(SystemClock):
    """The machine's time, and eight days before it until the accounts are furnished: nothing happened lately."""

    shift = timedelta(days=8)

    def now(self) -> datetime:
        """The moment."""
        return super().now() - self.shift


async def serve() -> None:
    """Be all the venues, until standard input ends."""
    async with AsyncExitStack() as closing:
        places = dict[str, Place]()
        for plot in map(full, PLOTS):
            clock, login = Aged(), login_of(plot)
            world = furnished(plot, clock, 7)
            clock.shift = timedelta()
            server = await closing.enter_async_context(plot.server(world, login))
            server.latency_s = LATENCY_MS / 1000
            places[plot.venue] = Place(server.url, login)
        sys.stdout.write(msgspec.json.encode(places).decode() + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def served() -> Iterator[Mapping[str, Place]]:
    """Where each venue is."""
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None
        yield msgspec.json.decode(child.stdout.readline(), type=dict[str, Place])
        child.stdin.close()


class Books:
    """Local, which holds what the broker said first."""

    can_apply = CanApply.NOT

    def __init__(self) -> None:
        self.held: Snapshot | None = None

    async def read(self) -> Snapshot:
        """What is held."""
        assert self.held is not None
        return self.held


def reconciling(
    broker: BrokerAdapter, books: Books, order: ReadOrder = READ_ORDER
) -> Callable[[], Awaitable[Snapshot]]:
    """One reconciliation: local, broker, local, and down the road to a verdict; the broker's statement."""
    clock = SystemClock()
    empty = Snapshot(schema="tieout.snapshot/1", account="bench", source="local", as_of=clock.now())

    async def once() -> Snapshot:
        books.held = books.held or empty
        seen = await read_account("bench", books, broker, clock, Reach(), order=order)  # type: ignore[arg-type]
        assert isinstance(seen.broker, Snapshot), seen.broker
        outcome = reconcile_observation(seen, State(), Settings(), Policy(), trigger="schedule")
        assert order is READ_ORDER or stands(seen, outcome.report)
        return seen.broker

    return once


def requests(wire: Wire) -> tuple[int, int]:
    """Requests so far, and milliseconds of waiting for the limiter."""
    told = wire.measured.values()
    return sum(each.requests for each in told), sum(each.waited_ms for each in told)


async def venue(plot: Plot, place: Place, closing: AsyncExitStack) -> Callable[[], Awaitable[Snapshot]]:
    """Measure one venue; its reconciliation, to be done again beside those of the others."""
    clock = SystemClock()
    wire = Wire(plot.venue, clock=clock, limits=WIDE, random=random.Random(7), patience=PATIENCE)
    one = replace(plot, holds=full(plot).holds[:1])  # what is asked asset by asset is asked of one
    left: tuple[Section, ...] = ("activities",) if plot.venue in MANY else ()
    broker = adapter_of(one, place.login, place.url, wire, leave=left)
    closing.push_async_callback(broker.close)
    books = Books()
    once = reconciling(broker, books)
    stated = await once()
    rows = len(stated.positions or ()) + len(stated.balances or ())
    assert stated.coverage is None and rows >= ROWS, (plot.venue, stated.coverage, rows)
    books.held = replace(stated, source="local", coverage=None)
    await once()
    at_once = reconciling(broker, books, READ_AT_ONCE)
    await at_once()
    asked, before = requests(wire)[0], time.process_time()
    walls = await timed(at_once)
    cpu = (time.process_time() - before) / ROUNDS * 1000
    each = (requests(wire)[0] - asked) / ROUNDS
    strict = statistics.median(await timed(once))
    wide, before_ms = wire.limiter, requests(wire)[1]
    wire.limiter = Limiter(plot.venue, limits_of(plot.venue), clock)
    await once()
    waited = requests(wire)[1] - before_ms
    wire.limiter = wide
    p99 = statistics.quantiles(walls, n=100)[98]
    say(
        f"  {plot.venue:<12} {rows:>4} rows {each:>5.1f} requests  p50 {statistics.median(walls):>5.0f}  p99 {p99:>5.0f} ms"
        f"  strict order p50 {strict:>5.0f} ms  CPU {cpu:>5.1f} ms  waits for the limiter {waited:>6} ms"
    )
    return at_once


async def timed(once: Callable[[], Awaitable[Snapshot]]) -> list[float]:
    """How long each of some rounds took, in milliseconds."""
    walls = list[float]()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await once()
        walls.append((time.perf_counter() - began) * 1000)
    return walls


async def main() -> None:
    """Each venue by itself, then all of them at once."""
    with served() as places:
        async with AsyncExitStack() as closing:
            every = [
                await venue(plot, places[plot.venue], closing)
                for plot in PLOTS
                if not sys.argv[1:] or plot.venue in sys.argv[1:]
            ]
            walls = list[float]()
            for _ in range(ROUNDS):
                began = time.perf_counter()
                await asyncio.gather(*(once() for once in every))
                walls.append((time.perf_counter() - began) * 1000)
            say(f"  {len(every)} venues at once: p50 {statistics.median(walls):.0f} ms")


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1:] == ["serve"] else main())
