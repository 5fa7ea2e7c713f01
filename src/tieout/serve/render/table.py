"""Reports on a terminal: the verdict first, then each discrepancy with its figures, why it is there and what happens next.

Every colour has its word beside it. Where the figures fit they stand in columns, else stacked; they fold, but are never cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from rich.console import Console
from rich.text import Text

from tieout.model.report import ReconciliationReport
from tieout.serve.render.blocks import (
    SEVERITY_STYLE,
    print_cause,
    print_general,
    print_items,
    print_next,
    print_tolerated,
    print_urgent,
    print_warnings,
)
from tieout.serve.render.history import (
    Event,
    History,
    Life,
    Reading,
    Step,
    actions_for,
    follow,
    latest,
    overall,
    ranked,
    runs,
    standing,
    tolerated,
)
from tieout.serve.render.sheet import Cell, Sheet
from tieout.serve.render.text import amount, lasting, moment, of_day, signed
from tieout.serve.render.words import cause_words, compared_words, counted, subject, verdict

STATUS_STYLE = {"matched": "bold green", "incomplete": "bold magenta", "failed": "bold red"}


def render_table(reports: Sequence[ReconciliationReport], console: Console) -> None:
    """Print one report in full, or a history as one line a reading with the details of what changed.

    Args:
        reports: In the order of time for each account.
        console: Where to; its width decides between columns and the stacked layout.
    """
    sheet = Sheet(console)
    if not reports:
        sheet.line(Text("NOTHING TO SHOW: there was no reading"))
    elif len(reports) == 1:
        _print_report(sheet, reports[0])
    else:
        _print_history(sheet, follow(reports))


def _print_report(sheet: Sheet, report: ReconciliationReport) -> None:
    place = f"  account {report.account}  {moment(report.started_at)}"
    sheet.line(sheet.text(verdict(report), _status_style(report)), sheet.text(place))
    print_urgent(sheet, {report.account: report.actions})
    if report.summary.text and report.summary.text != verdict(report):
        sheet.line(sheet.text(report.summary.text))
    took = lasting(report.finished_at - report.started_at)
    sheet.line(sheet.text(compared_words(report)))
    sheet.line(sheet.text(f"{report.trigger}, took {took}, report {report.report_id}", "dim"))
    items = list(enumerate(ranked(report.discrepancies), 1))
    if report.status == "discrepancies":
        sheet.blank()
    print_items(sheet, report, [one for one in items if not one[1].within_tolerance])
    print_tolerated(sheet, [item for _, item in items if item.within_tolerance])
    general = [action for action in report.actions if not action.discrepancy_ids]
    if general:
        sheet.blank()
    print_general(sheet, general)
    print_warnings(sheet, [report])


def _status_style(report: ReconciliationReport) -> str:
    if report.status == "discrepancies" and report.severity is not None:
        return SEVERITY_STYLE[report.severity]
    return STATUS_STYLE.get(report.status, "bold")


def _print_history(sheet: Sheet, history: History) -> None:
    reports = [reading.report for reading in history.readings]
    last = latest(reports)
    accounts = ", ".join(report.account for report in last)
    style = _status_style(last[0]) if len(last) == 1 else "bold"
    place = f"  account {accounts}  {moment(reports[-1].started_at)}"
    sheet.line(sheet.text(overall(history), style), sheet.text(place))
    print_urgent(sheet, standing(history))
    still = sum(life.closed_at is None for life in history.lives)
    span = f"{moment(reports[0].started_at)} to {moment(reports[-1].started_at)}"
    breaks = f"{counted(len(history.lives), 'break')} ({still} still open)" if history.lives else "no breaks"
    sheet.line(Text(f"{counted(len(reports), 'reading')}, {span}; {breaks}"))
    sheet.line(sheet.text(compared_words(reports[-1])))
    _print_readings(sheet, history)
    print_tolerated(sheet, tolerated(reports))
    print_warnings(sheet, reports)


def _print_readings(sheet: Sheet, history: History) -> None:
    lives = {life.number: life for life in history.lives}
    several = len({reading.report.account for reading in history.readings}) > 1
    day = ""
    for run in runs(history.readings):
        today = f"{run[0].report.started_at.astimezone(UTC):%Y-%m-%d}"
        if today != day:
            sheet.blank()
            sheet.line(Text(f"{today} UTC", style="dim"))
            day = today
        _print_run(sheet, run, several=several)
        for reading in run:
            _print_news(sheet.inset(4), reading, lives)


def _print_run(sheet: Sheet, run: tuple[Reading, ...], *, several: bool) -> None:
    """The one line of a reading, or of many that brought no news."""
    report = run[0].report
    time = of_day(report.started_at)
    words = [Text(verdict(report), style=_status_style(report))]
    if several:
        words.append(sheet.text(f"  account {report.account}"))
    if len(run) > 1:
        words.append(Text(f"  and the same in all {len(run)} readings until {moment(run[-1].report.started_at)}"))
    elif not run[0].changed and report.discrepancies:
        words.append(Text("  nothing new", style="dim"))
    if run[0].unseen:
        words.append(Text(f"; {counted(run[0].unseen, 'open break')} could not be looked at", style="bold"))
    sheet.columns([Cell(Text(time), len(time)), Cell(Text.assemble(*words), sheet.width - len(time) - 2)])


def _print_news(sheet: Sheet, reading: Reading, lives: dict[int, Life]) -> None:
    """What this reading changed: new breaks in full, the others with what is new about them."""
    new = [(event.number, event.discrepancy) for event in reading.events if event.steps == (Step.NEW,)]
    if new:
        sheet.line(Text("new:", style="bold"))
        print_items(sheet, reading.report, new)
    for event in reading.events:
        if event.steps != (Step.NEW,):
            _print_event(sheet, event, reading, lives[event.number])
    print_general(sheet, reading.general)


def _print_event(sheet: Sheet, event: Event, reading: Reading, life: Life) -> None:
    item = event.discrepancy
    head = Text(f"{' and '.join(event.steps)}: ", style="bold green" if Step.CLOSED in event.steps else "bold")
    name = sheet.text(f"{event.number} {subject(item)}, ")
    if Step.CLOSED in event.steps:
        stood = f"seen {counted(len(life.seen), 'time')}, for {lasting(reading.report.started_at - life.first_seen)}"
        if any(one.discrepancy_id == item.discrepancy_id for one in reading.report.discrepancies):
            stood += ", now within tolerance"
        sheet.line(head, name, Text(stood))
        return
    sheet.line(head, name, Text(_figures(event)))
    if event.before is None or cause_words(item) != cause_words(event.before):
        print_cause(sheet.inset(4), item)
    if event.plan_changed:
        print_next(sheet.inset(4), event.number, item, actions_for(item, reading.report), said={})


def _figures(event: Event) -> str:
    item, before = event.discrepancy, event.before
    moved = before is not None and before.difference != item.difference
    was = f" (was {signed(before.difference)})" if before is not None and moved else ""
    sides = f"local {amount(item.local_amount)}, broker {amount(item.broker_amount)}"
    return f"{sides}, difference {signed(item.difference)}{was}, {item.severity}"
