"""Lines and columns on a console: everything folds, nothing is cut, and no line ends in blanks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.console import Console
from rich.text import Text

from tieout.serve.render.text import inert

GAP = 2
MIN_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with the width it may take, in columns, and the edge it stands at."""

    text: Text
    width: int
    right: bool = False

    def lines(self, console: Console) -> list[Text]:
        """The text folded to the width, each line padded to it."""
        folded = list(self.text.wrap(console, self.width, overflow="fold"))
        for line in folded:
            line.align("right" if self.right else "left", self.width)
        return folded


@dataclass(frozen=True, slots=True)
class Sheet:
    """A console that takes other people's text as text: never as markup, control sequence or layout."""

    console: Console
    indent: int = 0

    @property
    def width(self) -> int:
        """The columns left beside the indent."""
        return max(self.console.width - self.indent, MIN_WIDTH)

    def inset(self, columns: int) -> Sheet:
        """The same sheet, further in."""
        return Sheet(self.console, self.indent + columns)

    def text(self, words: str, style: str = "") -> Text:
        """*words* made harmless."""
        return Text(inert(words, self.console.encoding), style=style)

    def line(self, *parts: Text) -> None:
        """Print *parts* as one paragraph."""
        for line in Text.assemble(*parts).wrap(self.console, self.width, overflow="fold"):
            self._print(line)

    def labelled(self, label: str, *parts: Text, width: int, style: str = "dim") -> None:
        """Print *parts* beside a label of *width* columns; the text folds within its own column."""
        rest = max(self.width - width, MIN_WIDTH)
        self.columns([Cell(Text(label, style=style), width - GAP), Cell(Text.assemble(*parts), rest)])

    def columns(self, cells: Sequence[Cell]) -> None:
        """Print one row; a cell that needs more lines than the others goes on below itself."""
        rows = zip_longest(*(cell.lines(self.console) for cell in cells))
        for row in rows:
            parts = [
                line if line is not None else Text(" " * cell.width) for line, cell in zip(row, cells, strict=True)
            ]
            self._print(Text(" " * GAP).join(parts))

    def blank(self) -> None:
        """Print an empty line."""
        self.console.print()

    def _print(self, line: Text) -> None:
        line = Text(" " * self.indent) + line
        line.rstrip()
        self.console.print(line, soft_wrap=True, highlight=False)
