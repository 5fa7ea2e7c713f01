"""What the log costs: durable appends against a bare fsync loop in the same run, proofs, verification, reopening.

A disk that answers an fsync in 0.2 ms shows what our own code costs; one that takes 4 ms, as most do, what a user will see.
The second is had by delaying every fsync with strace, for the bare loop and for the log alike; strace also counts them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sqlalchemy import Connection

from tieout.clock import SystemClock
from tieout.record import keys
from tieout.record.entry import Draft, EntryKind, Stamp, encode, event_key
from tieout.record.log import read_subtrees
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store.database import Database, open_database
from tieout.record.tlog import merkle, note
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint
from tieout.record.writer import Unit

APPENDS = {1: 2_000, 8: 8_000, 64: 32_000, 256: 64_000}  # producers: appends
SLOW = {1: 150, 8: 1_200, 64: 8_000, 256: 32_000}
SLOW_US = 4_000
MILLION = 1_000_000
BARE = 500


def settings_in(folder: Path) -> RecordSettings:
    """A record with keys of its own in *folder*."""
    keys.create(folder / "keys", "bench")
    return RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))


def bare_fsyncs(folder: Path, count: int) -> float:
    """How many appends of 400 bytes a second reach the disk, one fsync each, with nothing else."""
    file = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    start = time.perf_counter()
    for _ in range(count):
        os.write(file, bytes(400))
        os.fsync(file)
    taken = time.perf_counter() - start
    os.close(file)
    return count / taken


async def appended(folder: Path, producers: int, count: int) -> tuple[float, list[float]]:
    """Appends a second by so many producers, each waiting for its own, and how long each waited, in seconds."""
    record = await open_record(settings_in(folder), SystemClock())
    waits: list[float] = []

    async def produce(name: int) -> None:
        for number in range(count // producers):
            start = time.perf_counter()
            await record.write(Unit((Draft(event=f"{name}:{number}", kind=EntryKind.HEARTBEAT),)))
            waits.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(produce(name) for name in range(producers)))
    taken = time.perf_counter() - start
    await record.close()
    return len(waits) / taken, sorted(waits)


def measured(producers: int, count: int, bare: int) -> dict[str, float]:
    """One line of figures, the bare loop before and after so that a disk that tires counts for both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = bare_fsyncs(folder, bare)
        rate, waits = asyncio.run(appended(folder, producers, count))
        loop = (before + bare_fsyncs(folder, bare)) / 2
    p50, p99 = (waits[int(len(waits) * share)] * 1e3 for share in (0.5, 0.99))
    return {"rate": rate, "bare": loop, "ratio": rate / loop, "p50_ms": p50, "p99_ms": p99, "appends": len(waits)}


def appends() -> None:
    """Durable appends on this disk, and on one that takes 4 ms."""
    for producers, count in APPENDS.items():
        say(f"{producers:>4} producers", measured(producers, count, BARE))
    if shutil.which("strace") is None:
        write("  no strace here: fsyncs are not counted, and a slow disk not tried\n")
        return
    for producers, count in SLOW.items():
        found, syncs = under_strace(producers, count, f"inject=fsync,fdatasync:delay_exit={SLOW_US}")
        say(f"{producers:>4} producers, fsync + {SLOW_US / 1e3:.0f} ms", found)
        write(f"{'':>10}{syncs - 2 * BARE // 10} fsyncs and fdatasyncs for {found['appends']:.0f} appends, counted\n")


