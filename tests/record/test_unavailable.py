"""No audit, no action: whatever keeps the record from being written, checking goes on, acting stops, and a person is told.

Each fault is a real one, and each ends: then acting goes on by itself, and everything that was acknowledged still stands.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.live.recorded import RecordedDesk
from tests.record import postgres
from tests.record.crash.house import house
from tests.record.crash.rehash import Found, rehash
from tests.record.proxy import Cut, Proxy
from tests.record.test_recording import statuses
from tieout.brokers.simulated import Fault, FaultRule
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.discrepancy import ActionStatus
from tieout.model.snapshot import Order
from tieout.record import keys
from tieout.record.files import MIB
from tieout.record.patient import open_patiently
from tieout.record.settings import RecordSettings
from tieout.record.store import database, sqlite_files

pytestmark = pytest.mark.long

DONE, SKIPPED = [ActionStatus.DONE], [ActionStatus.SKIPPED]


class PatientDesk(RecordedDesk):
    """A desk that starts whether its record is there or not, as a service does."""

    def __init__(self, settings: RecordSettings) -> None:
        super().__init__(settings)
        self.begin()

    def begin(self) -> None:
        """Start, or start anew."""
        self.patient = open_patiently(self.settings, self.clock)
        account = Account(name="main", local=self.books, broker=self.broker, policy=self.policy)
        self.reconciler = PositionReconciler({"main": account}, self.clock, record=self.patient, alarm=self)

    async def log(self) -> Found:
        """Its log, hashed anew from the stored bytes."""
        record = await self.patient.opened()
        held = keys.load(self.settings.key_folder)
        return await record.database.read(lambda connection: rehash(connection, held))

    async def only_checks(self, *, known: int = 0, readings: int = 3) -> None:
        """Readings while something is wrong with the record: the break is seen, nothing is done, a person hears of it.

        *known*: how many alarms of earlier faults there were.
        """
        before, told = await self.held(), len(self.said)
        for _ in range(readings):
            report = await self.read()
            assert report.status == "discrepancies" and statuses(report) == SKIPPED
            assert any(warning.startswith("Nothing was acted on: ") for warning in report.summary.warnings)
            assert await self.held() == before
        assert len(self.said) > known, "a person hears of it"
        assert len(set(self.said[told:])) == len(self.said[told:]), "once for each reason"
        assert all(sentence.startswith("main: acting is stopped: ") for sentence in self.said)

    async def goes_on(self, kept: dict[int, str]) -> None:
        """The fault is gone: a reading acts, the next finds nothing left, and what was *kept* still stands."""
        assert statuses(await self.read()) == DONE
        assert (await self.read()).status == "matched"
        assert await self.held() == self.stated()
        found = await self.log()
        assert kept.items() <= found.events.items() and not found.open


def missed(desk: RecordedDesk, name: str = "c-1") -> None:
    """The venue fills an order of the desk's own, and the stream drops it."""
    desk.books.orders.register(
        Order(
            asset="AAPL",
            side="buy",
            quantity=Decimal(1),
            status="open",
            client_order_id=name,
            updated_at=desk.clock.now(),
        )
    )
    desk.world.trade("main", "AAPL", "buy", Decimal(1), Decimal(190), client_order_id=name)


@asynccontextmanager
async def working(settings: RecordSettings) -> AsyncIterator[PatientDesk]:
    """A desk that has recorded a reading, and has then missed a fill."""
    desk = PatientDesk(settings)
    assert (await desk.read()).status == "matched"
    missed(desk)
    yield desk
    await desk.patient.close()


def made(store: str, folder: Path) -> RecordSettings:
    """A record's settings, its keys made in *folder*."""
    keys.create(folder / "keys", "tieout-test")
    return RecordSettings(store=store, keys=str(folder / "keys"))


# A server of these tests' own, which they may stop.
@pytest.fixture(scope="module")
def doomed() -> Iterator[postgres.Server]:
    """A PostgreSQL that goes away and comes back."""
    with postgres.running() as running:
        yield running


