"""A break's whole life, for a terminal and for a browser: readings that say the same come together, all else stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tieout.model.discrepancy import DiscrepancyType, ReconciliationStrategy, Severity
from tieout.model.report import Discrepancy
from tieout.record.breaks import BreakRow
from tieout.record.lives import Life, Step
from tieout.serve.render.blocks import SEVERITY_STYLE
from tieout.serve.render.page import Card, render_document
from tieout.serve.render.sheet import GAP, Cell, Sheet
from tieout.serve.render.text import amount, lasting, moment, signed, usd
from tieout.serve.render.words import STRATEGIES, TYPES, action_words, cause_words, counted, subject

WORD = 10  # columns of what a line is called
DETAIL = "\u2013"
STYLES = {
    "halt": "bold white on red",
    "failed": "bold red",
    "done": "green",
    "closed": "bold green",
    "approval": "bold yellow",
}
ENDS = {
    "done": ("done", "done", "it was done"),
    "failed": ("FAILED", "failed", "it was refused, and nothing happened"),
    "undone": ("undone", "skipped", "read back after a break-off: it never happened"),
    "unknown": ("UNKNOWN", "failed", "nobody knows yet whether it happened; nothing else is done on this account"),
    "intended": ("UNKNOWN", "failed", "its end was not recorded yet"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a life: what happened, in sentences, the first the main one; `tone` is its colour's name."""

    steps: tuple[Step, ...]
    word: str
    tone: str
    sentences: tuple[str, ...]

    @property
    def entries(self) -> str:
        """Where the log has it."""
        first, last = self.steps[0].entry, self.steps[-1].entry
        return str(first) if len(self.steps) == 1 else f"{first}{DETAIL}{last}"

    @property
    def day(self) -> str:
        """The day that it began on, UTC."""
        return f"{self.steps[0].at.astimezone(UTC):%Y-%m-%d}"

    @property
    def time(self) -> str:
        """When, to the second; of several also until when."""
        first, last = self.steps[0].at.astimezone(UTC), self.steps[-1].at.astimezone(UTC)
        return f"{first:%H:%M:%S}" if len(self.steps) == 1 else f"{first:%H:%M:%S} to {_until(first, last)}"


def _until(first: datetime, last: datetime) -> str:
    return f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"


def lines(life: Life) -> list[Line]:
    """The life in lines, in the order of the log."""
    runs: list[list[Step]] = []
    standing: dict[str, list[Step]] = {}  # the run of readings and the one of alerts that may still grow
    for step in life.steps:
        run = standing.get(step.kind)
        if run is not None and _gist(run[-1]) == _gist(step):
            run.append(step)
            continue
        runs.append([step])
        if step.kind in ("reading", "alert"):
            standing[step.kind] = runs[-1]
        else:
            standing.clear()
    told: list[Line] = []
    before: Step | None = None
    for run in runs:
        told.append(_line(tuple(run), before))
        before = run[-1] if run[0].kind == "reading" else before
    return told


def _gist(step: Step) -> tuple[object, ...]:
    """What makes a step say the same as the one before it: not that both sides trade on by the same amount."""
    if step.kind == "alert":
        return step.text, step.verdict
    item = step.discrepancy
    told = (item.difference, item.cause, item.within_tolerance) if item is not None else (step.cause,)
    return (step.severity, step.strategy, step.confirmed, item is None, *told, *step.actions)


def _line(run: tuple[Step, ...], before: Step | None) -> Line:
    step = run[0]
    if step.kind == "reading":
        return _reading(run, before)
    if step.kind == "outcome":
        word, tone, words = ENDS[step.verdict or "unknown"]
        return Line(run, word, tone, (words + (f": {step.text}" if step.text else ""),))
    told: dict[str, tuple[str, str, str]] = {
        "closed": ("closed", "closed", "a reading that compared it whole did not show it any more"),
        "decision": (step.verdict or "decided", "", f"{_strategy(step)} ({_plain(step.text)})"),
        "intent": ("intended", "", f"{_strategy(step)}: written down before it is done"),
        "alert": ("alert", "approval", f"{step.text} ({step.verdict})"),
        "halt": ("HALT", "halt", f"trading on this account is stopped ({_plain(step.text)})"),
        "resume": ("resumed", "done", f"by {step.actor}"),
        "word": (step.verdict or "said", "approval", _word(step)),
    }
    word, tone, words = told[step.kind]
    extra = (counted(len(run), "alert"),) if len(run) > 1 else ()
    return Line(run, word, tone, (words, *extra))


