"""What `Record`, its writer and its log promise, on both databases: acknowledged is durable, once, in one order, whole."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tests.live.recorded import RecordedDesk
from tests.record.making import snapshot
from tests.record.observing import counted, judged, reading
from tests.record.test_recording import missed_fill
from tests.record.test_retention import check_log, restored
from tieout.clock import VirtualClock
from tieout.errors import LogBehind, RecordError, RecordUnavailable
from tieout.model.case import Approved
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.intent import Ended, Intent
from tieout.model.snapshot import Observation, Position, SideError, SideFailure, Snapshot
from tieout.record import keys
from tieout.record.base import Reading, Restored, Verdict, Word
from tieout.record.entry import Draft, EntryKind, decode
from tieout.record.log import Author, read_head
from tieout.record.opening import open_record
from tieout.record.payloads import Payloads
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.database import Database, Work
from tieout.record.store.schema import (
    accounts,
    checkpoints,
    live_positions,
    log_entries,
    log_head,
    payloads,
    tree_nodes,
)
from tieout.record.store.types import EPOCH
from tieout.record.writer import Rows, Unit, Writer

T = TypeVar("T")
# What others signed, who may what, and what other programs push: written by other parts than those that a desk runs.
ELSEWHERE = {"attestations", "tokens", "users", "sessions", "pushed_books", "shard_leases", "workers"}


@pytest.fixture
async def record(settings: RecordSettings, clock: VirtualClock) -> AsyncIterator[StoreRecord]:
    """A record, open."""
    opened = await open_record(settings, clock)
    yield opened
    await opened.close()


def draft(name: str) -> Draft:
    """Something to log."""
    return Draft(event=name, kind=EntryKind.HEARTBEAT)


def events(connection: Connection) -> list[str]:
    """The events in the order of the log, which has no gap."""
    rows = connection.execute(select(log_entries).order_by(log_entries.c.entry)).all()
    assert [row.entry for row in rows] == list(range(len(rows)))
    return [decode(row.body, row.entry).event for row in rows]


def account_row(name: str, seen: list[tuple[int, ...]] | None = None) -> Rows:
    """Rows of a unit: an account, whose name is unique; *seen* is told where the unit's entries stand."""

    def rows(connection: Connection, entries: Sequence[int]) -> None:
        connection.execute(insert(accounts).values(name=name))
        if seen is not None:
            seen.append(tuple(entries))

    return rows


def names(connection: Connection) -> list[str]:
    """The accounts that there are."""
    return [row.name for row in connection.execute(select(accounts.c.name).order_by(accounts.c.id))]


