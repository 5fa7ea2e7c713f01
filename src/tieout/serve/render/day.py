"""The demo's day on a terminal: what happened, what was seen, why, what was done, and that it closed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tieout.model.amounts import plain
from tieout.model.discrepancy import ActionKind, ActionStatus
from tieout.model.report import Action, Discrepancy, ReconciliationReport
from tieout.serve.render.words import CAUSES

QUIET = (ActionKind.WAIT, ActionKind.ALERT)


class DayPrinter:
    """Prints scene by scene, as they happen."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._scenes = 0

    def scene(self, title: str, scene: object | None, readings: Sequence[ReconciliationReport]) -> None:
        """One scene: its title, then a line for whatever each reading showed for the first time."""
        self._scenes += scene is not None
        number = f"{self._scenes}. " if scene is not None else ""
        self._console.print()
        self._console.print(Text(f"{number}{title}", style="bold"))
        known: dict[str, bool] = {}
        for report in readings:
            self._reading(report, known)

    def end(self, page: Path, history: Path, readings: int, *, same: bool, command: str) -> None:
        """What is left behind."""
        self._console.print()
        verdict = "to the same verdicts" if same else "to OTHER verdicts: this is a defect, please report it"
        self._console.print(f"{readings} readings, replayed from their own record {verdict}.")
        self._console.print(f"The report: {page}", soft_wrap=True)
        self._console.print(f"The history: {history}  (try: {command} replay {history})", soft_wrap=True)

    def _reading(self, report: ReconciliationReport, known: dict[str, bool]) -> None:
        moment = f"{report.started_at:%H:%M:%S}"
        rows = [row for row in report.discrepancies if not row.within_tolerance]
        for row in rows:
            if row.discrepancy_id not in known:
                self._line(moment, "seen", "yellow", _figures(row))
                self._line("", "why", "cyan", f"{_sentence(row)}{_evidence(row)}")
        fresh = [row for row in rows if row.confirmed and not known.get(row.discrepancy_id)]
        waiting = [row for row in fresh if any(action.action is ActionKind.WAIT for action in _of(report, row))]
        for word, named in (("waiting", waiting), ("confirmed", [row for row in fresh if row not in waiting])):
            if named:
                self._line(moment, word, "yellow", ", ".join(map(_name, named)))
        known.update({row.discrepancy_id: row.confirmed for row in rows})
        for action in report.actions:
            if action.action not in QUIET:
                word = "done" if action.status is ActionStatus.DONE else action.status.replace("_", " ")
                self._line(moment, word, "magenta", _done(action))
        if report.status == "incomplete":
            self._line(moment, "not read", "yellow", "nothing is concluded, and nothing known is forgotten")
        if report.status == "matched":
            self._line(moment, "closed" if known else "matched", "green", "both sides agree")

    def _line(self, moment: str, word: str, style: str, text: str) -> None:
        row = Table.grid(padding=(0, 1))
        row.add_column(width=9)
        row.add_column(width=9)
        row.add_column()
        row.add_row(f" {moment}", Text(word, style=style), Text(text))
        self._console.print(row)


def _of(report: ReconciliationReport, row: Discrepancy) -> list[Action]:
    return [action for action in report.actions if row.discrepancy_id in action.discrepancy_ids]


def _name(row: Discrepancy) -> str:
    return f"{row.domain} {row.client_order_id or row.asset}"


def _figures(row: Discrepancy) -> str:
    amounts = f"local {plain(row.local_amount)}, broker {plain(row.broker_amount)}, difference {plain(row.difference)}"
    return f"{_name(row)}: {amounts} ({row.severity})"


def _sentence(row: Discrepancy) -> str:
    return f"{row.cause.code}: {CAUSES[row.cause.code]}"


def _evidence(row: Discrepancy) -> str:
    return f" ({', '.join(row.cause.evidence)})" if row.cause.evidence else ""


def _done(action: Action) -> str:
    names = ("fill_id", "activity_id", "client_order_id", "asset", "currency")
    record = next((action.detail[name] for name in names if name in action.detail), "")
    return f"{action.action.replace('_', ' ')} {record}"
