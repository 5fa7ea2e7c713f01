"""Alerts reach a person: through channels that are down, slow or broken, across crashes, few at a time, quiet at the end."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.live.inbox import TOKEN, Inbox
from tests.proving import sample
from tests.record.outboxes import put
from tieout.act.notify import AppriseNotifier, LoggedNotifier, Notifier
from tieout.clock import VirtualClock
from tieout.config import load
from tieout.errors import AlertUndelivered, BadInput, RecordUnavailable
from tieout.live.telling import Outgoing, deliver_alerts, outgoing_of
from tieout.model.alerting import AlertSettings, Level
from tieout.model.discrepancy import Severity
from tieout.model.notice import NoticeKind
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.outbox import Alert, Outbox, list_alerts
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings

START = datetime(2026, 11, 20, 2, 5, tzinfo=UTC)
MINUTE, HOUR = 60, 3600


class Channel:
    """A channel that keeps what it is told, or fails while it is down."""

    def __init__(self, name: str = "chat") -> None:
        self.name, self.down, self.tries = name, False, 0
        self.told: list[tuple[str, str, Level]] = []

    async def tell(self, title: str, body: str, level: Level) -> None:
        """Keep it."""
        self.tries += 1
        if self.down:
            raise AlertUndelivered(self.name, "not reachable")
        self.told.append((title, body, level))


class Night:
    """A record with an outbox, channels, a clock and somebody who hears alarms."""

    def __init__(self, folder: Path) -> None:
        self.settings = RecordSettings(store=str(folder / "t.db"), keys=str(folder / "keys"))
        keys.create(folder / "keys", "tieout-test")
        self.clock, self.first, self.second = VirtualClock(START), Channel(), Channel("pager")
        self.alarms: list[str] = []
        self.record: StoreRecord

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Listen."""
        self.alarms.append(f"{account}: {sentence}")

    async def begin(self, *channels: Notifier) -> Outgoing:
        """A start of the process."""
        self.record = await open_record(self.settings, self.clock)
        self.outbox = Outbox(self.record)
        return self.outgoing(*channels)

    def outgoing(self, *channels: Notifier) -> Outgoing:
        """One that remembers nothing."""
        first = channels or (self.first,)
        return Outgoing(self.outbox, first, self.clock, alarm=self, escalate=(self.second,))

    async def put(self, key: str, kind: str = "opened", severity: str = "CRITICAL", **more: str) -> int:
        """An alert, now."""
        at, what = self.clock.now(), NoticeKind(kind)
        return await put(self.record, key, at, kind=what, severity=Severity(severity), **more)

    async def later(self, outgoing: Outgoing, seconds: float) -> None:
        """Time passes, and what is due then goes out."""
        self.clock.advance(seconds)
        await outgoing.round()

    async def rows(self) -> tuple[Alert, ...]:
        """Everything in the outbox."""
        return await self.record.database.read(lambda connection: list_alerts(connection, sent_since=None))


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    """A night that ends."""
    found = Night(tmp_path)
    yield found
    await found.record.close()


async def test_an_alert_goes_out_once(night: Night) -> None:
    """It is sent at its level, noted, and not sent again, by this process or the next."""
    outgoing = await night.begin()
    await night.put("AAPL")
    for _ in range(3):
        await night.later(outgoing, 60)
    await night.later(night.outgoing(), 60)
    assert night.first.told == [("CRITICAL: account main", "CRITICAL since 02:05Z: AAPL differs", Level.ERROR)]
    assert [row.delivered_at for row in await night.rows()] == [START + timedelta(minutes=1)]


@pytest.mark.parametrize(
    ("severity", "level"), [("MINOR", Level.INFO), ("MODERATE", Level.WARNING), ("CRITICAL", Level.ERROR)]
)
async def test_a_severity_is_as_loud_as_it_is_bad(night: Night, severity: str, level: Level) -> None:
    """MINOR is information, MODERATE a warning, CRITICAL an error; the end of each is information."""
    outgoing = await night.begin()
    await night.put("AAPL", severity=severity)
    await night.later(outgoing, 0)
    await night.put("AAPL", "closed", severity=severity)
    await night.later(outgoing, MINUTE)
    assert [told[2] for told in night.first.told] == [level, Level.INFO]
    assert night.first.told[1][:2] == ("over: account main", "over 02:05Z: AAPL differs")


