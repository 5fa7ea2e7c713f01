"""Many reports as one story: what each reading changed, and the life of each break. Computes nothing about amounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby

from tieout.model.amounts import ZERO
from tieout.model.discrepancy import DOUBTS, SEVERITY_RANK, ActionKind, ActionStatus, CauseCode
from tieout.model.report import Action, Discrepancy, ReconciliationReport
from tieout.serve.render.words import SECTION_OF, counted, verdict

RUN_SHOWN = 6  # that many readings in a row without news are shown one by one; more are drawn together


class Step(StrEnum):
    """What a reading did to a break."""

    NEW = "new"
    CONFIRMED = "confirmed"
    EXPLAINED = "explained"
    CHANGED = "changed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Event:
    """One break in one reading that changed it; `discrepancy` is its last known state."""

    number: int
    steps: tuple[Step, ...]
    discrepancy: Discrepancy
    before: Discrepancy | None = None
    plan_changed: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """One report, what it changed, and how many known breaks it could not look at."""

    report: ReconciliationReport
    events: tuple[Event, ...]
    unseen: int
    general: tuple[Action, ...]

    @property
    def changed(self) -> bool:
        """Whether a person needs more than its one line."""
        return bool(self.events or self.general)


@dataclass(slots=True)
class Life:
    """A break from first to last sight. `seen` holds the indexes of the readings that showed it."""

    number: int
    account: str
    discrepancy: Discrepancy
    actions: tuple[Action, ...]
    first_seen: datetime
    last_seen: datetime
    confirmed_at: datetime | None = None
    explained_at: datetime | None = None
    closed_at: datetime | None = None
    seen: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class History:
    """All readings in order, and the lives of all breaks, open ones first, then by severity."""

    readings: tuple[Reading, ...]
    lives: tuple[Life, ...]


def follow(reports: Sequence[ReconciliationReport]) -> History:
    """Follow every break beyond tolerance through *reports*, which are in the order of time for each account.

    A break closes only in a reading that compared its section: one that could not be read says nothing about it.
    """
    accounts: dict[str, _Account] = {}
    readings: list[Reading] = []
    lives: list[Life] = []
    for index, report in enumerate(reports):
        account = accounts.setdefault(report.account, _Account())
        readings.append(account.read(report, index, lives))
    lives.sort(key=lambda life: (life.closed_at is not None, -SEVERITY_RANK[life.discrepancy.severity]))
    return History(tuple(readings), tuple(lives))


@dataclass(slots=True)
class _Account:
    """What is known of one account so far."""

    open: dict[str, Life] = field(default_factory=dict)
    general: tuple[Action, ...] = ()

    def read(self, report: ReconciliationReport, index: int, lives: list[Life]) -> Reading:
        shown = {item.discrepancy_id: item for item in report.discrepancies if not item.within_tolerance}
        events: list[Event] = []
        for item in ranked(shown.values()):
            life = self.open.get(item.discrepancy_id)
            if life is None:
                life = self.open[item.discrepancy_id] = _born(item, report, len(lives) + 1)
                lives.append(life)
                events.append(Event(life.number, (Step.NEW,), item))
            else:
                events.extend(_grow(life, item, report))
            life.seen.append(index)
        gone = [one for key, one in self.open.items() if key not in shown]
        closed = [life for life in gone if _looked_at(life.discrepancy, report)]
        for life in closed:
            life.closed_at = report.started_at
            del self.open[life.discrepancy.discrepancy_id]
            events.append(Event(life.number, (Step.CLOSED,), life.discrepancy))
        general = tuple(action for action in report.actions if not action.discrepancy_ids)
        news = general if general != self.general else ()
        self.general = general
        return Reading(report, tuple(events), len(gone) - len(closed), news)


def _born(item: Discrepancy, report: ReconciliationReport, number: int) -> Life:
    at = report.started_at
    return Life(
        number,
        report.account,
        item,
        actions_for(item, report),
        first_seen=at,
        last_seen=at,
        confirmed_at=at if item.confirmed else None,
        explained_at=at if _explained(item) else None,
    )


def _grow(life: Life, item: Discrepancy, report: ReconciliationReport) -> Iterator[Event]:
    """Bring *life* up to what *report* shows, and tell what is new in it, if anything."""
    steps: list[Step] = []
    actions, before = actions_for(item, report), life.discrepancy
    replanned = (item.strategy, item.confirmed, actions) != (before.strategy, before.confirmed, life.actions)
    if item.confirmed and life.confirmed_at is None:
        life.confirmed_at = report.started_at
        steps.append(Step.CONFIRMED)
    if _explained(item) and life.explained_at is None:
        life.explained_at = report.started_at
        steps.append(Step.EXPLAINED)
    if not steps and (replanned or _gist(item) != _gist(before)):
        steps.append(Step.CHANGED)
    life.discrepancy, life.actions, life.last_seen = item, actions, report.started_at
    if steps:
        yield Event(life.number, tuple(steps), item, before, replanned)


def _gist(item: Discrepancy) -> tuple[object, ...]:
    """What makes a reading of a standing break news: not that both sides trade on by the same amount."""
    return item.difference, item.severity, item.cause


def _explained(item: Discrepancy) -> bool:
    return item.cause.code not in DOUBTS | {CauseCode.UNKNOWN} and not item.cause.residual


def _looked_at(item: Discrepancy, report: ReconciliationReport) -> bool:
    return report.status != "failed" and report.coverage.get(SECTION_OF[item.domain]) == "compared"


def ranked(items: Iterable[Discrepancy]) -> list[Discrepancy]:
    """Beyond tolerance first, then the worst, then the most money; an unknown value counts as the most."""
    return sorted(items, key=_rank)


def _rank(item: Discrepancy) -> tuple[bool, int, bool, Decimal]:
    value = item.usd_value
    return item.within_tolerance, -SEVERITY_RANK[item.severity], value is not None, (value or ZERO).copy_negate()


def actions_for(item: Discrepancy, report: ReconciliationReport) -> tuple[Action, ...]:
    """The actions that this discrepancy calls for; halts first."""
    mine = [action for action in report.actions if item.discrepancy_id in action.discrepancy_ids]
    return tuple(sorted(mine, key=lambda action: action.action != ActionKind.HALT))


def halts(actions: Iterable[Action]) -> list[Action]:
    """The halts among *actions*."""
    return [action for action in actions if action.action == ActionKind.HALT]


def awaiting(actions: Iterable[Action]) -> list[Action]:
    """What waits for a person among *actions*."""
    return [action for action in actions if action.status == ActionStatus.AWAITING_APPROVAL]


def standing(history: History) -> dict[str, list[Action]]:
    """What stands at the end, by account: the last report's actions, and those of breaks that it could not look at."""
    reports = latest(reading.report for reading in history.readings)
    actions = {report.account: list(report.actions) for report in reports}
    for life in history.lives:
        if life.closed_at is None:
            actions[life.account] += [one for one in life.actions if one not in actions[life.account]]
    return actions


