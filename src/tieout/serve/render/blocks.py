"""The parts of a report on a terminal: discrepancies, in columns or stacked, with cause and next steps; halts; warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from tieout.model.discrepancy import ActionKind, ActionStatus, Severity
from tieout.model.report import Action, Discrepancy, ReconciliationReport
from tieout.serve.render.history import actions_for, awaiting, halts
from tieout.serve.render.sheet import GAP, Cell, Sheet
from tieout.serve.render.text import aligned, amount, signed, usd
from tieout.serve.render.words import (
    TYPES,
    action_words,
    awaiting_words,
    cause_words,
    halt_words,
    strategy_words,
    subject,
)

SEVERITY_STYLE = {Severity.CRITICAL: "bold white on red", Severity.MODERATE: "bold yellow", Severity.MINOR: "cyan"}
ACTION_STYLE = {
    ActionStatus.PLANNED: "",
    ActionStatus.AWAITING_APPROVAL: "bold yellow",
    ActionStatus.SKIPPED: "dim",
    ActionStatus.DONE: "green",
    ActionStatus.FAILED: "bold red",
}
HALT_STYLE = "bold white on red"
LABEL = 12  # columns for the labels of a stacked discrepancy
MIN_SUBJECT = 22

Numbered = tuple[int, Discrepancy]


def print_urgent(sheet: Sheet, standing: Mapping[str, Sequence[Action]]) -> None:
    """What must not be overlooked, by account: halts, and what waits for a person."""
    for account, actions in standing.items():
        suffix = f" (account {account})" if len(standing) > 1 else ""
        for action in halts(actions):
            sheet.line(sheet.text(f"!! {halt_words(action)}{suffix}", HALT_STYLE))
        if waiting := awaiting(actions):
            sheet.line(sheet.text(f"?? {awaiting_words(len(waiting))}{suffix}", "bold yellow"))


def print_items(sheet: Sheet, report: ReconciliationReport, items: Sequence[Numbered]) -> None:
    """Each discrepancy with its figures, cause and next steps; the same next steps are spelt out once."""
    if not items:
        return
    said: dict[tuple[str, ...], int] = {}
    columns = _Columns.of(sheet, items)
    lead = _lead(items)
    if columns is not None:
        columns.print_header(sheet, lead)
    for number, item in items:
        if number != items[0][0]:
            sheet.blank()
        if columns is not None:
            columns.print_row(sheet, number, item, lead=lead)
        else:
            print_stacked(sheet, number, item, lead=lead)
        inner = sheet.inset(lead + GAP)
        print_cause(inner, item)
        print_next(inner, number, item, actions_for(item, report), said=said)


def _lead(items: Sequence[Numbered]) -> int:
    """The columns that the numbers take."""
    return max(2, *(len(str(number)) for number, _ in items))


def print_cause(sheet: Sheet, item: Discrepancy) -> None:
    """Why it differs, in a sentence with its evidence."""
    sheet.labelled("why", sheet.text(cause_words(item)), width=6)


def print_next(
    sheet: Sheet, number: int, item: Discrepancy, actions: tuple[Action, ...], *, said: dict[tuple[str, ...], int]
) -> None:
    """What will be done, spelt out once for all that share it."""
    plan = (item.strategy, *map(action_words, actions))
    first = said.setdefault(plan, number)
    if first != number:
        return sheet.labelled("next", sheet.text(f"the same as for {first}"), width=6)
    sheet.labelled("next", sheet.text(strategy_words(item)), width=6)
    for action in actions:
        sheet.labelled("", action_text(sheet, action), width=6)
    if not actions:
        sheet.labelled("", sheet.text("no action", "dim"), width=6)
    return None


def action_text(sheet: Sheet, action: Action) -> Text:
    """One action with its status, a halt standing out."""
    style = HALT_STYLE if action.action == ActionKind.HALT else ACTION_STYLE[action.status]
    return sheet.text(action_words(action), style)


def print_stacked(sheet: Sheet, number: int, item: Discrepancy, *, lead: int) -> None:
    """One discrepancy with its figures below each other, decimal point below decimal point."""
    parts = [_severity_text(item), Text("  "), sheet.text(subject(item), "bold"), Text("  "), _confirmed_text(item)]
    inner = sheet.inset(lead + GAP)
    sheet.columns([Cell(Text(str(number)), lead, right=True), Cell(Text.assemble(*parts), inner.width)])
    inner.line(inner.text(TYPES[item.discrepancy_type]))
    figures = aligned([amount(item.local_amount), amount(item.broker_amount), signed(item.difference)])
    widest = max(cell_len(figure) for figure in figures)
    fits = widest <= inner.width - LABEL  # a figure that folds starts at the edge
    for label, figure in zip(("local", "broker", "difference"), figures, strict=True):
        inner.labelled(label, Text(figure.rjust(widest).rstrip() if fits else figure), width=LABEL)
    inner.labelled("that is", Text(f"{amount(item.percent)} %, {usd(item.usd_value)}"), width=LABEL)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The column layout: figures of all rows, ready padded, and the width that is left for the subject."""

    figures: dict[int, tuple[str, ...]]
    widths: tuple[int, ...]
    subject: int

    HEADS = ("local", "broker", "difference", "percent", "value")

    @classmethod
    def of(cls, sheet: Sheet, items: Sequence[Numbered]) -> _Columns | None:
        """The layout in which every figure stands on one line, or None where the sheet is too narrow for it."""
        columns = [
            aligned([amount(item.local_amount) for _, item in items]),
            aligned([amount(item.broker_amount) for _, item in items]),
            aligned([signed(item.difference) for _, item in items]),
            [f"{amount(item.percent)} %" for _, item in items],
            [usd(item.usd_value) for _, item in items],
        ]
        widths = tuple(max(map(cell_len, [head, *cells])) for head, cells in zip(cls.HEADS, columns, strict=True))
        taken = _lead(items) + GAP + sum(width + GAP for width in widths) + 11
        left = sheet.width - taken
        if left < MIN_SUBJECT:
            return None
        rows = zip(*columns, strict=True)
        return cls({number: row for (number, _), row in zip(items, rows, strict=True)}, widths, left - GAP)

    def print_header(self, sheet: Sheet, lead: int) -> None:
        """Print the names of the columns."""
        heads = [
            Cell(Text(head, style="dim"), width, right=True)
            for head, width in zip(self.HEADS, self.widths, strict=True)
        ]
        what = Cell(Text("what differs", style="dim"), self.subject)
        sheet.columns([Cell(Text(" "), lead), what, *heads, Cell(Text("severity", style="dim"), 11)])

    def print_row(self, sheet: Sheet, number: int, item: Discrepancy, *, lead: int) -> None:
        """Print one discrepancy's figures, with its name and kind beside them."""
        name = Text.assemble(sheet.text(subject(item), "bold"), "\n", sheet.text(TYPES[item.discrepancy_type]))
        figures = [
            Cell(Text(figure), width, right=True)
            for figure, width in zip(self.figures[number], self.widths, strict=True)
        ]
        grade = Cell(Text.assemble(_severity_text(item), "\n", _confirmed_text(item)), 11)
        sheet.columns([Cell(Text(str(number)), lead, right=True), Cell(name, self.subject), *figures, grade])


