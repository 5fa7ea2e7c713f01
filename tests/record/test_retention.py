"""Forgetting: content is gone for good when its time has come, no sooner, and every proof over it still stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, func, select, update

from tests.live.recorded import RecordedDesk
from tests.record.conftest import START
from tests.record.faults import Crash
from tests.record.observing import counted, reading
from tests.record.test_recording import missed_fill
from tieout.clock import VirtualClock
from tieout.errors import LogBroken, RecordUnavailable
from tieout.record import keys
from tieout.record.base import Verdict, Word
from tieout.record.entry import Entry, EntryKind, decode
from tieout.record.log import read_head, read_subtrees
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.restoring import read_readings
from tieout.record.retention import erase_expired
from tieout.record.settings import RecordSettings, Retention
from tieout.record.store.schema import (
    actions,
    alerts,
    break_history,
    breaks,
    checkpoints,
    log_entries,
    payloads,
)
from tieout.record.tlog import merkle
from tieout.record.writer import Unit

SHORT = Retention(observations=10, reports=10, breaks=10, decisions=10, actions=10, alerts=10)
DAY = 86_400


@pytest.fixture
async def record(settings: RecordSettings, clock: VirtualClock) -> AsyncIterator[StoreRecord]:
    """A record, open."""
    opened = await open_record(settings, clock)
    yield opened
    await opened.close()


async def restarted(record: StoreRecord, clock: VirtualClock, account: str = "main") -> None:
    """A reading from which the next start goes on, so that none before it is needed for that."""
    await record.reading(reading(clock.now(), account=account, state=b"whole", local="7", broker="7"))


async def erased(record: StoreRecord) -> set[bytes]:
    """The commitments of what was erased."""
    query = select(payloads.c.commitment).where(payloads.c.erased_at.is_not(None))
    return set(await record.database.read(lambda connection: connection.execute(query).scalars().all()))


async def entries(record: StoreRecord, kind: EntryKind) -> list[Entry]:
    """The entries of a kind."""
    query = select(log_entries.c.entry, log_entries.c.body).order_by(log_entries.c.entry)
    rows = await record.database.read(lambda connection: connection.execute(query).all())
    return [entry for row in rows if (entry := decode(row.body, row.entry)).kind is kind]


async def restored(record: StoreRecord, account: str = "main", after: int = -1) -> list[datetime]:
    """When the readings were that can be read back, those after an entry."""
    found = await record.database.read(
        lambda connection: list(read_readings(connection, record.payloads, account, after=after))
    )
    return [past.observation.at for past in found]


def check_log(connection: Connection) -> int:
    """Hash the whole log anew from its stored bytes, and hold it against the signed head; returns its size."""
    bodies = connection.execute(select(log_entries.c.body).order_by(log_entries.c.entry)).scalars().all()
    peaks, _ = merkle.extend_all(0, (), [merkle.leaf_hash(body) for body in bodies])
    head = read_head(connection)
    assert (head.size, head.peaks) == (len(bodies), tuple(peaks))
    assert list(read_subtrees(connection, merkle.peak_nodes(head.size)).values()) == list(peaks)
    assert connection.execute(select(func.count()).select_from(checkpoints)).scalar()
    return len(bodies)


async def test_content_is_erased_when_its_time_has_come(record: StoreRecord, clock: VirtualClock) -> None:
    """A reading's content stays for its days, and not one longer; its record, its entry and the proofs stay for ever."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(10 * DAY - 60)
    assert await erase_expired(record, SHORT, clock.now()) == 0
    before = await counted(record)
    clock.advance(1)
    assert await erase_expired(record, SHORT, clock.now()) > 0
    after = await counted(record)
    assert await record.database.read(check_log) == after["log_entries"] == before["log_entries"] + 1
    assert {name: rows for name, rows in after.items() if rows != before[name]}.keys() <= {
        "log_entries", "checkpoints", "tree_nodes",
    }  # fmt: skip


