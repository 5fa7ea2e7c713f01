"""What Tieout costs a row, held against a bare loop over two dicts of decimals in the same run. `make bench`.

Absolute times belong to the machine they were taken on; the ratios to the loop travel. Sizes may be given as arguments.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it does not know the checkout yet

from tests.bench import engine_latency, record_cost, record_log
from tests.bench.generate import AS_OF, accounts, as_json
from tieout.compare import compare
from tieout.decide import Policy
from tieout.live.road import Outcome, State, reconcile_observation
from tieout.model.codec import decode_snapshot, encode
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Snapshot
from tieout.observe import coverage_of

ROOT = Path(__file__).parents[2]
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
PARSED = 100_000  # larger files are not decoded here: their cost a row is that of this size
SEED = 20261120
TIEOUT = ROOT / ".venv" / "bin" / "tieout"
UNWANTED = ("ccxt", "sqlalchemy", "jinja2")
NULL = re.compile(rb',"[a-z_]+":null')


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call took: seconds at best, and the most memory it held at once, in bytes."""

    seconds: float
    peak: int


def measure(name: str, call: Callable[[], object], rows: int, bare: Cost | None = None, repeats: int = 5) -> Cost:
    """Print and return the cost of *call* over *rows* rows; *bare* is what the ratio is taken to.

    Memory is taken in a pass of its own, for watching allocations slows them down.
    """
    cost = Cost(min(_seconds(call) for _ in range(repeats)), _peak(call))
    ratio = f"{cost.seconds / bare.seconds:8.1f} x" if bare is not None else " " * 10
    micros, memory = cost.seconds / rows * 1e6, cost.peak / rows
    sys.stdout.write(f"  {name:<44}{rows:>8}{micros:>11.2f} us{ratio}{memory:>9.0f} B\n")
    sys.stdout.flush()
    return cost


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    kept = call()
    taken = time.perf_counter() - start
    del kept  # freed after the clock has stopped
    return taken


def _peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        kept = call()
        _, peak = tracemalloc.get_traced_memory()
        del kept
        return peak
    finally:
        tracemalloc.stop()


def bare_loop(local: dict[str, Decimal], broker: dict[str, Decimal]) -> dict[str, Decimal]:
    """The differences of two dicts, and nothing else: no causes, no legs, no coverage, no policy."""
    zero = Decimal(0)
    found = {}
    for asset, ours in local.items():
        theirs = broker.get(asset, zero)
        if ours != theirs:
            found[asset] = theirs - ours
    for asset in broker.keys() - local.keys():
        found[asset] = broker[asset]
    return found


def _amounts(side: Snapshot) -> dict[str, Decimal]:
    return {row.asset: row.amount for row in side.positions or ()}


def _road(sides: tuple[Snapshot, Snapshot]) -> Outcome:
    observation = Observation(AS_OF, "main", *sides)
    return reconcile_observation(observation, State(), Settings(), Policy(), trigger="manual", settled=True)


def _compare(sides: tuple[Snapshot, Snapshot]) -> object:
    observation = Observation(AS_OF, "main", *sides)
    return compare(*sides, coverage_of(observation, Settings()), Settings())


def _written(sides: tuple[Snapshot, Snapshot]) -> tuple[bytes, bytes]:
    """Both sides as users write them: what a row does not have is left out, not null."""
    local, broker = as_json(sides)
    return NULL.sub(b"", local), NULL.sub(b"", broker)


def _proven(outcome: Outcome, breaks: int) -> str:
    """What the road found, which a wrong generator or a road that cuts corners could not say.

    Raises:
        SystemExit: It is not what was put in; times of a wrong answer are worth nothing.
    """
    found = [one for one in outcome.report.discrepancies if one.domain == "position"]
    explained = sum(one.cause.residual == 0 for one in found)
    if len(found) != breaks or explained != breaks:
        sys.exit(f"put in {breaks} breaks, found {len(found)}, explained {explained}: the times mean nothing")
    return f"    {breaks} breaks put in, {len(found)} found, {explained} explained; status {outcome.report.status}\n"


def stages(rows: int) -> None:
    """The road from records in memory, in step and with one row in a hundred broken."""
    level = accounts(rows, random.Random(SEED), breaks=Decimal(0))
    broken = accounts(rows, random.Random(SEED))
    repeats = 7 if rows <= 10_000 else 3 if rows <= PARSED else 1
    for name, sides in (("in step", level), ("1 % broken", broken)):
        local, broker = map(_amounts, sides)
        bare = measure(f"bare loop, {name}", partial(bare_loop, local, broker), rows, repeats=repeats)
        measure(f"compare, {name}", partial(_compare, sides), rows, bare, repeats)
        measure(f"whole road, {name}", partial(_road, sides), rows, bare, repeats)
        sys.stdout.write(_proven(_road(sides), len(bare_loop(local, broker))))
    orders = accounts(0, random.Random(SEED), orders=rows)
    measure("whole road, orders in step", partial(_road, orders), rows, bare, repeats)
    if _road(orders).report.status != "matched":
        sys.exit("orders in step were not matched: the times mean nothing")


