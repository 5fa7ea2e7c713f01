"""The house as a table: which folder may import which, and what the pure folders must not touch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("source")  # one process parses it all
SOURCE = Path(__file__).parents[1] / "src" / "tieout"

# Folder or top-level module -> what it may import within tieout, besides itself. A dotted entry opens one module only.
EVERYTHING = frozenset(("*",))
STAGES = frozenset(("observe", "compare", "explain", "decide", "act", "record"))
PORTS = frozenset(("model", "errors", "clock", "spans", "brokers.base", "brokers.streams.base", "books.base"))
ALLOWED: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "clock": frozenset(),
    "spans": frozenset(),
    "model": frozenset(("errors",)),
    "compare": frozenset(("model", "errors")),
    "explain": frozenset(("model", "errors")),
    "decide": frozenset(("model", "errors")),
    "observe": PORTS,
    "act": PORTS,
    "record": PORTS,
    "brokers": frozenset(("model", "errors", "clock")),
    "books": frozenset(("model", "errors", "clock")),
    "config": frozenset(("model", "errors", "decide", "record.settings")),
    "live": PORTS
    | frozenset(("halts.base", "books", "observe", "compare", "explain", "decide", "act", "record", "config")),
    "sides": PORTS | frozenset(("brokers", "books", "config")),
    "halts": frozenset(("model", "errors", "clock", "books")),
    "halting_sides": frozenset(("config", "errors", "halts", "books", "sides")),
    "local_sides": PORTS | frozenset(("books", "config", "sides")),
    "bootstrap": PORTS
    | STAGES
    | frozenset(("brokers", "books", "live", "config", "sides", "local_sides", "halting_sides", "halts.base")),
    "client": frozenset(("model", "errors", "clock", "books")),
    "serve": EVERYTHING,
    "__init__": EVERYTHING,  # names the library, and fetches each name where it is first used
    "__main__": frozenset(("serve",)),
}
PURE = ("model", "compare", "explain", "decide")
JUDGING = frozenset(("compare", "explain", "decide"))
KNOWS_THE_ORDER = {"live/road.py"}
READS = {"live/reconciler.py"}  # one stage before the road
ACTS = {"live/keeping.py"}  # and two after it: record, then act, then record
REJUDGES = {"live/rejudging.py"}  # takes what was recorded through the road once more, and acts on nothing
NAMES_BOTH = {"live/account.py"}  # says what reading and deciding are set to, and calls neither
TELLS = {"live/telling.py"}  # takes what waits out of the record to those who send it, beside the road

# Third-party package -> the folders that may import it.
LIBRARIES: dict[str, frozenset[str]] = {
    "msgspec": EVERYTHING,
    "ccxt": frozenset(("brokers",)),
    "ib_async": frozenset(("brokers",)),
    "ibflex": frozenset(("brokers",)),
    "pyarrow": frozenset(("brokers",)),
    "aiohttp": frozenset(("halts", "brokers", "record", "books", "serve")),
    "yarl": frozenset(("brokers",)),  # aiohttp's own
    "tenacity": frozenset(("brokers",)),
    "pyrate_limiter": frozenset(("brokers", "serve")),
    "pwdlib": frozenset(("serve",)),
    "sqlalchemy": frozenset(("record", "books")),  # books that are in somebody's database
    "alembic": frozenset(("record",)),
    "cryptography": frozenset(("brokers", "record", "serve")),
    "joserfc": frozenset(("serve",)),
    "rfc3161_client": frozenset(("record",)),
    "rich": frozenset(("serve",)),
    "jinja2": frozenset(("serve",)),
    "markupsafe": frozenset(("serve",)),  # jinja2's own
    "cyclopts": frozenset(("serve",)),
    "apscheduler": frozenset(("live",)),
    "apprise": frozenset(("act",)),
    "fastapi": frozenset(("serve",)),
    "starlette": frozenset(("serve",)),  # fastapi's own
    "uvicorn": frozenset(("serve",)),
    "nicegui": frozenset(("serve",)),
    "prometheus_client": frozenset(("serve",)),
    "structlog": frozenset(("serve",)),
    "opentelemetry": frozenset(("serve",)),
    "pydantic": frozenset(("serve",)),  # fastapi's own
}

IMPURE_MODULES = frozenset(
    "asyncio threading multiprocessing concurrent time logging warnings os pathlib io shutil tempfile socket subprocess "
    "sqlite3 random secrets urllib http".split()
)
# codec.read_bytes is the one place in the model that meets a disk.
MAY_READ = {"model/codec.py"}
READING = frozenset(("pathlib", "open"))


@cache
def parsed(path: str) -> ast.Module:
    """A module of the package; parsed by whoever runs a test of it, for each process imports this file."""
    return ast.parse((SOURCE / path).read_bytes(), path)


def layer(path: str) -> str:
    """The row of the table that a module belongs to."""
    return path.split("/")[0].removesuffix(".py")


def dotted(path: str) -> str:
    """A module's name within tieout."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = tuple(path.relative_to(SOURCE).as_posix() for path in sorted(SOURCE.rglob("*.py")))
