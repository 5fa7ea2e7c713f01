"""A pytest plugin for runs by the thousand: few examples, always the same, none made smaller."""

from __future__ import annotations

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fewer examples where a test asks for many."""
    for item in items:
        test = getattr(item, "obj", None)
        asked = getattr(test, SETTINGS, None)
        if asked is not None and asked.max_examples > EXAMPLES:
            setattr(test, SETTINGS, settings(asked, max_examples=EXAMPLES))
