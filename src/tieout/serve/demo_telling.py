"""What Tieout made of the demo's mishaps, read from its record: nothing here knows what was done to the accounts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from tieout.model.discrepancy import ActionStatus, CauseCode
from tieout.model.halt import Halt
from tieout.model.report import Action, Discrepancy, ReconciliationReport
from tieout.model.word import Verdict, Word
from tieout.record.breaks import BreakRow, list_breaks
from tieout.record.history import Fate, Wanted, fates_of_report, list_reports, read_report, readings_behind
from tieout.record.looking import Looking, opened
from tieout.record.words import words_behind
from tieout.serve.desk import Desk
from tieout.serve.render.saying import action_name
from tieout.serve.render.text import amount, signed
from tieout.serve.render.words import CAUSES, TYPES, counted, listed, unread_words

SAID = {Verdict.APPROVE: "approves it", Verdict.REJECT: "rejects it", Verdict.RESUME: "lets trading go on",
        Verdict.HALT: "halts trading", Verdict.KNOWN: "accepts it as known", Verdict.COMMENT: "comments",
        Verdict.RESOLVE: "wants it resolved otherwise", Verdict.ASSIGN: "says who is to look after it",
        Verdict.ADOPT: "opens the books with what the broker holds"}  # fmt: skip
LONG = re.compile(r"[\w:-]{21,}")
SHOWN = 2  # differences that are spelt out in one line


class Told(Struct, frozen=True):
    """One line of the story: what Tieout did, in a word, and about what. `place` is a page where somebody may answer."""

    at: datetime
    account: str
    word: str
    text: str
    place: str | None = None


class Found(Struct, frozen=True):
    """What stands in the record behind what was told."""

    reports: tuple[ReconciliationReport, ...]
    fates: tuple[Fate, ...]
    breaks: tuple[BreakRow, ...]
    words: tuple[Word, ...]
    entry: int


class Teller:
    """Tells what came into the record since it told last.

    Args:
        desk: What the record is read through.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._since = desk, desk.clock.now()
        self._entry = self._word = 0
        self._causes: dict[str, str] = {}
        self._open: set[str] = set()
        self._shown: dict[str, set[str]] = {}  # by account, what its last report showed, in figures
        self._acting: dict[str, ReconciliationReport] = {}  # by report, until all of it came to an end
        self._ended: set[str] = set()
        self._asked: set[tuple[str, ...]] = set()
        self._halts: dict[str, tuple[Halt, ...]] = {}
        self._unread: set[str] = set()

    async def news(self) -> list[Told]:
        """What is new, in the order in which it happened.

        Raises:
            RecordUnavailable: The record cannot be read now.
        """
        found = await self._desk.look(self._read, amounts=True)
        self._entry = max(self._entry, found.entry)
        told: list[Told] = []
        for word in found.words:
            self._word = max(self._word, word.entry or 0)
            told.append(
                Told(word.at or self._desk.clock.now(), word.account, "said", f"{word.actor} {SAID[word.verdict]}")
            )
        for report in found.reports:
            self._acting[report.report_id] = report
            told += self._report(report)
        told += self._outcomes(found.fates)
        self._forget(found.fates)
        told += self._closings(found.breaks)
        return sorted(told, key=lambda each: each.at)

    async def summary(self) -> tuple[tuple[BreakRow, ...], int]:
        """Every break there was, with whether it waits for a person; and how many readings.

        Raises:
            RecordUnavailable: The record cannot be read now.
        """
        waiting = {ids for asked in self._asked for ids in asked}

        def read(seen: Looking) -> tuple[tuple[BreakRow, ...], int]:
            rows = list_breaks(seen.connection, Wanted(), closed=True)
            return rows, list_reports(seen.connection, Wanted(limit=1)).total

        rows, readings = await self._desk.look(read, amounts=False)
        halted = {name for halts in self._halts.values() for halt in halts for name in halt.break_ids}
        return tuple(
            _waits(row) if row.closed_at is None and row.discrepancy_id in waiting | halted else row for row in rows
        ), readings

    def _read(self, seen: Looking) -> Found:
        sealed, connection = opened(seen), seen.connection
        entries = readings_behind(connection, self._entry, self._since)
        made = [read_report(connection, sealed, entry) for entry in entries]
        read = tuple(report for report in made if report is not None)
        names = {*self._acting, *(report.report_id for report in read)}
        fates = tuple(fate for name in sorted(names) for fate in fates_of_report(connection, name))
        words = tuple(word for name in self._desk.accounts for word in words_behind(connection, name, self._word))
        breaks = list_breaks(connection, Wanted(since=self._since), closed=True)
        return Found(read, fates, breaks, words, max(entries, default=0))

    def _forget(self, fates: Iterable[Fate]) -> None:
        """An account that was read again acts on what it read before no more, but for what nobody knows the end of."""
        newest = {report.account: name for name, report in self._acting.items()}
        kept = {*newest.values(), *(fate.report_id for fate in fates if fate.ended_at is None)}
        self._acting = {name: report for name, report in self._acting.items() if name in kept}

    def _report(self, report: ReconciliationReport) -> Iterator[Told]:
        rows = [row for row in report.discrepancies if not row.within_tolerance]
        # What is on its way has no name yet that lasts: the same figures again are no news.
        before, shown = self._shown.get(report.account, set()), {figure(row): row for row in rows}
        self._shown[report.account] = set(shown)
        if fresh := [text for text in shown if text not in before]:
            young = all(shown[text].cause.code is CauseCode.IN_FLIGHT for text in fresh)
            text = several(fresh) + (" - still on its way, no verdict yet (IN_FLIGHT)" if young else "")
            yield Told(report.started_at, report.account, "sees", text)
        causes = {row.cause.code for row in rows if self._causes.get(row.discrepancy_id) != row.cause.code}
        for code in sorted(causes - {CauseCode.IN_FLIGHT}):
            yield Told(report.finished_at, report.account, "names", f"{code}: {CAUSES[code]}")
        self._open.update(row.discrepancy_id for row in rows)
        self._causes.update({row.discrepancy_id: row.cause.code for row in rows})
        yield from self._asks(report)
        yield from self._stops(report)
        if report.status in ("incomplete", "failed"):
            if report.account not in self._unread:
                text = f"{unread_words(report) or 'not everything'}: nothing is concluded, and nothing forgotten"
                yield Told(report.finished_at, report.account, "waits", text)
            self._unread.add(report.account)
        elif report.account in self._unread:
            self._unread.discard(report.account)
            yield Told(report.finished_at, report.account, "reads", "all of it can be read again")

    def _asks(self, report: ReconciliationReport) -> Iterator[Told]:
        for action in report.actions:
            if action.status is ActionStatus.AWAITING_APPROVAL and action.discrepancy_ids not in self._asked:
                self._asked.add(action.discrepancy_ids)
                place = f"/breaks/{action.discrepancy_ids[0]}" if action.discrepancy_ids else "/"
                text = f"{action_name(action)}? It is not done before you approve"
                yield Told(report.finished_at, report.account, "asks", text, place)

    def _stops(self, report: ReconciliationReport) -> Iterator[Told]:
        before, now = self._halts.get(report.account, ()), report.halts
        known = {halt.id for halt in before}
        for halt in now:
            if halt.id not in known:
                why = f"{halt.by} said so" if halt.by else halt.reason.replace("_", " ")
                text = f"trading of {halt.asset or report.account} ({why}) until you resume it"
                yield Told(report.finished_at, report.account, "HALTS", text, "/")
        if before and not now:
            yield Told(report.finished_at, report.account, "resumes", f"trading of {report.account} goes on")
        self._halts[report.account] = now

    def _outcomes(self, fates: Iterable[Fate]) -> Iterator[Told]:
        for fate in fates:
            report = self._acting.get(fate.report_id)
            if report is None or fate.ended_at is None or fate.action_id in self._ended:
                continue
            self._ended.add(fate.action_id)
            ids = set(fate.discrepancy_ids)
            meant = [each for each in report.actions if ids.intersection(each.discrepancy_ids) and _changes(each)]
            what = short(listed(list(dict.fromkeys(action_name(each) for each in meant)))) or fate.strategy
            done = fate.status == "done"
            why = "" if done or not fate.why else f": {fate.why}"
            yield Told(fate.ended_at, report.account, "does" if done else fate.status, what + why)

    def _closings(self, breaks: Iterable[BreakRow]) -> Iterator[Told]:
        closed = [row for row in breaks if row.closed_at is not None and row.discrepancy_id in self._open]
        self._open.difference_update(row.discrepancy_id for row in closed)
        for (account, at), group in groupby(
            sorted(closed, key=lambda row: (row.account, str(row.closed_at))),
            key=lambda row: (row.account, row.closed_at),
        ):
            rows = list(group)
            assert at is not None, "those that are closed"
            took = max(at - row.first_seen for row in rows)
            names = listed([f"{row.domain} {row.asset}" for row in rows])
            seconds = int(took.total_seconds())
            after = f"{seconds} s after it was seen" if seconds else "within a second"
            yield Told(at, account, "closes", f"{names}: both sides agree again, {after}")


def figure(row: Discrepancy) -> str:
    """What differs, and by how much."""
    if not row.difference:
        return f"{row.domain} {row.asset}: {TYPES[row.discrepancy_type].partition(' (')[0]}"
    sides = f"books {amount(row.local_amount)}, broker {amount(row.broker_amount)}"
    return f"{row.domain} {row.asset}: {sides} ({signed(row.difference)})"


def several(texts: Sequence[str]) -> str:
    """The first few, and how many there are besides."""
    more = len(texts) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f"; and {counted(more, 'difference')} more" if more > 0 else "")


def short(text: str) -> str:
    """Without the length of ids that no screen is wide enough for."""
    return LONG.sub(lambda found: found[0][:8] + "…", text)


def _changes(action: Action) -> bool:
    return action.action not in ("halt", "alert", "wait") and action.status is ActionStatus.PLANNED


def _waits(row: BreakRow) -> BreakRow:
    return replace(row, awaits=True)