LAYERS = {name: tuple(path for path in MODULES if layer(path) == name) for name in sorted(map(layer, MODULES))}
NAMES = {dotted(path) for path in MODULES}
FULL_NAMES = {f"tieout.{name}" for name in NAMES}


def imported(tree: ast.AST, path: str) -> Iterator[tuple[int, str]]:
    """Every absolute module name that *tree* imports, at any depth, under TYPE_CHECKING or as a name to fetch later."""
    package = ["tieout", *path.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # What is imported from a folder may itself be a module of it.
            inner = [f"{base}.{alias.name}" for alias in node.names]
            found = [name for name in inner if name.removeprefix("tieout.") in NAMES]
            yield from ((node.lineno, name) for name in found or [base])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in FULL_NAMES:
            yield node.lineno, node.value


def permits(row: frozenset[str], target: str) -> bool:
    """Whether a row of the table opens *target*, a module's name within tieout."""
    return "*" in row or any(target == opened or target.startswith(opened + ".") for opened in row)


def foreign(path: str) -> list[tuple[int, str]]:
    """What a module imports of other rows, by name within tieout."""
    found = [(line, name.removeprefix("tieout.")) for line, name in imported(parsed(path), path)
             if name.startswith("tieout.") or name == "tieout"]  # fmt: skip
    return [(line, "__init__" if name == "tieout" else name) for line, name in found if layer_of(name) != layer(path)]


def layer_of(name: str) -> str:
    """The row that a dotted name within tieout belongs to."""
    return name.split(".")[0]


def test_every_folder_has_a_row_and_every_row_a_folder() -> None:
    """The table knows every folder there is, and names none that is gone."""
    there = {layer(path) for path in MODULES}
    assert there - ALLOWED.keys() == set(), "add a row to ALLOWED in tests/test_layers.py"
    assert ALLOWED.keys() - there == set(), "take the row out of ALLOWED in tests/test_layers.py"


def test_every_entry_of_a_row_is_there() -> None:
    """A row opens only folders and modules that exist, so that the table cannot promise what is gone."""
    opened = {name for row in ALLOWED.values() for name in row} - {"*"}
    assert {name for name in opened if name not in NAMES} == set()
    assert set(MODULES) >= KNOWS_THE_ORDER | MAY_READ


@pytest.mark.parametrize("folder", LAYERS)
def test_imports_keep_to_the_table(folder: str) -> None:
    """A module imports only what its folder's row opens, even inside functions and for types."""
    row = ALLOWED.get(folder, frozenset())
    wrong = [f"{path}:{line} imports {name}" for path in LAYERS[folder] for line, name in foreign(path)
             if not permits(row, name)]  # fmt: skip
    assert not wrong, f"{wrong}; {folder} may import {sorted(row) or 'nothing'}"


def several(among: frozenset[str]) -> set[str]:
    """The modules of live and of the stages that import more than one of the stages *among*."""
    inside = [path for path in MODULES if layer(path) in STAGES | {"live"}]
    return {path for path in inside if len({layer_of(name) for _, name in foreign(path)} & among) > 1}


def test_the_order_of_the_stages_is_written_once() -> None:
    """One module puts the judging stages in a row, one reads before it, one records and acts after; no other sees two."""
    assert several(JUDGING) == KNOWS_THE_ORDER
    assert several(STAGES) == KNOWS_THE_ORDER | READS | ACTS | REJUDGES | NAMES_BOTH | TELLS


def test_stages_never_import_each_other() -> None:
    """No row of a stage opens another stage, so that the table itself cannot be widened by mistake."""
    assert not any(permits(ALLOWED[stage], other) for stage in STAGES & ALLOWED.keys() for other in STAGES - {stage})


@pytest.mark.parametrize("folder", LAYERS)
def test_libraries_stay_in_their_folders(folder: str) -> None:
    """A third-party package is imported only where the table says, and an SDK never outside the adapters."""
    known = sys.stdlib_module_names | {"tieout", "__future__"}
    found = [(path, line, name.split(".")[0]) for path in LAYERS[folder] for line, name in imported(parsed(path), path)]
    wrong = [f"{path}:{line} imports {name}" for path, line, name in found
             if name not in known and not permits(_where(name), folder)]  # fmt: skip
    assert not wrong, f"{wrong}; see LIBRARIES in tests/test_layers.py"


def _where(package: str) -> frozenset[str]:
    return LIBRARIES.get(package, frozenset())


ASYNC = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)


