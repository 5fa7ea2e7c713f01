"""A break's whole life on one page, for a terminal and for a browser."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tieout.model.discrepancy import DiscrepancyType, Severity
from tieout.record.breaks import BreakRow
from tieout.record.lives import Life, Step
from tieout.serve.render.blocks import SEVERITY_STYLE
from tieout.serve.render.lines import Line, lines, sides
from tieout.serve.render.page import Card, render_document
from tieout.serve.render.sheet import GAP, Cell, Sheet
from tieout.serve.render.text import amount, lasting, moment, usd
from tieout.serve.render.words import TYPES, counted, subject

HALTED = "TRADING "
WORD, TIME = 10, 11  # columns
STYLES = {
    "halt": "bold white on red",
    "failed": "bold red",
    "done": "green",
    "closed": "bold green",
    "approval": "bold yellow",
}


def last_known(life: Life) -> Step | None:
    """The last reading that showed it."""
    return next((step for step in reversed(life.steps) if step.kind == "reading"), None)


def headline(head: BreakRow) -> str:
    """How it stands, in a few words."""
    by = f" by {head.known_by}" if head.known_by else ""
    known = f", known until {moment(head.known_until)}{by}" if head.known_until is not None else ""
    known += f", with {head.assignee}" if head.assignee and head.closed_at is None else ""
    state = "OPEN" if head.closed_at is None else "CLOSED"
    return f"{state}{known}, {head.severity}{'' if head.confirmed else ', unconfirmed'}, {head.cause}"


def about(life: Life) -> str:
    """What it is about: with its ids where they are known."""
    last = last_known(life)
    item = None if last is None else last.discrepancy
    return f"{life.head.domain} {life.head.asset}" if item is None else subject(item)


def standing(head: BreakRow) -> str:
    """Since when it stands, or how long it stood."""
    seen = counted(head.readings, "reading")
    if head.closed_at is None:
        return f"seen in {seen}, from {moment(head.first_seen)} to {moment(head.last_seen)}"
    span = lasting(head.closed_at - head.first_seen)
    return f"seen in {seen}, from {moment(head.first_seen)}; closed {moment(head.closed_at)}, after {span}"


def withheld(life: Life, locked: str | None) -> str | None:
    """Why amounts are lacking, in a sentence; None where they are all there."""
    if locked is not None:
        return f"Amounts are not shown: {locked}."
    if life.erased:
        return f"Amounts of {counted(life.erased, 'reading')} were erased when their time had come."
    return None


def render_life(life: Life, console: Console, *, urgent: Sequence[str] = (), locked: str | None = None) -> None:
    """Print a break's life.

    Args:
        life: The break and its steps.
        console: Where to.
        urgent: What must not be overlooked, in sentences.
        locked: Why its amounts cannot be opened.
    """
    sheet, head = Sheet(console), life.head
    style = SEVERITY_STYLE[Severity(head.severity)] if head.closed_at is None else "bold green"
    sheet.line(sheet.text(headline(head), style), sheet.text(f"  {about(life)}  account {head.account}", "bold"))
    sheet.line(sheet.text(TYPES[DiscrepancyType(head.discrepancy_type)]))
    last = last_known(life)
    if last is not None and last.discrepancy is not None:
        item = last.discrepancy
        sheet.line(sheet.text(f"last seen: {sides(item, item)} ({amount(item.percent)} %, {usd(item.usd_value)})"))
    sheet.line(sheet.text(standing(head)))
    sheet.line(sheet.text(f"break {head.discrepancy_id}", "dim"))
    for sentence in urgent:
        sheet.line(sheet.text(sentence, STYLES["halt" if sentence.startswith(HALTED) else "approval"]))
    note = withheld(life, locked)
    if note is not None:
        sheet.line(sheet.text(note, "bold yellow"))
    _print_lines(sheet, lines(life))


def _print_lines(sheet: Sheet, told: Sequence[Line]) -> None:
    width = max([len("entry"), *(cell_len(line.entries) for line in told)])
    rest = sheet.width - width - TIME - WORD - 3 * GAP
    day = ""
    for line in told:
        if line.day != day:
            day = line.day
            sheet.blank()
            head = Cell(Text("entry", style="dim"), width, right=True)
            sheet.columns([head, Cell(Text(f"{day} UTC", style="dim"), len(day) + 4)])
        entries = Cell(Text(line.entries, style="dim"), width, right=True)
        time = Cell(Text(line.time.replace(" to ", "\nto ")), TIME)
        word = Cell(sheet.text(line.word, STYLES.get(line.tone, "bold")), WORD)
        said = Text("\n").join([sheet.text(sentence) for sentence in line.sentences])
        sheet.columns([entries, time, word, Cell(said, rest)])


def render_life_page(life: Life, *, urgent: Sequence[str] = (), locked: str | None = None) -> str:
    """A whole HTML document about one break; *urgent* and *locked* as in `render_life`."""
    head, last = life.head, last_known(life)
    item = None if last is None else last.discrepancy
    return render_document(
        "life.html.jinja",
        title=f"{about(life)}, account {head.account}",
        tone="matched" if head.closed_at is not None else head.severity.lower(),
        verdict=headline(head),
        standing=standing(head),
        head=head,
        note=withheld(life, locked),
        urgent=[("halt" if text.startswith(HALTED) else "approval", text) for text in urgent],
        card=None if last is None or item is None else Card(1, item, last.actions),
        lines=lines(life),
    )