async def test_the_database_goes_away_and_comes_back(doomed: postgres.Server, tmp_path: Path) -> None:
    """PostgreSQL stops while the service runs: it checks, and does not act, until PostgreSQL is back."""
    async with working(made(doomed.fresh(), tmp_path)) as desk:
        kept = (await desk.log()).events
        doomed.stop()
        try:
            await desk.only_checks()
        finally:
            doomed.start()
        await desk.goes_on(kept)


@pytest.mark.parametrize("broker_away", [False, True])
async def test_the_database_is_away_at_the_start(doomed: postgres.Server, tmp_path: Path, *, broker_away: bool) -> None:
    """A service starts without its database, checks, and does not act; with the broker away too, nothing is ever flat."""
    async with working(made(doomed.fresh(), tmp_path)) as desk:
        kept = (await desk.log()).events
        await desk.patient.close()
        doomed.stop()
        try:
            desk.begin()
            if broker_away:
                desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=None))
                report = await desk.read()
                assert (report.status, report.discrepancies) == ("incomplete", ())
                assert desk.said, "a person hears of the record all the same"
                desk.broker.faults.clear()
            else:
                await desk.only_checks()
        finally:
            doomed.start()
        await desk.goes_on(kept)


async def test_the_broker_and_the_database_go_away_together(doomed: postgres.Server, tmp_path: Path) -> None:
    """Both away, then the one, then the other: nothing is acted on before both are back."""
    async with working(made(doomed.fresh(), tmp_path)) as desk:
        kept = (await desk.log()).events
        before = await desk.held()
        doomed.stop()
        desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=None))
        try:
            assert (await desk.read()).status == "incomplete"
            desk.broker.faults.clear()
            await desk.only_checks()
            desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=None))
        finally:
            doomed.start()
        assert (await desk.read()).status == "incomplete"
        assert await desk.held() == before
        desk.broker.faults.clear()
        await desk.goes_on(kept)


