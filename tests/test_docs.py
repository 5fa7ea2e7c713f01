"""Documents that cannot drift: what they name is there, and what is public is named."""

from __future__ import annotations

import ast
import re
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from tieout.model import discrepancy, report, snapshot
from tieout.serve.cli import app

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tieout"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FORMATS = ROOT / "docs" / "formats.md"
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
QUOTED_PATH = re.compile(r"`((?:src|tests|docs|examples)/[\w./-]+)`")
HOUSE_PATH = re.compile(r"`([a-z_]+/[a-z_/]+\.py)`")
MAKE = re.compile(r"^\s*`?make ([a-z]+)|`make ([a-z]+)`", re.MULTILINE)


def ids(path: Path) -> str:
    """How a test names a document."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link and every path named in a document exists."""
    text = path.read_text("utf-8")
    missing = [link for link in LINK.findall(text) if not (path.parent / link).exists()]
    missing += [name for name in QUOTED_PATH.findall(text) if not (ROOT / name).exists()]
    missing += [name for name in HOUSE_PATH.findall(text) if not any((base / name).exists() for base in (SOURCE, ROOT))]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_make_targets_exist(path: Path) -> None:
    """Every `make …` that a document tells its reader to run is a target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {first or second for first, second in MAKE.findall(path.read_text("utf-8"))}
    assert named - targets == set()


def commands(path: Path) -> list[list[str]]:
    """Every `tieout …` that a document tells its reader to run, in words."""
    text = path.read_text("utf-8")
    spans = re.findall(r"`(tieout [^`\n]+)`", text) + re.findall(r"^\$ (tieout .+)$", text, re.MULTILINE)
    return [span.split("#")[0].split()[1:] for span in spans]


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_commands_and_their_options_exist(path: Path) -> None:
    """Every command, subcommand and option that a document names is there."""
    missing = []
    for words_ in commands(path):
        chain, apps, left = app.parse_commands([word for word in words_ if not word.startswith("-")])
        known = apps[-1]
        takes = () if known.default_command is None else known.assemble_argument_collection()
        options = {name for one in takes for name in one.names} | {"--help", "--version"}
        named = {re.split(r"[=,]", word)[0] for word in words_ if word.startswith("-")}
        subcommands = [name for name in known if not name.startswith("-")]
        if not chain or (subcommands and left and re.fullmatch("[a-z]+", left[0])) or named - options:
            missing.append(" ".join(words_))
    assert missing == []


def test_the_plan_of_the_house_is_the_house() -> None:
    """The tree in docs/architecture.md names every folder and top-level module, and none that is gone."""
    plan = re.search(r"```\nsrc/tieout/\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.DOTALL)
    assert plan is not None
    named = set(re.findall(r"^  ([a-z_]+(?:/|\.py))", plan.group(1), re.MULTILINE))
    there = {f"{path.name}/" for path in SOURCE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    there |= {path.name for path in SOURCE.glob("*.py") if not path.name.startswith("__")}
    assert named == there


def test_the_readme_is_a_front_door() -> None:
    """It fits on a screen or two, and leads on."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count("\n") <= 80
    assert "make test" in text


def words(kind: Any) -> set[str]:
    """Every word that a literal type admits."""
    return {word for word in get_args(kind) if isinstance(word, str)}


LITERALS = (snapshot.Leg, snapshot.OrderSide, snapshot.Settlement, snapshot.OrderStatus, snapshot.Coverage, snapshot.Section,
            snapshot.Source, snapshot.ActivityKind, discrepancy.Domain, report.Status, report.SectionCoverage)  # fmt: skip
ENUMS: tuple[type[StrEnum], ...] = (
    discrepancy.Severity,
    discrepancy.DiscrepancyType,
    discrepancy.CauseCode,
    discrepancy.ReconciliationStrategy,
    discrepancy.ActionKind,
    snapshot.SideFailure,
)
RECORDS: tuple[type[msgspec.Struct], ...] = (
    snapshot.Position, snapshot.Balance, snapshot.Order, snapshot.Fill, snapshot.Activity, snapshot.Snapshot,
    snapshot.Observation, snapshot.Lookup, report.ReconciliationReport, report.Discrepancy, report.Action, report.Summary,
    discrepancy.Cause,
)  # fmt: skip


def test_the_formats_name_every_word_and_field() -> None:
    """Each field of a record, and each word that a field may hold, is explained in docs/formats.md."""
    text = FORMATS.read_text("utf-8")
    named = set().union(*map(words, LITERALS), *(set(kind) for kind in ENUMS))
    named |= {field for record in RECORDS for field in record.__struct_fields__}
    assert sorted(str(word) for word in named if not re.search(rf"\b{re.escape(word)}\b", text)) == []


def public(tree: ast.Module) -> list[tuple[int, str, str | None]]:
    """The module, its public classes and functions and their public methods, each with its docstring."""
    found: list[tuple[int, str, str | None]] = [(1, "the module", ast.get_docstring(tree))]
    holders: list[ast.Module | ast.ClassDef] = [tree]
    while holders:
        for node in holders.pop().body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith(
                "_"
            ):
                found.append((node.lineno, node.name, ast.get_docstring(node)))
                if isinstance(node, ast.ClassDef):
                    holders.append(node)
    return found


def test_what_is_public_says_what_it_is() -> None:
    """Every public module, class, function and method has a docstring whose first line is a sentence."""
    texts = {path: path.read_bytes() for path in SOURCE.rglob("*.py")}
    wrong = [
        f"{ids(path)}:{line} {name}"
        for path, text in texts.items()
        if text.strip()
        for line, name, said in public(ast.parse(text))
        if not said or not said.strip().splitlines()[0].rstrip().endswith((".", "?", "!", "::", ":"))
    ]
    assert wrong == []


def suites() -> list[Path]:
    """Every file that holds tests."""
    return sorted((ROOT / "tests").rglob("test_*.py"))


def test_every_test_states_its_promise() -> None:
    """A test's docstring says in a sentence what it holds the house to."""
    silent = [
        f"{ids(path)}:{node.lineno} {node.name}"
        for path in suites()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
        if not ast.get_docstring(node)
    ]
    assert silent == []
