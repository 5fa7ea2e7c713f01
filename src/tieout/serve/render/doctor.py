"""Examinations on a terminal: what is to be mended first, then what was seen, a block an account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from tieout.brokers.examined import KeyRights
from tieout.serve.doctor.facts import Examination, SectionSeen
from tieout.serve.render.sheet import Sheet
from tieout.serve.render.words import counted

LABEL = 11
STYLE = {"mend": "bold red", "note": "yellow"}
SEEN_STYLE = {"complete": "green", "partial": "bold magenta", "failed": "bold red", "not read": "dim"}


def render_examinations(seen: Sequence[Examination], to: Console) -> None:
    """Print each account, and where there are several, a last line about all of them."""
    sheet = Sheet(to)
    for number, each in enumerate(seen):
        if number:
            sheet.blank()
        _print_account(sheet, each)
    if len(seen) > 1:
        ill = [each.account for each in seen if not each.well]
        sheet.blank()
        words = (
            f"{len(ill)} of {len(seen)} accounts need something: {', '.join(ill)}" if ill else "all accounts are well"
        )
        sheet.line(sheet.text(words, "bold"))


def _print_account(sheet: Sheet, seen: Examination) -> None:
    mends = sum(each.level == "mend" for each in seen.findings)
    notes = len(seen.findings) - mends
    well = f"WELL, with {counted(notes, 'note')}" if notes else "WELL"
    verdict = f"{counted(mends, 'thing').upper()} TO MEND" if mends else well
    place = f"  account {seen.account} at {seen.venue}, {'may act' if seen.acts else 'only reads'}"
    sheet.line(Text(verdict, style="bold red" if mends else "bold green"), sheet.text(place))
    for each in seen.findings:
        then = [Text("\n-> "), sheet.text(_sentence(each.mend))] if each.mend else []
        words = sheet.text(_sentence(each.what), "bold" if each.level == "mend" else "")
        sheet.labelled(each.level.upper() if each.level == "mend" else each.level, words, *then, width=LABEL,
                       style=STYLE[each.level])  # fmt: skip
    for label, told in _rows(seen):
        sheet.labelled(label, sheet.text(told), width=LABEL)
    for state in SEEN_STYLE:
        named = [_section(each) for each in seen.sections if each.seen == state]
        if named:
            sheet.labelled(state, sheet.text(", ".join(named)), width=LABEL, style=SEEN_STYLE[state])


def _section(seen: SectionSeen) -> str:
    return seen.section if seen.rows is None else f"{seen.section} ({counted(seen.rows, 'row')})"


def _rows(seen: Examination) -> Iterator[tuple[str, str]]:
    if seen.reached is not None:
        steps = {"name": seen.reached.name_ms, "connection": seen.reached.connection_ms, "TLS": seen.reached.tls_ms,
                 "HTTP": seen.reached.http_ms}  # fmt: skip
        took = ", ".join(f"{name} {_ms(value)}" for name, value in steps.items() if value is not None)
        yield "reach", f"{seen.reached.host}: {took or 'not reached'}"
    if seen.clock is not None and seen.clock.ahead_ms is not None:
        side = "ahead of" if seen.clock.ahead_ms >= 0 else "behind"
        yield (
            "clock",
            f"venue {abs(seen.clock.ahead_ms)} ms {side} this machine, give or take {seen.clock.within_ms} ms",
        )
    if seen.rights is not None:
        yield "key", _key(seen.rights)
    if seen.pace is not None:
        pace = seen.pace
        rates = " and ".join(f"{most} in {_span(window)}" for most, window in pace.rates)
        waited = f", {pace.waited_ms} ms of it waiting for limits" if pace.waited_ms else ""
        apart = f", and one of its own for {counted(pace.own, 'endpoint')}" if pace.own else ""
        cost = f"{counted(pace.requests, 'request')} of weight {pace.weight}, {pace.took_ms} ms{waited}"
        yield "reading", f"{cost}; the limit is {rates} by {pace.by}{apart}"
        yield "pace", f"the limit bears a reading every {pace.every_s} s; one every {pace.configured_s} s is configured"
    if seen.markets_age_s is not None:
        yield "markets", f"fetched {_age(seen.markets_age_s)} ago"


def _key(rights: KeyRights) -> str:
    if rights.keyless:
        return "none is needed: what is read is public"
    told = {"read": rights.read, "trade": rights.trade, "withdraw": rights.withdraw, "move funds": rights.move}
    words = ", ".join(f"{name} {_may(may)}" for name, may in told.items() if name != "move funds" or may is not None)
    bound = {True: "; bound to addresses", False: "; from any address", None: ""}[rights.bound]
    return words + bound + (f"; ends {rights.expires:%Y-%m-%d}" if rights.expires else "")


def _may(may: bool | None) -> str:
    return {True: "YES", False: "no", None: "not told"}[may]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _ms(value: int) -> str:
    return f"{value} ms" if value else "under 1 ms"


def _span(milliseconds: int) -> str:
    return f"{milliseconds // 1000} s" if milliseconds % 1000 == 0 else f"{milliseconds} ms"


def _age(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
