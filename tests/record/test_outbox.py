"""The outbox on both databases: what is due, what became of it, and what rises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.record.outboxes import put
from tieout.clock import VirtualClock
from tieout.errors import RecordUnavailable
from tieout.model.discrepancy import Severity
from tieout.model.notice import NoticeKind
from tieout.record.opening import open_record
from tieout.record.outbox import Outbox, list_alerts
from tieout.record.patient import PatientRecord
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def record(settings: RecordSettings, clock: VirtualClock) -> AsyncIterator[StoreRecord]:
    """A record that is closed in the end."""
    opened = await open_record(settings, clock)
    yield opened
    await opened.close()


@pytest.fixture
def outbox(record: StoreRecord) -> Outbox:
    """Its outbox."""
    return Outbox(record)


async def keys(outbox: Outbox, clock: VirtualClock, most: int = 100) -> list[str]:
    """What has to be sent, by key."""
    return [alert.key for alert in await outbox.waiting(clock.now(), most)]


async def test_the_worst_goes_first_then_the_oldest(record: StoreRecord, outbox: Outbox, clock: VirtualClock) -> None:
    """What waits comes by severity, then by age, and no more of it than was asked for."""
    for key, severity in (("a", "MINOR"), ("b", "CRITICAL"), ("c", "MODERATE"), ("d", "CRITICAL")):
        await put(record, key, clock.now(), severity=Severity(severity))
    assert await keys(outbox, clock) == ["b", "d", "c", "a"]
    assert await keys(outbox, clock, 2) == ["b", "d"]


async def test_an_alert_waits_until_it_is_due(record: StoreRecord, outbox: Outbox, clock: VirtualClock) -> None:
    """One that failed comes again when its time has come, with how often and why; another account is not touched."""
    first = await put(record, "a", clock.now())
    await outbox.failed([first], clock.now() + MINUTE, "json: not reachable")
    assert await keys(outbox, clock) == []
    await put(record, "z", clock.now(), account="other")
    assert await keys(outbox, clock) == ["z"]
    clock.advance(60)
    alert = next(each for each in await outbox.waiting(clock.now()) if each.key == "a")
    assert (alert.attempts, alert.failure, alert.account) == (1, "json: not reachable", "main")
    assert [each.key for each in await outbox.waiting(clock.now(), of=["other"])] == ["z"]


async def test_what_was_never_tried_is_not_hidden_by_what_was(
    record: StoreRecord, outbox: Outbox, clock: VirtualClock
) -> None:
    """However much a broken channel keeps waiting, what is new is among what is sent."""
    for key in "abc":
        await outbox.failed([await put(record, key, clock.now())], clock.now(), "tgram: not accepted")
    await put(record, "new", clock.now(), severity=Severity.MINOR, account="other")
    assert await keys(outbox, clock, 2) == ["a", "new"]


async def test_what_goes_out_says_everything_of_its_account(
    record: StoreRecord, outbox: Outbox, clock: VirtualClock
) -> None:
    """A new alert takes along what waits for its next attempt."""
    first = await put(record, "a", clock.now())
    await outbox.failed([first], clock.now() + HOUR, "json: not reachable")
    await put(record, "b", clock.now())
    assert await keys(outbox, clock) == ["a", "b"]


async def test_a_clock_that_was_wrong_keeps_nothing_back(
    record: StoreRecord, outbox: Outbox, clock: VirtualClock
) -> None:
    """An alert that is due in a day, because the clock once was a day ahead, is due now."""
    await put(record, "a", clock.now() + timedelta(days=1))
    assert await keys(outbox, clock) == ["a"]


async def test_what_was_delivered_stays_so(record: StoreRecord, outbox: Outbox, clock: VirtualClock) -> None:
    """Delivered once is delivered: a late failure of an earlier attempt takes it not back."""
    name, went = await put(record, "a", clock.now()), clock.now()
    await outbox.delivered([name], went)
    clock.advance(9)
    await outbox.delivered([name], clock.now())
    await outbox.failed([name], clock.now(), "json: not reachable")
    assert await keys(outbox, clock) == []
    (alert,) = await record.database.read(lambda connection: list_alerts(connection, sent_since=None))
    assert (alert.delivered_at, alert.attempts, alert.failure) == (went, 0, None)


async def test_what_is_critical_and_stands_rises_once(record: StoreRecord, outbox: Outbox, clock: VirtualClock) -> None:
    """After its time, not before, not if it is over, not if it is less than CRITICAL, and not twice."""
    start, after = clock.now(), 15 * MINUTE
    stands = await put(record, "stands", start)
    await put(record, "over", start)
    await put(record, "over", start + MINUTE, kind=NoticeKind.CLOSED)
    await put(record, "again", start)
    await put(record, "again", start + MINUTE, kind=NoticeKind.CLOSED)
    again = await put(record, "again", start + 2 * MINUTE)
    await put(record, "small", start, severity=Severity.MODERATE)
    await put(record, "stands", start, account="other", kind=NoticeKind.CLOSED)
    assert await outbox.to_escalate(start + after - timedelta(microseconds=1), after) == ()
    assert [alert.id for alert in await outbox.to_escalate(start + after, after)] == [stands]
    await outbox.escalated([stands], start + after)
    assert [alert.id for alert in await outbox.to_escalate(start + 2 * HOUR, after)] == [again]


async def test_what_grows_on_and_on_rises_once_an_hour(
    record: StoreRecord, outbox: Outbox, clock: VirtualClock
) -> None:
    """Each growth is an alert, and others are not called for each of them."""
    start, after = clock.now(), 15 * MINUTE
    first = await put(record, "a", start)
    await outbox.escalated([first], start + after)
    grown = await put(record, "a", start + MINUTE, kind=NoticeKind.GROWN)
    assert await outbox.to_escalate(start + 20 * MINUTE, after) == ()
    assert [each.id for each in await outbox.to_escalate(start + after + HOUR, after)] == [grown]


async def test_an_alert_knows_what_came_before_and_after(
    record: StoreRecord, outbox: Outbox, clock: VirtualClock
) -> None:
    """Whether it is over, whether it was ever begun, and whether somebody else was told of it."""
    first = await put(record, "a", clock.now())
    await outbox.escalated([first], clock.now())
    await put(record, "a", clock.now(), kind=NoticeKind.CLOSED)
    await put(record, "b", clock.now(), kind=NoticeKind.CLOSED)
    found = {(each.key, each.kind): each for each in await outbox.waiting(clock.now())}
    opened, closed, orphan = found["a", "opened"], found["a", "closed"], found["b", "closed"]  # type: ignore[index]
    assert (opened.over, closed.over, orphan.over) == (True, False, False)
    assert (opened.begun, closed.begun, orphan.begun) == (False, True, False)
    assert (closed.told_higher, orphan.told_higher) == (True, False)


async def test_many_are_noted_at_once(record: StoreRecord, outbox: Outbox, clock: VirtualClock) -> None:
    """A storm is noted as delivered whole, past what one statement takes."""
    names = [await put(record, f"k{number}", clock.now()) for number in range(600)]
    await outbox.delivered(names, clock.now())
    assert await keys(outbox, clock) == []


async def test_an_outbox_opens_with_its_record(settings: RecordSettings, clock: VirtualClock) -> None:
    """A record that cannot be opened yet is an outbox that says why, and works once it is."""
    ready: list[StoreRecord] = []

    async def opens() -> StoreRecord:
        if not ready:
            raise RecordUnavailable("away")
        return ready[0]

    patient = PatientRecord(opens, clock)
    outbox = Outbox(patient)
    with pytest.raises(RecordUnavailable):
        await outbox.waiting(clock.now())
    ready.append(await open_record(settings, clock))
    clock.advance(10)
    assert await outbox.waiting(clock.now()) == ()
    await patient.close()
