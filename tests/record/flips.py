"""Random bits of the store's main file flipped, each in a copy of its own: noticed, harmless, or unnoticed though it matters.

`python -m tests.record.flips [COUNT] [SEED]`. A flip is harmless where every row of every table reads as before, but
for the numbers of rows and other housekeeping.
"""

# ruff: noqa: ASYNC240 - the files of a test are small

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path

from msgspec import Struct

from tests.record.audit import house
from tieout.errors import TieoutError
from tieout.record import keys
from tieout.record.settings import RecordSettings

# What the service keeps for itself, and no log speaks of: numbers of rows, and when an alert is to be sent again.
HOUSEKEEPING = {
    "alerts": ("id", "attempts", "next_at", "delivered_at"),
    "break_history": ("id",),
    "decisions": ("id",),
    "approvals": ("id",),
    "halts": ("id",),
}

Rows = dict[str, list[tuple[object, ...]]]


class Flipped(Struct, frozen=True):
    """What came of flipping *bit*: noticed, harmless or unnoticed; and where it differs, the table."""

    bit: int
    came: str
    where: str = ""


def all_rows(store: Path) -> Rows | None:
    """Every row of every table, as SQLite reads it; None where it cannot."""
    connection = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)
    try:
        names = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {name: _rows(connection, name) for name in names}
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection, name: str) -> list[tuple[object, ...]]:
    there = [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
    columns = ", ".join(f'"{column}"' for column in there if column not in HOUSEKEEPING.get(name, ()))
    return sorted(connection.execute(f'SELECT {columns} FROM "{name}"').fetchall(), key=repr)


async def flip(settings: RecordSettings, bit: int, before: Rows, memory: Path) -> Flipped:
    """Flip one bit of the file, and say what came of it; the file is as it was afterwards."""
    store = Path(settings.store)
    raw = store.read_bytes()
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    store.write_bytes(changed)
    try:
        try:
            sound = (await house.verdict(settings, memory=memory)).sound
        except TieoutError:
            sound = False
        if not sound:
            return Flipped(bit, "noticed")
        after = all_rows(store)
        if after == before:
            return Flipped(bit, "harmless")
        where = "the file" if after is None else ", ".join(name for name in before if before[name] != after.get(name))
        return Flipped(bit, "unnoticed", where)
    finally:
        for path in store.parent.glob(f"{store.name}-*"):
            path.unlink()
        store.write_bytes(raw)


async def flips(folder: Path, count: int, chance: random.Random) -> list[Flipped]:
    """Flip *count* bits of a record that is made in *folder*."""
    keys.create(folder / "keys", "tieout-test")
    settings = RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))
    await house.recorded(settings, erase=False)
    before = all_rows(Path(settings.store))
    assert before is not None
    bits = Path(settings.store).stat().st_size * 8
    return [await flip(settings, chance.randrange(bits), before, folder / "memory") for _ in range(count)]


def report(found: list[Flipped]) -> str:
    """The counts, and each that went unnoticed."""
    counts = Counter(each.came for each in found)
    lines = [
        f"{len(found)} bits flipped: "
        + ", ".join(f"{counts[came]} {came}" for came in ("noticed", "harmless", "unnoticed"))
    ]
    lines += [f"  bit {each.bit} went unnoticed, in {each.where}" for each in found if each.came == "unnoticed"]
    return "\n".join(lines)


if __name__ == "__main__":
    count, seed = (
        (int(text) for text in (*sys.argv[1:], "500", "7")[:2]) if len(sys.argv) != 2 else (int(sys.argv[1]), 7)
    )
    with tempfile.TemporaryDirectory(prefix="tieout-flips-") as name:
        found = asyncio.run(flips(Path(name), count, random.Random(seed)))
    sys.stdout.write(report(found) + "\n")
    sys.exit(any(each.came == "unnoticed" for each in found))
