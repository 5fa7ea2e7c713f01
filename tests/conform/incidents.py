"""The recorded incidents, by `tieout replay` and through the live engine, judged by the checker that comes with them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conform.output import say

TIEOUT = Path(sys.executable).with_name("tieout")
VERDICT = re.compile(r"(\d+)/(\d+) incidents as expected")


def run(shared: Path) -> tuple[int, int]:
    """How many verdicts were as expected, and how many were not; a checker that says nothing is one failure."""
    folders = sorted(str(path.parent) for path in (shared / "incidents").glob("*/observations.jsonl"))
    if not folders:
        say("incidents: none here")
        return 0, 1
    ways = (str(TIEOUT), f"{sys.executable} {Path(__file__).with_name('live.py')}")
    judged = [_judged(shared, way, folders) for way in ways]
    return sum(right for right, _ in judged), sum(wrong for _, wrong in judged)


def _judged(shared: Path, tieout: str, folders: list[str]) -> tuple[int, int]:
    command = [sys.executable, str(shared / "incidents" / "check.py"), "--tieout", tieout, *folders]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    say(said.stdout.strip() or said.stderr.strip())
    verdict = VERDICT.search(said.stdout)
    if verdict is None:
        return 0, 1
    right, all_of_them = int(verdict[1]), int(verdict[2])
    clean = "harmful actions 0; false alarms 0" in said.stdout
    return (right, all_of_them - right) if clean else (0, all_of_them)