async def test_an_erased_payload_has_nothing_left(record: StoreRecord, clock: VirtualClock) -> None:
    """Key, ciphertext and digest are gone, the commitment is not; nothing younger lost any of its own."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(10 * DAY - 30)
    count = await erase_expired(record, SHORT, clock.now())
    rows = await record.database.read(lambda connection: connection.execute(select(payloads)).all())
    gone = [row for row in rows if row.erased_at is not None]
    assert len(gone) == count > 0
    assert {(row.wrapped_key, row.sealed, row.digest, row.erased_at) for row in gone} == {
        (None, None, None, clock.now())
    }
    assert all(row.wrapped_key and row.sealed for row in rows if row.erased_at is None)
    assert await restored(record, after=0) == [START + timedelta(seconds=60)]


async def test_the_erasure_is_an_entry(record: StoreRecord, clock: VirtualClock) -> None:
    """The log says when something was erased, how much, and a digest over which; no amounts, no names."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    await restarted(record, clock)
    clock.advance(11 * DAY)
    await record.reading(reading(clock.now(), state=b"whole"))
    count = await erase_expired(record, SHORT, clock.now())
    (entry,) = await entries(record, EntryKind.ERASE)
    assert entry.event == f"erase:{clock.now().isoformat()}"
    assert (entry.refs["payloads"], len(entry.refs["erased"])) == (str(count), 64)
    assert entry.refs["before"] == (clock.now() - timedelta(days=10)).isoformat()
    assert count == len(await erased(record))


async def test_repeating_it_erases_nothing_more(record: StoreRecord, clock: VirtualClock) -> None:
    """A second round finds nothing, and logs nothing."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(1)
    await restarted(record, clock)
    clock.advance(11 * DAY)
    assert await erase_expired(record, SHORT, clock.now()) > 0
    before = await counted(record)
    for _ in range(3):
        assert await erase_expired(record, SHORT, clock.now()) == 0
        clock.advance(DAY)
    assert await counted(record) == before


async def test_two_rounds_at_one_moment_are_two_entries(record: StoreRecord, clock: VirtualClock) -> None:
    """What a shorter retention lets go at the same moment is erased too, under an entry of its own."""
    for name in ("40", "41"):
        await record.reading(reading(clock.now(), local=name, broker=name))
        clock.advance(5 * DAY)
    await restarted(record, clock)
    clock.advance(5 * DAY)
    counts = [
        await erase_expired(record, days, clock.now()) for days in (SHORT, replace(SHORT, observations=6, reports=6))
    ]
    logged = await entries(record, EntryKind.ERASE)
    assert all(counts)
    assert [int(entry.refs["payloads"]) for entry in logged] == counts
    assert len({entry.event for entry in logged}) == 2
    assert len(await erased(record)) == sum(counts)


async def test_an_account_that_fell_silent_is_erased_too(record: StoreRecord, clock: VirtualClock) -> None:
    """That nothing younger was recorded at all keeps nothing but what a start needs."""
    for name in ("40", "41"):
        await record.reading(reading(clock.now(), local=name, broker=name))
        clock.advance(60)
    clock.advance(11 * DAY)
    assert await erase_expired(record, SHORT, clock.now()) > 0
    with pytest.raises(LogBroken, match="was erased when its time had come"):
        await restored(record)


async def test_what_a_start_needs_is_never_forgotten(settings: RecordSettings) -> None:
    """An account that was away for longer than anything is kept for goes on where it was, and its state is whole."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    missed_fill(desk)
    for _ in range(4):
        await desk.read()
    desk.clock.advance(30 * DAY)
    await erase_expired(record, SHORT, desk.clock.now())
    await desk.start()
    report = await desk.read()
    assert desk.record is not None
    await desk.record.close()
    assert (report.status, desk.said) == ("matched", [])


async def test_what_younger_readings_say_again_stays(record: StoreRecord, clock: VirtualClock) -> None:
    """A section that is still said is referred to by younger readings, and outlives the first that said it."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(DAY)
    await record.reading(reading(clock.now()))
    clock.advance(9 * DAY)
    await record.reading(reading(clock.now()))
    clock.advance(1.5 * DAY)
    await restarted(record, clock)
    await erase_expired(record, SHORT, clock.now())
    assert await restored(record, after=1) == [clock.now() - timedelta(days=1.5), clock.now()]
    with pytest.raises(LogBroken, match="was erased when its time had come"):
        await restored(record)


async def test_an_erased_content_that_comes_back_is_stored_anew(record: StoreRecord, clock: VirtualClock) -> None:
    """A reading that says what was erased long ago is kept whole, and shows no link to it."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(11 * DAY)
    await erase_expired(record, SHORT, clock.now())
    gone = await erased(record)
    await record.reading(reading(clock.now(), local="41", broker="41"))
    last = (await counted(record))["log_entries"] - 2
    assert await restored(record, after=last) == [clock.now()]
    assert await erased(record) == gone


