"""How reports are written, and the exit status that they give: 0 matched, 1 discrepancies, 3 incomplete or failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tieout.model.report import ReconciliationReport
from tieout.serve.output import console, sink

Format = Literal["table", "json", "html"]
MATCHED, DISCREPANCIES, BAD, INCOMPLETE = 0, 1, 2, 3

FormatOption = Annotated[Format, Parameter(name=["--format", "-f"], help="How the report is written.")]
OutputOption = Annotated[Path | None, Parameter(name=["--output", "-o"], help="A file instead of standard output.")]
ConfigOption = Annotated[Path | None, Parameter(help="Settings, assets, accounts and policy (TOML).")]


def write_reports(reports: Sequence[ReconciliationReport], style: Format, output: Path | None, *, title: str) -> None:
    """Write *reports* as a table, as JSON (one a line), or as a page."""
    if style == "table":
        from tieout.serve.render.table import render_table

        with console(output) as to:
            render_table(reports, to)
        return
    with sink(output) as write:
        if style == "json":
            from tieout.model.codec import encode

            write("".join(encode(report).decode() + "\n" for report in reports))
        else:
            from tieout.serve.render.page import render_page

            write(render_page(reports, title))


def exit_status(reports: Sequence[ReconciliationReport]) -> int:
    """The exit status of the worst report."""
    codes = {"matched": MATCHED, "discrepancies": DISCREPANCIES, "incomplete": INCOMPLETE, "failed": INCOMPLETE}
    return worst([codes[report.status] for report in reports])


def worst(statuses: Sequence[int]) -> int:
    """Discrepancies count before an incomplete reading, and that before a match."""
    for status in (DISCREPANCIES, INCOMPLETE):
        if status in statuses:
            return status
    return MATCHED
