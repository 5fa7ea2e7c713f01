"""`tieout reports` and `tieout breaks`: what the record holds, listed and shown. Reads only, beside a service that writes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, Problem, RecordUnavailable
from tieout.model.codec import encode
from tieout.model.discrepancy import CauseCode, Severity
from tieout.model.report import ReconciliationReport, Status
from tieout.serve.moments import moment_of
from tieout.serve.output import console, sink
from tieout.serve.recorded import Place

DONE = 0
SHORTEST = 6  # characters of an id that may stand for it
T = TypeVar("T")
Format = Literal["table", "json", "html"]
ListFormat = Literal["table", "json"]

FormatOption = Annotated[Format, Parameter(name=["--format", "-f"], help="How it is written.")]
ListFormatOption = Annotated[ListFormat, Parameter(name=["--format", "-f"], help="JSON is one object a line.")]
OutputOption = Annotated[Path | None, Parameter(name=["--output", "-o"], help="A file instead of standard output.")]


def _several(name: str, what: str) -> Parameter:
    return Parameter(name=name, help=f"{what}; may be repeated.", negative=(), show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Filters:
    """What is asked for, as a person typed it."""

    account: Annotated[tuple[str, ...], _several("--account", "Of this account")] = ()
    asset: Annotated[tuple[str, ...], _several("--asset", "About this asset or currency")] = ()
    cause: Annotated[tuple[CauseCode, ...], _several("--cause", "With this cause")] = ()
    severity: Annotated[tuple[Severity, ...], _several("--severity", "This bad")] = ()
    since: Annotated[str | None, Parameter(help='A time, a day ("2026-11-20"), or how long ago ("2h", "7d").')] = None
    until: Annotated[str | None, Parameter(help="The same: nothing from then on.")] = None
    limit: Annotated[int, Parameter(help="How many at most; 0 is no limit.")] = 200

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """From when, and until when."""
        if self.limit < 0:
            raise BadInput([Problem("--limit", str(self.limit), "below 0", "give a number, or 0 for no limit")])
        now = SystemClock().now()
        return moment_of(self.since, "--since", now), moment_of(self.until, "--until", now)


reports = App(
    name="reports",
    help="List the reports that the record holds, the newest last, or show one as it was made and what became of it.",
    result_action="return_value",
    version_flags=(),
)
breaks = App(
    name="breaks",
    help="List the breaks that are open, the worst first, or show the whole life of one.",
    result_action="return_value",
    version_flags=(),
)
for _name, _help in (
    ("approve", "Let what waits for a break be carried out."),
    ("reject", "Refuse what waits for a break."),
    ("known", "Accept a break as it is, until a date."),
    ("resolve", "Have a break resolved by another strategy."),
    ("comment", "Add a comment to a break's life."),
    ("assign", "Say who is to look after a break."),
):
    breaks.command(f"tieout.serve.saying:{_name}", name=_name, help=_help)


@reports.command(name="list")
@reports.default
def list_reports(
    *,
    filters: Filters = Filters(),
    status: Annotated[tuple[Status, ...], _several("--status", "With this outcome")] = (),
    format: ListFormatOption = "table",  # noqa: A002 - the option's public name
    place: Place = Place(),
) -> int:
    """List reports, the newest last. No amounts are shown, so no key is needed."""
    from tieout.record import history, looking

    since, until = filters.span
    wanted = history.Wanted(
        account=filters.account, asset=filters.asset, cause=filters.cause, severity=filters.severity, status=status,
        since=since, until=until, limit=filters.limit,
    )  # fmt: skip
    listed = looking.look(place.settings, lambda seen: history.list_reports(seen.connection, wanted))
    if format == "json":
        _write_rows(listed.rows, listed.total, "reports")
        return DONE
    from tieout.serve.render.lists import render_reports

    with console(None) as to:
        render_reports(listed, to)
    return DONE


@reports.command(name="show")
def show_report(
    report_id: str,
    /,
    *,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    output: OutputOption = None,
    place: Place = Place(),
) -> int:
    """Show a report as it was made, with what became of its actions. Its amounts need the master key.

    Parameters
    ----------
    report_id
        Its id, or the begin of it.
    """
    from tieout.record import history, looking
    from tieout.serve.render.page import render_page
    from tieout.serve.render.table import render_table

    prefix = _prefix(report_id, "report").upper()

    def read(seen: looking.Looking) -> ReconciliationReport:
        row = _only(history.find_reports(seen.connection, prefix), report_id, "report")
        made = history.read_report(seen.connection, looking.opened(seen), row.entry)
        if made is None:
            raise RecordUnavailable(
                f"report {row.report_id} of account {row.account} was erased when its time had come; "
                f"its outcome was {row.status}, and the log has it as entry {row.entry}"
            )
        return history.with_outcomes(made, history.fates_of_report(seen.connection, made.report_id))

    report = looking.look(place.settings, read)
    if format == "table":
        with console(output) as to:
            render_table([report], to)
        return DONE
    with sink(output) as write:
        title = f"Report {report.report_id}, account {report.account}"
        write(encode(report).decode() + "\n" if format == "json" else render_page([report], title))
    return DONE


@breaks.command(name="list")
@breaks.default
def list_breaks(
    *,
    every: Annotated[bool, Parameter(name="--all", help="Closed ones too.", negative=())] = False,
    filters: Filters = Filters(),
    format: ListFormatOption = "table",  # noqa: A002 - the option's public name
    place: Place = Place(),
) -> int:
    """List breaks as they were last seen, the worst first; above them what is halted.

    No amounts are shown. What waits for your approval is marked, which takes the master key.
    """
    from tieout.record import breaks as kept
    from tieout.record import history, looking
    from tieout.record.standing import Standing, known_accounts, read_standing, with_standing

    since, until = filters.span
    wanted = history.Wanted(
        account=filters.account,
        asset=filters.asset,
        cause=filters.cause,
        severity=filters.severity,
        since=since,
        until=until,
    )
    now = SystemClock().now()

    def read(seen: looking.Looking) -> tuple[list[kept.BreakRow], dict[str, Standing], str | None]:
        shown = filters.account or known_accounts(seen.connection)
        standings = {name: read_standing(seen.connection, seen.sealed, name) for name in shown}
        rows = kept.list_breaks(seen.connection, wanted, closed=every)
        return [with_standing(row, standings.get(row.account), now) for row in rows], standings, seen.locked

    found, standings, locked = looking.look(place.settings, read)
    rows = found[: filters.limit or None]
    if format == "json":
        _write_rows(rows, len(found), "breaks")
        return DONE
    from tieout.serve.render.lists import render_breaks

    with console(None) as to:
        render_breaks(rows, len(found), to, standings=standings, locked=locked)
    return DONE


@breaks.command(name="show")
def show_break(
    break_id: str,
    /,
    *,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    output: OutputOption = None,
    place: Place = Place(),
) -> int:
    """Show a break's whole life: readings, decisions, actions, alerts, halts, people's words, each with its log entry.

    Parameters
    ----------
    break_id
        Its id (`discrepancy_id`), or the begin of it.
    """
    from tieout.record import breaks as kept
    from tieout.record import looking
    from tieout.record.lives import Life, read_life
    from tieout.record.standing import read_standing, with_standing
    from tieout.serve.render.life import render_life, render_life_page
    from tieout.serve.render.saying import life_lines

    prefix = _prefix(break_id, "break").lower()

    def read(seen: looking.Looking) -> tuple[Life, tuple[str, ...], str | None]:
        head = _only(kept.find_breaks(seen.connection, prefix), break_id, "break")
        standing = read_standing(seen.connection, seen.sealed, head.account)
        head = with_standing(head, standing, SystemClock().now())
        return read_life(seen.connection, seen.sealed, head), tuple(life_lines(head, standing)), seen.locked

    life, urgent, locked = looking.look(place.settings, read)
    if format == "table":
        with console(output) as to:
            render_life(life, to, urgent=urgent, locked=locked)
        return DONE
    if format == "json" and locked is not None:
        print(f"Amounts are not in it: {locked}.", file=sys.stderr)
    text = encode(life).decode() + "\n" if format == "json" else None  # type: ignore[arg-type]
    with sink(output) as write:
        write(render_life_page(life, urgent=urgent, locked=locked) if text is None else text)
    return DONE


def _prefix(text: str, what: str) -> str:
    if len(text) < SHORTEST:
        mend = f"give at least {SHORTEST} characters of it; `tieout {what}s` lists them"
        raise BadInput([Problem(what, text, "too short for an id", mend)])
    return text


def _only(found: Sequence[T], given: str, what: str) -> T:
    """The one that was meant."""
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput([Problem(what, given, "several ids begin so", "give more of it")])
    mend = f"`tieout {what}s{' --all' if what == 'break' else ' --limit 0'}` lists them"
    raise BadInput([Problem(what, given, "there is none with this id", mend)])


def _write_rows(rows: Sequence[msgspec.Struct], total: int, what: str) -> None:
    for row in rows:
        print(msgspec.json.encode(row).decode())
    if len(rows) < total:
        print(f"{len(rows)} of {total} {what}; --limit 0 gives all", file=sys.stderr)
