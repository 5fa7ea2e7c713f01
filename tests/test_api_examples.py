"""docs/api.md, run: its blocks in their order, in one event loop, each printing exactly what stands under it."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs" / "api.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
PROMISED = (
    "reconcile_observation(", "PositionReconciler(", "open_record(", "people.approve(", "people.resume(", "Rule(",
    "people.resolve(", "raise_alarm(", "tell(", "Schedule(", "LiveTradingEngine(", "get_positions(", "async def adopt(",
)  # fmt: skip


class Example(NamedTuple):
    """A block: where it stands, what it does, what it prints."""

    line: int
    source: str
    printed: str


def examples() -> Iterator[Example]:
    """The blocks of the document, in their order."""
    text = DOCUMENT.read_text("utf-8")
    for found in BLOCK.finditer(text):
        yield Example(text[: found.start()].count("\n") + 1, found[1], found[2] or "")


async def test_every_example_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pasted one after the other into a shell that awaits, the examples run, and print what they are said to print."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "examples"}
    for line, source, printed in examples():
        # The lines before it are left empty, so that a failure names the document's own line.
        code = compile("\n" * line + source, str(DOCUMENT), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            waits = eval(code, names)
            if waits is not None:
                await waits
        assert (line, said.getvalue()) == (line, printed)


def test_the_examples_show_what_was_promised() -> None:
    """Each part of the library that a user meets first has an example; none is left out by an edit."""
    shown = "".join(example.source for example in examples())
    assert [name for name in PROMISED if name not in shown] == []