def impurities(tree: ast.AST, path: str) -> Iterator[str]:
    """What a pure module must not contain, each with its line."""
    excused = READING if path in MAY_READ else frozenset()
    for line, name in imported(tree, path):
        if name.split(".")[0] in IMPURE_MODULES - excused:
            yield f"{path}:{line} imports {name}: the pure folders get it as an argument"
    for node in ast.walk(tree):
        if isinstance(node, ASYNC):
            yield f"{path}:{node.lineno} is async: fetch in observe, hand over values"
        elif isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
            yield f"{path}:{node.lineno} has a float literal: write Decimal(text)"
        elif isinstance(node, ast.Call):
            yield from (f"{path}:{node.lineno} calls {why}" for why in _impure_call(node, excused))


def _impure_call(node: ast.Call, excused: frozenset[str]) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name == "float":
        yield "float(): read decimals with tieout.model.amounts.dec"
    if name in ("open", "read_text", "read_bytes", "write_text", "write_bytes", "input", "print") and not excused:
        yield f"{name}(): the pure folders read and write nothing"
    if name in ("now", "utcnow", "today") and isinstance(node.func, ast.Attribute):
        yield f"{name}(): now is an argument"


@pytest.mark.parametrize("folder", [folder for folder in LAYERS if folder in PURE])
def test_pure_folders_are_pure(folder: str) -> None:
    """Neither async nor clock nor logging nor disk nor float: the same input gives the same output, to the byte."""
    assert [wrong for path in LAYERS[folder] for wrong in impurities(parsed(path), path)] == []


@pytest.mark.parametrize(
    "code",
    ["async def f(): ...", "x = 1.5", "float(x)", "import os", "from pathlib import Path", "def f():\n    import logging",
     "open('x')", "datetime.now(UTC)", "if TYPE_CHECKING:\n    import time", "path.read_text()"],
)  # fmt: skip
def test_an_impurity_is_seen(code: str) -> None:
    """The check itself finds each of the things it is there for."""
    assert list(impurities(ast.parse(code), "compare/x.py"))


@pytest.mark.parametrize(
    ("code", "path", "name"),
    [
        ("from tieout.model import codec", "compare/x.py", "tieout.model.codec"),
        ("from ..model.codec import encode", "compare/x.py", "tieout.model.codec"),
        ("from . import values", "compare/x.py", "tieout.compare.values"),
        ("def f():\n    import tieout.clock", "compare/x.py", "tieout.clock"),
        ("if TYPE_CHECKING:\n    from tieout.clock import Clock", "compare/x.py", "tieout.clock"),
        ("import_module('tieout.clock')", "compare/x.py", "tieout.clock"),
    ],
)
def test_an_import_is_seen_however_it_is_written(code: str, path: str, name: str) -> None:
    """Relative, inside a function, for types or by name: an import is an import."""
    assert name in [found for _, found in imported(ast.parse(code), path)]
