"""Importing: the package costs nothing until it is used, no module needs another one first, and SDKs stay outside."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tieout"
HEAVY = (
    "ccxt",
    "aiohttp",
    "sqlalchemy",
    "jinja2",
    "rich",
    "cyclopts",
    "pydantic",
    "nicegui",
    "dbos",
    "fastapi",
    "asyncio",
)


def names() -> list[str]:
    """Every module of the package but the one that runs it, and alembic's script, which runs inside alembic only."""
    paths = [path.relative_to(SOURCE.parent).with_suffix("") for path in sorted(SOURCE.rglob("*.py"))]
    dotted = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    return [name for name in dotted if not name.endswith(("__main__", "migrations.env"))]


@lru_cache
def loaded_by(statement: str) -> frozenset[str]:
    """The top-level packages that a fresh interpreter has after *statement*."""
    code = f"import sys; {statement}; print('loaded:', *sorted({{name.split('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return frozenset(ran.stdout.split("loaded:")[-1].split())


@pytest.mark.parametrize("package", HEAVY)
def test_the_package_itself_costs_nothing(package: str) -> None:
    """`import tieout` pulls in no SDK, no database, no template engine and no event loop."""
    assert package not in loaded_by("import tieout")


@pytest.mark.parametrize("package", ["ccxt", "aiohttp", "sqlalchemy", "jinja2"])
def test_the_commands_start_without_what_they_may_not_need(package: str) -> None:
    """The command line loads brokers' SDKs and templates only when a command asks for them."""
    assert package not in loaded_by("import tieout.serve.cli")


@pytest.mark.parametrize("package", ["ccxt", "aiohttp", "rich", "jinja2", "cyclopts"])
def test_the_library_needs_neither_sdk_nor_terminal(package: str) -> None:
    """Embedding the reconciler loads neither a broker's SDK nor anything that draws."""
    assert package not in loaded_by("import tieout.live.reconciler")


def test_every_module_imports_without_a_warning() -> None:
    """All modules load in one process, optional libraries included, with warnings as errors."""
    assert "tieout" in loaded_by("; ".join(f"import {name}" for name in names()))


def needed_at_once(name: str, known: frozenset[str]) -> set[str]:
    """The modules that *name* imports when it is loaded: neither in functions nor for types."""
    path = SOURCE.parent.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    # A folder's own __init__ is loaded before its modules, which is no circle as long as it does not read from them.
    return {one for one in found & known if not name.startswith(one + ".")}


def test_no_module_waits_for_itself() -> None:
    """Modules import each other in no circle, so that any of them can be loaded first."""
    known = frozenset(names())
    needs = {name: needed_at_once(name, known) for name in known}
    settled: set[str] = set()
    while ready := {name for name in known - settled if needs[name] <= settled}:
        settled |= ready
    assert sorted(known - settled) == []
