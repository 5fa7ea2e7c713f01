"""Reports as one self-contained HTML page: no script, nothing fetched, readable on a phone and on paper.

Every text passes `inert` and the template's escaping on its way out; there is no other door (see `_environment`).
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from tieout.model.discrepancy import Severity
from tieout.model.report import Action, Discrepancy, ReconciliationReport
from tieout.serve.render import text, words
from tieout.serve.render.history import (
    Event,
    History,
    Life,
    Step,
    actions_for,
    awaiting,
    follow,
    halts,
    latest,
    overall,
    ranked,
    runs,
    standing,
    tolerated,
)

if TYPE_CHECKING:
    from jinja2 import Environment

INDEX_FROM = 6  # with that many discrepancies an index stands before them


@dataclass(frozen=True, slots=True)
class Card:
    """One discrepancy as the page shows it: the last known figures, and its life where there is a history."""

    number: int
    item: Discrepancy
    actions: tuple[Action, ...]
    life: Life | None = None

    @property
    def figures(self) -> list[tuple[str, str]]:
        """Local, broker and difference, decimal point below decimal point."""
        item = self.item
        sides = [text.amount(item.local_amount), text.amount(item.broker_amount), text.signed(item.difference)]
        padded = text.aligned(sides, digit=text.FIGURE_SPACE, point=text.PUNCTUATION_SPACE)
        return list(zip(("local", "broker", "difference"), padded, strict=True))

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The life of the break, one step a line: what, and when."""
        life = self.life
        if life is None:
            return []
        steps = [
            ("first seen", life.first_seen),
            ("confirmed", life.confirmed_at),
            ("explained", life.explained_at),
            ("last seen", life.last_seen),
            ("closed", life.closed_at),
        ]
        taken = sorted(((at, name) for name, at in steps if at is not None), key=lambda step: step[0])
        return [(name, text.moment(at)) for at, name in taken]

    @property
    def bars(self) -> list[tuple[int, int, str]]:
        """Which readings showed it: position, length and tone of each unbroken row of them."""
        seen = self.life.seen if self.life else []
        tone = self.item.severity.lower()
        runs_of = groupby(enumerate(seen), key=lambda pair: pair[1] - pair[0])
        rows = [[at for _, at in group] for _, group in runs_of]
        return [(row[0], len(row), tone) for row in rows]


def render_page(reports: Sequence[ReconciliationReport], title: str) -> str:
    """A whole HTML document about one report, or about a history of them.

    Args:
        reports: In the order of time for each account.
        title: What the page is called, as plain text.
    """
    history = follow(reports)
    return render_document(
        "report.html.jinja",
        title=title,
        reports=reports,
        last=latest(reports),
        single=reports[0] if len(reports) == 1 else None,
        verdict=_headline(history),
        tone=_tone_of_all(reports),
        urgent=_urgent(history),
        tiles=list(_tiles(history)),
        cards=_cards(history),
        tolerated=tolerated(reports),
        general=[action for report in latest(reports) for action in report.actions if not action.discrepancy_ids],
        runs=list(runs(history.readings)),
        strip=_strip([_tone(report) for report in reports]),
        warnings=_warnings(reports),
        several=len({report.account for report in reports}) > 1,
    )


def render_document(template: str, **values: object) -> str:
    """A whole HTML document of *template*, with the style sheet inside it and its hash beside it."""
    style = _environment().get_template("report.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _environment().get_template(template).render(css=_markup(style), style_hash=digest, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tieout.serve.render"),
        autoescape=lambda name: name is not None and not name.endswith(".css"),
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        amount=text.amount, signed=text.signed, usd=text.usd, moment=text.moment, lasting=text.lasting,
        of_day=text.of_day, subject=words.subject, cause=words.cause_words, strategy=words.strategy_words,
        action=words.action_words, counted=words.counted, kind=lambda item: words.TYPES[item.discrepancy_type],
        coverage=words.COVERAGE.__getitem__, verdict=words.verdict, tone=_tone, event=_event,
        digits=_markup, compared=words.compared_words,
    )  # fmt: skip
    environment.globals["INDEX_FROM"] = INDEX_FROM
    return environment


