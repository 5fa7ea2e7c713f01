"""The demo's story on a terminal: what was done to an account, then what Tieout made of it, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tieout.record.breaks import BreakRow
from tieout.serve.render.text import inert
from tieout.serve.render.words import counted

STYLES = {
    "HALTS": "bold white on red", "asks": "bold yellow", "sees": "yellow", "names": "cyan", "does": "magenta",
    "closes": "green", "resumes": "green", "said": "bold", "waits": "yellow",
}  # fmt: skip


LEAD = 23  # columns before what is said


class StoryPrinter:
    """Prints as it happens; colours only where somebody sits."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def say(self, text: str = "", style: str = "") -> None:
        """A sentence by itself."""
        self._console.print(Text(text, style=style))

    def welcome(
        self, accounts: Mapping[str, str], url: str, name: str, password: str, kept: Path | None = None
    ) -> None:
        """What runs, how to look at it, and what stays: the folder *kept*, or nothing."""
        self.say("Tieout watches three accounts on this machine; nothing leaves it.", "bold")
        for account, what in accounts.items():
            self.say(f"  {account:6} {what}")
        self.say(f"The pages: {url} - sign in as {name} / {password}", "bold")
        stays = "nothing stays" if kept is None else f"everything stays in {kept}"
        self.say(f"Ctrl-C ends it, and {stays}. Times are UTC; what Tieout says is read from its record.")

    def happens(self, at: datetime, account: str, title: str) -> None:
        """What was done to an account."""
        self._console.print()
        self._line(at, account, "", title, "bold")

    def tells(self, at: datetime, account: str, word: str, text: str, link: str | None) -> None:
        """What Tieout made of it; *link* is where somebody may answer."""
        self._line(at, account, word, f"{text} - {link}" if link else text, "")

    def summary(self, rows: Sequence[BreakRow], readings: int) -> None:
        """Breaks by cause: how many were seen, closed, and wait for a person."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("cause")
        for name in ("seen", "closed", "waiting", "open"):
            table.add_column(name, justify="right")
        for cause in sorted({row.cause for row in rows}):
            mine = [row for row in rows if row.cause == cause]
            closed = sum(row.closed_at is not None for row in mine)
            waiting = sum(row.awaits for row in mine)
            numbers = (len(mine), closed, waiting, len(mine) - closed - waiting)
            table.add_row(cause, *(str(number) if number else "." for number in numbers))
        self._console.print()
        self.say(f"{counted(readings, 'reading')}; breaks by cause (waiting: for a person):", "bold")
        self._console.print(table)

    def _line(self, at: datetime, account: str, word: str, text: str, style: str) -> None:
        # By hand, for a grid pads its lines: an address stays whole, and can be clicked on.
        room = max(30, self._console.width - LEAD)
        lines = wrap(inert(text), room, break_long_words=False, break_on_hyphens=False)
        head = Text(f"{at.astimezone(UTC):%H:%M:%S} {account:5} ")
        head.append(word, STYLES.get(word, "")).append(" " * (LEAD - len(head.plain)))
        for line in lines:
            self._console.print(head + Text(line, style), soft_wrap=True)
            head = Text(" " * LEAD)
