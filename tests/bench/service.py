"""A service under load: so many accounts of twenty rows each, reconciled once a minute by one `tieout serve`, or by several.

Told are the share of a core and the memory of each process, how late readings begin, how late its event loop is, and how
fast the interface answers meanwhile. Both sides of each account are files, so that no venue's time is in it.
Run by hand: `python tests/bench/service.py --accounts 1000 --minutes 10`. With `--workers 2` they share a PostgreSQL in a
temporary folder; `--every` is the interval in seconds, `--out FILE` adds the figures as a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import msgspec
from aiohttp import ClientSession
from msgspec import Struct
from sqlalchemy import text

from tests.conform.output import say
from tieout.live.timer import EPOCH, phase
from tieout.record import keys
from tieout.record.store.database import open_database

ROWS, DIFFERS = 20, 100
ROUTES = ("/v1/accounts", "/v1/accounts/a7", "/v1/breaks", "/v1/reports?limit=20", "/v1/audit/checkpoint")
TICKS = os.sysconf("SC_CLK_TCK")
HEAD = """
[record]
store = "{store}"
keys = "{folder}/keys"
[service]
listen = "127.0.0.1:0"
workers = "{workers}"
[reconciliation]
interval_seconds = {every}
"""
ACCOUNT = """
[accounts.a{number}.local]
kind = "file"
path = "{folder}/a{number}-local.json"
max_age_seconds = ""
[accounts.a{number}.broker]
kind = "file"
path = "{folder}/a{number}-broker.json"
max_age_seconds = ""
"""


class Used(Struct, frozen=True):
    """What processes used so far: seconds of CPU, and MB that they hold."""

    cpu: float
    memory: float


class Worker(Struct, frozen=True):
    """One worker: its share of a core in percent, MB at the end, and the lag of its event loop in seconds, each at most."""

    cpu_percent: float
    memory_mb: float
    lag_p99: float
    lag_most: float


class Figures(Struct, frozen=True, kw_only=True):
    """One run. Lateness in seconds behind the moment at which a reading was due, its own time included; routes in ms."""

    accounts: int
    workers: int
    every: int
    seconds: float
    load: float
    readings: int
    due: int
    cpu_ms: float
    database_cpu_percent: float
    late_p50: float
    late_p99: float
    late_most: float
    each: tuple[Worker, ...]
    routes: dict[str, tuple[float, float, int]]


def used(process: int, *, children: bool = False) -> Used:
    """Of a process and all its threads; with *children* of those, too, as a server of databases has them."""
    stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    rss = next((line for line in status if line.startswith("VmRSS")), "VmRSS: 0 kB")  # one that has just ended has none
    ticks = int(stat[11]) + int(stat[12]) + (int(stat[13]) + int(stat[14]) if children else 0)
    below = [used(each) for each in _children(process)] if children else []
    return Used(
        ticks / TICKS + sum(each.cpu for each in below),
        int(rss.split()[1]) / 1024 + sum(each.memory for each in below),
    )


def _children(process: int) -> Iterator[int]:
    for each in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        if Path(f"/proc/{each}/status").exists():
            yield int(each)


def write(folder: Path, accounts: int, *, store: str = "", workers: str = "solo", every: int = 60) -> None:
    """Configuration, keys and both sides of every account; one in a hundred differs."""
    told = "".join(ACCOUNT.format(number=number, folder=folder) for number in range(accounts))
    head = HEAD.format(store=store or f"{folder}/tieout.db", folder=folder, workers=workers, every=every)
    (folder / "tieout.toml").write_text(head + told, "utf-8")
    keys.create(folder / "keys", "bench")
    for number in range(accounts):
        for source in ("local", "broker"):
            differs = number % DIFFERS == 0 and source == "broker"
            (folder / f"a{number}-{source}.json").write_text(
                json.dumps(side(f"a{number}", source, 1 + differs)), "utf-8"
            )


def side(account: str, source: str, amount: int) -> dict[str, object]:
    """Twenty rows."""
    positions = [
        {"asset": f"A{row}/USD", "amount": str(amount), "market_price": "100", "currency": "USD"}
        for row in range(ROWS - 2)
    ]
    balances = [{"currency": name, "total": "1000", "usd_price": "1"} for name in ("USD", "USDC")]
    return {
        "schema": "tieout.snapshot/1", "account": account, "source": source, "as_of": datetime.now(UTC).isoformat(),
        "positions": positions, "balances": balances, "orders": [], "fills": [], "activities": [],
    }  # fmt: skip


async def asked(session: ClientSession, url: str, seconds: float) -> dict[str, list[float]]:
    """Milliseconds that each route took, asked one after the other all the time."""
    took: dict[str, list[float]] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for path in ROUTES:
            began = time.perf_counter()
            async with session.get(url + path) as got:
                await got.read()
                assert got.status == 200, (path, got.status)
            took.setdefault(path, []).append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.2)
    return took


async def lags(session: ClientSession, url: str) -> dict[float, int]:
    """How often the event loop was at most so late, since its start."""
    async with session.get(url + "/metrics") as got:
        lines = (await got.text()).splitlines()
    rows = [line.partition('le="')[2].split('"} ') for line in lines if "event_loop_lag_seconds_bucket" in line]
    return {float(bound): int(float(count)) for bound, count in rows}


def lag(before: Mapping[float, int], after: Mapping[float, int]) -> tuple[float, float]:
    """The p99 of it in between, at most, and the most."""
    counts = {bound: count - before[bound] for bound, count in sorted(after.items())}
    total = max(counts.values())
    return tuple(next(bound for bound, count in counts.items() if count >= total * share) for share in (0.99, 1))  # type: ignore[return-value]


async def late(store: str, every: int, since: float, until: float) -> tuple[list[float], int]:
    """By how much readings of that time began behind the moment that they were due at, and how many readings there were."""
    database = open_database(store, read_only=True)
    query = (
        "SELECT name, started_at FROM reports JOIN accounts ON accounts.id = account WHERE \"trigger\" = 'schedule' "
        "AND started_at >= :since AND started_at < :until"
    )
    given = {"since": int(since * 1e6), "until": int(until * 1e6)}
    rows = await database.read(lambda connection: connection.execute(text(query), given).all())
    await database.close()
    # One that differs is read again by itself, which is at no moment of its schedule.
    even = [row for row in rows if int(row.name[1:]) % DIFFERS]
    step = timedelta(seconds=every)
    moments = ((EPOCH + timedelta(microseconds=row.started_at) - EPOCH - phase(row.name, every), row) for row in even)
    return [(moment % step).total_seconds() for moment, _ in moments], len(rows)


def quantile(values: list[float], share: float) -> float:
    """The value below which that share lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


