"""A floor of workers: real processes of `tieout serve` on a real PostgreSQL, and a simulated venue that is one, too."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from msgspec import Struct
from sqlalchemy import select, text

from tests.proving import PROVE
from tieout.brokers.simulated.commands import AddAccount, AddInstrument, Pay, SetPrice, Trade
from tieout.brokers.simulated.instruments import Instrument
from tieout.brokers.simulated.process import VenueProcess
from tieout.brokers.simulated.remote_world import RemoteWorld
from tieout.errors import RecordUnavailable
from tieout.record import keys
from tieout.record.entry import Entry, EntryKind, decode
from tieout.record.store.database import Database, open_database
from tieout.record.store.schema import breaks, log_entries

ROOT = Path(__file__).parents[3]
ASSET, STEP, PRICE = "BTC", Decimal("0.0001"), Decimal(50_000)
HELD, CASH = Decimal(2), Decimal(10_000)
WRITTEN = (EntryKind.OBSERVE, EntryKind.COMPARE, EntryKind.DECIDE, EntryKind.INTENT, EntryKind.OUTCOME)
HEAD = """
[record]
store = "{store}"
keys = "{folder}/keys"
[service]
listen = "127.0.0.1:0"
workers = "shared"
shards = {shards}
[reconciliation]
interval_seconds = 2
retry_count = 0
[settings]
settle_seconds = "0.2"
venue_lag_seconds = "{lag}"
[policy]
changes_per_hour = 100000
send_usd_per_day = "100000000"
send_max_usd = "100000"
send_wait_seconds = "10"
[[policy.rules]]
domain = ["position"]
strategy = "SYNC_TO_LOCAL"
approval = false
[[policy.rules]]
domain = ["balance"]
strategy = "WARN_ONLY"
"""
ACCOUNT = """
[accounts.{name}.local]
kind = "file"
path = "{folder}/{name}.json"
max_age_seconds = ""
[accounts.{name}.broker]
kind = "simulated"
url = "{url}"
poll_seconds = 1
"""


class Taken(Struct, frozen=True):
    """An account was taken over, as the log says it."""

    entry: int
    run: str
    epoch: int


class Floor:
    """The floor."""

    def __init__(self, folder: Path, store: str, world: RemoteWorld, accounts: tuple[str, ...]) -> None:
        self.folder, self.store, self.accounts, self._world = folder, store, accounts, world
        self.database: Database = open_database(store)
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self._number = 0
        self._held = dict.fromkeys(accounts, HELD)
        self._log = list[tuple[int, Entry]]()
        self._runs = dict[int, str]()  # by the number of the process

    def hire(self) -> int:
        """Another worker, and its number."""
        self._number += 1
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
        file = str(self.folder / "tieout.toml")
        command = ["tieout", "serve", "--config", file] if PROVE else ["tests.serve.workers.worker", file]
        command = [sys.executable, "-m", *command]
        with (self.folder / f"worker-{self._number}.log").open("wb") as log:
            self.workers[self._number] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        return self._number

    def signal(self, worker: int, number: signal.Signals) -> None:
        """Send a worker a signal; a killed one is gone."""
        self.workers[worker].send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.workers.pop(worker).wait(60)

    def fire_all(self) -> None:
        """Kill whoever is left."""
        for worker in tuple(self.workers):
            self.signal(worker, signal.SIGKILL)

    async def say(self, *words: str) -> None:
        """A command beside the workers, with their configuration, that finds everything in order."""
        command = [sys.executable, "-m", "tieout", *words, "--config", str(self.folder / "tieout.toml")]
        said = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
        )
        assert said.returncode == 0, said.stdout + said.stderr

    def want(self, account: str, by: Decimal) -> None:
        """The books hold so much more from now on, bought at the price: whoever watches the account has it bought."""
        self._held[account] += by
        write_books(self.folder, account, self._held[account])

    async def settled(self, account: str) -> bool:
        """Whether the venue holds what the books do."""
        truth = await self._world.truth(account)
        return any(row.amount == self._held[account] for row in truth.snapshot.positions or ())

    async def differ(self) -> bool:
        """Whether any break is open."""
        query = select(breaks.c.id).where(breaks.c.closed_at.is_(None)).limit(1)
        return await self.database.read(lambda connection: connection.execute(query).first()) is not None

    async def submits(self) -> dict[str, int]:
        """How often each client id was submitted, of all accounts."""
        found = dict[str, int]()
        for account in self.accounts:
            found |= (await self._world.truth(account)).submits
        return found

    async def moved(self, account: str) -> Decimal:
        """How much the venue traded for an account since the start, whatever its direction."""
        truth = await self._world.truth(account)
        fills = [row for row in truth.snapshot.fills or () if row.client_order_id is not None]
        return sum((row.quantity for row in fills), Decimal(0))

    async def entries(self, since: int = 0) -> list[tuple[int, Entry]]:
        """The log, or its end from the entry *since* on. What was seen of it is not asked for again."""
        query = select(log_entries.c.entry, log_entries.c.body).order_by(log_entries.c.entry)
        query = query.where(log_entries.c.entry >= len(self._log))
        rows = await self.database.read(lambda connection: connection.execute(query).all())
        self._log += [(row.entry, decode(row.body, row.entry)) for row in rows]
        return self._log[since:]

    async def holders(self) -> dict[int, str]:
        """Who has which shard now, by the server's clock."""
        alive = "SELECT shard, holder FROM shard_leases WHERE until > extract(epoch FROM clock_timestamp()) * 1000000"
        return {row.shard: row.holder for row in await self.database.read(lambda c: c.execute(text(alive)).all())}

    async def newest(self) -> int:
        """Where the log ends."""
        return await self.database.read(lambda c: int(c.execute(text("SELECT size FROM log_head")).scalar_one()))

    async def read_since(self, entry: int, runs_other_than: Iterable[str] = ()) -> set[str]:
        """The accounts that were read whole behind *entry*, by none of these processes."""
        others, found = set(runs_other_than), await self.entries(entry)
        return {str(each.account) for _, each in found if each.kind is EntryKind.COMPARE and each.run not in others}

    async def scene(self, entry: int, gone: Iterable[str]) -> str:
        """What to know where something did not happen: who has what, what is waited for, what was read since."""
        waits = (
            "SELECT pid, state, wait_event_type, wait_event, clock_timestamp() - xact_start AS lasting, left(query, 60) "
            "FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle'"
        )
        sessions = await self.database.read(lambda connection: connection.execute(text(waits)).all())
        found = [
            (index, each.at.isoformat(), each.kind, each.account, each.run) for index, each in await self.entries(entry)
        ]
        lines = [f"gone: {sorted(gone)}; holders: {await self.holders()}", *map(str, sessions), *map(str, found)]
        return "\n".join(lines)

    async def holder(self, account: str) -> int:
        """Which worker read an account last."""
        read = [
            each.run for _, each in await self.entries() if (each.kind, each.account) == (EntryKind.COMPARE, account)
        ]
        (found,) = [worker for worker in self.workers if await self.run_of(worker) == read[-1]]
        return found

    async def run_of(self, worker: int) -> str | None:
        """What the log calls a worker's process; None while it has written nothing."""
        for _, each in await self.entries():
            if "worker" in each.refs:
                self._runs[int(each.refs["worker"].split("-")[-2])] = each.run
        return self._runs.get(self.workers[worker].pid)