def under_strace(producers: int, count: int, inject: str) -> tuple[dict[str, float], int]:
    """The same in a process whose fsyncs are delayed, and how many there were in all."""
    with tempfile.TemporaryDirectory() as name:
        trace = Path(name) / "trace"
        command = ["strace", "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-e", inject, "-o", str(trace)]
        command += [sys.executable, __file__, str(producers), str(count), str(BARE // 10)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(ran.stdout), trace.read_text().count("sync(") - trace.read_text().count("resumed")


def say(name: str, found: dict[str, float]) -> None:
    """One line of the table."""
    write(
        f"  {name:<32}{found['rate']:>9.0f}/s {found['ratio']:>6.2f} x the bare loop's {found['bare']:.0f}/s"
        f"   p50 {found['p50_ms']:.2f} ms  p99 {found['p99_ms']:.2f} ms\n"
    )


def write(text: str) -> None:
    """Say it at once: some of this takes long."""
    sys.stdout.write(text)
    sys.stdout.flush()


async def grow(settings: RecordSettings, size: int) -> None:
    """Make a log of *size* entries quickly, as group commit would have left it but for the checkpoints in between."""
    record = await open_record(settings, SystemClock())
    held = keys.load(settings.key_folder)
    peaks: tuple[bytes, ...] = ()
    for start in range(0, size, 50_000):
        places = range(start, min(size, start + 50_000))
        stamp = Stamp(SystemClock().now(), 0, SystemClock().monotonic_ns(), "bench", "system")
        drafts = [Draft(event=f"e{place}", kind=EntryKind.HEARTBEAT, account="main") for place in places]
        bodies = [encode(draft, stamp) for draft in drafts]
        peaks, made = merkle.extend_all(start, peaks, [merkle.leaf_hash(body) for body in bodies])
        end, at = places[-1] + 1, int(stamp.at.timestamp() * 1_000_000)
        signed = note.sign(format_checkpoint(Checkpoint(held.name, end, merkle.root(peaks))), held.signer)
        entries = [(place, event_key(d.event), body) for place, d, body in zip(places, drafts, bodies, strict=True)]
        nodes = [(place, b"".join(each)) for place, each in zip(places, made, strict=True) if each]

        def put(
            connection: Connection,
            entries: Sequence[tuple[int, bytes, bytes]] = entries,
            nodes: Sequence[tuple[int, bytes]] = nodes,
            head: tuple[int, int] = (end, at),
            signed: bytes = signed,
        ) -> None:
            run = connection.exec_driver_sql
            run("INSERT INTO log_entries (entry, event, body) VALUES (?, ?, ?)", list(entries))
            run("INSERT INTO tree_nodes (leaf, hashes) VALUES (?, ?)", list(nodes))
            run("UPDATE log_head SET size = ?, at = ?", head)
            run("INSERT INTO checkpoints (size, note) VALUES (?, ?)", (head[0], signed))

        await record.database.write(put)
    await record.close()
    # The last append is an ordinary one, so that the side file is at the log's end.
    record = await open_record(settings, SystemClock())
    await record.heartbeat()
    await record.close()


def median(call: Callable[[], object], repeats: int) -> float:
    """Seconds that one call takes, the middle of so many."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[repeats // 2]


def proofs(connection: Connection, size: int) -> None:
    """Proofs made and verified in a log of *size*, at places spread over it."""
    coordinates = merkle.peak_nodes(size)
    hashes = read_subtrees(connection, coordinates)
    root = merkle.root([hashes[each] for each in coordinates])
    places = iter([place * 7_919 % size for place in range(1, 2_001)])

    def prove(index: int) -> list[bytes]:
        wanted = merkle.inclusion_nodes(index, size)
        return merkle.inclusion_proof(index, size, read_subtrees(connection, wanted))

    made = median(lambda: prove(next(places)), 500)
    index = size // 3
    ((body,),) = connection.exec_driver_sql("SELECT body FROM log_entries WHERE entry = ?", (index,)).all()
    path, leaf = prove(index), merkle.leaf_hash(body)
    checked = median(lambda: merkle.verify_inclusion(leaf, index, size, path, root), 500)
    write(f"  inclusion in {size:,}: made in {made * 1e3:.3f} ms, verified in {checked * 1e3:.3f} ms\n")
    before = size // 2 + 12_345

    def extend() -> list[bytes]:
        wanted = merkle.consistency_nodes(before, size)
        return merkle.consistency_proof(before, size, read_subtrees(connection, wanted))

    first = merkle.peak_nodes(before)
    older = read_subtrees(connection, first)
    root1, grown = merkle.root([older[each] for each in first]), extend()
    made = median(extend, 500)
    checked = median(lambda: merkle.verify_consistency(before, size, grown, root1, root), 500)
    write(f"  consistency in {size:,}: made in {made * 1e3:.3f} ms, verified in {checked * 1e3:.3f} ms\n")


async def opened(settings: RecordSettings) -> None:
    """Open it and close it again."""
    await (await open_record(settings, SystemClock())).close()


def long_log(size: int) -> None:
    """A log of *size*: how long opening, proving and verifying take."""
    with tempfile.TemporaryDirectory() as name:
        settings = settings_in(Path(name))
        asyncio.run(grow(settings, size))
        taken = median(lambda: asyncio.run(opened(settings)), 11)
        write(f"  reopened in {taken * 1e3:.1f} ms\n")
        database = open_database(settings.store, read_only=True)
        asyncio.run(_read(database, lambda connection: proofs(connection, size)))
        verify = [sys.executable, "-m", "tieout", "audit", "verify", "--store", settings.store, "--keys", settings.keys]
        start = time.perf_counter()
        subprocess.run(verify, check=True, capture_output=True)
        write(f"  verified whole, the command's start included, in {time.perf_counter() - start:.2f} s\n")


async def _read(database: Database, work: Callable[[Connection], None]) -> None:
    await database.read(work)
    await database.close()


def report() -> None:
    """Every figure of the log."""
    write("\nDurable appends\n")
    appends()
    write("\nA log of 1,000,000 entries\n")
    long_log(MILLION)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(*map(int, sys.argv[1:4]))))
