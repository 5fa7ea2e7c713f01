"""A service under load: so many accounts of twenty rows each, reconciled once a minute by one `tieout serve`.

Told are the share of a core and the memory of its process, how late readings begin, how late its event loop is, and how
fast the interface answers meanwhile. Both sides of each account are files, so that no venue's time is in it.
Run by hand: `python tests/bench/service.py 1000 600` (accounts, seconds).
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from aiohttp import ClientSession
from msgspec import Struct

from tests.conform.output import say
from tieout.record import keys

EVERY, ROWS = 60, 20
TICKS = os.sysconf("SC_CLK_TCK")
HEAD = """
[record]
store = "{folder}/tieout.db"
keys = "{folder}/keys"
[service]
listen = "127.0.0.1:0"
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
    """What a process used so far: seconds of CPU, and MB that it holds."""

    cpu: float
    memory: float


def used(process: int) -> Used:
    """Of a process and all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    rss = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return Used((int(fields[11]) + int(fields[12])) / TICKS, int(rss.split()[1]) / 1024)


def write(folder: Path, accounts: int) -> None:
    """Configuration, keys and both sides of every account; one in a hundred differs."""
    told = "".join(ACCOUNT.format(number=number, folder=folder) for number in range(accounts))
    (folder / "tieout.toml").write_text(HEAD.format(folder=folder, every=EVERY) + told, "utf-8")
    keys.create(folder / "keys", "bench")
    for number in range(accounts):
        for source in ("local", "broker"):
            differs = number % 100 == 0 and source == "broker"
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
        for path in ("/v1/accounts", "/v1/accounts/a7", "/v1/breaks", "/v1/reports?limit=20", "/v1/audit/checkpoint"):
            began = time.perf_counter()
            async with session.get(url + path) as got:
                await got.read()
                assert got.status == 200, (path, got.status)
            took.setdefault(path, []).append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.2)
    return took


def late(store: Path, first: float) -> list[float]:
    """Seconds by which readings at the interval began later than the one before it and the interval."""
    rows = sqlite3.connect(f"file:{store}?mode=ro", uri=True).execute(
        "SELECT account, started_at FROM reports WHERE trigger = 'schedule' ORDER BY account, started_at"
    )
    found, before = list[float](), dict[int, float]()
    for account, at in rows:
        moment = at / 10**6
        if account in before and moment > first:
            found.append(moment - before[account] - EVERY)
        before[account] = moment
    return found


def quantile(values: list[float], share: float) -> float:
    """The value below which that share lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def run(accounts: int, seconds: float) -> None:
    """One service, and its figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, accounts)
        tieout = Path(sys.executable).parent / "tieout"
        service = await asyncio.create_subprocess_exec(
            tieout, "serve", "--config", folder / "tieout.toml",
            stdout=asyncio.subprocess.PIPE, stderr=(folder / "log").open("wb"),
        )  # fmt: skip
        assert service.stdout is not None
        try:
            began = time.monotonic()
            url = (await service.stdout.readline()).decode().strip().rpartition(" ")[2]
            say(f"{accounts} accounts of {ROWS} rows: listening after {time.monotonic() - began:.1f} s")
            made = await asyncio.create_subprocess_exec(
                tieout, "access", "token", "bench", "--role", "viewer", "--config", folder / "tieout.toml",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            token = (await made.communicate())[0].decode().strip()
            async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
                await asyncio.sleep(EVERY + 10)  # the first round of all at once is told apart
                first, start = used(service.pid), time.time()
                say(f"the start took {first.cpu:.1f} s of CPU; {first.memory:.0f} MB")
                took = await asked(session, url, seconds)
                last = used(service.pid)
                async with session.get(url + "/metrics") as got:
                    lag = [line for line in (await got.text()).splitlines() if line.startswith("tieout_event_loop_lag")]
        finally:
            service.terminate()
            await service.wait()
        waits = late(folder / "tieout.db", start)
        say(f"CPU {(last.cpu - first.cpu) / seconds * 100:.1f} % of a core, {last.memory:.0f} MB at the end")
        per = (last.cpu - first.cpu) / max(1, len(waits)) * 1000
        say(f"{len(waits)} readings, {per:.1f} ms of CPU each with all that is around them")
        if waits:
            say(
                f"late by p50 {statistics.median(waits):.2f} s, p99 {quantile(waits, 0.99):.2f} s, worst {max(waits):.2f} s"
            )
        for path, values in took.items():
            say(
                f"GET {path}: p50 {statistics.median(values):.1f} ms, p99 {quantile(values, 0.99):.1f} ms ({len(values)})"
            )
        say(" · ".join(line.removeprefix("tieout_event_loop_lag_seconds_") for line in lag))


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), float(sys.argv[2])))
