"""A verdict, a proof and entries on a terminal: what is wrong first, in words."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from tieout.record.audit.exporting import Placed
from tieout.record.audit.finding import Verdict
from tieout.record.audit.proving import Shown
from tieout.record.audit.wording import described, moment
from tieout.serve.render.sheet import Sheet
from tieout.serve.render.words import counted

LABEL = 12


def render_verdict(verdict: Verdict, to: Console) -> None:
    """Print the verdict, what was found, what was not checked, and of which log."""
    sheet = Sheet(to)
    if verdict.sound:
        sheet.line(
            Text("SOUND", style="bold green"),
            Text(f": every one of the {verdict.entries:,} entries is as it was signed."),
        )
    else:
        sheet.line(Text("NOT SOUND", style="bold red"), Text(f": {counted(len(verdict.findings), 'finding')}."))
    for number, finding in enumerate(verdict.findings):
        sheet.blank()
        style = "bold" if number == 0 else ""
        sheet.labelled(finding.kind, sheet.text(_sentence(finding.sentence), style), width=LABEL, style="red")
    sheet.blank()
    _print_log(sheet, verdict)
    for label, sentences in (("note", verdict.remarks), ("not checked", verdict.unchecked)):
        for sentence in sentences:
            sheet.labelled(label, sheet.text(_sentence(sentence)), width=LABEL + 2, style="yellow")


def _print_log(sheet: Sheet, verdict: Verdict) -> None:
    span = ""
    if verdict.first_at is not None and verdict.last_at is not None:
        span = f", {moment(verdict.first_at)} to {moment(verdict.last_at)}"
    name, hint, _ = verdict.key.split("+", 2)
    rows = [
        ("log", f"{verdict.log} in {verdict.store}"),
        ("entries", f"{verdict.entries:,}{span}"),
        ("proved", f"the first {verdict.proved:,}, by the key {name}+{hint} from {verdict.pinned_by}"),
        ("checked", ", ".join(_counted(count, what) for what, count in verdict.checked.items() if count)),
    ]
    for label, words in rows:
        sheet.labelled(label, sheet.text(words), width=LABEL + 2)


def _counted(count: int, what: str) -> str:
    return f"1 {_ONE[what]}" if count == 1 and what in _ONE else f"{count:,} {what}"


_ONE = {
    "entries": "entry",
    "checkpoints": "checkpoint",
    "signatures": "signature",
    "heads kept elsewhere": "head kept elsewhere",
    "cosignatures": "cosignature",
    "readings": "reading",
}


def render_shown(shown: Shown, to: Console) -> None:
    """Print what a proof shows."""
    sheet = Sheet(to)
    about = "" if shown.entry is None else f", {described(shown.entry)},"
    sheet.line(
        Text("PROVED", style="bold green"),
        sheet.text(f": entry {shown.index}{about} is in the log {shown.log} of {shown.size:,} entries."),
    )
    name, hint, _ = shown.key.split("+", 2)
    sheet.labelled("signed by", sheet.text(f"{name}+{hint}"), width=LABEL + 2)
    for witness, at in shown.cosigned.items():
        sheet.labelled("cosigned by", sheet.text(f"{witness} at {moment(at)}"), width=LABEL + 2)
    if shown.entry is not None:
        for label, value in sorted(shown.entry.refs.items()):
            sheet.labelled(label, sheet.text(value), width=LABEL + 2)
    if shown.contents:
        what = (
            f"{counted(len(shown.contents), 'payload')} laid open, as the entry commits to it (--format json shows it)"
        )
        sheet.labelled("content", Text(what), width=LABEL + 2)


def render_entries(entries: Iterable[Placed], to: Console) -> None:
    """Print a line or two an entry."""
    sheet = Sheet(to)
    shown = False
    for placed in entries:
        shown = True
        entry = placed.entry
        refs = ", ".join(f"{name} {value}" for name, value in entry.refs.items() if name not in ("action", "report"))
        words = [sheet.text(described(entry))]
        if refs:
            words += [Text("\n"), sheet.text(refs, "dim")]
        sheet.labelled(str(placed.index), *words, width=LABEL, style="bold")
    if not shown:
        sheet.line(Text("The log has no entry yet."))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
