"""What is pinned is what is needed: lock files hold every library that pyproject.toml names for them, and name no host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.test_layers import LIBRARIES
from tieout.serve.extras import EXTRA_OF

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RUNS = ("service", "brokers", "live")  # what `make demo` needs
# What comes with another library of ours, and what is not of an extra.
WITH_OTHERS = {"yarl", "markupsafe", "starlette", "pydantic"}


def named(requirements: list[str]) -> set[str]:
    """The packages of requirements, as they are named in lock files."""
    found = {re.split(r"[^A-Za-z0-9_.-]", each)[0] for each in requirements}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def locked(file: str) -> set[str]:
    """The packages that a lock file pins."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return named([line.partition("==")[0] for line in lines if "==" in line and not line.startswith(" ")])


@pytest.mark.parametrize(
    ("file", "extras"), [("requirements.txt", RUNS), ("requirements-dev.txt", tuple(PROJECT["optional-dependencies"]))]
)
def test_a_lock_file_holds_what_is_named(file: str, extras: tuple[str, ...]) -> None:
    """A library that was added to pyproject.toml and not locked would be missing on a clean clone alone."""
    wanted = named(PROJECT["dependencies"])
    for extra in extras:
        wanted |= named(PROJECT["optional-dependencies"][extra])
    assert wanted <= locked(file)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_file_names_no_host(file: str) -> None:
    """Whoever installs takes what their own registry has, under the same hashes."""
    assert "://" not in (ROOT / file).read_text("utf-8")


def test_every_library_is_of_an_extra_that_a_person_can_be_told() -> None:
    """Where one is not installed, the sentence says which extra has it."""
    base = {name.replace("-", "_") for name in named(PROJECT["dependencies"])}
    assert set(LIBRARIES) - base - WITH_OTHERS - set(EXTRA_OF) == set()
