"""Alerts as a message for a person at three in the morning: one an account, the worst first, never hundreds of lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from tieout.model.alerting import LEVEL_OF, LEVEL_RANK, Level
from tieout.model.discrepancy import SEVERITY_RANK, Severity
from tieout.model.notice import ENDS, NoticeKind
from tieout.record.outbox import Alert

MOST_LINES = 8
LONGEST_LINE = 200
OVER, OVER_BEFORE = NoticeKind.CLOSED, "over before it could be told"


class Message(Struct, frozen=True):
    """What goes out."""

    title: str
    body: str
    level: Level


class Said(Struct, frozen=True):
    """What is said of one key: its last word, however many rows wait for it."""

    word: NoticeKind | str
    alert: Alert
    since: datetime

    @property
    def over(self) -> bool:
        """Whether it stands no more."""
        return self.word in (OVER, OVER_BEFORE)

    @property
    def level(self) -> Level:
        """What is over is information, however bad it was."""
        return Level.INFO if self.over else LEVEL_OF[self.alert.severity]


def compose(account: str, alerts: Iterable[Alert], now: datetime) -> Message:
    """One message for all that waits of an account."""
    said = sorted(_said(alerts), key=_loudest)
    level = max((each.level for each in said), key=LEVEL_RANK.__getitem__)
    standing = [each for each in said if not each.over]
    if standing:
        worst = max((each.alert.severity for each in standing), key=SEVERITY_RANK.__getitem__)
        count = f", {len(standing)} alerts" if len(standing) > 1 else ""
        title = f"{worst}: account {account}{count}"
    else:
        title = f"over: account {account}{f', {len(said)} alerts' if len(said) > 1 else ''}"
    return Message(_plain(title), _body(account, said, now), level)


def compose_escalation(account: str, alerts: Iterable[Alert], now: datetime) -> Message:
    """The message to those who are told next, because a CRITICAL alert stands unresolved."""
    said = sorted(_said(alerts), key=lambda each: each.since)
    minutes = int((now - said[0].since).total_seconds()) // 60
    count = f", {len(said)} alerts" if len(said) > 1 else ""
    title = f"UNRESOLVED for {minutes} min: CRITICAL: account {account}{count}"
    return Message(_plain(title), _body(account, said, now), Level.ERROR)


def _said(alerts: Iterable[Alert]) -> list[Said]:
    """What there is to say of each key. Whatever was told of nothing is not: its end was never begun."""
    by_key: dict[str, list[Alert]] = {}
    for alert in sorted(alerts, key=lambda each: each.id):
        by_key.setdefault(alert.key, []).append(alert)
    return [_last_word(rows) for rows in by_key.values()]


def _last_word(rows: Sequence[Alert]) -> Said:
    last = rows[-1]
    if last.kind in ENDS or last.over:
        # Opened and closed while nobody could be reached: one quiet line says both. A person who is asleep is not woken for
        # what is over, and one who wakes up is not left without knowing that the account stood still.
        begun = next((row for row in rows if row.kind not in ENDS), None)
        return Said(OVER, last, last.at) if begun is None else Said(OVER_BEFORE, last, begun.at)
    current = rows[max((index for index, row in enumerate(rows) if row.kind in ENDS), default=-1) + 1 :]
    opened = any(row.kind is NoticeKind.OPENED for row in current)
    return Said(NoticeKind.OPENED if opened else last.kind, last, current[0].at)


def _loudest(said: Said) -> tuple[bool, int, datetime]:
    return said.over, -SEVERITY_RANK[said.alert.severity], said.since


def _body(account: str, said: Sequence[Said], now: datetime) -> str:
    lines = [_line(account, each, now) for each in said[:MOST_LINES]]
    rest = said[MOST_LINES:]
    if rest:
        counts = Counter("over" if each.over else each.alert.severity for each in rest)
        named = ", ".join(f"{counts[name]} {name}" for name in (*reversed(Severity), "over") if counts[name])
        lines.append(f"and {len(rest)} more ({named}): `tieout alerts` lists them")
    return "\n".join(lines)


def _line(account: str, said: Said, now: datetime) -> str:
    alert, when = said.alert, _moment(said.since, now)
    if said.word == OVER:
        head = f"over {when}"
    elif said.word == OVER_BEFORE:
        until = f"{when} to {_moment(alert.at, now)}" if alert.kind in ENDS else f"from {when}"
        head = f"over before it could be told, stood {until}"
    else:
        head = f"{alert.severity} {_WORDS[said.word]} {when}"
    return _plain(f"{head}: {alert.text.removeprefix(f'{account}: ')}")


_WORDS: dict[str, str] = {NoticeKind.OPENED: "since", NoticeKind.GROWN: "grew", NoticeKind.STANDING: "still stands"}


def _moment(at: datetime, now: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc:%H:%M}Z" if utc.date() == now.astimezone(UTC).date() else f"{utc:%Y-%m-%d %H:%M}Z"


def _plain(text: str) -> str:
    """One line without control or layout characters: an asset's name is a venue's own."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"
