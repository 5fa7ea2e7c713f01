"""A pytest plugin for runs by the thousand: likely killers first, few examples, always the same, none made smaller."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, settings

EXAMPLES = 15
SETTINGS = "_hypothesis_internal_use_settings"  # where Hypothesis keeps what `@settings` said

settings.register_profile(
    "mutants",
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("mutants")


def _durations() -> dict[str, float]:
    """What each test took when mutmut first ran them all; empty during that run."""
    path = Path("mutmut-stats.json")
    found: dict[str, float] = json.loads(path.read_text("utf-8"))["duration_by_test"] if path.exists() else {}
    return found


KILLERS = Path("killers.txt")


def _function() -> str:
    """The function that is mutated in this process."""
    return os.environ.get("MUTANT_UNDER_TEST", "").partition("__mutmut_")[0]


def _killers(function: str) -> Counter[str]:
    """How often each test has noticed a change: of this very function counts most."""
    counted: Counter[str] = Counter()
    for line in KILLERS.read_text("utf-8").splitlines() if KILLERS.exists() else ():
        name, _, test = line.partition(" ")
        counted[test] += 1000 if name == function else 1
    return counted


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember which test noticed."""
    if report.failed and _function().startswith("tieout."):
        with KILLERS.open("a", encoding="utf-8") as file:
            file.write(f"{_function()} {report.nodeid}\n")


WANTED = pytest.StashKey[frozenset[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Files are collected in half the time that their tests take, named one by one."""
    if all("::" in name for name in config.args):
        config.stash[WANTED] = frozenset(config.args)
        config.args = sorted({name.partition("::")[0] for name in config.args})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fewer examples where a test asks for many, and a survivor's killer found early."""
    if WANTED in config.stash:
        items[:] = [item for item in items if item.nodeid in config.stash[WANTED]]
    for item in items:
        test = getattr(item, "obj", None)
        asked = getattr(test, SETTINGS, None)
        if asked is not None and asked.max_examples > EXAMPLES:
            setattr(test, SETTINGS, settings(asked, max_examples=EXAMPLES))
    took, killed = _durations(), _killers(_function())
    items.sort(key=lambda item: (-killed[item.nodeid], took.get(item.nodeid, 0.0)))
