"""The whole walk, for people: `python -m tests.canary` shows what was searched, what leaked, and what was not reached.

A word picks the walks whose name holds it; `--brief` does less of what is repeated, and does not follow which lines were
executed, which takes as long again; `--json` is for the test.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import coverage

from tests.canary.ground import FOLDERS, SOURCE, not_reached, spots

LONGEST = 600
BRIEF = 20


def walk_all(only: str = "") -> dict[str, object]:
    """Every walk, one after the other: what was heard, what leaked, and which lines were executed."""
    # The sources are imported in here, so that the lines they execute then count too.
    measured = coverage.Coverage(
        data_file=None, source=[str(SOURCE)], concurrency=["greenlet", "thread"], config_file=False
    )
    measured.start()
    try:
        result = walk(only)
    finally:
        measured.stop()
    data = measured.get_data()
    executed = {
        Path(name).relative_to(SOURCE).as_posix(): set(data.lines(name) or ()) for name in data.measured_files()
    }
    lacking = not_reached(executed)
    return {**result, "spots": len(spots()), "lacking": [f"{spot.file}:{spot.line} {spot.text}" for spot in lacking]}


def walk(only: str = "", *, every: int = 1) -> dict[str, object]:
    """Every walk, one after the other: what was heard, and what leaked. Of what is repeated each *every*-th is done."""
    from tests.canary import walk_audit, walk_brokers, walk_commands, walk_damage, walk_record
    from tests.canary.ear import listening
    from tests.canary.marks import Marks
    from tests.canary.walk_record import Ground
    from tests.record import postgres

    took: dict[str, float] = {}
    escaped: list[str] = []
    with tempfile.TemporaryDirectory() as name, postgres.running() as server, listening(Marks()) as ear:
        os.chdir(name)
        numbers = itertools.count(1)
        for each in (
            *walk_record.WALKS,
            *walk_damage.WALKS,
            *walk_commands.WALKS,
            *walk_audit.WALKS,
            *walk_brokers.WALKS,
        ):
            if only not in each.__name__:
                continue
            folder = Path(name) / each.__name__
            folder.mkdir()
            ear.walk, began = each.__name__, time.perf_counter()
            asyncio.run(each(Ground(ear, folder, server, numbers, escaped, every)))
            ear.search()
            took[each.__name__] = round(time.perf_counter() - began, 2)
        os.chdir("/")
    leaks = [f"{leak.walk} | {leak.where} | {leak.told} | {leak.text[:LONGEST]}" for leak in ear.leaks]
    return {
        "leaks": leaks, "heard": dict(sorted(ear.heard.items())), "loggers": sorted(ear.loggers), "took": took,
        "escaped": escaped, "marks": [len(ear.marks.secrets), len(ear.marks.amounts)],
    }  # fmt: skip


def _print(*lines: object) -> None:
    sys.stdout.write("\n".join(map(str, lines)) + "\n")


def main() -> int:
    """Print the result; exit 1 where anything leaked."""
    arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
    brief = "--brief" in sys.argv
    result = walk(*arguments[:1], every=BRIEF) if brief else walk_all(*arguments[:1])
    if "--json" in sys.argv:
        _print(json.dumps(result))
    else:
        for name in ("took", "heard", "loggers", "marks"):
            _print(f"{name}: {result[name]}")
        for name in ("leaks", "escaped", *(() if brief else ("lacking",))):
            rows = result[name]
            assert isinstance(rows, list)
            _print(f"\n{name}: {len(rows)}", *(f"  {row}" for row in rows))
        if not brief:
            _print(f"\nof {result['spots']} lines that raise or tell in {', '.join(FOLDERS)}")
    return 1 if result["leaks"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
