"""One flipped bit in the write-ahead log of a killed process, again and again: `python -m tests.record.crash.flips`.

SQLite reopens such a log without a word, shorter by all that stood behind the bit. Each flip is made in fresh copies of the
file, its log and the head that is kept besides, which are then opened as a service opens them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from sqlalchemy import Connection, select

from tests.record.crash.house import copied, house
from tests.record.crash.outside import START
from tests.record.crash.rehash import Rotten, rehash
from tieout.clock import VirtualClock
from tieout.errors import LogBehind, LogBroken, RecordUnavailable
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import metadata

PER_RECORD = 60  # flips in the log of one process, before the next one is killed
Rows = dict[str, list[tuple[object, ...]]]


async def flips(times: int, seed: int, tell: Callable[[str], None] = lambda _: None) -> Counter[str]:
    """Flip *times* bits; returns how many were noticed, and by what, and how many changed nothing.

    Raises:
        AssertionError: One changed something, and nobody noticed.
    """
    rng, counts = random.Random(seed), Counter[str]()
    while counts.total() < times:
        with tempfile.TemporaryDirectory(prefix="tieout-flips-") as name:
            dead = Path(name) / "dead"
            dead.mkdir()
            settings = await _killed(dead, rng)
            whole = await _verdict(settings, Path(name), None)
            assert isinstance(whole, dict), "what is not touched is in order"
            for _ in range(min(PER_RECORD, times - counts.total())):
                bit = rng.randrange(_bits(settings))
                verdict = await _verdict(settings, Path(name), bit)
                if not isinstance(verdict, str):
                    assert verdict == whole, f"bit {bit} of the write-ahead log changed the record, and nobody noticed"
                    verdict = "changed nothing"
                counts[verdict] += 1
                tell(f"{counts.total()} of {times}")
    return counts


async def _killed(folder: Path, rng: random.Random) -> RecordSettings:
    """A record whose process was killed just when its last outcome was acknowledged."""
    async with house(str(folder / "record.db"), folder, rng) as home:
        home.outside.trouble = 0.75
        # Every other one dies after its write-ahead log began anew, with frames of the round before behind its end.
        await home.live(rounds=1000, dies_at="outcome: acknowledged", times=rng.choice((8, 60)))
        await home.check()
        assert len(home.found.events) == len(home.acknowledged), "the head besides the log is that of its last entry"
        return home.work.record


async def _verdict(settings: RecordSettings, folder: Path, bit: int | None) -> str | Rows:
    """Who noticed a flipped bit; every row of every table where nobody did."""
    trial = folder / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    shutil.copytree(settings.key_folder, trial / "keys")
    tried = replace(copied(settings, trial), keys=str(trial / "keys"))
    if bit is not None:
        _flip(Path(tried.store + "-wal"), bit)
    held = keys.load(tried.key_folder)
    try:
        record = await open_record(tried, VirtualClock(START))
    except (LogBehind, LogBroken) as error:
        return f"opening: {type(error).__name__}"
    except RecordUnavailable:
        return "opening: RecordUnavailable"
    try:
        return await record.database.read(lambda connection: _rows(connection, held))
    except (Rotten, LogBroken):
        return "hashing anew"
    except RecordUnavailable:
        return "reading: RecordUnavailable"
    finally:
        await record.close()


def _rows(connection: Connection, held: keys.Keys) -> Rows:
    rehash(connection, held)
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
        for table in metadata.sorted_tables
    }


def _bits(settings: RecordSettings) -> int:
    return Path(settings.store + "-wal").stat().st_size * 8


def _flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def sentence(counts: Counter[str]) -> str:
    """The figures, for people. The first flip that matters and goes unnoticed ends a run before there are any."""
    each = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    return f"{counts.total()} bits flipped in write-ahead logs: {each}; each noticed or harmless"


def main() -> None:
    """Run it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write(f"{sentence(asyncio.run(flips(options.times, options.seed)))}\n")


if __name__ == "__main__":
    main()