@pytest.mark.parametrize(("severity", "last"), [("MODERATE", [3600] * 2), ("CRITICAL", [600] * 16)])
async def test_what_cannot_be_delivered_is_kept_and_tried_for_ever(
    night: Night, severity: str, last: list[int]
) -> None:
    """10 s, 30 s, 2 min, 10 min, then hourly (CRITICAL: each 10 min); the alarm says so; then it arrives, once."""
    outgoing = await night.begin()
    night.first.down = True
    await night.put("AAPL", severity=severity)
    tried = []
    for second in range(0, 3 * HOUR, 10):
        before = night.first.tries
        await night.later(outgoing, 10)
        if night.first.tries > before:
            tried.append(second)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert gaps == [10, 30, 120, 600, *last]
    (row,) = await night.rows()
    assert (row.attempts, row.failure, row.delivered_at) == (len(tried), "chat: not reachable", None)
    said = [alarm for alarm in night.alarms if "next" not in alarm]
    assert len(said) == 3
    assert (
        said[0] == "main: alerts have not been delivered for 12 min (chat: not reachable); `tieout alerts` shows them"
    )
    night.first.down = False
    await night.later(outgoing, HOUR)
    await night.later(outgoing, HOUR)
    assert len(night.first.told) == 1
    assert (await night.rows())[0].delivered_at is not None


async def test_the_end_of_what_could_not_be_told_is_one_quiet_line(night: Night) -> None:
    """Opened, grown and closed while nobody could be reached: one message, information, that says from when to when."""
    outgoing = await night.begin()
    night.first.down = True
    for kind in ("opened", "grown", "closed"):
        await night.put("AAPL", kind)
        await night.later(outgoing, HOUR / 2)
    night.first.down = False
    await night.later(outgoing, HOUR)
    told = [("over: account main", "over before it could be told, stood 02:05Z to 03:05Z: AAPL differs", Level.INFO)]
    assert night.first.told == told
    assert all(row.delivered_at for row in await night.rows())


async def test_the_end_of_what_nobody_was_ever_told_of_is_not_told(night: Night) -> None:
    """A recovery without a beginning is noted, and not sent."""
    outgoing = await night.begin()
    await night.put("AAPL", "closed")
    await night.later(outgoing, 0)
    assert night.first.tries == 0
    assert all(row.delivered_at for row in await night.rows())


@pytest.mark.parametrize("kind", NoticeKind)
async def test_whatever_a_reading_may_say_can_be_sent(night: Night, kind: NoticeKind) -> None:
    """No kind of notice stops the loop, and with it every alert after it."""
    outgoing = await night.begin()
    await night.put("AAPL")
    await night.later(outgoing, 0)
    await night.put("AAPL", kind)
    await night.later(outgoing, MINUTE)
    assert len(night.first.told) == 2
    assert all(row.delivered_at for row in await night.rows())


async def test_that_trading_goes_on_is_told_quietly(night: Night) -> None:
    """The end of a halt is told though its begin was told with its breaks; one that is lifted does not rise to others."""
    outgoing = await night.begin()
    await night.put("halt", "lifted", "MINOR", text="main: the account: trading goes on after somebody_else")
    await night.later(outgoing, 0)
    said = "over 02:05Z: the account: trading goes on after somebody_else"
    assert night.first.told == [("over: account main", said, Level.INFO)]
    await night.put("by hand")
    await night.later(outgoing, MINUTE)
    await night.put("by hand", "lifted", "MINOR")
    for _ in range(40):
        await night.later(outgoing, MINUTE)
    assert night.second.told == []
    assert night.first.told[-1][2] is Level.INFO


async def test_many_words_on_one_thing_are_one_line(night: Night) -> None:
    """What was said again and again while nobody could be reached is said once, as it stands now."""
    outgoing = await night.begin()
    night.first.down = True
    for kind in ("opened", "grown", "standing", "standing"):
        await night.put("AAPL", kind)
        await night.later(outgoing, HOUR)
    night.first.down = False
    await night.later(outgoing, HOUR)
    assert [body for _, body, _ in night.first.told] == ["CRITICAL since 02:05Z: AAPL differs"]