class Lossy:
    """A database whose next write fails, before it is done or after; whoever asked cannot tell which."""

    def __init__(self, inner: Database) -> None:
        self.name, self._inner = inner.name, inner
        self.lose: str | None = None

    async def write(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        """Write, or fail to."""
        lost, self.lose = self.lose, None
        if lost == "before":
            raise RecordUnavailable("the connection was lost")
        result = await self._inner.write(work, None if lost else then)
        if lost:
            raise RecordUnavailable("the connection was lost")
        return result

    async def read(self, work: Work[T]) -> T:
        """Read."""
        return await self._inner.read(work)

    async def ask(self, work: Work[T]) -> T:
        """Ask."""
        return await self._inner.ask(work)

    async def claim(self, account: int) -> bool:
        """Claim."""
        return await self._inner.claim(account)

    async def scrub(self) -> None:
        """Scrub."""
        await self._inner.scrub()

    async def close(self) -> None:
        """Close."""
        await self._inner.close()


async def lossy(settings: RecordSettings, clock: VirtualClock) -> tuple[StoreRecord, Lossy]:
    """A record whose database can be made to fail."""
    opened = await open_record(settings, clock)
    held, database = keys.load(settings.key_folder), Lossy(opened.database)
    writer = Writer(
        database, Author(held.name, held.signer, clock, "r"), await database.read(read_head), lambda _: None
    )

    async def allowed() -> None:
        """Nothing stands in the way."""

    return StoreRecord(database, writer, Payloads(database, held.vault), clock, run="r", guard=allowed), database


# The log and its writer.


async def test_what_is_acknowledged_is_there_for_others(record: StoreRecord, settings: RecordSettings) -> None:
    """Each write that returned is in the log for whoever opens the database anew, signed, though the writer never closed."""
    other = await open_record(settings, VirtualClock(EPOCH))
    for number in range(5):
        (place,) = await record.write(Unit((draft(f"e{number}"),)))
        assert (await other.database.read(events))[place] == f"e{number}"
        assert await other.database.read(check_log) == number + 1
    await other.close()


async def test_a_unit_is_written_whole_and_in_its_order(record: StoreRecord) -> None:
    """A unit's entries stand side by side as they were given, its rows know where, and units keep the order they came in."""
    seen: list[tuple[int, ...]] = []
    units = [
        Unit(tuple(draft(f"{number}.{part}") for part in range(number % 4)), account_row(str(number), seen))
        for number in range(40)
    ]
    places = await asyncio.gather(*(record.write(unit) for unit in units))
    flat = [place for unit in places for place in unit]
    assert flat == list(range(len(flat)))
    assert seen == list(places)
    assert await record.database.read(events) == [each.event for unit in units for each in unit.drafts]
    assert await record.database.read(names) == [str(number) for number in range(40)]


async def test_a_unit_that_fails_leaves_nothing_and_harms_nobody(record: StoreRecord) -> None:
    """One unit of many breaks a constraint: nothing of it is there, the others are whole, and the log has no gap."""
    await record.write(Unit((), account_row("taken")))
    units = [Unit((draft(f"e{number}"),), account_row(f"a{number}")) for number in range(10)]
    units[4] = Unit((draft("bad.0"), draft("bad.1")), account_row("taken"))
    outcomes = await asyncio.gather(*(record.write(unit) for unit in units), return_exceptions=True)
    assert [number for number, each in enumerate(outcomes) if isinstance(each, BaseException)] == [4]
    assert isinstance(outcomes[4], IntegrityError)
    assert sorted(await record.database.read(events)) == [f"e{number}" for number in range(10) if number != 4]
    assert len(await record.database.read(names)) == 10
    assert await record.database.read(check_log) == 9


async def test_a_waiter_that_gives_up_harms_nobody(record: StoreRecord) -> None:
    """A task that is cancelled while it waits takes neither the writer nor the others with it."""
    waiting = [asyncio.create_task(record.write(Unit((draft(f"e{number}"),)))) for number in range(6)]
    await asyncio.sleep(0)
    waiting[2].cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(outcomes[2], asyncio.CancelledError)
    assert [each for each in outcomes if isinstance(each, BaseException)] == [outcomes[2]]
    assert await record.write(Unit((draft("last"),)))
    assert await record.database.read(check_log) == len(await record.database.read(events))


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_repeating_after_a_lost_answer_is_safe(settings: RecordSettings, clock: VirtualClock, lose: str) -> None:
    """Whether the commit went through or not: whoever writes the same again finds it in the log once."""
    record, database = await lossy(settings, clock)
    await record.write(Unit((draft("a"),)))
    database.lose = lose
    unit = Unit((draft("b"), draft("c")), account_row("b"))
    with pytest.raises(RecordUnavailable):
        await record.write(unit)
    assert await record.write(unit) == (1, 2)
    assert await record.write(Unit((draft("d"),))) == (3,)
    assert await record.database.read(events) == ["a", "b", "c", "d"]
    assert await record.database.read(names) == ["b"]
    assert await record.database.read(check_log) == 4
    await record.close()


WRITE = """
import asyncio, json, sys
from tieout.clock import SystemClock
from tieout.record.entry import Draft, EntryKind
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.writer import Unit

async def write():
    record = await open_record(RecordSettings(store=sys.argv[1], keys=sys.argv[2]), SystemClock())
    sys.stdin.read()
    places = await asyncio.gather(*(
        record.write(Unit((Draft(event=f"{sys.argv[3]}:{number}", kind=EntryKind.HEARTBEAT),))) for number in range(150)
    ))
    await record.close()
    print(json.dumps([place for (place,) in places]))

asyncio.run(write())
"""


async def test_two_processes_keep_one_order_without_a_gap(settings: RecordSettings, clock: VirtualClock) -> None:
    """Two processes that write as fast as they can: each is told true places, together they are 0 to the last."""
    record = await open_record(settings, clock)
    writing = [
        subprocess.Popen(  # noqa: ASYNC220 - it starts, and is waited for on a thread
            [sys.executable, "-c", WRITE, settings.store, settings.keys, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b")
    ]
    said = await asyncio.gather(*(asyncio.to_thread(each.communicate) for each in writing))
    told = {
        place: f"{name}:{number}"
        for name, (out, _) in zip("ab", said, strict=True)
        for number, place in enumerate(json.loads(out))
    }
    logged = await record.database.read(events)
    assert [told[place] for place in range(300)] == logged
    assert await record.database.read(check_log) == 300
    await record.close()


async def test_a_log_that_became_shorter_takes_nothing_more(record: StoreRecord) -> None:
    """Entries cut off under an open record: what comes next is refused, and not written after what is left."""
    for number in range(5):
        await record.write(Unit((draft(f"e{number}"),)))

    def cut(connection: Connection) -> None:
        for table, column in ((log_entries, "entry"), (tree_nodes, "leaf")):
            connection.execute(delete(table).where(table.c[column] >= 3))
        connection.execute(delete(checkpoints).where(checkpoints.c.size > 3))
        connection.execute(update(log_head).values(size=3))

    await record.database.write(cut)
    with pytest.raises(LogBehind, match="has 3 entries, and had 5"):
        await record.write(Unit((draft("late"),), account_row("late")))
    assert await record.database.read(events) == ["e0", "e1", "e2"]
    assert await record.database.read(names) == []


async def test_time_in_the_log_never_goes_back(settings: RecordSettings) -> None:
    """A clock that is set back leaves the log's time where it was, and the entry says by how much."""
    moments = [10, 20, 5, 15, 30]
    for number, second in enumerate(moments):
        opened = await open_record(settings, VirtualClock(EPOCH + timedelta(seconds=second)))
        await opened.write(Unit((draft(f"e{number}"),)))
        rows = await opened.database.read(
            lambda connection: connection.execute(select(log_entries.c.body)).scalars().all()
        )
        await opened.close()
    entries = [decode(body, 0) for body in rows]
    assert [(each.at - EPOCH).seconds for each in entries] == [10, 20, 20, 20, 30]
    assert [each.behind_us for each in entries] == [0, 0, 15_000_000, 5_000_000, 0]


# The record.


def intent(name: str, *, account: str = "main") -> Intent:
    """Something that is about to be done."""
    plan = Approved(f"case-{name[0]}", ("b1",), ReconciliationStrategy.SYNC_TO_BROKER, (), "heals_itself")
    return Intent(id=name, account=account, report_id="R" * 26, plan=plan, before="0")


def word(name: str, verdict: Verdict = Verdict.COMMENT, until: datetime | None = None) -> Word:
    """Something that a person says."""
    return Word(id=name, account="main", subject="b1", verdict=verdict, actor="ann", text="mine", until=until)


CALLS: dict[str, Callable[[StoreRecord, VirtualClock], Awaitable[object]]] = {
    "configure": lambda record, _: record.configure("main", b"settings"),
    "reading": lambda record, clock: record.reading(reading(clock.now(), local="41", state=b"whole")),
    "conclude": lambda record, _: record.conclude(intent("a1"), Ended.DONE),
    "say": lambda record, clock: record.say(word("w", Verdict.KNOWN, clock.now())),
    "heartbeat": lambda record, _: record.heartbeat(),
}


@pytest.mark.parametrize("lose", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
async def test_repeating_a_call_changes_nothing(
    settings: RecordSettings, clock: VirtualClock, call: str, lose: str
) -> None:
    """Each call that writes may be repeated after a lost answer, and after a good one: the store is as after one."""
    record, database = await lossy(settings, clock)
    await record.intend(intent("a1"))
    await record.reading(reading(clock.now()))  # so that the account is there: it is made in a write of its own
    clock.advance(60)
    before = await counted(record)
    database.lose = lose
    with pytest.raises(RecordUnavailable):
        await CALLS[call](record, clock)
    held = await counted(record)
    assert (held == before) == (lose == "before")
    await CALLS[call](record, clock)
    once = await counted(record)
    await CALLS[call](record, clock)
    assert await counted(record) == once
    if lose == "after":
        assert once == held
    assert await record.database.read(check_log) == once["log_entries"]
    await record.close()


@pytest.mark.parametrize("lose", ["before", "after"])
async def test_an_intent_whose_answer_was_lost_is_looked_up(
    settings: RecordSettings, clock: VirtualClock, lose: str
) -> None:
    """Nobody knows whether it was kept: a second try is refused where it was, so that nothing is done twice."""
    record, database = await lossy(settings, clock)
    await record.reading(reading(clock.now()))
    database.lose = lose
    with pytest.raises(RecordUnavailable):
        await record.intend(intent("a1"))
    if lose == "before":
        await record.intend(intent("a1"))
    with pytest.raises(RecordUnavailable, match="was intended before"):
        await record.intend(intent("a1"))
    (found,) = await record.unfinished("main")
    assert replace(found, at=None) == intent("a1")
    await record.close()


async def test_intents_stay_open_until_their_end_is_known(
    record: StoreRecord, settings: RecordSettings, clock: VirtualClock
) -> None:
    """Open ones come back oldest first, of their own account, after a restart too; what never happened is counted."""
    for name in ("b1", "a1", "a2", "c1"):
        await record.intend(intent(name))
        clock.advance(1)
    await record.intend(intent("z1", account="other"))
    await record.conclude(intent("b1"), Ended.DONE)
    await record.conclude(intent("a1"), Ended.UNDONE)
    await record.conclude(intent("a2"), Ended.UNDONE)
    await record.conclude(intent("c1"), Ended.UNKNOWN, "no answer")
    other = await open_record(settings, clock)
    for each in (record, other):
        assert [found.id for found in await each.unfinished("main")] == ["c1"]
        assert [found.id for found in await each.unfinished("other")] == ["z1"]
        assert await each.attempts("main") == {"case-a": 2}
        assert await each.attempts("other") == {}
    await record.conclude(intent("c1"), Ended.FAILED)
    assert await other.unfinished("main") == ()
    await other.close()


async def test_a_new_account_has_no_past(record: StoreRecord) -> None:
    """Nothing is restored of what was never recorded, and asking makes nothing."""
    assert await record.restore("main") == Restored(None, ())
    assert (await record.unfinished("main"), await record.attempts("main")) == ((), {})
    assert not any(rows for name, rows in (await counted(record)).items() if name != "log_head")


async def test_settings_are_found_by_their_name(
    record: StoreRecord, settings: RecordSettings, clock: VirtualClock
) -> None:
    """What an account was judged by comes back by the name that its readings bear; no other account's does."""
    name = await record.configure("main", b"one")
    other = await record.configure("main", b"two")
    again = await open_record(settings, clock)
    assert await again.configure("main", b"one") == name != other
    assert [await again.configuration("main", each) for each in (name, other)] == [b"one", b"two"]
    for account, wrong in (("main", "nothing"), ("stranger", name)):
        with pytest.raises(RecordError):
            await again.configuration(account, wrong)
    await again.close()


async def test_a_state_takes_the_place_of_the_one_before(record: StoreRecord, clock: VirtualClock) -> None:
    """The last whole state and the readings from there on are restored; what it replaced is gone, but for a day's first."""
    for state in (b"first", None, b"other", None, b"second", None):
        await record.reading(reading(clock.now(), state=state))
        clock.advance(60)
    found = await record.restore("main")
    assert found.state == b"second"
    assert [past.observation.at for past in found.readings] == [
        clock.now() - timedelta(seconds=each) for each in (120, 60)
    ]
    bodies = await record.database.read(lambda connection: connection.execute(select(payloads)).all())
    assert sum(row.digest is None for row in bodies) == 2


async def test_two_processes_that_say_the_same_both_keep_it(
    settings: RecordSettings, clock: VirtualClock, record: StoreRecord
) -> None:
    """Content that two processes seal at the same moment is stored once, and both readings are whole."""
    other = await open_record(settings, clock)
    await record.reading(reading(clock.now()))
    await other.reading(reading(clock.now() + timedelta(seconds=1)))
    share = other.payloads.share
    later = [reading(clock.now() + timedelta(seconds=each), local="9", broker="9") for each in (2, 3)]

    async def slow(account: str, contents: dict[str, bytes]) -> object:
        found = await share(account, contents)
        other.payloads.share = share  # type: ignore[method-assign]
        await record.reading(later[0])
        return found

    other.payloads.share = slow  # type: ignore[method-assign,assignment]
    await other.reading(later[1])
    await other.close()
    assert len(await restored(record)) == 4
    assert await record.database.read(check_log) == 4


async def test_a_failure_shows_no_amounts(settings: RecordSettings, clock: VirtualClock) -> None:
    """Whatever call fails, its sentence names neither amounts nor what was said."""
    record = await open_record(settings, clock)
    await record.configure("main", b"48151623.42")
    await record.close()
    plan = replace(intent("a1").plan, reason="48151623.42")
    calls = (
        record.configure("main", b"48151623.43"),
        record.reading(reading(clock.now(), local="48151623.42")),
        record.intend(replace(intent("a1"), plan=plan)),
        record.conclude(intent("a1"), Ended.DONE, "48151623.42"),
        record.say(replace(word("w"), text="48151623.42")),
        record.restore("main"),
        record.heartbeat(),
    )
    for call in calls:
        with pytest.raises(RecordUnavailable, match="was closed") as caught:
            await call
        assert "48151623" not in repr(caught.value)


async def test_closing_is_safe_to_repeat(settings: RecordSettings, clock: VirtualClock) -> None:
    """What was under way when it was closed is on the disk; a second time changes nothing."""
    record = await open_record(settings, clock)
    waiting = [asyncio.create_task(record.write(Unit((draft(f"e{number}"),)))) for number in range(20)]
    await asyncio.sleep(0)
    await record.close()
    await record.close()
    assert [await each for each in waiting] == [(number,) for number in range(20)]
    again = await open_record(settings, clock)
    assert await again.database.read(check_log) == 20
    await again.close()


async def test_every_table_has_a_writer(settings: RecordSettings) -> None:
    """A cure, a halt, and words of a person leave rows in each table of the store, but for those of the witness."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    missed_fill(desk)
    for _ in range(2):
        await desk.read()
    desk.world.trade("main", "AAPL", "sell", Decimal(30), Decimal(190))
    for _ in range(3):
        await desk.read()
    await record.say(word("w", Verdict.KNOWN, desk.clock.now()))
    rows = await counted(record)
    await record.close()
    assert {name for name, count in rows.items() if not count} == ELSEWHERE


# live_positions: the last reconciled position of each account and asset.


def holding(at: datetime, local: dict[str, int], broker: dict[str, int], account: str = "main") -> Observation:
    """An observation of these positions."""

    def side(source: str, held: dict[str, int]) -> Snapshot:
        rows = tuple(Position(asset, Decimal(amount)) for asset, amount in held.items())
        return replace(snapshot(source, at, account=account), positions=rows)

    return Observation(at, account, side("local", local), side("broker", broker))


async def live(record: StoreRecord, account: str = "main") -> dict[str, Decimal]:
    """The positions as they were reconciled last."""
    query = select(live_positions.c.asset, live_positions.c.amount).join(accounts).where(accounts.c.name == account)
    rows = await record.database.read(lambda connection: connection.execute(query).all())
    return {row.asset: row.amount for row in rows}


async def test_live_positions_are_those_that_matched(record: StoreRecord, clock: VirtualClock) -> None:
    """An asset that differs keeps what was reconciled last; one that agrees is brought up to date; one that ended goes."""
    told = []
    for local, broker in (
        ({"A": 1, "B": 2}, {"A": 1, "B": 2}),
        ({"A": 1, "B": 2}, {"A": 7, "B": 2}),  # A differs
        ({"A": 1, "B": 3, "C": 4}, {"A": 7, "B": 3, "C": 4}),  # B moved on both sides, C is new
        ({"A": 7, "C": 4}, {"A": 7, "C": 4}),  # local was brought to the broker's; B was closed
        ({"A": 7}, {"A": 7, "C": 4, "D": 1}),  # C is missing here, D was never reconciled
        ({"A": 7}, {"A": 7}),
    ):
        clock.advance(60)
        await record.reading(judged(holding(clock.now(), local, broker)))
        told.append(await live(record))
    expected = (
        {"A": 1, "B": 2},
        {"A": 1, "B": 2},
        {"A": 1, "B": 3, "C": 4},
        {"A": 7, "C": 4},
        {"A": 7, "C": 4},
        {"A": 7},
    )
    assert told == [{asset: Decimal(amount) for asset, amount in each.items()} for each in expected]


async def test_live_positions_stay_where_nothing_was_compared(record: StoreRecord, clock: VirtualClock) -> None:
    """A side that failed, a section that was read in part, a look, and another account's reading change nothing."""
    await record.reading(judged(holding(clock.now(), {"A": 1, "B": 2}, {"A": 1, "B": 2})))
    clock.advance(60)
    good = holding(clock.now(), {"A": 5}, {"A": 5})
    assert isinstance(good.broker, Snapshot)
    partly = replace(good, broker=replace(good.broker, coverage={"positions": "partial"}))
    readings: list[Reading] = [
        judged(replace(good, broker=SideError(SideFailure("timeout")))),
        judged(replace(good, local=SideError(SideFailure("timeout")))),
        judged(partly),
        replace(judged(good), look=True),
        judged(holding(clock.now(), {"A": 9}, {"A": 9}, "other")),
    ]
    for number, each in enumerate(readings):
        await record.reading(replace(each, report=replace(each.report, report_id=f"R{number}")))
        assert await live(record) == {"A": Decimal(1), "B": Decimal(2)}
    assert await live(record, "other") == {"A": Decimal(9)}


async def test_a_position_that_halts_is_not_called_reconciled(settings: RecordSettings) -> None:
    """A trade of somebody else stays out of the live positions for as long as it is not settled."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    await desk.read()
    desk.world.trade("main", "AAPL", "sell", Decimal(20), Decimal(190))
    for _ in range(3):
        await desk.read()
        assert await live(record) == {"AAPL": Decimal(100)}
    await record.close()
