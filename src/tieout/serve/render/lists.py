"""Lists of reports and of breaks on a terminal, for finding the one that a person wants to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from tieout.model.discrepancy import Severity
from tieout.record.breaks import BreakRow
from tieout.record.history import Listed, ReportRow
from tieout.record.standing import Standing
from tieout.serve.render.blocks import HALT_STYLE, SEVERITY_STYLE
from tieout.serve.render.saying import minute, urgent_lines, waiting_words
from tieout.serve.render.sheet import GAP, Cell, Sheet
from tieout.serve.render.table import STATUS_STYLE
from tieout.serve.render.words import counted

RUN_SHOWN = 3  # that many alike in a row are shown one by one; more are drawn together
ID = 26
SEVERITY = 11  # columns


def render_reports(listed: Listed, console: Console) -> None:
    """Print one line a report, the newest last; many that say the same in a row come together."""
    sheet, rows = Sheet(console), listed.rows
    if not rows:
        sheet.line(Text("There is no such report."))
        return
    if len(rows) < listed.total:
        sheet.line(Text(f"The last {len(rows):,} of {listed.total:,} reports, the newest last (--limit 0 shows all):"))
    several = len({row.account for row in rows}) > 1
    day = ""
    for run in _runs(rows):
        today = _day(run[0].started_at)
        if today != day:
            sheet.line(Text(f"{today} UTC", style="dim"))
            day = today
        _print_reports(sheet, run, several=several)


def _runs(rows: Sequence[ReportRow]) -> list[list[ReportRow]]:
    """Reports of an account that say the same in a row; few of them stay apart. In the order of their first."""
    found: list[list[ReportRow]] = []
    standing: dict[str, list[ReportRow]] = {}
    for row in rows:
        run = standing.get(row.account)
        if run is not None and _alike(run[-1]) == _alike(row):
            run.append(row)
            continue
        standing[row.account] = [row]
        found.append(standing[row.account])
    parts = [part for run in found for part in ([run] if len(run) > RUN_SHOWN else [[row] for row in run])]
    return sorted(parts, key=lambda part: part[0].entry)


def _alike(row: ReportRow) -> tuple[object, ...]:
    return row.account, row.status, row.severity, row.breaks, row.look, _day(row.started_at)


def _print_reports(sheet: Sheet, run: Sequence[ReportRow], *, several: bool) -> None:
    row = run[0]
    said = [_outcome(row)]
    if several:
        said.append(sheet.text(f", account {row.account}"))
    if row.look:
        said.append(Text(", only looked"))
    if len(run) > 1:
        said.append(Text(f", the same in all {len(run)} until {_time(run[-1].started_at)}"))
    cells = [Cell(Text(_time(row.started_at)), 8), Cell(sheet.text(row.report_id, "dim"), ID)]
    sheet.columns([*cells, Cell(Text.assemble(*said), sheet.width - 8 - ID - 2 * GAP)])


def _outcome(row: ReportRow) -> Text:
    """A report's outcome with the number of differences that it shows."""
    shown = f", {counted(row.breaks, 'difference')}" if row.breaks else ""
    if row.status == "discrepancies" and row.severity is not None:
        return Text.assemble((row.severity, SEVERITY_STYLE[Severity(row.severity)]), shown)
    within = " within tolerance" if row.status == "matched" and shown else ""
    return Text.assemble((row.status.upper(), STATUS_STYLE.get(row.status, "bold")), shown, within)


def render_breaks(
    rows: Sequence[BreakRow],
    total: int,
    console: Console,
    *,
    standings: Mapping[str, Standing] | None = None,
    locked: str | None = None,
) -> None:
    """Print what is halted, then two lines a break: what and why, its id and what is done about it; and what waits.

    Args:
        rows: In their order.
        total: How many there are in all.
        console: Where to.
        standings: How the accounts stand, by name.
        locked: Why nobody can tell what waits for approval.
    """
    sheet, known = Sheet(console), standings or {}
    for sentence in urgent_lines(known.values()):
        sheet.line(sheet.text(sentence, HALT_STYLE))
    if not rows:
        sheet.line(Text("There is no such break."))
        return
    if len(rows) < total:
        sheet.line(Text(f"{len(rows):,} of {total:,} breaks, the worst first (--limit 0 shows all):"))
    several = len({row.account for row in rows}) > 1
    for row in rows:
        _print_break(sheet, row, several=several)
        _print_waiting(sheet.inset(SEVERITY + GAP), row, known.get(row.account))
    if locked is not None:
        sheet.line(sheet.text(f"What awaits your approval is not shown: {locked}.", "bold yellow"))


def _print_break(sheet: Sheet, row: BreakRow, *, several: bool) -> None:
    account = f", account {row.account}" if several else ""
    name = Text.assemble(
        sheet.text(f"{row.domain} {row.asset}{account}", "bold"), "\n", sheet.text(row.discrepancy_id, "dim")
    )
    grade = "confirmed" if row.confirmed else "unconfirmed"
    severity = Text.assemble(Text(row.severity, style=SEVERITY_STYLE[Severity(row.severity)]), "\n", grade)
    when = f"{'open since' if row.closed_at is None else 'closed'} {_moment(row.closed_at or row.first_seen)}"
    why = Text(f"{row.cause}\n{row.strategy}")
    last = Text.assemble(
        Text(when, style="" if row.closed_at is None else "green"), "\n", counted(row.readings, "reading")
    )
    fixed = ((severity, SEVERITY), (why, 16), (last, 27))
    left = min(sheet.width - sum(width + GAP for _, width in fixed), 44)
    sheet.columns([Cell(severity, SEVERITY), Cell(name, left), *(Cell(text, width) for text, width in fixed[1:])])


def _print_waiting(sheet: Sheet, row: BreakRow, standing: Standing | None) -> None:
    """What a person is asked, and what he said of it."""
    if row.known_until is not None and row.closed_at is None:
        sheet.line(sheet.text(f"known until {minute(row.known_until)}, by {row.known_by or 'somebody'}", "cyan"))
    if row.assignee is not None and row.closed_at is None:
        sheet.line(sheet.text(f"{row.assignee} looks after it", "cyan"))
    plan = None if standing is None or row.closed_at is not None else standing.plan_of(row.discrepancy_id)
    if plan is None or standing is None:
        return
    if row.awaits or standing.answer(plan.plan) is not None:
        sheet.line(sheet.text(waiting_words(plan, standing, row.discrepancy_id), "bold yellow"))


def _moment(at: datetime) -> str:
    return f"{_day(at)} {at.astimezone(UTC):%H:%M}"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S}"
