"""The library's front door: what it names is there, once, with a sentence about it."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import tieout

INIT = Path(tieout.__file__)


def test_the_list_is_sorted_and_has_no_doubles() -> None:
    """What the library offers can be looked up by eye."""
    assert list(tieout.__all__) == sorted(set(tieout.__all__))


@pytest.mark.parametrize("name", tieout.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    """Each name leads to a class or function of ours that has a docstring of its own."""
    value = getattr(tieout, name)
    assert inspect.isclass(value) or inspect.isfunction(value)
    assert value.__module__.startswith("tieout.")
    assert (value.__doc__ or "").strip()


@pytest.mark.parametrize("name", tieout.__all__)
def test_a_name_means_one_thing(name: str) -> None:
    """Asking twice gives the same object, so that isinstance can be trusted."""
    assert getattr(tieout, name) is getattr(tieout, name)


def test_what_a_type_checker_sees_is_what_there_is() -> None:
    """The names imported for type checkers are the names that are offered."""
    tree = ast.parse(INIT.read_bytes())
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [step for block in blocks for step in block.body if isinstance(step, ast.ImportFrom)]
    seen = {alias.asname or alias.name: (step.module, alias.name) for step in imports for alias in step.names}
    assert sorted(seen) == sorted(tieout.__all__)
    for name, (module, original) in seen.items():
        value = getattr(tieout, name)
        assert value.__name__ == original
        home = value.__module__
        assert module is not None
        assert home == module or home.startswith(module + ".")


def test_a_name_that_is_not_there_is_refused() -> None:
    """A misspelt name fails as it does in any module."""
    with pytest.raises(AttributeError, match="PositionReconcilers"):
        getattr(tieout, "PositionReconciler" + "s")


def test_the_version_is_the_project_s() -> None:
    """The package and its metadata tell the same version."""
    project = (INIT.parents[2] / "pyproject.toml").read_text("utf-8")
    assert f'version = "{tieout.__version__}"' in project
