"""`docs/scenarios.md` and the tests say the same: every class has a row, every row its tests, every test its row."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "scenarios.md"
CLASSES = {
    *map(str, range(1, 41)),
    *(f"P{n}" for n in range(1, 18) if n != 11),
    "P3b",
    *(f"X{n}" for n in range(1, 17)),
}
NAMED = re.compile(r"\((?:class )?([0-9PX][^()]*)\)\.$")


def rows() -> dict[str, set[str]]:
    """The tests that each row of the page names."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[0]: set(re.findall(r"`(test_\w+)`", row[-1])) for row in cells if row[0] in CLASSES}


def promises() -> dict[str, set[str]]:
    """For each class, the tests that name it at the end of their promise."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in HERE.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if path.name != "test_doc.py" and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                _note(node, found)
    return found


def _note(node: ast.FunctionDef | ast.AsyncFunctionDef, found: dict[str, set[str]]) -> None:
    if not node.name.startswith("test_"):
        return
    named = NAMED.search(ast.get_docstring(node) or "")
    assert named, f"{node.name} does not end its promise with the class it stands for, such as (class 8)"
    for label in named.group(1).split(", "):
        assert node.name not in found[label], f"{node.name} stands twice"
        found[label].add(node.name)


def test_every_class_has_a_row_with_tests() -> None:
    """All classes, and all findings in two other systems, have a row that names at least one test."""
    table = rows()
    assert set(table) == CLASSES
    assert [label for label, tests in table.items() if not tests] == []


def test_rows_and_promises_agree() -> None:
    """A row names exactly the tests that promise its class, so every test that is named is there."""
    assert rows() == dict(promises())
