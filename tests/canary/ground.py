"""How much ground a walk covered: the lines that raise or tell something, and those of them that were executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "tieout"
FOLDERS = ("record", "live", "act", "serve")
TELLING = frozenset(("debug", "info", "warning", "error", "exception", "critical", "raise_alarm", "_say", "_refuse"))


@dataclass(frozen=True)
class Spot:
    """A line that raises or tells; `last` is where its statement ends."""

    file: str
    line: int
    last: int
    text: str


def spots(folders: tuple[str, ...] = FOLDERS) -> list[Spot]:
    """Every line of the folders that raises or tells."""
    return [spot for folder in folders for path in sorted((SOURCE / folder).rglob("*.py")) for spot in _of(path)]


def _of(path: Path) -> Iterator[Spot]:
    source = path.read_text("utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _tells(node)):
            text = lines[node.lineno - 1].strip()
            yield Spot(path.relative_to(SOURCE).as_posix(), node.lineno, node.end_lineno or node.lineno, text)


def _tells(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "print":
        return any(keyword.arg == "file" for keyword in node.keywords)
    return name in TELLING


def not_reached(executed: dict[str, set[int]]) -> list[Spot]:
    """The spots none of whose lines is among those *executed*, by file relative to the package."""
    return [spot for spot in spots() if not executed.get(spot.file, set()) & set(range(spot.line, spot.last + 1))]