def parsing(rows: int) -> None:
    """Reading a file's bytes, every check included."""
    repeats = 7 if rows <= 10_000 else 4
    for name, sides in (
        ("positions", accounts(rows, random.Random(SEED), breaks=Decimal(0))),
        ("orders", accounts(0, random.Random(SEED), orders=rows)),
    ):
        short, long = _written(sides)[0], encode(sides[0])
        measure(
            f"decode {name}, {len(short) // rows} B a row",
            partial(decode_snapshot, short, "f"),
            rows,
            None,
            repeats,
        )
        measure(f"decode {name}, nulls written out", partial(decode_snapshot, long, "f"), rows, None, repeats)
        measure(f"encode {name}", partial(encode, sides[0]), rows, None, repeats)


def importing() -> None:
    """What `import tieout` adds to a bare interpreter, and that it loads nothing heavy."""
    bare = min(_seconds(lambda: _python("pass")) for _ in range(10))
    ours = min(_seconds(lambda: _python("import tieout")) for _ in range(10))
    loaded = _python(f"import sys, tieout; print(*(set({UNWANTED}) & set(sys.modules)))").split()
    sys.stdout.write(f"  import tieout {(ours - bare) * 1e3:.1f} ms above the bare interpreter's {bare * 1e3:.1f} ms\n")
    sys.stdout.write(f"  loaded with it of {', '.join(UNWANTED)}: {', '.join(loaded) or 'none'}\n")
    if loaded:
        sys.exit("import tieout pulls in what it must not")


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def commands() -> None:
    """Whole processes of `tieout compare`, from start to exit."""
    if not TIEOUT.exists():
        sys.stdout.write(f"  skipped: {TIEOUT.relative_to(ROOT)} is not there; `make check` installs it\n")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows, breaks, repeats in ((10, "0", 10), (10, "0.1", 10), (100_000, "0", 3), (100_000, "0.01", 3)):
            sides = _written(accounts(rows, random.Random(SEED), breaks=Decimal(breaks)))
            for side, raw in zip(("local.json", "broker.json"), sides, strict=True):
                (folder / side).write_bytes(raw)
            runs = [_command(folder, due=1 if Decimal(breaks) else 0) for _ in range(repeats)]
            seconds, peak = min(run.seconds for run in runs), max(run.peak for run in runs)
            what = f"{rows} rows a side, {Decimal(breaks):.0%} broken"
            sys.stdout.write(f"  tieout compare, {what:<34}{seconds * 1e3:>8.0f} ms{peak / 2**20:>8.0f} MiB\n")
            sys.stdout.flush()


# A process inherits the peak of whoever starts it until it has become itself, and this one is large by now. So a small
# interpreter stands between, which says what it saw: seconds, exit status, most memory in KiB.
STARTER = """
import os, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(time.perf_counter() - start, os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def _command(folder: Path, due: int) -> Cost:
    """One run, whose exit status has to be *due*; its memory is what the system gave the process at most."""
    compare_files = [str(TIEOUT), "compare", "local.json", "broker.json", "--format", "json", "--output", "report.json"]
    starter = [sys.executable, "-S", "-E", "-c", STARTER, *compare_files]
    said = subprocess.run(starter, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, status, peak = said.split()[-3:]
    if int(status) != due:
        sys.exit(f"tieout compare ended with {status} where {due} is due: the times mean nothing")
    return Cost(float(seconds), int(peak) * 1024)


def main() -> None:
    """Print every table."""
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    sys.stdout.write(f"{'From records in memory':<46}{'rows':>8}{'a row':>14}{'to loop':>10}{'peak a row':>11}\n")
    for rows in sizes:
        stages(rows)
    sys.stdout.write(f"\n{'From and to bytes':<46}{'rows':>8}{'a row':>14}{'':>10}{'peak a row':>11}\n")
    for rows in sizes:
        if rows <= PARSED:
            parsing(rows)
    sys.stdout.write("\nStarting\n")
    importing()
    sys.stdout.write("\nWhole processes\n")
    commands()
    record_log.report()
    record_cost.report()
    engine_latency.report()


if __name__ == "__main__":
    main()