async def test_what_came_back_is_told_as_open(night: Night) -> None:
    """Opened, closed and opened again while nobody could be reached is open."""
    outgoing = await night.begin()
    night.first.down = True
    for kind in ("opened", "closed", "opened"):
        await night.put("AAPL", kind)
        await night.later(outgoing, MINUTE)
    night.first.down = False
    await night.later(outgoing, HOUR)
    assert night.first.told[0][1:] == ("CRITICAL since 02:07Z: AAPL differs", Level.ERROR)


async def test_a_storm_is_one_message(night: Night) -> None:
    """500 alerts of an account are one message: a count, the worst lines first, and how many more there are."""
    outgoing = await night.begin()
    for number in range(500):
        await night.put(
            f"A{number}", severity="CRITICAL" if number % 100 == 7 else "MINOR", text=f"A{number} " + "x" * 500
        )
    await night.later(outgoing, 0)
    ((title, body, level),) = night.first.told
    assert (title, level) == ("CRITICAL: account main, 500 alerts", Level.ERROR)
    lines = body.splitlines()
    assert [line.split()[0] for line in lines] == ["CRITICAL"] * 5 + ["MINOR"] * 3 + ["and"]
    assert lines[-1] == "and 492 more (492 MINOR): `tieout alerts` lists them"
    assert len(body) < 2000
    assert all(row.delivered_at for row in await night.rows())


async def test_a_storm_that_drips_is_gathered(night: Night) -> None:
    """One alert a second for five minutes is a message each half minute, and a CRITICAL one does not wait for it."""
    outgoing = await night.begin()
    for number in range(300):
        await night.put(f"A{number}", severity="MINOR")
        await night.later(outgoing, 1)
    assert len(night.first.told) == 10
    await night.put("B")
    await night.later(outgoing, 5)
    assert night.first.told[-1][0].startswith("CRITICAL")


async def test_accounts_do_not_share_a_message(night: Night) -> None:
    """Each account has its own, and one that may not be sent now holds up no other."""
    outgoing = await night.begin()
    await night.put("AAPL", severity="MINOR")
    await night.later(outgoing, 0)
    await night.put("MSFT", severity="MINOR")
    await night.put("BTC", account="other", severity="MINOR")
    await night.later(outgoing, 1)
    assert [title for title, _, _ in night.first.told] == ["MINOR: account main", "MINOR: account other"]


async def test_a_channel_that_hangs_keeps_nobody_waiting(night: Night) -> None:
    """While one channel hangs, every account's alerts go out through the other."""
    release, all_told = asyncio.Event(), asyncio.Event()

    class Counting(Channel):
        async def tell(self, title: str, body: str, level: Level) -> None:
            await super().tell(title, body, level)
            if self.tries == 3:
                all_told.set()

    class Hanging(Channel):
        async def tell(self, title: str, body: str, level: Level) -> None:
            await release.wait()
            raise AlertUndelivered("tgram", "no answer in time")

    outgoing = await night.begin(Hanging("tgram"), Counting())
    for account in ("main", "other", "third"):
        await night.put("AAPL", account=account)
    sending = asyncio.ensure_future(outgoing.round())
    await asyncio.wait_for(all_told.wait(), 10)
    assert not sending.done()
    release.set()
    await sending
    assert [row.failure for row in await night.rows()] == ["tgram: no answer in time"] * 3


async def test_a_channel_that_fails_alone_is_tried_again_alone(night: Night) -> None:
    """The log took it: it is not logged again. The channel that was down gets it when it is back."""
    mail = Channel("mailto")
    outgoing = await night.begin(night.first, mail)
    mail.down = True
    await night.put("AAPL")
    await night.later(outgoing, 0)
    assert [(row.delivered_at, row.failure) for row in await night.rows()] == [(None, "mailto: not reachable")]
    mail.down = False
    await night.later(outgoing, MINUTE)
    assert (len(night.first.told), len(mail.told)) == (1, 1)
    assert all(row.delivered_at for row in await night.rows())


