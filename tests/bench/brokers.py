"""What ccxt costs: memory and time of imports, of each further exchange and account, and of one reconciliation.

Every figure is taken in a process of its own, which asks made-up venues of another process over the loopback interface, with
the unmodified ccxt client. Run by hand: `python tests/bench/brokers.py`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from aiohttp import web
from msgspec.structs import replace

from tests.conform.cases import empty
from tests.conform.loopback import Asked, Loopback, credentials, market
from tests.conform.output import say

VENUES = (
    "kraken", "coinbase", "hyperliquid", "krakenfutures", "okx", "bybit", "binance", "binanceusdm", "gate", "kucoin",
)  # fmt: skip
ROWS, MARKETS, ROUNDS, LATENCY_MS = 100, 30, 40, 50


def megabytes() -> float:
    """What this process holds in memory."""
    gc.collect()
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


class Slow(Loopback):
    """A venue that holds nothing, or at Binance's futures a hundred positions, and takes its time to say so."""

    def __init__(self, venue: str, latency_ms: int) -> None:
        super().__init__()
        self._latency, self._venue = latency_ms / 1000, venue
        self.answer = lambda asked: (200, self._told(asked))

    async def _serve(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self._latency)
        return await super()._serve(request)

    def _told(self, asked: Asked) -> str:
        if asked.path.endswith("/time"):
            return json.dumps({"serverTime": time.time_ns() // 10**6})
        if asked.path.endswith("/positionRisk"):
            return POSITIONS
        if self._venue.startswith("binance") and asked.path.endswith("/account"):
            return '{"assets":[{"asset":"USDT","walletBalance":"1000"}],"balances":[],"positions":[]}'
        return empty(self._venue, asked.said)


POSITIONS = json.dumps(
    [
        {
            "symbol": f"C{n}USDT", "positionAmt": "1.5", "entryPrice": "20.25", "markPrice": "21", "notional": "31.5",
            "positionSide": "BOTH", "unRealizedProfit": "1.125", "updateTime": 1772323200000,
        }
        for n in range(ROWS)
    ]
)  # fmt: skip


async def serve(latency_ms: int) -> None:
    """Be all the venues, until standard input ends."""
    servers = {venue: Slow(venue, latency_ms) for venue in VENUES}
    for server in servers.values():
        await server.start()
    sys.stdout.write(json.dumps({venue: server.port for venue, server in servers.items()}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def served(latency_ms: int) -> Iterator[dict[str, int]]:
    """The ports of the venues."""
    command = [sys.executable, __file__, "serve", str(latency_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None
        yield json.loads(child.stdout.readline())
        child.stdin.close()


def imports() -> None:
    """What loading takes, step by step."""
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("aiohttp", lambda: __import__("aiohttp")),
        ("the adapter", lambda: __import__("tieout.brokers.ccxt.adapter")),
        ("ccxt's base", lambda: __import__("ccxt.async_support.base.exchange")),
    )
    from tieout.brokers.ccxt.lazy import exchange_class, install

    install()
    classes = ((venue, lambda venue=venue: exchange_class(venue)) for venue in VENUES)
    for name, step in (*steps, *classes):
        before, began = megabytes(), time.perf_counter()
        step()
        took = (time.perf_counter() - began) * 1000
        say(f"  {name:<16}{megabytes() - before:>8.2f} MB {took:>8.0f} ms")


def listed(venue: str, count: int) -> list[dict[str, object]]:
    """So many made-up markets."""
    if venue in ("binanceusdm", "krakenfutures"):
        return [market(f"C{n}USDT", f"C{n}/USDT:USDT", "1") for n in range(count)]
    return [market(f"C{n}USDT", f"C{n}/USDT") for n in range(count)]


def broker(venue: str, port: int, count: int = MARKETS, shared: object = None, twin: object = None) -> object:
    """An account there; with *twin* it shares that one's markets."""
    from tieout.brokers.ccxt.adapter import CcxtBroker
    from tieout.brokers.ccxt.guard import connect, share
    from tieout.brokers.ccxt.venues import venue as known

    made = connect(venue, credentials(venue), known(venue).options, origin=f"http://127.0.0.1:{port}")
    made.enableRateLimit, made.timeout_on_exit = False, 0
    entries = None if twin is not None else listed(venue, count)
    one = CcxtBroker(venue, account="bench", client=made, markets=entries, assets=("C0/USDT:USDT",), shared=shared)  # type: ignore[arg-type]
    if twin is not None:
        share(one._asking.client(), twin._asking.client())  # type: ignore[attr-defined]
    return one


async def reading(one: object) -> object:
    """Everything that the venue tells; its time is the bench's own where the made-up venue has none."""
    from tieout.observe.reading import Reach, read_broker

    return await read_broker("bench", one, Reach())  # type: ignore[arg-type]


def _timeless(one: object) -> object:
    async def server_time() -> datetime:
        return datetime.now(UTC)

    one.server_time = server_time  # type: ignore[attr-defined]
    return one


async def memory(ports: dict[str, int]) -> None:
    """What each further exchange takes, with its markets and one reading, and what a second account of it does."""
    from tieout.brokers.ccxt.shared import Shared
    from tieout.clock import SystemClock

    shared, kept = Shared(SystemClock()), list[object]()
    first = _timeless(broker("bitfinex", ports["kraken"], shared=shared))
    await reading(first)  # what all have in common: the base, the session, certificates
    kept.append(first)
    start = megabytes()
    say(f"  base, with one small exchange {start:.1f} MB")
    for venue in VENUES:
        before = megabytes()
        one = _timeless(broker(venue, ports[venue], shared=shared))
        await reading(one)
        middle = megabytes()
        two = _timeless(broker(venue, ports[venue], shared=shared, twin=one))
        await reading(two)
        kept += [one, two]
        say(f"  {venue:<16}{middle - before:>8.2f} MB   second account {megabytes() - middle:>6.2f} MB")
    say(f"  10 exchanges, 20 accounts: {megabytes() - start:.1f} MB")
    for each in kept:
        await each.close()  # type: ignore[attr-defined]
    await shared.close()


async def latency(ports: dict[str, int]) -> None:
    """One reconciliation of a hundred positions: wall time and CPU; then ten exchanges at once."""
    from tieout.brokers.ccxt.shared import Shared
    from tieout.clock import SystemClock
    from tieout.model.snapshot import Snapshot

    shared = Shared(SystemClock())
    one = broker("binanceusdm", ports["binanceusdm"], ROWS, shared)
    stated = await reading(one)
    assert isinstance(stated, Snapshot) and stated.positions is not None and len(stated.positions) == ROWS
    await measured("binanceusdm, 100 positions, 9 requests", lambda: reconciled(one, stated))
    await measured("its positions alone, 1 request", one.get_positions)  # type: ignore[attr-defined]
    many = [_timeless(broker(venue, ports[venue], shared=shared)) for venue in VENUES]
    for each in many:
        await measured(f"{each.name}", lambda each=each: reading(each), 10)  # type: ignore[attr-defined,misc]
    await measured("ten exchanges at once", lambda: asyncio.gather(*(reading(each) for each in many)), 20)
    for each in [one, *many]:
        await each.close()  # type: ignore[attr-defined]
    await shared.close()


async def reconciled(one: object, stated: object) -> None:
    """Local, broker, local, and down the road to a verdict."""
    from tieout.clock import SystemClock
    from tieout.decide.policy import Policy
    from tieout.live.road import State, reconcile_observation
    from tieout.model.settings import Settings
    from tieout.observe.reading import read_account

    class Books:
        async def read(self) -> object:
            return replace(stated, source="local", coverage=None)  # type: ignore[type-var]

    observation = await read_account("bench", Books(), one, SystemClock())  # type: ignore[arg-type]
    reconcile_observation(observation, State(), Settings(), Policy(), trigger="schedule")


async def measured(name: str, deed: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> None:
    """Print the median and the 99th percentile of *deed*, and its CPU."""
    await deed()
    walls, before = list[float](), time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        await deed()
        walls.append((time.perf_counter() - began) * 1000)
    cpu = (time.process_time() - before) / rounds * 1000
    p99 = statistics.quantiles(walls, n=100)[98]
    say(f"  {name:<44} p50 {statistics.median(walls):>6.0f} ms  p99 {p99:>6.0f} ms  CPU {cpu:>6.1f} ms")


def main() -> None:
    """All of it; each part in a process of its own."""
    part, *rest = sys.argv[1:] or ["all"]
    if part == "serve":
        asyncio.run(serve(int(rest[0])))
    elif part == "imports":
        imports()
    elif part in ("memory", "latency"):
        with served(0 if part == "memory" else LATENCY_MS) as ports:
            asyncio.run(memory(ports) if part == "memory" else latency(ports))
    else:
        for each in ("imports", "memory", "latency"):
            say(each)
            subprocess.run([sys.executable, __file__, each], check=True)


if __name__ == "__main__":
    main()