def _reading(run: tuple[Step, ...], before: Step | None) -> Line:
    step, last = run[0], run[-1]
    head = f"{counted(len(run), 'reading')}, " if len(run) > 1 else ""
    grade = f"{step.severity}, {'confirmed' if step.confirmed else 'unconfirmed'}"
    if step.discrepancy is None or last.discrepancy is None:
        return Line(run, _news(step, before), "", (f"{head}{grade}, {step.cause}, {step.strategy}",))
    item, was = step.discrepancy, before.discrepancy if before is not None else None
    sentences = [
        f"{head}{_sides(item, last.discrepancy)}, {grade}" + (", within tolerance" if item.within_tolerance else "")
    ]
    if was is None or cause_words(item) != cause_words(was):
        sentences.append(f"why: {cause_words(item)}")
    if before is None or (step.strategy, step.actions) != (before.strategy, before.actions):
        sentences += [action_words(action) for action in step.actions]
    return Line(run, _news(step, before), "", tuple(sentences))


def _sides(item: Discrepancy, last: Discrepancy) -> str:
    """Local, broker and difference, and where the sides moved together during the run."""

    def moved(name: str) -> str:
        start, end = getattr(item, name), getattr(last, name)
        return f"{name.partition('_')[0]} {amount(start)}" + (f" (later {amount(end)})" if end != start else "")

    return f"{moved('local_amount')}, {moved('broker_amount')}, difference {signed(item.difference)}"


def _news(step: Step, before: Step | None) -> str:
    if before is None:
        return "seen"
    if step.confirmed and not before.confirmed:
        return "confirmed"
    item, was = step.discrepancy, before.discrepancy
    same = (step.severity, step.cause) == (before.severity, before.cause)
    return "still" if same and (item is None or was is None or item.difference == was.difference) else "changed"


def _strategy(step: Step) -> str:
    return f"{STRATEGIES[ReconciliationStrategy(step.strategy or '')]} ({step.strategy})"


def _plain(reason: str | None) -> str:
    return (reason or "no reason given").replace("_", " ")


def _word(step: Step) -> str:
    until = f", until {moment(step.until)}" if step.until is not None else ""
    text = f": {step.text}" if step.text else ""
    return f"{f'by {step.actor}' if step.actor else 'a person'}{until}{text}"


def last_known(life: Life) -> Step | None:
    """The last reading that showed it."""
    return next((step for step in reversed(life.steps) if step.kind == "reading"), None)


def headline(head: BreakRow) -> str:
    """How it stands, in a few words."""
    known = f", known until {moment(head.known_until)}" if head.known_until is not None else ""
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


def render_life(life: Life, console: Console, *, locked: str | None = None) -> None:
    """Print a break's life; *locked* is why its amounts cannot be opened."""
    sheet, head = Sheet(console), life.head
    style = SEVERITY_STYLE[Severity(head.severity)] if head.closed_at is None else "bold green"
    sheet.line(sheet.text(headline(head), style), sheet.text(f"  {about(life)}  account {head.account}", "bold"))
    sheet.line(sheet.text(TYPES[DiscrepancyType(head.discrepancy_type)]))
    last = last_known(life)
    if last is not None and last.discrepancy is not None:
        item = last.discrepancy
        sheet.line(sheet.text(f"last seen: {_sides(item, item)} ({amount(item.percent)} %, {usd(item.usd_value)})"))
    sheet.line(sheet.text(standing(head)))
    sheet.line(sheet.text(f"break {head.discrepancy_id}", "dim"))
    note = withheld(life, locked)
    if note is not None:
        sheet.line(sheet.text(note, "bold yellow"))
    _print_lines(sheet, lines(life))


def _print_lines(sheet: Sheet, told: Sequence[Line]) -> None:
    width = max([len("entry"), *(cell_len(line.entries) for line in told)])
    day = ""
    for line in told:
        if line.day != day:
            sheet.blank()
            sheet.columns(
                [Cell(Text("entry", style="dim"), width, right=True), Cell(Text(f"{line.day} UTC", style="dim"), 14)]
            )
            day = line.day
        for cells in _rows(sheet, line, width):
            sheet.columns(cells)


def _rows(sheet: Sheet, line: Line, width: int) -> Iterator[list[Cell]]:
    rest = sheet.width - width - WORD - 8 - 3 * GAP
    first, *others = line.sentences
    start, _, end = line.time.partition(" to ")
    word = sheet.text(line.word, STYLES.get(line.tone, "bold"))
    lead = (Text(line.entries, style="dim"), Text(start), word)
    for sentence in (f"{first}, until {end}" if end else first, *others):
        cells = [
            Cell(text, columns, right=not at)
            for at, (text, columns) in enumerate(zip(lead, (width, 8, WORD), strict=True))
        ]
        yield [*cells, Cell(sheet.text(sentence), rest)]
        lead = (Text(" "), Text(" "), Text(" "))


def render_life_page(life: Life, *, locked: str | None = None) -> str:
    """A whole HTML document about one break; *locked* is why its amounts cannot be opened."""
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
        card=None if last is None or item is None else Card(1, item, last.actions),
        lines=lines(life),
    )
