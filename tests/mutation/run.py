"""Mutation testing of one folder: what was changed in its code, and no test noticed.

``make mutants FOLDER=explain`` copies the checkout to a temporary folder, so nothing is left here, and runs mutmut there.
With ``--at PLACE`` the copy is kept: another run there tests only what has changed since, or what survived.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "demo-output", "bench", "canary", "conform", "mutants"
)
# The tests that judge each folder. Those of other folders run the same code for other reasons, and slowly.
JUDGES = {
    "explain": "explain compare decide scenarios laws live/test_road.py",
    "decide": "decide explain scenarios laws act/test_sending.py live/test_road.py live/test_words.py",
    "act": "act identity scenarios live/test_road.py",
}
UNNEEDED = (
    "xdist",
    "cov",
    "unraisableexception",
    "threadexception",
    "faulthandler",
    "junitxml",
    "pastebin",
)  # slow starts
GOAL = 85
CAUGHT = {"killed", "timeout"}
PLUGINS = ["-p", "quick", "-p", "no:cacheprovider"]
RESULTS, WANTED = "results.txt", "TIEOUT_MUTANTS"  # as in each.py


def main() -> int:
    """Exit status 1 where fewer than the goal were killed."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", choices=sorted(JUDGES))
    words.add_argument("--mutants", default="*", help="a pattern of names")
    words.add_argument("--module", default="*", help="one module of the folder, without .py")
    words.add_argument("--parts", type=int, default=os.cpu_count() or 1, help="so many processes")
    words.add_argument("--at", type=Path, help="a folder to keep the copy in")
    told = words.parse_args()
    if told.at is not None:
        return _run(told.at, told.folder, told.module, told.mutants, told.parts)
    with tempfile.TemporaryDirectory(prefix="tieout-mutants-") as place:
        return _run(Path(place), told.folder, told.module, told.mutants, told.parts)


def _run(place: Path, folder: str, module: str, pattern: str, parts: int) -> int:
    _copy(place, folder, module)
    environment = {
        **os.environ,
        # What tests start as processes of their own is the mutated copy, too; and pytest meets the plugins by name.
        "PYTHONPATH": os.pathsep.join([str(place / "mutants" / "src"), str(place / "plugin")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": " ".join(f"-p no:{name}" for name in UNNEEDED),
        WANTED: pattern,
    }
    subprocess.run([sys.executable, place / "plugin" / "generate.py"], cwd=place, env=environment, check=True)
    _forget_survivors(place / "mutants" / RESULTS)
    pytest = [sys.executable, "-m", "pytest", "-q", *PLUGINS, "-p", "each", *_tests(folder)]
    runs = [
        subprocess.Popen([*pytest, f"--part={part}/{parts}"], cwd=place / "mutants", env=environment)
        for part in range(parts)
    ]
    for run in runs:
        run.wait()
    return _report(place / "mutants")


def _tests(folder: str) -> list[str]:
    return [f"tests/{name}" for name in JUDGES[folder].split()]


def _forget_survivors(results: Path) -> None:
    """What survived an earlier run is tested again, for tests may have come."""
    if results.exists():
        lines = results.read_text("utf-8").splitlines(keepends=True)
        results.write_text("".join(line for line in lines if line.split("\t")[1] in CAUGHT), "utf-8")


def _copy(place: Path, folder: str, module: str) -> None:
    """The checkout as it is now, with decorators moved and mutmut told what to do."""
    if (place / "src").exists():
        shutil.rmtree(place / "src")
        shutil.rmtree(place / "tests")
    shutil.copytree(ROOT, place, ignore=LEFT_OUT, dirs_exist_ok=True)
    (place / "plugin").mkdir(exist_ok=True)
    # Python remembers of a folder on its path that it was not there.
    (place / "mutants" / "src").mkdir(parents=True, exist_ok=True)
    for name in ("quick", "each", "generate"):
        shutil.copy(Path(__file__).with_name(f"{name}.py"), place / "plugin")
    for path in sorted((place / "src" / "tieout" / folder).glob("*.py")):
        path.write_text(undecorated(path.read_text("utf-8")), "utf-8")
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (place / "pyproject.toml").write_text(f"{text}\n{_configuration(folder, module)}", "utf-8")


def _configuration(folder: str, module: str) -> str:
    lists = {
        "source_paths": ["src"],
        "only_mutate": [f"src/tieout/{folder}/{module}.py"],
        "pytest_add_cli_args_test_selection": _tests(folder),
        "pytest_add_cli_args": PLUGINS,
        "also_copy": ["docs", "README.md", "CHANGELOG.md", "Makefile", "LICENSE"],
    }
    rows = [f"{name} = {json.dumps(value)}" for name, value in lists.items()]
    return "\n".join(["[tool.mutmut]", *rows, "use_git_change_detection = false", "use_setproctitle = false", ""])


def undecorated(text: str) -> str:
    """The same module with ``@name`` above a function turned into ``f = name(f)`` below it: mutmut skips the decorated."""
    lines = text.splitlines()
    for function in sorted(_functions(ast.parse(text)), key=lambda one: -one.lineno):
        names = [mark.id for mark in function.decorator_list if isinstance(mark, ast.Name)]
        plain = len(names) == len(function.decorator_list) and not {"staticmethod", "classmethod", "overload"} & {
            *names
        }
        if not names or not plain or function.end_lineno is None:
            continue
        wrapped = function.name
        for name in reversed([name for name in names if name != "cache"]):  # it would remember what was not mutated
            wrapped = f"{name}({wrapped})"
        lines.insert(function.end_lineno, f"{' ' * function.col_offset}{function.name} = {wrapped}")
        del lines[function.decorator_list[0].lineno - 1 : function.lineno - 1]
    return "\n".join(lines) + "\n"


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions of the module and methods of its classes: what mutmut looks into."""
    inside = [one for node in tree.body if isinstance(node, ast.ClassDef) for one in node.body]
    for node in (*tree.body, *inside):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _report(mutants: Path) -> int:
    """Print what survived, as differences, and each module's figures."""
    os.chdir(mutants.parent)  # where mutmut finds its configuration
    told = [line.split("\t") for line in (mutants / RESULTS).read_text("utf-8").splitlines()]
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for name, verdict, _ in sorted(told):
        module = name.rpartition(".")[0].replace(".", "/").removeprefix("tieout/") + ".py"
        counted[module][verdict] += 1
        if verdict not in CAUGHT:
            difference = get_diff_for_mutant(name, path=Path("src/tieout", module))
            sys.stdout.write(f"# {name}: {verdict}\n{difference}\n")
    counted["all"] = sum(counted.values(), Counter())
    for module, figures in counted.items():
        sys.stdout.write(f"{module:28} {_share(figures)}\n")
    return 0 if _killed(counted["all"]) * 100 >= GOAL * counted["all"].total() else 1


def _killed(counted: Counter[str]) -> int:
    return sum(counted[verdict] for verdict in CAUGHT)


def _share(counted: Counter[str]) -> str:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counted.most_common())
    return (
        f"{_killed(counted):5} of {counted.total():5} = {_killed(counted) * 100 / counted.total():5.1f} %  ({verdicts})"
    )


if __name__ == "__main__":
    sys.exit(main())