def _markup(safe: str) -> str:
    """Text that is ours through and through: figures, the style sheet."""
    from markupsafe import Markup

    return Markup(safe)


def _finalize(value: object) -> object:
    """Make text inert unless it is markup of our own; the template escapes it afterwards."""
    return text.inert(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _headline(history: History) -> str:
    if not history.readings:
        return "NOTHING TO SHOW: there was no reading"
    if len(history.readings) == 1:
        return words.verdict(history.readings[0].report)
    return overall(history)


def _tone(report: ReconciliationReport) -> str:
    """The colour class of a report: its status, or the severity where it has discrepancies."""
    if report.status == "discrepancies" and report.severity is not None:
        return report.severity.lower()
    return report.status


def _tone_of_all(reports: Sequence[ReconciliationReport]) -> str:
    """The worst tone among the accounts as they stand at the end."""
    order = ["critical", "failed", "incomplete", "moderate", "minor", "discrepancies", "matched"]
    return min((_tone(report) for report in latest(reports)), key=order.index, default="incomplete")


def _urgent(history: History) -> list[tuple[str, str]]:
    """What must not be overlooked: a class and a sentence each."""
    actions = standing(history)
    found: list[tuple[str, str]] = []
    for account, mine in actions.items():
        suffix = f", account {account}" if len(actions) > 1 else ""
        found += [("halt", words.halt_words(action) + suffix) for action in halts(mine)]
        found += [("approval", words.action_words(action) + suffix) for action in awaiting(mine)]
    return found


def _tiles(history: History) -> Iterator[tuple[str, str, str]]:
    """The summary numbers: value, label, and a colour class (empty where the number is nothing to worry about)."""
    items = [card.item for card in _cards(history) if card.life is None or card.life.closed_at is None]
    counts = Counter(item.severity for item in items)
    for severity in reversed(Severity):
        yield str(counts[severity]), severity.value, severity.lower() if counts[severity] else ""
    waiting = sum(len(awaiting(actions)) for actions in standing(history).values())
    yield str(waiting), "awaiting approval", "moderate" if waiting else ""
    yield str(len(tolerated([reading.report for reading in history.readings]))), "within tolerance", ""
    if len(history.readings) > 1:
        closed = sum(life.closed_at is not None for life in history.lives)
        yield str(closed), "breaks closed", ""
        yield str(len(history.readings)), "readings", ""


def _cards(history: History) -> list[Card]:
    """The discrepancies of a single report, or the breaks of a history; what is open and worst comes first."""
    if len(history.readings) != 1:
        return [Card(life.number, life.discrepancy, life.actions, life) for life in history.lives]
    report = history.readings[0].report
    items = [item for item in ranked(report.discrepancies) if not item.within_tolerance]
    return [Card(number, item, actions_for(item, report)) for number, item in enumerate(items, 1)]


def _event(event: Event) -> str:
    """One line about what a reading did to a break."""
    item, before = event.discrepancy, event.before
    line = f"{' and '.join(event.steps)}: {words.subject(item)}"
    if Step.CLOSED in event.steps:
        return line
    was = f" (was {text.signed(before.difference)})" if before and before.difference != item.difference else ""
    return f"{line}, difference {text.signed(item.difference)}{was}, {item.severity}, {item.cause.code}"


def _strip(tones: Sequence[str]) -> list[tuple[int, int, str]]:
    """Equal neighbours drawn together: position, length and tone of each bar."""
    bars: list[tuple[int, int, str]] = []
    position = 0
    for tone, group in groupby(tones):
        length = sum(1 for _ in group)
        bars.append((position, length, tone))
        position += length
    return bars


def _warnings(reports: Sequence[ReconciliationReport]) -> list[tuple[str, int]]:
    """Each warning once, with the number of readings that gave it."""
    return list(Counter(one for report in reports for one in dict.fromkeys(report.summary.warnings)).items())
