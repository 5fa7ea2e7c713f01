"""Entries in words, for sentences that a person reads."""

from __future__ import annotations

from datetime import UTC, datetime

from tieout.errors import LogBroken
from tieout.record.audit.fetching import ENTRIES, Fetch
from tieout.record.entry import Entry, EntryKind, decode

_WHAT = {
    EntryKind.OBSERVE: "the reading of report {report}",
    EntryKind.COMPARE: "the reading of report {report}",
    EntryKind.DECIDE: "the decision of report {report}",
    EntryKind.INTENT: "the intent of action {action}",
    EntryKind.OUTCOME: "the outcome of action {action}",
    EntryKind.APPROVE: "what {actor} said about {subject}",
    EntryKind.HALT: "a halt",
    EntryKind.RESUME: "the end of a halt",
    EntryKind.CONFIGURE: "a start",
    EntryKind.ERASE: "an erasure",
    EntryKind.HEARTBEAT: "a heartbeat",
    EntryKind.GRANT: "what {actor} granted",
    EntryKind.CORRECT: "what {actor} said of a correction",
    EntryKind.DENY: "a denial",
}


def last_ones(count: int) -> str:
    """The last entries, with the verb that goes with them."""
    return "the last one was" if count == 1 else f"the last {count} were"


def first_ones(count: int) -> str:
    """The first entries."""
    return "the first entry" if count == 1 else f"the first {count} entries"


def moment(at: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def entry_at(fetch: Fetch, index: int) -> Entry | None:
    """The entry that is stored at *index*; None where there is none that can be read."""
    rows = fetch(ENTRIES, (index, index + 1))
    if not rows or not isinstance(rows[0][2], bytes):
        return None
    try:
        return decode(rows[0][2], index)
    except LogBroken:
        return None


def report_of(entry: Entry) -> str | None:
    """The report that an entry belongs to: in its references, or else the last part of the event's name."""
    if entry.kind in (EntryKind.INTENT, EntryKind.OUTCOME):
        return entry.refs.get("report")
    return entry.refs.get("report") or entry.event.partition(":")[2]


def described(entry: Entry) -> str:
    """What an entry is about."""
    what = _WHAT[entry.kind]
    if entry.kind is EntryKind.CONFIGURE and "new_key" in entry.refs:
        what = "the handover to another key"
    names = {"report": report_of(entry) or "?", "action": "?", "subject": "?", **entry.refs, "actor": entry.actor}
    account = "" if entry.account is None else f" on account {entry.account}"
    return f"{what.format_map(names)} of {moment(entry.at)}{account}"


def named(fetch: Fetch, index: int) -> str:
    """An entry by its place, and what it is about."""
    entry = entry_at(fetch, index)
    return f"entry {index}" if entry is None else f"entry {index}, {described(entry)},"
