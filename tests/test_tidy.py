"""The house's habits, executed: bans that say what to write instead, and sizes that may only shrink."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("source")  # one process parses it all
ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tieout"
WRITTEN = "record/store/migrations/versions/"  # migrations are written by alembic, once, and never touched again

# The present maxima. They may only go down; test_the_ratchet_is_tight says when they can.
RATCHET = {"lines of a module": 322, "lines of a function": 48, "methods of a class": 20, "depth of nesting": 4}
HARD = {"lines of a module": 350, "lines of a function": 60, "methods of a class": 20, "depth of nesting": 4}
SLACK = {"lines of a module": 40, "lines of a function": 10, "methods of a class": 4, "depth of nesting": 1}

# Where whatever is raised ends, for behind it there is nobody: a task of the schedule.
EDGES = frozenset(("live/watch.py",))

Function = ast.FunctionDef | ast.AsyncFunctionDef
Nodes = Iterable[ast.AST]
Found = Iterator[tuple[int, str]]


@cache
def modules() -> dict[str, str]:
    """The text of each module. Read once, and by whoever runs a test of it: each process imports this file."""
    return {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in sorted(SOURCE.rglob("*.py"))}


@cache
def nodes_of(path: str) -> list[ast.AST]:
    """All nodes of a module, the module itself first."""
    return list(ast.walk(ast.parse(modules()[path], path)))


def nowhere(path: str) -> bool:
    """No module is excused."""
    return False


def _adapter(path: str) -> bool:
    return path.startswith("brokers/") and path != "brokers/base.py"


def _parses(path: str) -> bool:
    return _adapter(path) or path in ("model/diagnose.py", "model/snapshot.py", "model/codec.py")


def _talks(path: str) -> bool:
    return path.startswith("serve/") or path == "brokers/simulated/server.py"


def _edge(path: str) -> bool:
    return path in EDGES


def _clock(path: str) -> bool:
    return path == "clock.py"


def _calls(*names: str) -> Callable[[Nodes], Found]:
    """Finds calls by their dotted name, or by the end of it."""
    lasts = {name.rpartition(".")[2] for name in names}

    def find(nodes: Nodes) -> Found:
        for node in nodes:
            # Only what ends alike is written out: that takes long.
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in lasts:
                called = ast.unparse(node.func)
                if any(called == name or called.endswith("." + name) for name in names):
                    yield node.lineno, called + "("

    return find


def _float_calls(nodes: Nodes) -> Found:
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            yield node.lineno, "float("


def _loose_dicts(nodes: Nodes) -> Found:
    for node in nodes:
        if (
            isinstance(node, ast.Subscript)
            and getattr(node.value, "id", None) == "dict"
            and ast.unparse(node) == "dict[str, Any]"
        ):
            yield node.lineno, "dict[str, Any]"


def _broad_excepts(nodes: Nodes) -> Found:
    for node in nodes:
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            if re.search(r"\b(Base)?Exception\b", caught) or not caught:
                yield node.lineno, f"except {caught}".strip()


def _silent_excepts(nodes: Nodes) -> Found:
    for node in nodes:
        if isinstance(node, ast.ExceptHandler) and all(isinstance(step, ast.Pass) for step in node.body):
            yield node.lineno, "pass in an except"


Ban = tuple[str, Callable[[Nodes], Found], Callable[[str], bool], str]
BANS: tuple[Ban, ...] = (
    ("float", _float_calls, nowhere, "tieout.model.amounts.dec for amounts, an int or a timedelta for times"),
    ("now", _calls("datetime.now", "datetime.utcnow", "datetime.today", "date.today"), _clock, "tieout.clock"),
    ("time", _calls("time.time", "time.monotonic", "time.time_ns", "time.perf_counter"), _clock, "tieout.clock"),
    ("sleep", _calls("time.sleep", "asyncio.sleep"), _clock, "Clock.sleep"),
    (
        "random",
        _calls("random.random", "random.randint", "random.choice", "uuid4", "uuid1"),
        nowhere,
        "a seeded Random",
    ),
    ("print", _calls("print"), _talks, "a returned value, or a structured log"),
    ("dict", _loose_dicts, _parses, "a frozen Struct; loose objects end in the adapter that met them"),
    ("broad", _broad_excepts, _edge, "the failure that is meant, from tieout.errors"),
    ("silent", _silent_excepts, nowhere, "what the failure means, or contextlib.suppress with a reason"),
)


@pytest.mark.parametrize("name", [ban[0] for ban in BANS])
def test_banned(name: str) -> None:
    """What the house does not write is not written, and the message says what it writes instead."""
    ((_, find, excused, instead),) = [ban for ban in BANS if ban[0] == name]
    wrong = [
        f"{path}:{line}: {what} is banned, use {instead}"
        for path in modules()
        if not excused(path)
        for line, what in find(nodes_of(path))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("float", "x = float(y)"),
        ("now", "datetime.datetime.now(UTC)"),
        ("time", "time.time()"),
        ("sleep", "asyncio.sleep(1)"),
        ("random", "uuid.uuid4()"),
        ("print", "print(1)"),
        ("dict", "x: dict[str, Any] = {}"),
        ("broad", "try: f()\nexcept Exception: g()"),
        ("broad", "try: f()\nexcept: g()"),
        ("broad", "try: f()\nexcept (ValueError, BaseException) as e: g()"),
        ("silent", "try: f()\nexcept ValueError: pass"),
    ],
)
def test_a_ban_bites(name: str, code: str) -> None:
    """Each ban finds what it is there for."""
    (find,) = [ban[1] for ban in BANS if ban[0] == name]
    assert list(find(ast.walk(ast.parse(code))))


def test_an_edge_catches_everything_once() -> None:
    """A module that is excused has one broad except, and one only."""
    assert {path: len(list(_broad_excepts(nodes_of(path)))) for path in EDGES} == dict.fromkeys(EDGES, 1)


def functions(nodes: Nodes) -> Iterator[Function]:
    """Every function, methods and inner ones included."""
    return (node for node in nodes if isinstance(node, Function))


BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def depth(node: ast.AST) -> int:
    """How deep blocks stand in each other; an elif stands beside its if, an inner function begins anew."""
    deepest = 0
    for name, value in ast.iter_fields(node):
        children = [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]
        beside = (
            isinstance(node, ast.If) and name == "orelse" and len(children) == 1 and isinstance(children[0], ast.If)
        )
        for child in children:
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                step = isinstance(child, BLOCKS) and not beside
                deepest = max(deepest, depth(child) + step)
    return deepest


@cache
def sizes() -> dict[str, list[tuple[int, str]]]:
    """Every size that is limited, largest first, each with its place."""
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in HARD}
    for path, code in modules().items():
        if path.startswith(WRITTEN):
            continue
        found["lines of a module"].append((code.count("\n"), path))
        for function in functions(nodes_of(path)):
            place = f"{path}:{function.lineno} {function.name}"
            last = function.end_lineno or function.lineno
            found["lines of a function"].append((last - function.lineno + 1, place))
            found["depth of nesting"].append((depth(function), place))
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(step, Function) for step in node.body)
                found["methods of a class"].append((methods, f"{path}:{node.lineno} {node.name}"))
    return {name: sorted(those, reverse=True) for name, those in found.items()}


@pytest.mark.parametrize("name", HARD)
def test_sizes_stay_below_the_limit(name: str) -> None:
    """No module, function, class or nesting is larger than the largest there was."""
    limit = min(HARD[name], RATCHET[name])
    large = [f"{place}: {size} {name}, above {limit}" for size, place in sizes()[name] if size > limit]
    assert not large, "split these:\n" + "\n".join(large)


@pytest.mark.parametrize("name", HARD)
def test_the_ratchet_is_tight(name: str) -> None:
    """A limit far above what there is would let things grow again, so it has to come down."""
    largest, place = sizes()[name][0]
    slack = RATCHET[name] - largest
    mend = f'the largest is {place}: set RATCHET["{name}"] in tests/test_tidy.py to {largest}'
    assert slack <= SLACK[name], mend


def test_nesting_is_counted_as_a_reader_would() -> None:
    """Each block in a block counts, an elif does not."""
    nested = "def f():\n  for x in y:\n    if x:\n      while z: g()"
    beside = "def f():\n  if a: g()\n  elif b: g()\n  elif c: g()\n  else:\n    if d: g()\n    g()"
    assert [depth(function) for function in functions(ast.walk(ast.parse(nested)))] == [3]
    assert [depth(function) for function in functions(ast.walk(ast.parse(beside)))] == [2]


# Written in pieces: this file is one of those that are searched.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"),
                                       ("ghcr", "io"), ("docker", "io"), ("crates", "io"))]  # fmt: skip
HOSTS += ["index" + "-url", "find" + "-links"]
MACHINE = re.compile("|".join(["/ho" + r"me/\w+/", "/Us" + r"ers/\w+/", "/ro" + "ot/", "[A-Z]:" + r"\\\\?Us" + "ers"]))
SKIPPED = frozenset(
    ".git .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis __pycache__ demo-output dist build".split()
)
TEXT = frozenset(
    (".py", ".md", ".toml", ".txt", ".cfg", ".yml", ".yaml", ".json", ".jsonl", ".html", ".css", ".js", "")
)


def own_files() -> list[Path]:
    """Every text file of the checkout that is written by hand."""
    inside = [path for path in sorted(ROOT.rglob("*")) if not SKIPPED & set(path.relative_to(ROOT).parts)]
    return [path for path in inside if path.is_file() and path.suffix in TEXT and path.name != ".coverage"]


def test_no_file_names_a_machine_or_leaves_things_for_later() -> None:
    """No path of the machine it was written on, no host of a registry, and nothing marked as unfinished."""
    wrong = [f"{path.relative_to(ROOT).as_posix()}{finding}" for path in own_files() for finding in blemishes(path)]
    assert not wrong, "\n".join(wrong)


def blemishes(path: Path) -> Iterator[str]:
    """What a file should not say, each with its line and the mend."""
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        if str(ROOT) in line or MACHINE.search(line):
            yield f":{number}: a path of one machine, write it relative to the checkout"
        if any(host in line for host in HOSTS):
            yield f":{number}: a registry's host, leave it to the reader's own settings"
        if path.suffix == ".py" and UNFINISHED.search(line):
            yield f":{number}: a mark for later, do it or open an issue"


def test_a_blemish_is_seen(tmp_path: Path) -> None:
    """The search finds each of the things it is there for."""
    path = tmp_path / "x.py"
    lines = [f"x = '{ROOT}/x'", "y = '/ho" + "me/me/x'", "https://" + HOSTS[0] + "/simple", "# TO" + "DO: later"]
    path.write_text("\n".join(lines), "utf-8")
    assert [finding.split(":")[1] for finding in blemishes(path)] == ["1", "2", "3", "4"]
