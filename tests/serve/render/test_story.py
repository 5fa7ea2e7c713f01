"""What the demo says at its start."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from tieout.serve.render.story import StoryPrinter


def test_it_says_what_stays() -> None:
    """Nothing, unless a folder was named: then everything, and where."""
    told = io.StringIO()
    printer = StoryPrinter(Console(file=told, width=200))
    printer.welcome({}, "http://x", "demo", "p")
    printer.welcome({}, "http://x", "demo", "p", Path("mine"))
    nothing, everything = (line for line in told.getvalue().splitlines() if "Ctrl-C" in line)
    assert "and nothing stays" in nothing
    assert "and everything stays in mine" in everything
