"""Telling people: what waits in the outbox goes out, is tried again until it does, and rises to others where it stands.

At least once. A crash, or a database that cannot be written, between a message and the note that it went out repeats it:
at most a duplicate, never a loss. A message counts as delivered once every channel took it; one that failed alone is tried
again alone, as long as this process lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

from tieout.act.notify import LoggedNotifier, Notifier, channels_of
from tieout.clock import Clock
from tieout.errors import AlertUndelivered, BadInput, Problem, RecordError
from tieout.live.alarm import Alarm
from tieout.live.messages import Message, compose, compose_escalation
from tieout.model.alerting import AlertSettings
from tieout.model.discrepancy import Severity
from tieout.model.notice import ENDS, NoticeKind
from tieout.record.outbox import Alert, Outbox

POLL_SECONDS = 0.5
ESCALATION_EVERY = timedelta(seconds=30)
# Before each next attempt, the last one for ever. An hour is long where trading may be stopped.
WAITS = tuple(timedelta(seconds=each) for each in (10, 30, 120, 600, 3600))
WAITS_CRITICAL = WAITS[:-1]
GATHER = timedelta(seconds=30)  # between two messages of an account, so that a storm comes in few
URGENT = timedelta(seconds=5)  # the same where something CRITICAL waits
LONG = timedelta(minutes=10)  # undelivered for longer than that, the alarm is raised, and each hour again
HOUR = timedelta(hours=1)
FIRST, SECOND, OUTBOX = "first ", "second ", "outbox "  # which list of channels; or that the outbox itself fails


class Outgoing:
    """What goes out of one outbox.

    Args:
        outbox: Where it waits.
        channels: Whom to tell.
        clock: Where time comes from.
        alarm: The way to a person for when these fail.
        escalate: Whom to tell of what is CRITICAL and stands; nobody by default.
        escalate_seconds: For how long it has to stand.
        accounts: Whose alerts; None for all. Where several processes share a store each sends those of its own accounts.
    """

    def __init__(
        self,
        outbox: Outbox,
        channels: Sequence[Notifier],
        clock: Clock,
        *,
        alarm: Alarm,
        escalate: Sequence[Notifier] = (),
        escalate_seconds: int = 900,
        accounts: Collection[str] | None = None,
    ) -> None:
        assert channels, "without a channel nobody hears of anything; LoggedNotifier is always there"
        self._outbox, self._clock, self._accounts = outbox, clock, accounts
        self._first, self._second = tuple(channels), tuple(escalate)
        self._after = timedelta(seconds=escalate_seconds)
        self._grief = _Grief(alarm)
        self._took: dict[
            tuple[str, int], set[Notifier]
        ] = {}  # what has not been noted as delivered yet, and who took it
        self._last: dict[
            str, tuple[datetime, bool]
        ] = {}  # when an account's alerts were last sent, and whether they went
        self._tried: dict[
            str, tuple[int, datetime]
        ] = {}  # escalations that failed: how often, and when the next is due
        self._looked: datetime | None = None

    async def round(self) -> None:
        """Send what is due, once. Where the outbox fails the alarm is raised; nothing is."""
        now = self._clock.now()
        try:
            await self._send(now)
            if self._second and not _within(ESCALATION_EVERY, self._looked, now):
                self._looked = now
                await self._escalate(now)
        except RecordError as error:
            await self._grief.outbox_failed(error.why, now)
        else:
            self._grief.outbox_answers()

    async def _send(self, now: datetime) -> None:
        waiting = _by_account(await self._outbox.waiting(now, of=self._accounts))
        going = [
            self._send_account(account, alerts, now)
            for account, alerts in waiting.items()
            if self._may_go(account, alerts, now)
        ]
        # All at a time: a channel that hangs for one account must not keep another one's alerts from a channel that works.
        for end in await asyncio.gather(*going, return_exceptions=True):
            if end is not None:
                raise end

    def _may_go(self, account: str, alerts: Sequence[Alert], now: datetime) -> bool:
        last, sent = self._last.get(account, (None, True))
        urgent = any(_is_urgent(alert) for alert in alerts)
        # Also after a failure, for where that could not be noted the next attempt would come at once.
        return not _within(URGENT if urgent or not sent else GATHER, last, now)

    async def _send_account(self, account: str, alerts: Sequence[Alert], now: datetime) -> None:
        # The end of what nobody was ever told of, and never will be: there is nothing to say. That trading goes on is said.
        mute = {alert.id for alert in alerts if alert.kind is NoticeKind.CLOSED and not alert.begun}
        told = [alert for alert in alerts if alert.id not in mute]
        wanted = {alert.id: self._first for alert in told}
        for alert in told:
            if alert.kind in ENDS and alert.told_higher:
                wanted[alert.id] = (*self._first, *self._second)  # who was woken for it hears that it is over
        failures = await self._tell(FIRST, told, wanted, lambda rows: compose(account, rows, now))
        done = [alert for alert in told if self._took.get((FIRST, alert.id), set()) >= set(wanted[alert.id])]
        late = [alert for alert in told if alert not in done]
        self._last[account] = now, not late
        # A crash here, or a database that is away: it is sent again, and not lost.
        await self._outbox.delivered([*(alert.id for alert in done), *mute], now)
        self._forget(FIRST, done)
        if late:
            waits = WAITS_CRITICAL if any(_is_urgent(alert) for alert in late) else WAITS
            wait = waits[min(len(waits) - 1, *(alert.attempts for alert in late))]
            await self._outbox.failed([alert.id for alert in late], now + wait, failures)
            await self._grief.undelivered(FIRST, account, min(alert.at for alert in late), failures, now)
        else:
            self._grief.delivered(FIRST, account)

    async def _escalate(self, now: datetime) -> None:
        standing = _by_account(await self._outbox.to_escalate(now, self._after, of=self._accounts))
        for account, alerts in standing.items():
            tries, due = self._tried.get(account, (0, now))
            if now < due <= now + WAITS_CRITICAL[-1]:
                continue
            wanted = {alert.id: self._second for alert in alerts}
            failures = await self._tell(SECOND, alerts, wanted, lambda rows: compose_escalation(account, rows, now))  # noqa: B023
            if failures:
                self._tried[account] = tries + 1, now + WAITS_CRITICAL[min(tries, len(WAITS_CRITICAL) - 1)]
                await self._grief.undelivered(SECOND, account, alerts[0].at, failures, now)
                continue
            # A crash here tells them twice.
            await self._outbox.escalated([alert.id for alert in alerts], now)
            self._tried.pop(account, None)
            self._grief.delivered(SECOND, account)
            self._forget(SECOND, alerts)

    async def _tell(
        self,
        which: str,
        alerts: Sequence[Alert],
        wanted: dict[int, tuple[Notifier, ...]],
        message: Callable[[list[Alert]], Message],
    ) -> str:
        """Tell each channel, all at a time, what it did not take yet; returns which failed, and how."""

        async def tell(channel: Notifier, rows: list[Alert]) -> str | None:
            said = message(rows)
            try:
                await channel.tell(said.title, said.body, said.level)
            except AlertUndelivered as error:
                return str(error)
            for alert in rows:
                self._took.setdefault((which, alert.id), set()).add(channel)
            return None

        owed = {
            channel: [
                alert
                for alert in alerts
                if channel in wanted[alert.id] and channel not in self._took.get((which, alert.id), ())
            ]
            for channel in dict.fromkeys((*self._first, *self._second))
        }
        ends = await asyncio.gather(*(tell(channel, rows) for channel, rows in owed.items() if rows))
        return "; ".join(dict.fromkeys(end for end in ends if end is not None))

    def _forget(self, which: str, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            self._took.pop((which, alert.id), None)


class _Grief:
    """What the alarm is raised for: once, and each hour again while it stands."""

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm
        self._said: dict[str, datetime] = {}

    async def undelivered(self, which: str, account: str, since: datetime, why: str, now: datetime) -> None:
        """Alerts of an account cannot be delivered to those of the first list, or of the second."""
        if now - since >= LONG:
            minutes = int((now - since).total_seconds()) // 60
            to = "" if which == FIRST else "to those who are told next "
            sentence = f"alerts have not been delivered {to}for {minutes} min ({why}); `tieout alerts` shows them"
            await self._once(which + account, account, sentence, now)

    def delivered(self, which: str, account: str) -> None:
        """They were."""
        self._said.pop(which + account, None)

    async def outbox_failed(self, why: str, now: datetime) -> None:
        """The outbox itself cannot be read or written."""
        await self._once(OUTBOX + why, "outbox", f"alerts cannot be sent, or not be noted as sent: {why}", now)

    def outbox_answers(self) -> None:
        """It does again."""
        self._said = {what: at for what, at in self._said.items() if not what.startswith(OUTBOX)}

    async def _once(self, what: str, account: str, sentence: str, now: datetime) -> None:
        if not _within(HOUR, self._said.get(what), now):
            self._said[what] = now
            await self._alarm.raise_alarm(account, sentence)


def outgoing_of(
    settings: AlertSettings, outbox: Outbox, clock: Clock, alarm: Alarm, accounts: Collection[str] | None = None
) -> Outgoing:
    """What goes out of *outbox* as the configuration says; into the process's log in any case.

    Raises:
        BadInput: Every address that apprise does not know, and every file of them that cannot be used; none is shown.
    """
    problems: list[Problem] = []
    channels = []
    for place, urls in (("urls", settings.urls), ("escalate_urls", settings.escalate_urls)):
        try:
            channels.append(channels_of(urls, place))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return Outgoing(
        outbox,
        (LoggedNotifier(), *channels[0]),
        clock,
        alarm=alarm,
        escalate=channels[1],
        escalate_seconds=settings.escalate_seconds,
        accounts=accounts,
    )


async def deliver_alerts(outgoing: Outgoing, clock: Clock, alarm: Alarm) -> None:
    """Send what is due, for ever; run it as a task. It ends by being cancelled, and never without having told so."""
    ended: str | None = "alerts are no longer sent, by a fault inside Tieout; restart it, and look at `tieout alerts`"
    try:
        while True:
            await outgoing.round()
            await clock.sleep(POLL_SECONDS)
    except asyncio.CancelledError:
        ended = None
        raise
    finally:
        if ended is not None:
            await alarm.raise_alarm("outbox", ended)


def _by_account(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.account, []).append(alert)
    return found


def _is_urgent(alert: Alert) -> bool:
    return alert.severity is Severity.CRITICAL and alert.kind not in ENDS and not alert.over


def _within(span: timedelta, last: datetime | None, now: datetime) -> bool:
    """Whether *last* is less than *span* ago; a clock that went back does not make anything wait."""
    return last is not None and timedelta(0) <= now - last < span