@contextmanager
def server(workers: int) -> Iterator[tuple[str, int | None]]:
    """Where the record is to be, and the server's process: a PostgreSQL that waits for its disk, where several share it."""
    if workers == 1:
        yield "", None
        return
    from tests.record.postgres import running

    with running(measured=True) as postgres:
        yield postgres.fresh(), postgres.pid


@asynccontextmanager
async def serving(folder: Path, number: int) -> AsyncIterator[tuple[int, str]]:
    """One `tieout serve`: its process, and its address."""
    tieout = Path(sys.executable).parent / "tieout"
    with (folder / f"log-{number}").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            tieout, "serve", "--config", folder / "tieout.toml", stdout=asyncio.subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    try:
        began = time.monotonic()
        url = (await process.stdout.readline()).decode().strip().rpartition(" ")[2]
        say(f"worker {number}: listening after {time.monotonic() - began:.1f} s")
        yield process.pid, url
    finally:
        process.terminate()
        await process.wait()


async def token(folder: Path) -> str:
    """Somebody who may look."""
    made = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "tieout", "access", "token", "bench", "--role", "viewer",
        "--config", folder / "tieout.toml", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return (await made.communicate())[0].decode().strip()


async def settled(session: ClientSession, url: str, accounts: int) -> None:
    """Wait until every account was read: the first round of all at once is told apart."""
    began = time.monotonic()
    while True:
        async with session.get(url + "/v1/accounts") as got:
            told = await got.json()
        if got.status != HTTPStatus.OK:
            say(f"{time.monotonic() - began:.0f} s: {got.status} {told['detail']}")
        states = told.get("accounts", ())
        if sum(each["status"] is not None for each in states) == accounts:
            say(f"all {accounts} accounts were read {time.monotonic() - began:.0f} s after that")
            return
        await asyncio.sleep(5)


