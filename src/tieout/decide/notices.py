"""What people are told: once when it opens, again when it grows by a tenth or still stands, once when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from msgspec.structs import replace

from tieout.decide.lifecycle import Break, History, Told
from tieout.decide.reading import Reading
from tieout.decide.remarks import Remark
from tieout.model.amounts import seconds
from tieout.model.discrepancy import SEVERITY_RANK, ActionKind, ActionStatus, ReconciliationStrategy, Severity
from tieout.model.halt import Halt
from tieout.model.notice import Notice, NoticeKind
from tieout.model.report import Action

GROWN_BY = Decimal("1.1")
Standing = Mapping[str, Break]


def with_notices(
    history: History,
    actions: Iterable[Action],
    reading: Reading,
    before: Mapping[str, Halt],
    remarked: Iterable[Remark] = (),
) -> tuple[tuple[Notice, ...], History]:
    """What is told because of a reading, and the history that remembers it.

    Args:
        history: With the breaks and halts of this reading.
        actions: What the reading calls for.
        reading: The reading itself.
        before: The halts that the reading before left.
        remarked: What else to look at: told before the breaks that it may be the reason of, and once.
    """
    if reading.policy.mode == "shadow":
        return (), replace(history, told={})
    standing = {broken.id: broken for broken in history.breaks.values()}
    told, called, notices = dict(history.told), set(), []
    for remark in remarked:
        called.add(remark.subject)
        if remark.subject not in told:
            now = Told(at=reading.now, sizes={}, severity=remark.severity, text=f"{reading.account}: {remark.text}")
            told[remark.subject] = now
            notices.append(_notice(NoticeKind.OPENED, remark.subject, now))
    for action in actions:
        if action.action is not ActionKind.ALERT or action.status is not ActionStatus.PLANNED:
            continue
        subject, now = _subject(action, told, reading), _told(action, standing, reading)
        called.add(subject)
        kind = _kind(told.get(subject), now, reading)
        if kind is not None:
            told[subject] = now
            notices.append(_notice(kind, subject, now))
    for subject, known in history.told.items():
        if subject not in called and _is_over(known, standing, reading):
            del told[subject]
            notices.append(_notice(NoticeKind.CLOSED, subject, replace(known, severity=Severity.MINOR)))
    notices += _of_halts(history.halts, before, reading)
    return tuple(notices), replace(history, told=told)


def _subject(action: Action, told: Mapping[str, Told], reading: Reading) -> str:
    """What an alert is about, by the name under which it was first told of."""
    if not action.discrepancy_ids:
        return f"{reading.account} {_reason(action)}"[:64]
    named = set(action.discrepancy_ids)
    return next((subject for subject, known in told.items() if named & set(known.sizes)), action.discrepancy_ids[0])


def _told(action: Action, standing: Standing, reading: Reading) -> Told:
    names = [name for name in action.discrepancy_ids if name in standing]
    rows = [reading.differences[standing[name].key] for name in names if standing[name].key in reading.differences]
    severities = [row.severity for row in rows if not row.within_tolerance] or [Severity.MODERATE]
    if action.strategy is ReconciliationStrategy.HALT_AND_ALERT:
        severities.append(Severity.CRITICAL)
    about = dict.fromkeys(f"{row.key.asset} {reading.causes[row.key].code}" for row in rows)
    said = f"{action.strategy} ({_reason(action)}){_to_book(action)}"
    return Told(
        at=reading.now,
        sizes={name: abs(standing[name].difference) for name in names},
        severity=max(severities, key=SEVERITY_RANK.__getitem__),
        text=f"{reading.account}: {', '.join(about) or 'the account'}: {said}",
    )


def _kind(known: Told | None, now: Told, reading: Reading) -> NoticeKind | None:
    """Why it is said now; None where it was said already."""
    if known is None:
        return NoticeKind.OPENED
    worse = SEVERITY_RANK[now.severity] > SEVERITY_RANK[known.severity]
    if worse or any(_grew(known.sizes.get(name), size) for name, size in now.sizes.items()):
        return NoticeKind.GROWN
    return NoticeKind.STANDING if seconds(known.at, reading.now) >= reading.policy.realert_seconds else None


def _grew(known: Decimal | None, size: Decimal) -> bool:
    """Whether a break is larger by a tenth than it was when it was told of, or is new among those told of together."""
    return known is None or (size > known and size >= GROWN_BY * known)


def _is_over(known: Told, standing: Standing, reading: Reading) -> bool:
    """Whether what was told of is gone: its breaks do not stand any more, or the account was read whole again."""
    return not any(name in standing for name in known.sizes) if known.sizes else reading.complete


def _of_halts(halts: Mapping[str, Halt], before: Mapping[str, Halt], reading: Reading) -> Iterator[Notice]:
    """Halts by hand, and every end of one; what Tieout halts for is told of with its breaks."""
    for name, halt in halts.items():
        if name not in before and halt.by:
            yield _halt_notice(NoticeKind.OPENED, halt, Severity.CRITICAL, f"halted by {halt.by}", reading)
    for name, halt in before.items():
        if name not in halts:
            yield _halt_notice(NoticeKind.LIFTED, halt, Severity.MINOR, f"trading goes on after {halt.reason}", reading)


def _halt_notice(kind: NoticeKind, halt: Halt, severity: Severity, said: str, reading: Reading) -> Notice:
    about = halt.asset or "the account"
    return Notice(
        kind=kind,
        subject=halt.id,
        severity=severity,
        text=f"{reading.account}: {about}: {said}",
        break_ids=halt.break_ids,
    )


def _notice(kind: NoticeKind, subject: str, told: Told) -> Notice:
    return Notice(kind=kind, subject=subject, severity=told.severity, text=told.text, break_ids=tuple(told.sizes))


def _to_book(action: Action) -> str:
    told = action.detail.get("to_book")
    return "" if told is None else f". Book it yourself: {told}"


def _reason(action: Action) -> str:
    return action.detail.get("reason", "")