async def test_a_death_while_the_database_is_away(
    doomed: postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Killed while its database is away, and started while it is: nothing is sent, and nothing acknowledged is lost."""
    rng = random.Random(8)
    async with house(doomed.fresh(), tmp_path_factory.mktemp("c"), rng) as home:
        home.outside.trouble = 0.75
        assert await home.live(rounds=5) == 0
        await home.check()
        for _ in range(3):
            assert await home.die(rng.uniform(0, 0.3)) == -9
            await home.check()
            sent = home.outside.sent.total()
            doomed.stop()
            try:
                home.outside.dies = ("alarm", True)
                assert await home.live(rounds=9) == -9
                assert home.outside.sent.total() == sent
            finally:
                doomed.start()
            home.outside.dies = None
        await home.rest()


async def test_a_database_that_recovers(doomed: postgres.Server, tmp_path: Path) -> None:
    """One of PostgreSQL's processes is killed and all its connections break: at once or one reading later it goes on."""
    async with working(made(doomed.fresh(), tmp_path)) as desk:
        kept = (await desk.log()).events
        record = await desk.patient.opened()
        backend = await record.database.read(
            lambda connection: connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        )
        os.kill(backend, signal.SIGKILL)
        for _ in range(10_000):
            report = await desk.read()
            if statuses(report) != SKIPPED:
                break
        assert statuses(report) == DONE
        assert (await desk.read()).status == "matched"
        found = await desk.log()
        assert kept.items() <= found.events.items() and not found.open


async def test_a_read_only_database(doomed: postgres.Server, tmp_path: Path) -> None:
    """A database that has become read-only, as a standby is, is read, and nothing is acted on."""
    store = doomed.fresh()
    name = store.partition("@/")[2].partition("?")[0]
    # Who is connected keeps the old setting, and is sent away: the call returns when they are gone.
    leave = f"SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE datname = '{name}';"
    async with working(made(store, tmp_path)) as desk:
        kept = (await desk.log()).events
        doomed.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = on; {leave}")
        await desk.only_checks()
        assert "read-only" in desk.said[-1]
        doomed.psql(f"ALTER DATABASE {name} RESET default_transaction_read_only; {leave}")
        await desk.goes_on(kept)


@asynccontextmanager
async def behind_a_proxy(server: postgres.Server, folder: Path) -> AsyncIterator[tuple[RecordSettings, Proxy]]:
    """A record whose database is reached over a line that can be cut."""
    store = server.fresh()
    direct = store.partition("host=")[2]
    line = folder / "line"
    line.mkdir()
    proxy = Proxy(Path(direct))
    listening = await proxy.listen(line)
    try:
        yield made(store.replace(direct, str(line)), folder), proxy
    finally:
        listening.close()


@pytest.mark.parametrize("cut", ["before the commit", "after the commit"])
async def test_the_line_is_cut_while_a_commit_is_under_way(
    server: postgres.Server, tmp_path_factory: pytest.TempPathFactory, cut: Cut
) -> None:
    """Whichever commit of a reconciliation is cut off, kept or not kept, its cure is booked exactly once in the end."""
    folder = tmp_path_factory.mktemp("c")
    async with behind_a_proxy(server, folder) as (settings, proxy):
        desk = PatientDesk(settings)
        await desk.read()
        for number in range(12):  # a reconciliation that cures something ends about as many transactions
            missed(desk, f"c-{number}")
            before = len(desk.books.ledger.entries)
            proxy.arm(cut, after=number)
            for _ in range(6):
                await desk.read()
            report = await desk.read()
            assert report.status == "matched", "it went on by itself"
            assert len(desk.books.ledger.entries) == before + 1, "booked once"
        assert proxy.cuts == 12
        found = await desk.log()
        assert not found.open
        assert {each.status for each in found.intents} <= {"done", "undone"}
        await desk.patient.close()


async def test_a_database_that_falls_silent(
    server: postgres.Server, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes what it is asked and never answers is given up on, so that checking goes on."""
    monkeypatch.setattr(database, "ANSWER_S", 1)
    monkeypatch.setattr(database, "CONNECT_S", 1)
    folder = tmp_path_factory.mktemp("c")
    async with behind_a_proxy(server, folder) as (settings, proxy), working(settings) as desk:
        kept = (await desk.log()).events
        proxy.cut = "silence"
        await desk.only_checks(readings=2)
        proxy.cut = "none"
        await desk.goes_on(kept)


# The same on a SQLite file, and with its keys and the head besides it.
async def test_another_process_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite file that somebody else keeps locked is waited for, and then given up on until the next reading."""
    monkeypatch.setattr(sqlite_files, "BUSY_MS", 50)
    async with working(made(str(tmp_path / "tieout.db"), tmp_path)) as desk:
        kept = (await desk.log()).events
        with closing(sqlite3.connect(tmp_path / "tieout.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await desk.only_checks()
            other.execute("ROLLBACK")
        assert "another process holds it" in desk.said[-1]
        await desk.goes_on(kept)


async def started_wrong(desk: PatientDesk, spoil: Callable[[], object], mend: Callable[[], object], said: str) -> None:
    """Start a desk on something spoilt: it only checks, and says why; once that is mended, it goes on."""
    kept = (await desk.log()).events
    await desk.patient.close()
    spoil()
    desk.begin()
    await desk.only_checks()
    assert said in desk.said[-1]
    mend()
    await desk.goes_on(kept)


def give_rights(files: Iterable[Path], mode: int) -> None:
    """Set the rights on files."""
    for path in files:
        path.chmod(mode)


async def test_the_keys_are_missing(settings: RecordSettings) -> None:
    """Without its key nothing can be signed, so nothing is acted on."""
    folder, elsewhere = settings.key_folder, settings.key_folder.with_name("elsewhere")
    async with working(settings) as desk:
        await started_wrong(desk, lambda: folder.rename(elsewhere), lambda: elsewhere.rename(folder), "is missing")


async def test_the_keys_are_open_to_others(settings: RecordSettings) -> None:
    """A key that others can read may have signed what we never did: nothing is acted on."""
    files = [path for path in settings.key_folder.iterdir() if path.name != "head"]
    async with working(settings) as desk:
        await started_wrong(
            desk,
            lambda: give_rights(files, 0o644),
            lambda: give_rights(files, 0o600),
            "others",
        )


async def test_the_head_besides_the_log_is_gone(settings: RecordSettings) -> None:
    """Started without the head that was kept besides, a service does not act, for the log may be an older one."""
    head, elsewhere = settings.head_file, settings.head_file.with_name("elsewhere")
    async with working(settings) as desk:
        await started_wrong(desk, lambda: head.rename(elsewhere), lambda: elsewhere.rename(head), "is gone")


async def test_an_older_copy_of_the_database(tmp_path: Path) -> None:
    """Put back to yesterday's copy, a log is behind the head besides it: nothing is acted on before that is mended."""
    store, older, newer = (tmp_path / name for name in ("tieout.db", "older", "newer"))
    async with working(made(str(store), tmp_path)) as desk:
        await desk.patient.close()
        shutil.copyfile(store, older)
        desk.begin()
        desk.broker.faults.inject(FaultRule(fault=Fault.UNAVAILABLE, times=None))
        assert (await desk.read()).status == "incomplete"
        desk.broker.faults.clear()
        await started_wrong(
            desk,
            lambda: (store.rename(newer), older.rename(store)),
            lambda: newer.rename(store),
            "an older copy was put in place",
        )


# A small disk of one's own, which fills up.
@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of some megabytes; mounting it takes rights that not every machine gives."""
    where = tmp_path_factory.mktemp("d")
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(where)]
    try:
        said = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if said.returncode:
        pytest.skip("a small file system cannot be mounted here (it takes root)")
    yield where
    subprocess.run(["umount", "--lazy", str(where)], check=True)


def remount(disk: Path, how: str) -> None:
    """Make it read-only, or writable again."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Write until there is no room for another byte."""
    with (disk / "filler").open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC


async def storage_entries(desk: PatientDesk) -> list[str]:
    """What the log says of its own disk."""
    return [event.rpartition(":")[0] for event in (await desk.log()).events.values() if event.startswith("storage:")]


async def test_the_disk_is_full(disk: Path) -> None:
    """On a full disk one last entry says so, in room that was kept back; acting stops until there is room again."""
    async with working(made(str(disk / "tieout.db"), disk)) as desk:
        ballast = disk / "tieout.db-ballast"
        assert ballast.stat().st_size == MIB
        for turn in range(2):
            kept = (await desk.log()).events
            told = len(desk.said)
            fill(disk)
            await desk.only_checks(known=told)
            assert desk.said[told:] == ["main: acting is stopped: the disk of tieout.db is full; make room on it"]
            assert not ballast.exists()
            assert await storage_entries(desk) == [*["storage:halt", "storage:resume"] * turn, "storage:halt"]
            (disk / "filler").unlink()
            await desk.goes_on(kept)
            assert ballast.stat().st_size == MIB
            missed(desk, f"again-{turn}")
        assert await storage_entries(desk) == ["storage:halt", "storage:resume"] * 2


async def test_a_start_on_a_full_disk(disk: Path) -> None:
    """A service that is started on a full disk checks, and does not act; once there is room it says so and goes on."""
    async with working(made(str(disk / "tieout.db"), disk)) as desk:
        kept = (await desk.log()).events
        fill(disk)
        await desk.only_checks()
        await desk.patient.close()
        fill(disk)
        desk.begin()
        await desk.only_checks(known=len(desk.said))
        assert len(set(desk.said)) == 1, "it is the same sentence whenever it is met"
        (disk / "filler").unlink()
        await desk.goes_on(kept)


async def test_a_death_on_a_full_disk(disk: Path) -> None:
    """Killed again and again while its disk is full, a process loses nothing, and goes on once there is room."""
    rng = random.Random(6)
    async with house(str(disk / "tieout.db"), disk, rng) as home:
        home.outside.trouble = 0.5
        assert await home.live(rounds=5) == 0
        await home.check()
        for _ in range(4):
            fill(disk)
            assert await home.die(rng.uniform(0.1, 0.3)) == -9
            await home.check()
            alarms = home.outside.alarms()
            assert len(set(alarms)) == len(alarms)
        assert home.found.intents, "it had acted before"
        (disk / "filler").unlink()
        await home.rest()


async def test_a_read_only_disk(disk: Path) -> None:
    """A service that finds its disk mounted read-only checks, and does not act, until it is mounted writable."""
    async with working(made(str(disk / "tieout.db"), disk)) as desk:
        await started_wrong(desk, lambda: remount(disk, "ro"), lambda: remount(disk, "rw"), "read-only")
