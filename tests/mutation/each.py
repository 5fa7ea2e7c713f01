"""A pytest plugin that collects the tests once and then lets each mutant meet its own, in a process forked off for it.

mutmut's runner collects anew for each mutant, which takes longer than most mutants live.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test

RESULTS = Path("results.txt")  # a line for each mutant: its name, its verdict, the test that noticed it
WANTED = "TIEOUT_MUTANTS"  # a pattern of names
SECONDS, TIMES = 20, 5  # a mutant's time on a core: so many seconds, and its tests' own time so many times
ASLEEP_TIMES = 10  # and so many times that, for what waits for ever


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of the work is ours: part *i* of *n*, for as many processes as there are cores."""
    parser.addoption("--part", default="0/1")


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of running the tests: run them for one mutant after another, until the first that fails."""
    stats = json.loads(Path("mutmut-stats.json").read_text("utf-8"))
    took: dict[str, float] = stats["duration_by_test"]
    reached = {name: set(tests) for name, tests in stats["tests_by_mangled_function_name"].items()}
    killers: dict[str, Counter[str]] = defaultdict(Counter)
    known = {line.split("\t")[0] for line in RESULTS.read_text("utf-8").splitlines()} if RESULTS.exists() else set()
    part, parts = (int(number) for number in session.config.getoption("part").split("/"))
    for name in [name for name in mutants(os.environ.get(WANTED, "*"))[part::parts] if name not in known]:
        function = name.partition("__mutmut_")[0]
        items = [item for item in session.items if item.nodeid in reached.get(function, ())]
        here, anywhere = killers[function], killers[""]
        items.sort(key=lambda item: (-here[item.nodeid], -anywhere[item.nodeid], took.get(item.nodeid, 0.0)))
        seconds = SECONDS + TIMES * sum(took.get(item.nodeid, 0.0) for item in items)
        verdict, killer = _judged(name, items, int(seconds)) if items else ("no tests", "")
        here[killer] += 1
        anywhere[killer] += 1
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"{name}\t{verdict}\t{killer}\n")
    return True


def mutants(pattern: str) -> list[str]:
    """The names of all mutants that *pattern* fits, shuffled and always alike: the first so many are a fair sample."""
    found: list[str] = []
    for meta in sorted(Path("src").rglob("*.meta")):
        found += json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
    random.Random(1).shuffle(found)
    return [name for name in found if fnmatch(name, pattern)]


def _judged(name: str, items: Sequence[pytest.Item], seconds: int) -> tuple[str, str]:
    """The verdict, and the test that noticed."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        # The default of both is the process's end. Its own time counts: on a busy machine all else would look like a loop.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.alarm(seconds * ASLEEP_TIMES)
        set_mutant_under_test(name)
        sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
        noticed = next((item.nodeid for item in items if _fails(item)), "")
        os.write(tell, noticed.encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        noticed = pipe.read().decode()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended in (-signal.SIGPROF, -signal.SIGALRM):
        return "timeout", ""
    if ended != 0:
        return "killed", "the process itself"
    return ("killed", noticed) if noticed else ("survived", "")


def _fails(item: pytest.Item) -> bool:
    from _pytest.runner import runtestprotocol

    return any(report.failed for report in runtestprotocol(item, nextitem=None, log=False))
