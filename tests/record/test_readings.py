"""What is stored of a reading is all that a replay needs: it is read back equal, and what did not change is stored once."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from decimal import Decimal

import hypothesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select

from tests.model import strategies
from tests.record.conftest import START
from tests.record.observing import counted, judged, observed, reading
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.errors import LogBroken
from tieout.live.road import State, reconcile_observation
from tieout.model.settings import Settings
from tieout.model.snapshot import Lookup, Observation, SideError, SideFailure, Snapshot
from tieout.record.base import Past
from tieout.record.opening import open_record
from tieout.record.payloads import Kept
from tieout.record.readings import (
    commitments_of,
    contents,
    decode_all,
    decode_record,
    decode_statement,
    observation_of,
    report_of,
    store,
)
from tieout.record.recorder import StoreRecord
from tieout.record.restoring import read_readings
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import payloads, snapshots
from tieout.record.vault import Vault

VAULT = Vault(bytes(range(32)))


def stored_and_read(observation: Observation) -> tuple[Observation, object]:
    """The observation and its report, through the bytes that are stored of them."""
    report = judged(observation).report
    clear = contents(observation, report)
    kept = {name: Kept(VAULT.seal(content).commitment) for name, content in clear.items()}
    stored = store(observation, report, kept)
    statements = decode_all(stored.statements.items())
    opened = {kept[name].commitment: content for name, content in clear.items()}
    record = decode_record(stored.record, 0)
    assert commitments_of(record, statements) == opened.keys()
    return observation_of(record, observation.account, statements, opened), report_of(record, opened[record.report])


@given(strategies.observations())
def test_an_observation_comes_back_equal(observation: Observation) -> None:
    """Sections, coverage, times, failures, `local_before` and `lookups`: nothing that a verdict hangs on is lost."""
    again, report = stored_and_read(observation)
    assert again == observation
    assert report == judged(observation).report


@given(strategies.observations())
def test_a_stored_observation_is_judged_the_same(observation: Observation) -> None:
    """A replay of what was stored gives the live verdict, exactly."""
    again, _ = stored_and_read(observation)
    verdicts = [
        reconcile_observation(each, State(), Settings(), Policy(), trigger="manual").report
        for each in (observation, again)
    ]
    assert verdicts[0] == verdicts[1]


@given(strategies.observations(), st.data())
def test_a_damaged_record_is_read_or_said_to_be_changed(observation: Observation, data: st.DataObject) -> None:
    """A changed byte in what is stored of a reading raises `LogBroken`, or nothing at all."""
    report = judged(observation).report
    kept = {name: Kept(VAULT.seal(content).commitment) for name, content in contents(observation, report).items()}
    stored = store(observation, report, kept)
    for raw in (stored.record, *stored.statements.values()):
        damaged = bytearray(raw)
        damaged[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        try:
            assert decode_record(bytes(damaged), 1) if raw is stored.record else decode_statement(bytes(damaged))
        except LogBroken as broken:
            assert "changed" in broken.why


def test_the_record_of_a_reading_bears_no_amounts() -> None:
    """What is stored in clear holds times, names of sections and commitments: no asset, no currency, no amount."""
    observation = observed(START, local="48151623.42", broker="2342.1")
    report = judged(observation).report
    kept = {name: Kept(VAULT.seal(content).commitment) for name, content in contents(observation, report).items()}
    stored = store(observation, report, kept)
    clear = b"".join((stored.record, *stored.statements.values()))
    for marked in (b"48151623", b"2342", b"ASSET0", b"USD", b"10000"):
        assert marked not in clear


# From here on both databases.


async def restored(record: StoreRecord, account: str) -> list[Past]:
    """Every reading of an account, as it is read back."""
    return await record.database.read(lambda connection: list(read_readings(connection, record.payloads, account)))


_accounts = itertools.count()


def of_account(observation: Observation, name: str) -> Observation:
    """The same observation of another account."""
    sides = {
        side: replace(said, account=name)
        for side in ("local", "broker", "local_before")
        if isinstance(said := getattr(observation, side), Snapshot)
    }
    return replace(observation, account=name, **sides)


@given(seen=st.lists(strategies.observations(), min_size=8, max_size=16, unique_by=lambda each: each.at))
@hypothesis.settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
async def test_what_was_recorded_is_read_back(settings: RecordSettings, seen: list[Observation]) -> None:
    """Generated observations are read back from the real databases, equal and in their order, by who opens them anew."""
    account = f"account-{next(_accounts)}"
    mine = [of_account(each, account) for each in seen]
    record = await open_record(settings, VirtualClock(START))
    for observation in mine:
        await record.reading(judged(observation))
    await record.close()
    record = await open_record(settings, VirtualClock(START))
    found = await restored(record, account)
    await record.close()
    assert [past.observation for past in found] == mine
    assert [past.report for past in found] == [judged(observation).report for observation in mine]


async def test_a_whole_day_with_lookups_is_read_back(settings: RecordSettings, clock: VirtualClock) -> None:
    """`local_before`, answers to questions for orders, and failures of either side stand beside each other."""
    rng = random.Random(7)
    record = await open_record(settings, clock)
    day = []
    for _ in range(30):
        clock.advance(60)
        observation = observed(clock.now(), local=str(rng.randrange(99, 102)))
        assert isinstance(observation.local, Snapshot)
        if rng.random() < 0.5:
            earlier = replace(observation.local, as_of=clock.now() - timedelta(seconds=2))
            observation = replace(observation, local_before=earlier)
        if rng.random() < 0.5:
            error = rng.choice([None, SideFailure("timeout")])
            observation = replace(observation, lookups=(Lookup(broker_order_id=str(rng.random()), error=error),))
        if rng.random() < 0.2:
            observation = replace(observation, broker=SideError(SideFailure("unavailable")))
        day.append(observation)
        await record.reading(judged(observation))
    found = await restored(record, "main")
    await record.close()
    assert [past.observation for past in found] == day


async def test_an_unchanged_section_is_stored_once(settings: RecordSettings, clock: VirtualClock) -> None:
    """Readings that say the same add no content, in one process and over restarts; one changed section adds that one."""
    sizes = []
    for _ in range(3):
        record = await open_record(settings, clock)
        for _ in range(4):
            clock.advance(60)
            await record.reading(reading(clock.now()))
        sizes.append((await counted(record))["payloads"])
        await record.close()
    record = await open_record(settings, clock)
    before = await counted(record)
    observation = observed(clock.now())
    assert isinstance(observation.broker, Snapshot)
    rows = tuple(replace(row, available=Decimal(7)) for row in observation.broker.balances or ())
    clock.advance(60)
    changed = replace(observation, broker=replace(observation.broker, balances=rows))
    await record.reading(judged(replace(changed, at=clock.now())))
    after = await counted(record)
    await record.close()
    assert len(set(sizes)) == 1
    assert after["payloads"] - before["payloads"] <= 2  # the balances, and the report if it says something else
    assert after["snapshots"] - before["snapshots"] == 1


async def test_accounts_share_nothing(settings: RecordSettings, clock: VirtualClock) -> None:
    """Two accounts that hold the same are stored apart: nobody learns from the store that they do."""
    record = await open_record(settings, clock)
    await record.reading(reading(clock.now(), account="one"))
    first = await counted(record)
    await record.reading(reading(clock.now(), account="two"))
    second = await counted(record)
    digests = await record.database.read(
        lambda connection: connection.execute(select(payloads.c.digest)).scalars().all()
    )
    bodies = await record.database.read(lambda connection: connection.execute(select(snapshots.c.body)).scalars().all())
    await record.close()
    assert second["payloads"] == 2 * first["payloads"]
    assert len(set(digests)) == len(digests)
    assert len(set(bodies)) == len(bodies)