async def test_another_process_that_erases_takes_nothing_from_a_reading(
    settings: RecordSettings, record: StoreRecord, clock: VirtualClock
) -> None:
    """Content that one process remembers as stored, and another erased, is stored anew by the first."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(11 * DAY)
    other = await open_record(settings, clock)
    assert await erase_expired(other, SHORT, clock.now()) > 0
    await other.close()
    last = (await counted(record))["log_entries"] - 1
    await record.reading(reading(clock.now(), local="41", broker="41"))
    assert await restored(record, after=last) == [clock.now()]


async def test_a_reading_while_it_erases_keeps_what_it_says(record: StoreRecord, clock: VirtualClock) -> None:
    """Content that is said again after the scan and before the erasure is not erased under the reading."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(11 * DAY)
    inner = record.write

    async def late(*args: object, **options: object) -> tuple[int, ...]:
        record.write = inner  # type: ignore[method-assign]
        await record.reading(reading(clock.now(), local="41", broker="41"))
        return await inner(*args, **options)  # type: ignore[arg-type]

    record.write = late  # type: ignore[method-assign]
    last = (await counted(record))["log_entries"] - 1
    assert await erase_expired(record, SHORT, clock.now()) == 0
    assert await restored(record, after=last) == [clock.now()]
    assert await entries(record, EntryKind.ERASE) == []