async def run(accounts: int, workers: int, every: int, seconds: float) -> Figures:
    """One service, and its figures."""
    with server(workers) as (store, postgres), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, accounts, store=store, workers="solo" if workers == 1 else "shared", every=every)
        async with AsyncExitStack() as stack:
            running = [await stack.enter_async_context(serving(folder, number)) for number in range(1, workers + 1)]
            session = await stack.enter_async_context(
                ClientSession(headers={"Authorization": f"Bearer {await token(folder)}"})
            )
            await settled(session, running[0][1], accounts)
            await asyncio.sleep(every + 10)
            before = [(used(pid), await lags(session, url)) for pid, url in running]
            served, since = used(postgres, children=True) if postgres else Used(0, 0), time.time()
            took = await asked(session, running[0][1], seconds)
            until = time.time()
            after = [(used(pid), await lags(session, url)) for pid, url in running]
            ended = used(postgres, children=True) if postgres else Used(0, 0)
            waits, readings = await late(store or f"{folder}/tieout.db", every, since, until)
    lasted, cpu = until - since, sum(now.cpu - then.cpu for (then, _), (now, _) in zip(before, after, strict=True))
    each = tuple(
        Worker((now.cpu - then.cpu) / lasted * 100, now.memory, *lag(old, new))
        for (then, old), (now, new) in zip(before, after, strict=True)
    )
    return Figures(
        accounts=accounts, workers=workers, every=every, seconds=lasted, load=os.getloadavg()[1], readings=readings,
        due=int(accounts * lasted / every), cpu_ms=(cpu + ended.cpu - served.cpu) / max(1, readings) * 1000,
        database_cpu_percent=(ended.cpu - served.cpu) / lasted * 100, late_p50=quantile(waits, 0.5),
        late_p99=quantile(waits, 0.99), late_most=max(waits, default=0.0), each=each,
        routes={path: (quantile(ms, 0.5), quantile(ms, 0.99), len(ms)) for path, ms in took.items()},
    )  # fmt: skip


def tell(found: Figures) -> None:
    """The figures, for a person."""
    say(
        f"{found.accounts} accounts each {found.every} s, {found.workers} workers, "
        f"{found.seconds:.0f} s, load {found.load:.0f}"
    )
    say(
        f"{found.readings} readings of {found.due} that were due; {found.cpu_ms:.1f} ms of CPU each with all around them"
    )
    say(f"late by p50 {found.late_p50:.2f} s, p99 {found.late_p99:.2f} s, at most {found.late_most:.2f} s")
    for number, one in enumerate(found.each, 1):
        told = f"event loop late by p99 {one.lag_p99} s at most, most {one.lag_most} s at most"
        say(f"worker {number}: CPU {one.cpu_percent:.1f} % of a core, {one.memory_mb:.0f} MB; {told}")
    if found.workers > 1:
        say(f"PostgreSQL: CPU {found.database_cpu_percent:.1f} % of a core")
    for path, (half, most, count) in found.routes.items():
        say(f"GET {path}: p50 {half:.1f} ms, p99 {most:.1f} ms ({count})")


def main() -> None:
    """Run as told."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--accounts", type=int, nargs="+", default=[1000])
    told.add_argument("--workers", type=int, default=1)
    told.add_argument("--every", type=int, default=60)
    told.add_argument("--minutes", type=float, default=2.5)
    told.add_argument("--out", type=Path)
    asked_for = told.parse_args()
    for accounts in asked_for.accounts:
        found = asyncio.run(run(accounts, asked_for.workers, asked_for.every, asked_for.minutes * 60))
        tell(found)
        if asked_for.out is not None:
            with asked_for.out.open("ab") as file:
                file.write(msgspec.json.encode(found) + b"\n")


if __name__ == "__main__":
    main()
