"""The outbox on a terminal: what waits, each with why, and what went out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.text import Text

from tieout.model.discrepancy import Severity
from tieout.model.notice import ENDS, NoticeKind
from tieout.record.outbox import Alert
from tieout.serve.render.blocks import SEVERITY_STYLE
from tieout.serve.render.sheet import GAP, Cell, Sheet
from tieout.serve.render.words import counted

SEVERITY, WHEN = 8, 16
_KINDS = {
    NoticeKind.OPENED: "opened",
    NoticeKind.GROWN: "grew",
    NoticeKind.STANDING: "still stands",
    NoticeKind.CLOSED: "over",
}


def render_alerts(alerts: Sequence[Alert], now: datetime, console: Console, *, every: bool) -> None:
    """Print what waits with why it does, then what went out.

    Args:
        alerts: What waits before what went out.
        now: The present.
        console: Where to.
        every: They are all that went out; else those of a day.
    """
    sheet = Sheet(console)
    waiting = [alert for alert in alerts if alert.delivered_at is None]
    sent = [alert for alert in alerts if alert.delivered_at is not None]
    if waiting:
        counts = Counter(alert.severity for alert in waiting)
        named = ", ".join(f"{counts[each]} {each}" for each in reversed(Severity) if counts[each])
        oldest = min(alert.at for alert in waiting)
        since = f"the oldest for {_span(now - oldest)}"
        sheet.line(Text(f"{counted(len(waiting), 'alert')} waiting to be told ({named}), {since}:", style="bold"))
    else:
        sheet.line(Text("No alert is waiting to be told.", style="green"))
    for alert in waiting:
        _print(sheet, alert, _why(sheet, alert, now))
    span = "" if every else " in the last 24 hours"
    if waiting:
        sheet.blank()
    if not sent:
        sheet.line(Text(f"None went out{span}{'' if every else ' (--all shows earlier ones)'}."))
        return
    sheet.line(Text(f"{counted(len(sent), 'alert')} went out{span}, the newest first:", style="bold"))
    for alert in sent:
        _print(sheet, alert, _went(sheet, alert))


def _print(sheet: Sheet, alert: Alert, below: Text) -> None:
    severity = Text(alert.severity, style=SEVERITY_STYLE[alert.severity])
    if alert.kind in ENDS:
        severity = Text("over", style="green")
    what = f"{_KINDS[alert.kind]}: " if alert.kind in (NoticeKind.GROWN, NoticeKind.STANDING) else ""
    said = Text.assemble(sheet.text(f"{what}{alert.text}"), "\n", below)
    left = sheet.width - SEVERITY - WHEN - 2 * GAP
    sheet.columns([Cell(severity, SEVERITY), Cell(Text(_moment(alert.at)), WHEN), Cell(said, left)])


def _why(sheet: Sheet, alert: Alert, now: datetime) -> Text:
    """Why an alert waits, and when it is tried next."""
    if not alert.attempts:
        return Text("not tried yet", style="dim")
    due = alert.next_at
    then = "due now" if due is None or due <= now else f"next in {_span(due - now)}"
    failure = f"failed {counted(alert.attempts, 'time')}, {then}: {alert.failure or 'no reason was kept'}"
    return Text.assemble(sheet.text(failure, "yellow"), _higher(alert))


def _went(sheet: Sheet, alert: Alert) -> Text:
    assert alert.delivered_at is not None, "it went out"
    late = alert.delivered_at - alert.at
    said = f"told {_moment(alert.delivered_at)}"
    if late >= timedelta(minutes=1):
        said += f", {_span(late)} late"
    if alert.attempts:
        said += f", after {counted(alert.attempts, 'failure')}"
    return Text.assemble(sheet.text(said, "dim"), _higher(alert))


def _higher(alert: Alert) -> Text:
    if alert.escalated_at is None:
        return Text("")
    return Text(f", escalated {_moment(alert.escalated_at)}", style="bold")


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _span(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
