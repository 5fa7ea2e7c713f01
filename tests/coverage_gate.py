"""Fails unless the branches of the folders that judge money are covered. Run after `pytest --cov`; see the Makefile.

Branch coverage of a folder is the branches taken over the branches there are, in all its files, run or not.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

from coverage import Coverage
from coverage.exceptions import CoverageException

ROOT = Path(__file__).parents[1]
FOLDERS = ("model", "compare", "explain", "decide", "observe")
LEAST = Decimal(90)


def measured() -> dict[str, Any]:
    """The report on the data file, by file.

    Raises:
        CoverageException: There is no data, or none that can be reported.
    """
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(report))
        files: dict[str, Any] = json.loads(report.read_text("utf-8"))["files"]
    return files


def branches(files: Mapping[str, Any], folder: str) -> tuple[int, int]:
    """Branches taken and branches there are in a folder of src/tieout."""
    inside = [file["summary"] for path, file in files.items() if f"src/tieout/{folder}/" in Path(path).as_posix()]
    return sum(one["covered_branches"] for one in inside), sum(one["num_branches"] for one in inside)


def percentage(taken: int, there: int) -> Decimal:
    """Cut, not rounded: 89.99 is not 90."""
    return (Decimal(100) * taken / there).quantize(Decimal("0.1"), ROUND_DOWN)


def verdict(files: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The table, and a line for each folder that falls short."""
    table = [f"{'branches of':<14}{'taken':>7}{'of':>7}{'percent':>9}"]
    short = []
    for folder in FOLDERS:
        taken, there = branches(files, folder)
        if not there:
            short.append(f"src/tieout/{folder}: no branch was measured; run pytest with --cov first")
            continue
        part = percentage(taken, there)
        table.append(f"{folder:<14}{taken:>7}{there:>7}{part:>9}")
        if part < LEAST:
            short.append(f"src/tieout/{folder}: {part} % of the branches are covered, {LEAST} % are due")
    return table, short


def main() -> int:
    """Print the table; 1 where a folder falls short."""
    try:
        table, short = verdict(measured())
    except CoverageException as error:
        sys.stderr.write(f"no coverage to judge ({error}); run pytest with --cov first\n")
        return 1
    sys.stdout.write("\n".join(table) + "\n")
    sys.stderr.write("".join(f"{line}\n" for line in short))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
