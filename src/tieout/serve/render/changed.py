"""What another policy would have done: each difference between what was decided and what would be, told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from tieout.live.replaying import Judged
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.serve.render.history import actions_for
from tieout.serve.render.page import render_document
from tieout.serve.render.sheet import GAP, Cell, Sheet
from tieout.serve.render.text import moment, signed
from tieout.serve.render.words import action_words, counted, strategy_words, subject, verdict

TIME, LABEL = 11, 8
NOT_REPORTED = ("not reported",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """An account's readings that were judged again; `asked` is whether by something else than what was recorded."""

    account: str
    readings: int
    first_at: datetime
    last_at: datetime
    different: tuple[Judged, ...]
    asked: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """One break, or the report as a whole, in sentences: as it was recorded, and as it would be."""

    about: str
    recorded: tuple[str, ...]
    replayed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Readings in a row that differ in the same way."""

    readings: tuple[Judged, ...]
    changes: tuple[Changed, ...]

    @property
    def day(self) -> str:
        """The day that it began on, UTC."""
        return f"{self.readings[0].recorded.started_at.astimezone(UTC):%Y-%m-%d}"

    @property
    def time(self) -> str:
        """When; of several also until when."""
        first, last = (self.readings[at].recorded.started_at.astimezone(UTC) for at in (0, -1))
        end = f"{last:%H:%M:%S}" if last.date() == first.date() else f"{last:%Y-%m-%d %H:%M:%S}"
        return f"{first:%H:%M:%S}" + (f" to {end}" if len(self.readings) > 1 else "")


def summary(told: Retold) -> str:
    """What came of it, in a sentence."""
    span = f"account {told.account}, {moment(told.first_at)} to {moment(told.last_at)}"
    if not told.different:
        same = "would have been decided the same" if told.asked else "the stored verdicts repeat"
        return f"{same}: {_readings(told.readings)}, {span}"
    number = f"{len(told.different):,} of {_readings(told.readings)}"
    if told.asked:
        return f"{number} would have been decided differently: {span}"
    first = told.different[0]
    return (
        f"{number} do NOT repeat: {span}; the first is report {first.recorded.report_id}, log entry {first.entry}: "
        "verify the log with `tieout audit verify`, and report this"
    )


def _readings(number: int) -> str:
    return f"{number:,} reading{'' if number == 1 else 's'}"


def tally(told: Retold) -> list[str]:
    """How many breaks would have had another strategy, in how many readings; most readings first."""
    readings: Counter[tuple[str, str]] = Counter()
    breaks: dict[tuple[str, str], set[str]] = {}
    for one in told.different:
        changed = list(_strategies(one))
        readings.update({pair for pair, _ in changed})
        for pair, name in changed:
            breaks.setdefault(pair, set()).add(name)
    return [
        f"{was} would have been {now}: {counted(len(breaks[was, now]), 'break')}, in {_readings(number)}"
        for (was, now), number in readings.most_common()
    ]


def _strategies(one: Judged) -> Iterator[tuple[tuple[str, str], str]]:
    now = {row.discrepancy_id: row.strategy for row in one.replayed.discrepancies}
    for row in one.recorded.discrepancies:
        other = now.get(row.discrepancy_id, "not reported")
        if other != row.strategy:
            yield (row.strategy, other), row.discrepancy_id


def runs(told: Retold) -> list[Run]:
    """The differences, those of readings in a row that are the same together."""
    found: list[Run] = []
    for one in told.different:
        changes = _changes(one)
        if found and found[-1].changes == changes:
            found[-1] = Run((*found[-1].readings, one), changes)
        else:
            found.append(Run((one,), changes))
    return found


def _changes(one: Judged) -> tuple[Changed, ...]:
    was = {row.discrepancy_id: row for row in one.recorded.discrepancies}
    now = {row.discrepancy_id: row for row in one.replayed.discrepancies}
    found = []
    for name in dict.fromkeys((*was, *now)):
        sides = _said(was.get(name), one.recorded), _said(now.get(name), one.replayed)
        item = was.get(name) or now[name]
        if sides[0] != sides[1]:
            found.append(Changed(f"{subject(item)}, difference {signed(item.difference)}", *sides))
    whole = _whole(one.recorded), _whole(one.replayed)
    if whole[0] != whole[1]:
        found.append(Changed("the report as a whole", *whole))
    return tuple(found) or (Changed("the report", ("other words",), ("other words",)),)


def _said(item: Discrepancy | None, report: ReconciliationReport) -> tuple[str, ...]:
    if item is None:
        return NOT_REPORTED
    cause = item.cause
    graded = f"{item.severity}, {cause.code}" + (", within tolerance" if item.within_tolerance else "")
    return (f"{graded}: {strategy_words(item)}", *(action_words(action) for action in actions_for(item, report)))


def _whole(report: ReconciliationReport) -> tuple[str, ...]:
    general = [action_words(action) for action in report.actions if not action.discrepancy_ids]
    return (verdict(report), *general, *report.summary.warnings)


def render_changed(told: Sequence[Retold], console: Console) -> None:
    """Print a summary of each account, then what differs."""
    sheet = Sheet(console)
    for one in told:
        sheet.line(sheet.text(summary(one), "bold yellow" if one.different else "bold green"))
        for line in tally(one):
            sheet.inset(2).line(sheet.text(line))
    for one in told:
        if one.different and len(told) > 1:
            sheet.blank()
            sheet.line(sheet.text(f"account {one.account}", "bold"))
        day = ""
        for run in runs(one):
            if run.day != day:
                day = run.day
                sheet.blank()
                sheet.line(Text(f"{day} UTC", style="dim"))
            _print_run(sheet, run)


def _print_run(sheet: Sheet, run: Run) -> None:
    time = run.time.replace(" to ", "\nto ")
    for change in run.changes:
        name = sheet.text(change.about, "bold")
        if len(run.readings) > 1:
            name.append(f", in {len(run.readings):,} readings", style="")
        sheet.columns([Cell(Text(time), TIME), Cell(name, sheet.width - TIME - GAP)])
        time = " "
        for label, sentences in (("recorded", change.recorded), ("now", change.replayed)):
            said = Text("\n").join([sheet.text(sentence) for sentence in sentences])
            sheet.inset(TIME + GAP).labelled(label, said, width=LABEL + GAP)


def render_changed_page(told: Sequence[Retold]) -> str:
    """A whole HTML document about what would have been decided differently."""
    different = any(one.different for one in told)
    return render_document(
        "changed.html.jinja",
        title="Stored readings, judged again",
        tone="moderate" if different else "matched",
        told=told,
        summary=summary,
        tally=tally,
        runs=runs,
    )