async def test_what_stands_rises_to_others_and_they_hear_of_its_end(night: Night) -> None:
    """A CRITICAL alert that stands for a quarter of an hour goes to the second list, once; so does its recovery."""
    outgoing = await night.begin()
    await night.put("AAPL")
    await night.put("MSFT", severity="MODERATE")
    for _ in range(40):
        await night.later(outgoing, 30)
    title, body, level = night.second.told[0]
    assert len(night.second.told) == 1
    assert (title, level) == ("UNRESOLVED for 15 min: CRITICAL: account main", Level.ERROR)
    assert body == "CRITICAL since 02:05Z: AAPL differs"
    for key in ("AAPL", "MSFT"):
        await night.put(key, "closed")
    await night.later(outgoing, MINUTE)
    assert night.second.told[1][1:] == ("over 02:25Z: AAPL differs", Level.INFO)
    assert len(night.first.told) == 2


async def test_what_cannot_be_delivered_rises_all_the_same(night: Night) -> None:
    """The first list is down: the second is told in time. Where that is down, too, it is tried again until it is told."""
    outgoing = await night.begin()
    night.first.down = night.second.down = True
    await night.put("AAPL")
    for _ in range(60):
        await night.later(outgoing, 30)
    assert 4 <= night.second.tries <= 8
    assert any("to those who are told next for 15 min (pager: not reachable)" in alarm for alarm in night.alarms)
    night.second.down = False
    for _ in range(30):
        await night.later(outgoing, 30)
    assert len(night.second.told) == 1


async def test_a_database_that_cannot_be_written_repeats_nothing(night: Night) -> None:
    """While it cannot be noted that a message went out it is not sent again; the alarm says so once an hour."""
    outgoing = await night.begin()
    await night.put("AAPL")
    broken = True

    class Broken(Outbox):
        async def delivered(self, ids, at, failure=None):  # type: ignore[no-untyped-def]
            if broken:
                raise RecordUnavailable("SQLite file t.db: the disk is full")
            await super().delivered(ids, at, failure)

    night.outbox = Broken(night.record)
    outgoing = night.outgoing()
    for _ in range(120):
        await night.later(outgoing, 10)
    assert len(night.first.told) == 1
    assert len(night.alarms) == 1
    assert "the disk is full" in night.alarms[0]
    broken = False
    await night.later(outgoing, 10)
    assert all(row.delivered_at for row in await night.rows())
    assert len(night.first.told) == 1


async def test_a_name_of_a_venue_is_no_layout(night: Night) -> None:
    """Line ends, controls and overrides in an asset's name neither forge a line nor turn one around."""
    outgoing = await night.begin()
    await night.put("x", text="EVIL\r\nCRITICAL: sell all\u202e\x1b[31m differs")
    await night.later(outgoing, 0)
    (_, body, _) = night.first.told[0]
    assert body == "CRITICAL since 02:05Z: EVIL  CRITICAL: sell all  [31m differs"