async def test_much_is_erased_in_parts(
    record: StoreRecord, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first round after years takes several entries, each true of itself, so that nobody waits long in between."""
    monkeypatch.setattr("tieout.record.retention.AT_ONCE", 4)
    monkeypatch.setattr("tieout.record.retention.SPAN", 3)
    for number in range(12):
        await record.reading(reading(clock.now(), local=str(number), broker=str(number)))
        clock.advance(60)
    await restarted(record, clock)
    clock.advance(11 * DAY)
    count = await erase_expired(record, SHORT, clock.now())
    logged = await entries(record, EntryKind.ERASE)
    assert len(logged) >= 3
    assert sum(int(entry.refs["payloads"]) for entry in logged) == count == len(await erased(record))
    assert await record.database.read(check_log)


async def test_each_kind_has_its_own_days(record: StoreRecord, clock: VirtualClock) -> None:
    """What was said may go before what was reported, and the other way round; a replay of either says so."""
    await record.reading(reading(clock.now(), local="41"))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(11 * DAY)
    first = await erase_expired(record, replace(SHORT, reports=100, decisions=100), clock.now())
    with pytest.raises(LogBroken, match="was erased when its time had come"):
        await restored(record)
    assert (first > 0, await erase_expired(record, SHORT, clock.now())) == (True, 1)


async def test_plans_and_intents_have_their_own_days(settings: RecordSettings) -> None:
    """A decision is kept for its days, an action for its own, whatever becomes of the report."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    missed_fill(desk)
    await desk.read()
    for _ in range(2):
        desk.clock.advance(20 * DAY)
        await desk.start()
        await desk.read()
    assert desk.record is not None
    record, now = desk.record, desk.clock.now()
    assert await erase_expired(record, replace(SHORT, decisions=100, actions=100), now) > 2
    for name in ("decisions", "actions"):
        days = replace(SHORT, decisions=100, actions=100)
        assert await erase_expired(record, replace(days, **{name: 10}), now) == 1
    await record.close()


async def test_an_open_intent_is_never_forgotten(settings: RecordSettings) -> None:
    """What nobody saw the end of can be looked up after any time; once it ended it is erased like the rest."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    missed_fill(desk)
    await desk.read()
    reopen = update(actions).values(outcome=None, ended_at=None, status="intended")
    ended = await record.database.read(lambda connection: connection.execute(select(actions)).one())
    await record.database.write(lambda connection: connection.execute(reopen))
    desk.clock.advance(30 * DAY)
    await erase_expired(record, SHORT, desk.clock.now())
    (intent,) = await record.unfinished("main")
    assert intent.id == ended.id
    close = update(actions).values(outcome=ended.outcome, ended_at=ended.ended_at, status="done")
    await record.database.write(lambda connection: connection.execute(close))
    assert await erase_expired(record, SHORT, desk.clock.now()) == 1
    await record.close()


async def test_words_of_people_go_with_the_decisions(record: StoreRecord, clock: VirtualClock) -> None:
    """A comment is erased in its time; one that still holds is not."""
    for name, until in (("old", None), ("holds", clock.now() + timedelta(days=30))):
        verdict = Verdict.COMMENT if until is None else Verdict.KNOWN
        word = Word(
            id=name, account="main", subject="b", verdict=verdict, actor="ann", text=f"4711 {name}", until=until
        )
        await record.say(word)
    clock.advance(11 * DAY)
    assert await erase_expired(record, SHORT, clock.now()) == 1
    clock.advance(30 * DAY)
    assert await erase_expired(record, SHORT, clock.now()) == 1


async def test_closed_breaks_and_sent_alerts_are_deleted(record: StoreRecord, clock: VirtualClock) -> None:
    """Breaks that ended long ago go with their lives, alerts once they were sent; those that stand do not."""
    await record.reading(reading(clock.now(), local="41", rows=2))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(60)
    await record.reading(reading(clock.now(), local="41", account="other"))

    def sent(connection: Connection) -> None:
        first = select(func.min(alerts.c.id)).scalar_subquery()
        connection.execute(update(alerts).where(alerts.c.id == first).values(delivered_at=START))

    await record.database.write(sent)
    before = await counted(record)
    clock.advance(11 * DAY)
    keeping = replace(SHORT, observations=999, reports=999, decisions=999)
    assert await erase_expired(record, keeping, clock.now()) == 0
    after = await counted(record)
    names = await record.database.read(
        lambda connection: (
            set(connection.execute(select(breaks.c.id)).scalars()),
            set(connection.execute(select(break_history.c.break_id)).scalars()),
            connection.execute(
                select(func.count()).select_from(breaks).where(breaks.c.closed_at.is_not(None))
            ).scalar(),
        )
    )
    assert before["breaks"] > after["breaks"] > 0
    assert names[0] == names[1]
    assert names[2] == 0
    assert (before["alerts"] - after["alerts"], after["alerts"] > 0) == (1, True)
    assert [entry.refs["payloads"] for entry in await entries(record, EntryKind.ERASE)] == ["0"]
    assert await erase_expired(record, keeping, clock.now()) == 0
    assert await counted(record) == after


@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_crash_in_the_middle_leaves_all_or_nothing(
    record: StoreRecord, clock: VirtualClock, *, after_commit: bool
) -> None:
    """An erasure that is cut off is not there at all, or is there with its entry; the next round does the rest."""
    await record.reading(reading(clock.now(), local="41", broker="41"))
    clock.advance(60)
    await restarted(record, clock)
    clock.advance(11 * DAY)
    inner = record.write

    async def cut(unit: Unit, kept: object = ()) -> tuple[int, ...]:
        if after_commit:
            await inner(unit)
        else:

            def rows(connection: Connection, places: object) -> None:
                assert unit.rows is not None
                unit.rows(connection, [0])
                raise RecordUnavailable("the power went")

            await inner(Unit(unit.drafts, rows))
        raise Crash

    record.write = cut  # type: ignore[method-assign]
    with pytest.raises((Crash, RecordUnavailable)):
        await erase_expired(record, SHORT, clock.now())
    record.write = inner  # type: ignore[method-assign]
    gone, logged = await erased(record), await entries(record, EntryKind.ERASE)
    assert (len(gone) > 0, len(logged)) == (after_commit, int(after_commit))
    await erase_expired(record, SHORT, clock.now())
    assert (await erased(record) >= gone, len(await entries(record, EntryKind.ERASE))) == (True, 1)
    assert await record.database.read(check_log)


async def test_nothing_of_it_is_left_in_the_file(tmp_path: Path, clock: VirtualClock) -> None:
    """Key and ciphertext are in the SQLite file or its log before, and in neither after, while it is still open."""
    keys.create(tmp_path / "keys", "tieout-test")
    where = RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))
    record = await open_record(where, clock)
    await record.reading(reading(clock.now(), local="41", broker="41", rows=300))
    clock.advance(60)
    await restarted(record, clock)
    query = select(payloads.c.id, payloads.c.wrapped_key, payloads.c.sealed)
    kept = await record.database.read(lambda connection: connection.execute(query).all())
    assert all(row.wrapped_key in bytes_of(tmp_path) for row in kept)
    clock.advance(11 * DAY)
    await erase_expired(record, SHORT, clock.now())
    doomed = select(payloads.c.id).where(payloads.c.erased_at.is_not(None))
    gone = set(await record.database.read(lambda connection: connection.execute(doomed).scalars().all()))
    for closed in (False, True):
        if closed:
            await record.close()
        raw = bytes_of(tmp_path)
        assert gone
        for row in kept:
            assert (row.wrapped_key in raw) == (row.id not in gone)
            # A long ciphertext stands on several pages; every piece of it has to be gone.
            pieces = [row.sealed[at : at + 24] for at in range(0, len(row.sealed) - 24, 400)]
            assert any(piece in raw for piece in pieces) == (row.id not in gone)


def bytes_of(folder: Path) -> bytes:
    """All that the database has on the disk."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("tieout.db*")))
