"""A long log scanned by several processes, each a part of it: as good as one pass, in half the time.

A part is scanned after the subtrees that the database says come before it. Where each part then ends in the very subtrees
that the next one was given, and no part found a fault, the parts together are one pass. Where not, one pass is made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tieout.record.audit.fetching import NODES, Fetch, sqlite_rows
from tieout.record.audit.scanned import Scanned, Stretch
from tieout.record.audit.scanning import WINDOW, scan
from tieout.record.tlog.merkle import HASH_BYTES, home, peak_nodes

WORTH_IT = 100_000  # entries of a part: below that a process costs more than it saves


class Job(Struct, frozen=True):
    """What another process is to scan."""

    path: str
    stretch: Stretch


def scan_log(
    fetch: Fetch, asked: Stretch, path: Path | None, progress: Callable[[int], None] = lambda _done: None
) -> Scanned:
    """Go over a whole log.

    Args:
        fetch: Where rows come from.
        asked: All of it.
        path: The SQLite file that others can open; None where they cannot.
        progress: Told how many entries are done.
    """
    count = min(len(os.sched_getaffinity(0)), asked.stop // WORTH_IT)
    if path is None or count < 2 or not sys.executable:
        return scan(fetch, asked, progress)
    parts = _parts(fetch, asked, count)
    if parts is None:
        return scan(fetch, asked, progress)
    with _workers(path, parts[1:]) as workers:
        whole = scan(fetch, parts[0], lambda done: progress(done * count))
        for worker, part in zip(workers, parts[1:], strict=True):
            raw, _ = worker.communicate()
            found = _result.decode(raw) if worker.returncode == 0 else None
            if found is None or whole.faults or found.faults or whole.peaks != part.peaks:
                return scan(fetch, asked, progress)
            whole.join(found)
    return whole


def _parts(fetch: Fetch, asked: Stretch, count: int) -> list[Stretch] | None:
    """The log in *count* parts; None where what comes before one is not stored."""
    size = asked.stop // count // WINDOW * WINDOW
    parts = []
    for number in range(count):
        start = number * size
        peaks = _stored_peaks(fetch, start)
        if peaks is None:
            return None
        stop = asked.stop if number == count - 1 else start + size
        roots = tuple(each for each in asked.roots if start < each <= stop or each == start == 0)
        parts.append(replace(asked, start=start, stop=stop, peaks=peaks, roots=roots))
    return parts


def _stored_peaks(fetch: Fetch, size: int) -> tuple[bytes, ...] | None:
    found = []
    for level, index in peak_nodes(size):
        leaf, place = home(level, index)
        rows = fetch(NODES, (leaf, leaf + 1))
        hashes = rows[0][1] if rows else b""
        if not isinstance(hashes, bytes) or len(hashes) < (place + 1) * HASH_BYTES:
            return None
        found.append(hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES])
    return tuple(found)


@contextmanager
def _workers(path: Path, parts: Sequence[Stretch]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A process for each part, at work; none is left behind."""
    # Not multiprocessing: that runs the caller's own main module again, which may be anybody's program. -P keeps what lies
    # in the current folder from being imported.
    command = [sys.executable, "-P", "-m", __name__]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for part in parts:
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            workers.append(worker)
            assert worker.stdin is not None
            worker.stdin.write(msgspec.msgpack.encode(Job(str(path), part)))
            worker.stdin.close()
            worker.stdin = None
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            if worker.stdout is not None:
                worker.stdout.close()


def main() -> None:
    """Scan the part that standard input names, and write what was found to standard output."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.msgpack.encode(scan(sqlite_rows(Path(job.path)), job.stretch)))


_result = msgspec.msgpack.Decoder(Scanned)

if __name__ == "__main__":
    main()
