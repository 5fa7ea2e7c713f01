"""A pytest plugin for runs by the thousand: the quick tests first, few examples, always the same, none made smaller."""

from __future__ import annotations

import json
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
    took = _durations()
    items.sort(key=lambda item: took.get(item.nodeid, 0.0))
