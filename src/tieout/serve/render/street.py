"""The demo of venues on a terminal: how it goes on, and one table of what went wrong, what was found and what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tieout.model.discrepancy import ActionStatus, CauseCode
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.serve.render.day import QUIET
from tieout.serve.render.text import signed

if TYPE_CHECKING:
    from tieout.serve.demo_venues import Reading

STYLES = {"matched": "green", "discrepancies": "yellow", "incomplete": "yellow", "failed": "red"}
FAILURES = {
    "malformed": "an answer that cannot be trusted",
    "rate_limited": "it asked us to wait",
    "unavailable": "no answer",
    "timeout": "no answer in time",
}
DOUBTED = (CauseCode.PARTIAL_RESPONSE, CauseCode.STALE_BROKER)
NAMES = ("asset", "currency", "client_order_id", "broker_order_id")


class StreetPrinter:
    """Prints how it goes on, then the table."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def tell(self, sentence: str) -> None:
        """One step."""
        self._console.print(sentence)

    def table(
        self, venues: Mapping[str, str], titles: Mapping[str, str], readings: Mapping[str, Sequence[Reading]]
    ) -> None:
        """A row an account: the reading after something went wrong, and how it ended."""
        shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 1, 0))
        narrow = self._console.width < 100
        heads = ("account\nvenue",) if narrow else ("account", "venue")
        for head in heads:
            shown.add_column(head, no_wrap=True)
        shown.add_column("requests", justify="right", no_wrap=True)
        shown.add_column("ms", justify="right", no_wrap=True)
        shown.add_column("status", no_wrap=True)
        shown.add_column("what went wrong, was found, was done", ratio=1)
        for name, venue in venues.items():
            _first, struck, *later = readings[name]
            names = (f"{name}\n{venue}",) if narrow else (name, venue)
            shown.add_row(
                *names, str(struck.requests), str(struck.milliseconds),
                _statuses([struck, *later]), _story(titles.get(name), [struck, *later]),
            )  # fmt: skip
        self._console.print(shown)

    def end(self, page: Path, history: Path, *, command: str) -> None:
        """What is left behind, and what the figures are worth."""
        self._console.print(
            "Requests and ms are those of the first reading after it went wrong; servers and clients share"
        )
        self._console.print("one process here, and the servers bear ten times what the venues themselves allow.")
        self._console.print(f"The reports: {page}", soft_wrap=True)
        self._console.print(f"The history: {history}  (try: {command} replay {history})", soft_wrap=True)


def _statuses(readings: Sequence[Reading]) -> Text:
    """How it stood, reading by reading, as long as that changed."""
    told: list[str] = []
    for reading in readings:
        if not told or told[-1] != reading.report.status:
            told.append(reading.report.status)
    lines = [Text(f"{'' if number == 0 else 'then '}{word}", style=STYLES[word]) for number, word in enumerate(told)]
    return Text("\n").join(lines)


def _story(title: str | None, readings: Sequence[Reading]) -> Text:
    if title is None:
        return Text("nothing goes wrong here", style="dim")
    lines = [Text(title, style="bold"), *(Text(line) for line in dict.fromkeys(_found(readings)))]
    return Text("\n").join(lines)


def _found(readings: Sequence[Reading]) -> Iterable[str]:
    for reading in readings:
        again = (
            "" if not reading.again else ", asked again " + ("once" if reading.again == 1 else f"{reading.again} times")
        )
        if reading.failures:
            yield f"found: {' and '.join(FAILURES.get(kind, kind) for kind in reading.failures)}{again}"
        if reading.report.status == "incomplete":
            unread = ", ".join(name for name, state in reading.report.coverage.items() if state == "failed")
            yield f"not read: {unread or 'the broker'}; nothing is concluded, nothing forgotten"
        yield from (f"found: {_difference(row)}" for row in _beyond(reading.report))
        if any(row.cause.code in DOUBTED for row in _beyond(reading.report)):
            yield "not acted on: the answer is in doubt, and read again"
        yield from (f"done: {told}" for told in _done(reading.report))


def _beyond(report: ReconciliationReport) -> list[Discrepancy]:
    return [row for row in report.discrepancies if not row.within_tolerance]


def _difference(row: Discrepancy) -> str:
    what = f"{row.domain} {row.client_order_id or row.asset}"
    figure = f" {signed(row.difference)}" if row.difference else ""  # an order may differ in its status alone
    return f"{what}{figure}, {row.cause.code}"


def _done(report: ReconciliationReport) -> Iterable[str]:
    for action in report.actions:
        if action.action not in QUIET:
            record = next((action.detail[name] for name in NAMES if name in action.detail), "")
            word = "" if action.status is ActionStatus.DONE else f" ({action.status.replace('_', ' ')})"
            yield f"{action.action.replace('_', ' ')} {record}{word}".strip()
