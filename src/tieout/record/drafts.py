"""What the log says of a reading, an intent, an outcome, a person's word: all that rows are made from, and no amounts."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from tieout.model.intent import Ended, Intent
from tieout.model.notice import NoticeKind
from tieout.record.base import Reading, Word
from tieout.record.entry import Draft, EntryKind


def reading_drafts(reading: Reading, commitment: bytes, plans: bytes | None) -> tuple[Draft, ...]:
    """The entries of a reading: the reading itself, then what was decided, then the halts that it set, and those it lifted.

    Args:
        reading: What was read.
        commitment: The digest of its record.
        plans: The commitment to its plans; None where they stand as they were.
    """
    report = reading.report
    compared = {"compared", "partial"} & set(report.coverage.values())
    kind = EntryKind.COMPARE if compared else EntryKind.OBSERVE
    # The report's name is in the event, and not a second time beside it: a reading is to cost little.
    draft = partial(Draft, account=reading.observation.account, policy=reading.configuration)
    refs = {"look": "yes"} if reading.look else {}
    drafts = [draft(event=f"reading:{report.report_id}", kind=kind, refs=refs, commitments={"reading": commitment})]
    if plans is not None:
        drafts.append(draft(event=f"decide:{report.report_id}", kind=EntryKind.DECIDE, commitments={"plans": plans}))
    # After a gap nobody knows which halts were told of: those that stand are set, and what does not stand is lifted.
    if not reading.look and any(reading.gap or halt.since == report.started_at for halt in report.halts):
        drafts.append(draft(event=f"halt:{report.report_id}", kind=EntryKind.HALT))
    if not reading.look and (reading.gap or any(each.kind is NoticeKind.LIFTED for each in report.notices)):
        drafts.append(draft(event=f"resume:{report.report_id}", kind=EntryKind.RESUME))
    return tuple(drafts)


def intent_draft(intent: Intent, at: datetime, commitment: bytes, policy: str | None) -> Draft:
    """The entry of an intent, before it is acted on."""
    return Draft(
        event=f"intent:{intent.id}",
        kind=EntryKind.INTENT,
        account=intent.account,
        policy=policy,
        refs={**_about(intent), "at": at.isoformat()},
        commitments={"intent": commitment},
    )


def outcome_draft(intent: Intent, at: datetime, ended: Ended, policy: str | None) -> Draft:
    """The entry of what became of it."""
    return Draft(
        event=f"outcome:{ended}:{intent.id}",
        kind=EntryKind.OUTCOME,
        account=intent.account,
        policy=policy,
        refs={**_about(intent), "ended": str(ended), "at": at.isoformat()},
    )


def word_draft(word: Word, at: datetime, commitment: bytes, policy: str | None) -> Draft:
    """The entry of a person's word."""
    until = {} if word.until is None else {"until": word.until.isoformat()}
    about = {"strategy": word.strategy, "plan": word.plan, "assignee": word.assignee}
    until |= {name: str(text) for name, text in about.items() if text is not None}
    return Draft(
        event=word_event(word.id),
        kind=EntryKind.APPROVE,
        account=word.account,
        actor=word.actor,
        policy=policy,
        refs={"subject": word.subject, "verdict": word.verdict, "at": at.isoformat(), **until},
        commitments={"text": commitment},
    )


def word_event(name: str) -> str:
    """What the log knows a word by."""
    return f"word:{name}"


def _about(intent: Intent) -> dict[str, str]:
    return {"action": intent.id, "report": intent.report_id}