def latest(reports: Iterable[ReconciliationReport]) -> list[ReconciliationReport]:
    """The last report of each account."""
    return list({report.account: report for report in reports}.values())


def tolerated(reports: Iterable[ReconciliationReport]) -> list[Discrepancy]:
    """What was within tolerance, each break as it was last seen."""
    last = {item.discrepancy_id: item for report in reports for item in report.discrepancies if item.within_tolerance}
    return list(last.values())


def runs(readings: Sequence[Reading]) -> Iterator[tuple[Reading, ...]]:
    """Readings in their order, one by one; more than `RUN_SHOWN` without news and of one verdict come together."""
    for quiet, group in groupby(readings, key=lambda one: (not one.changed, one.report.account, verdict(one.report))):
        members = tuple(group)
        if quiet[0] and len(members) > RUN_SHOWN:
            yield members
        else:
            yield from ((member,) for member in members)


def overall(history: History) -> str:
    """The whole story in one sentence an account: how it stands now, and the worst that was seen on the way."""
    accounts: dict[str, list[ReconciliationReport]] = {}
    for reading in history.readings:
        accounts.setdefault(reading.report.account, []).append(reading.report)
    return "; ".join(
        _standing(reports) + (f" (account {account})" if len(accounts) > 1 else "")
        for account, reports in accounts.items()
    )


def _standing(reports: list[ReconciliationReport]) -> str:
    now, worst = verdict(reports[-1]), max(reports, key=_badness)
    if _badness(worst) <= _badness(reports[-1]):
        return f"{now}, at the end" if worst.status != "matched" else f"{now} in every reading"
    odd = sum(report.status != "matched" for report in reports)
    return f"{now}, at the end; {counted(odd, 'reading')} not matched, worst: {verdict(worst)}"


def _badness(report: ReconciliationReport) -> tuple[int, int]:
    order = {"matched": 0, "incomplete": 1, "failed": 2, "discrepancies": 3}
    if report.status != "discrepancies" or report.severity is None:
        return order[report.status], 0
    return order[report.status], SEVERITY_RANK[report.severity]
