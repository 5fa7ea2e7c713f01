"""`docs/scenarios.md` and the tests say the same: every class has a row, every row its tests, every test its row."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
PAGE = TESTS.parent / "docs" / "scenarios.md"
CLASSES = {
    *map(str, range(1, 41)),
    *(f"P{n}" for n in range(1, 18) if n != 11),
    "P3b",
    *(f"X{n}" for n in range(1, 17)),
}
VENUES = {f"B{n}" for n in range(1, 18)}
CAUSES = set(
    "MISSED_FILL SNAPSHOT_RACE EMPTY_OR_PARTIAL_READ AMBIGUOUS_SUBMIT ORPHAN_ORDER LOST_ORDER PARTIAL_FILL_ACCOUNTING "
    "DUPLICATE_OR_PHANTOM_FILL FEE_IN_ASSET DUST FUNDING_AND_INTEREST FORCED_CLOSE EXTERNAL_TRADE TRANSFER_OR_SWEEP "
    "CORPORATE_ACTION UNITS_OR_MULTIPLIER HEDGE_MODE SETTLEMENT BALANCE_SEMANTICS LOCAL_STATE_FAULT "
    "RATE_LIMIT_OR_OUTAGE OWN_HARM".split()
)
ALL = CLASSES | VENUES | CAUSES
NAMED = re.compile(r"\((?:class )?([0-9PX][^()]*)\)\.$")


def rows() -> dict[str, set[str]]:
    """The tests that each row of the page names."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[0]: set(re.findall(r"`(test_\w+)`", row[-1])) for row in cells if row[0] in ALL}


def written() -> set[str]:
    """Every test there is."""
    texts = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


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
    """All classes, all findings in two other systems and all traps of venues have a row that names at least one test."""
    table = rows()
    assert set(table) == ALL
    assert [label for label, tests in table.items() if not tests] == []


def test_rows_and_promises_agree() -> None:
    """Of the tests beside this one, a row names exactly those that promise its class."""
    promised = promises()
    beside = {name for tests in promised.values() for name in tests}
    assert {label: rows()[label] & beside for label in CLASSES} == {label: promised[label] for label in CLASSES}


def test_every_test_that_is_named_is_there() -> None:
    """No row names a test that was renamed or taken out."""
    assert {name for tests in rows().values() for name in tests} - written() == set()
