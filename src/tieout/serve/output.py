"""Where a command's answer goes: standard output, or a file that is written whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.errors import BadInput, Problem

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 120  # columns of a table that goes to a file

Write = Callable[[str], int]


@contextmanager
def sink(output: Path | None) -> Iterator[Write]:
    """Where to write text to.

    Raises:
        BadInput: *output* cannot be written.
    """
    if output is None:
        yield sys.stdout.write
        return
    try:
        output.touch(mode=0o600)  # what is made here holds amounts; a file that is there keeps its mode
        with output.open("w", encoding="utf-8") as file:
            yield file.write
    except OSError as error:
        what = (error.strerror or "cannot be written").lower()
        raise BadInput([Problem(str(output), "", what, "check the path and its permissions")]) from error


@contextmanager
def console(output: Path | None) -> Iterator[Console]:
    """A console on standard output, or one whose lines go to *output* in the end."""
    from rich.console import Console

    if output is None:
        yield Console()
        return
    text = StringIO()
    yield Console(file=text, width=FILE_WIDTH)
    with sink(output) as write:
        write(text.getvalue())