def _severity_text(item: Discrepancy) -> Text:
    return Text(item.severity.value, style=SEVERITY_STYLE[item.severity])


def _confirmed_text(item: Discrepancy) -> Text:
    return Text("confirmed") if item.confirmed else Text("unconfirmed", style="dim")


def print_tolerated(sheet: Sheet, items: Sequence[Discrepancy]) -> None:
    """What is within tolerance: all its figures, but in one dim paragraph each."""
    if not items:
        return
    sheet.blank()
    sheet.line(Text(f"within tolerance, nothing is done ({len(items)}):", style="dim"))
    for item in items:
        figures = (
            f"{subject(item)}: local {amount(item.local_amount)}, broker {amount(item.broker_amount)}, "
            f"difference {signed(item.difference)} ({amount(item.percent)} %, {usd(item.usd_value)}, {item.severity}); "
            f"{cause_words(item)}"
        )
        sheet.inset(2).columns([Cell(Text("~", style="dim"), 1), Cell(sheet.text(figures, "dim"), sheet.width - 5)])


def print_general(sheet: Sheet, actions: Sequence[Action]) -> None:
    """What concerns no single discrepancy."""
    if actions:
        sheet.line(Text("for the account as a whole:", style="bold"))
    for action in actions:
        sheet.inset(2).line(action_text(sheet, action))


def print_warnings(sheet: Sheet, reports: Sequence[ReconciliationReport]) -> None:
    """Each warning once, with the number of readings that gave it."""
    counts: dict[str, int] = {}
    for report in reports:
        for warning in dict.fromkeys(report.summary.warnings):
            counts[warning] = counts.get(warning, 0) + 1
    if counts:
        sheet.blank()
    for warning, number in counts.items():
        suffix = f" (in {number} readings)" if number > 1 else ""
        sheet.labelled("warning", sheet.text(warning + suffix), width=9, style="bold yellow")