async def test_the_loop_goes_on_until_it_is_cancelled(night: Night) -> None:
    """It outlives a database that is away, and ends silently when it is told to; by a fault it ends aloud."""

    class Stopping(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if self.now() - START > timedelta(minutes=1):
                raise asyncio.CancelledError

    await night.begin()
    night.clock = Stopping(START)
    await night.put("AAPL")
    outgoing = night.outgoing()
    await night.record.close()
    with pytest.raises(asyncio.CancelledError):
        await deliver_alerts(outgoing, night.clock, night)
    assert [alarm.split(":")[0] for alarm in night.alarms] == ["outbox"]

    class Faulty(Channel):
        async def tell(self, title: str, body: str, level: Level) -> None:
            raise ZeroDivisionError

    faulty = await night.begin(Faulty())
    with pytest.raises(ZeroDivisionError):
        await deliver_alerts(faulty, night.clock, night)
    assert night.alarms[1].startswith("outbox: alerts are no longer sent")


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """A receiving end."""
    found = Inbox()
    await found.start()
    yield found
    await found.stop()


async def test_a_real_channel_down_silent_refusing_then_back(
    night: Night, inbox: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through all that, the alert arrives once, and no secret of the address is in the store or in a log."""
    caplog.set_level(1)
    outgoing = await night.begin(AppriseNotifier(inbox.url), LoggedNotifier())
    await night.put("AAPL")
    failures = []
    for mode in ("down", "silent", "refuse"):
        if mode == "down":
            await inbox.stop()
        else:
            inbox.mode = mode  # type: ignore[assignment]
        await night.later(outgoing, HOUR)
        failures.append((await night.rows())[0].failure)
        if mode == "down":
            await inbox.start()
    assert failures == ["json: not reachable", "json: not reachable", "json: not accepted (500)"]
    inbox.mode = "ok"
    await night.later(outgoing, HOUR)
    await night.later(outgoing, HOUR)
    assert inbox.bodies == ["CRITICAL since 02:05Z: AAPL differs"]
    assert sum(record.name == "tieout.alert" for record in caplog.records) == 1
    await night.record.close()
    assert TOKEN.encode() not in contents(tmp_path)
    assert TOKEN not in caplog.text


def contents(folder: Path) -> bytes:
    """All that stands in its files."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_the_configuration_says_where_to(night: Night, inbox: Inbox, tmp_path: Path) -> None:
    """Addresses of the environment count before those of the file; every wrong one is named by its place, and not shown."""
    path = tmp_path / "tieout.toml"
    path.write_text('[alerts]\nurls = ["json://127.0.0.1:1/"]\nescalate_seconds = 60\n')
    config = load(path, None, {"TIEOUT_ALERT_URLS": f"{inbox.url}&a=b, {inbox.url}", "TIEOUT_ESCALATE_URLS": inbox.url})
    assert TOKEN not in repr(config)
    await night.begin()
    outgoing = outgoing_of(config.alerts, night.outbox, night.clock, night)
    await night.put("AAPL")
    await night.later(outgoing, 60)
    assert [message["title"] for message in inbox.messages] == ["CRITICAL: account main"] * 2 + [
        "UNRESOLVED for 1 min: CRITICAL: account main"
    ]
    wrong = AlertSettings(urls=(inbox.url, f"tgram://{TOKEN}"), escalate_urls=(TOKEN,))
    with pytest.raises(BadInput) as refused:
        outgoing_of(wrong, night.outbox, night.clock, night)
    assert [problem.place for problem in refused.value.problems] == ["urls[1]", "escalate_urls[0]"]
    assert TOKEN not in str(refused.value)
    with pytest.raises(BadInput, match="did you mean TIEOUT_ESCALATE_URLS"):
        load(path, None, {"TIEOUT_ESCALATION_URLS": inbox.url})
    with pytest.raises(BadInput) as refused:
        path.write_text(f'[alerts]\nurls = "{inbox.url}"\n')
        load(path, None, {})
    assert TOKEN not in str(refused.value)


CHILD = """
import asyncio, os, sys
from tests.live.test_telling import child
asyncio.run(child(*sys.argv[1:]))
"""


async def child(store: str, keys_folder: str, url: str, dies: str) -> None:
    """A process that sends what is due; it may die once a message went out, before that is noted."""
    clock = VirtualClock(START + timedelta(minutes=5))
    record = await open_record(RecordSettings(store=store, keys=keys_folder), clock)
    outbox = Outbox(record)
    if dies == "before the note":

        async def die(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        outbox.delivered = die  # type: ignore[method-assign, assignment]
    from tieout.live.alarm import LoggedAlarm

    await Outgoing(outbox, [AppriseNotifier(url)], clock, alarm=LoggedAlarm()).round()
    await record.close()


@pytest.mark.prove
@pytest.mark.parametrize(
    ("when", "copies"), sample([("while it is sent", 2), ("before the note", 2), ("never", 1)], 3, start=1)
)
async def test_a_killed_process_loses_nothing(night: Night, inbox: Inbox, when: str, copies: int) -> None:
    """Killed with -9 between a message and its note, the next start sends it again: at most a duplicate, never a loss."""
    await night.begin()
    await night.put("AAPL")
    await night.record.close()
    arguments = [night.settings.store, night.settings.keys, inbox.url]

    async def start(dies: str) -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, *arguments, dies)
        if dies == "while it is sent":
            inbox.on_message = lambda: os.kill(process.pid, signal.SIGKILL)
        return await process.wait()

    code = await start(when)
    assert code == (0 if when == "never" else -signal.SIGKILL)
    inbox.on_message = lambda: None
    with sqlite3.connect(night.settings.store) as connection:
        noted = connection.execute("select delivered_at is not null from alerts").fetchone()
    connection.close()
    assert noted == (when == "never",)
    assert await start("never") == 0
    assert len(inbox.messages) == copies
    assert len({json.dumps(message) for message in inbox.messages}) == 1
    await night.begin()
    assert [row.delivered_at is not None for row in await night.rows()] == [True]