async def until(reached: Callable[[], Awaitable[bool]], seconds: float, what: str) -> float:
    """Wait for *reached*, a coroutine function, to say yes; returns how many seconds that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not await _is(reached):
        assert loop.time() - began < seconds, f"{what} did not happen within {seconds} s"
        await asyncio.sleep(0.1)
    return loop.time() - began


async def _is(reached: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await reached()
    except RecordUnavailable:  # nobody has made the tables yet
        return False


def write_books(folder: Path, account: str, held: Decimal) -> None:
    """What local says."""
    said = {
        "schema": "tieout.snapshot/1", "account": account, "source": "local", "as_of": datetime.now(UTC).isoformat(),
        "positions": [{"asset": ASSET, "amount": str(held), "market_price": str(PRICE), "currency": "USD"}],
        "balances": [{"currency": "USD", "total": str(CASH - (held - HELD) * PRICE), "usd_price": "1"}],
        "orders": [], "fills": [], "activities": [],
    }  # fmt: skip
    part = folder / f"{account}.part"
    part.write_text(json.dumps(said), "utf-8")
    part.replace(folder / f"{account}.json")


@asynccontextmanager
async def floor(folder: Path, store: str, *, accounts: int, shards: int, lag: int = 1) -> AsyncIterator[Floor]:
    """Accounts that match, and nobody who watches them yet; *lag* is `venue_lag_seconds`."""
    names = tuple(f"a{number}" for number in range(accounts))
    with VenueProcess(folder / "venue.db", seed=1) as venue:
        world = RemoteWorld(venue.url)
        await world.perform(AddInstrument(instrument=Instrument(asset=ASSET, kind="cash", currency="USD")))
        for name in names:
            await world.perform(AddAccount(account=name))
            await world.perform(Pay(account=name, kind="deposit", currency="USD", amount=CASH + HELD * PRICE))
        await world.perform(SetPrice(asset=ASSET, price=PRICE))
        for name in names:
            await world.perform(Trade(account=name, asset=ASSET, side="buy", quantity=HELD, price=PRICE))
            write_books(folder, name, HELD)
        told = "".join(ACCOUNT.format(name=name, folder=folder, url=venue.url) for name in names)
        (folder / "tieout.toml").write_text(
            HEAD.format(store=store, folder=folder, shards=shards, lag=lag) + told, "utf-8"
        )
        keys.create(folder / "keys", "workers")
        made = Floor(folder, store, world, names)
        try:
            yield made
        finally:
            made.fire_all()
            await made.database.close()
            await world.close()


def takeovers(entries: Iterable[tuple[int, Entry]], account: str) -> list[Taken]:
    """Who took an account over, in order; that nobody else wrote of it meanwhile is asserted.

    What one process wrote without another one in between is a turn. Each begins with what became of open intents, and with
    the claim behind that, under a greater epoch than any before; one that was ended before it claimed has found out alone.
    """
    taken, turn, claimed = list[Taken](), "", False
    for index, each in entries:
        if each.account != account or each.kind not in (*WRITTEN, EntryKind.CONFIGURE):
            continue
        turn, claimed = each.run, claimed and each.run == turn
        if each.kind is EntryKind.CONFIGURE:
            found = Taken(index, each.run, int(each.refs["epoch"]))
            again = claimed and found.epoch == taken[-1].epoch  # it learned what the venue lists, or was broken off
            assert again or not taken or found.epoch > taken[-1].epoch, f"{account} went back: {found}"
            taken, claimed = [*taken, found], True
        assert claimed or each.kind is EntryKind.OUTCOME, (
            f"entry {index} of {account} was written by one who had it not"
        )
    return taken
