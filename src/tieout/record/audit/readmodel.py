"""The rows that people search, held against the entries that they were made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tieout.errors import LogBroken
from tieout.record.audit.content import AT_ONCE, MOST, micro_of
from tieout.record.audit.encoding import bytes_of
from tieout.record.audit.fetching import ENTRIES, OBSERVATIONS, Fetch
from tieout.record.audit.finding import Finding, Kind
from tieout.record.audit.scanned import RECORD_BYTES, Scanned
from tieout.record.audit.wording import entry_at, named, report_of
from tieout.record.entry import Entry, EntryKind, decode
from tieout.record.payloads import id_of
from tieout.record.readings import decode_record

_REPORTS = (
    "SELECT entry, account, report_id, trigger, started_at, finished_at, configuration FROM reports "
    "WHERE entry >= ? AND entry <= ? ORDER BY entry"
)
_COUNT_REPORTS = "SELECT count(*) FROM reports WHERE entry < ?"
_ACCOUNTS = "SELECT id, name FROM accounts WHERE id >= ?"
_ACTIONS = (
    "SELECT id, account, report_id, intent, intended_at, outcome, ended_at, status FROM actions "
    "WHERE intent < ? ORDER BY intent"
)
_WORDS = (
    "SELECT entry, account, subject, verdict, actor, expires_at, at, strategy, plan, assignee "
    "FROM approvals "
    "WHERE entry < ? ORDER BY entry"
)
_KNOWN = "SELECT entry, account, break_id, actor, until FROM known_breaks WHERE entry < ? ORDER BY entry"
_DECISIONS = "SELECT entry, account, report_id FROM decisions WHERE entry < ? ORDER BY entry"
_STATES = "SELECT entry, account, at FROM states WHERE entry < ?"
_CONFIGURATIONS = "SELECT entry, account, name, body FROM configurations WHERE entry < ? ORDER BY entry"


def check_rows(fetch: Fetch, scanned: Scanned) -> list[Finding]:
    """Where a row says something else than the entry that it belongs to."""
    accounts: dict[int, str] = dict(fetch(_ACCOUNTS, (-(2**31),)))
    found: list[Finding] = []
    for wrong in (_reports, _actions, _words, _decisions, _states, _configurations):
        for place, what in wrong(fetch, scanned, accounts):
            if len(found) < MOST:
                found.append(_differs(fetch, place, what))
    return found


def _differs(fetch: Fetch, place: int, what: str) -> Finding:
    sentence = (
        f"{what} at {named(fetch, place)} says something else than the log: its row was changed, added or deleted"
    )
    return Finding(Kind.ROW, sentence, place)


def _reports(fetch: Fetch, scanned: Scanned, accounts: dict[int, str]) -> Iterator[tuple[int, str]]:
    places = [
        int.from_bytes(scanned.readings[place : place + 8]) for place in range(0, len(scanned.readings), RECORD_BYTES)
    ]
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        rows = {row[0]: row for row in fetch(_REPORTS, (some[0], some[-1]))}
        readings = {row[0]: row for row in fetch(OBSERVATIONS, (some[0], some[-1]))}
        bodies = {row[0]: row[2] for row in fetch(ENTRIES, (some[0], some[-1] + 1))}
        for place in some:
            if not _report_fits(rows.get(place), readings.get(place), bodies[place], accounts):
                yield place, "the table of reports"
    counted = fetch(_COUNT_REPORTS, (scanned.stop,))[0][0]
    if counted > len(places):
        yield scanned.stop - 1, "the table of reports, with more reports than there are,"


def _report_fits(
    row: tuple[Any, ...] | None, reading: tuple[Any, ...] | None, body: bytes, accounts: dict[int, str]
) -> bool:
    if row is None or reading is None:
        return row is reading  # where the reading itself is gone that is told already
    try:
        entry, record = decode(body, row[0]), decode_record(reading[4], row[0])
    except (LogBroken, TypeError):
        return True  # and so is where it is not what it was
    made = (record.report_id, str(record.trigger), record.at, record.finished_at, entry.policy, record.at)
    names = {accounts.get(row[1]), accounts.get(reading[1])}
    if bool(reading[3]) != ("look" in entry.refs):
        return False
    return made == (*row[2:7], reading[2]) and names == {entry.account} and report_of(entry) == record.report_id


def _actions(fetch: Fetch, scanned: Scanned, accounts: dict[int, str]) -> Iterator[tuple[int, str]]:
    ended: dict[str, tuple[int | None, str]] = {}
    intents: dict[str, int] = {}
    for step in scanned.steps:
        if step.ended is None:
            intents[step.action] = step.entry
            ended[step.action] = (None, "intended")
        else:
            ended[step.action] = (None if step.ended == "unknown" else step.entry, step.ended)
    for id_, account, report_id, intent, intended_at, outcome, ended_at, status in fetch(_ACTIONS, (2**62,)):
        entry = entry_at(fetch, intent)
        times = (_at(entry), _at(entry_at(fetch, outcome)) if outcome is not None else None)
        known = intents.pop(id_, None) == intent and entry is not None
        if not known or entry is None or ended[id_] != (outcome, status):
            yield (intent if 0 <= intent < scanned.stop else scanned.stop - 1), f"the table of actions, action {id_},"
        elif (accounts.get(account), report_id, intended_at, ended_at) != (entry.account, report_of(entry), *times):
            yield intent, f"the table of actions, action {id_},"
    for id_, intent in intents.items():
        yield intent, f"the table of actions, action {id_},"


def _words(fetch: Fetch, scanned: Scanned, accounts: dict[int, str]) -> Iterator[tuple[int, str]]:
    stored = {}
    for place, account, subject, verdict, actor, *rest in fetch(_WORDS, (2**62,)):
        entry = entry_at(fetch, place)
        if (
            entry is None
            or not _said(entry, accounts.get(account), (subject, verdict, actor))
            or [_until(entry), _at(entry), *(entry.refs.get(name) for name in ("strategy", "plan", "assignee"))] != rest
        ):
            yield min(place, scanned.stop - 1), "what a person said,"
        stored[place] = True
    for place, account, subject, actor, until in fetch(_KNOWN, (2**62,)):
        entry = entry_at(fetch, place)
        if (
            entry is None
            or not _said(entry, accounts.get(account), (subject, "known", actor))
            or _until(entry) != until
        ):
            yield min(place, scanned.stop - 1), "a break that is known until a date,"
    missing = scanned.kinds.get(EntryKind.APPROVE, 0) - len(stored)
    if missing > 0:
        yield scanned.stop - 1, f"what people said ({missing} rows fewer than entries)"


def _said(entry: Entry, account: str | None, said: tuple[str, str, str]) -> bool:
    refs = entry.refs
    return entry.kind is EntryKind.APPROVE and (
        entry.account,
        refs.get("subject"),
        refs.get("verdict"),
        entry.actor,
    ) == (
        account,
        *said,
    )


def _at(entry: Entry | None) -> int | None:
    """When it was, as the row has it."""
    return None if entry is None else micro_of(entry.refs.get("at", ""))


def _until(entry: Entry) -> int | None:
    text = entry.refs.get("until")
    return None if text is None else micro_of(text)


def _decisions(fetch: Fetch, scanned: Scanned, accounts: dict[int, str]) -> Iterator[tuple[int, str]]:
    for place, account, report_id in fetch(_DECISIONS, (2**62,)):
        entry = entry_at(fetch, place)
        if entry is None or (entry.kind, entry.account, report_of(entry)) != (
            EntryKind.DECIDE,
            accounts.get(account),
            report_id,
        ):
            yield min(place, scanned.stop - 1), "the table of decisions"


def _states(fetch: Fetch, scanned: Scanned, _: dict[int, str]) -> Iterator[tuple[int, str]]:
    for place, account, at in fetch(_STATES, (2**62,)):
        readings = fetch(OBSERVATIONS, (place, place))
        if not readings or readings[0][1:3] != (account, at):
            yield min(place, scanned.stop - 1), "the state from which a restart goes on"


def _configurations(fetch: Fetch, scanned: Scanned, accounts: dict[int, str]) -> Iterator[tuple[int, str]]:
    for place, account, name, body in fetch(_CONFIGURATIONS, (2**62,)):
        entry = entry_at(fetch, place)
        said = None if entry is None else (entry.kind, entry.account, entry.policy)
        if said != (EntryKind.CONFIGURE, accounts.get(account), name) or not _commits(entry, body):
            yield min(place, scanned.stop - 1), "the settings that an account was judged by"


def _commits(entry: Entry | None, body: int) -> bool:
    return entry is not None and any(id_of(bytes_of(each)) == body for each in entry.commitments.values())
