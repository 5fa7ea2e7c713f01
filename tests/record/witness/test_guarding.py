"""A record with a witness behind real HTTP: what it cosigns, and what a log that was set back is told."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from tests.live.recorded import RecordedDesk
from tests.record.test_recording import missed_fill, statuses
from tests.record.witness.conftest import Bench, Log
from tieout.clock import VirtualClock
from tieout.errors import KeyUnusable, LogBehind, RecordUnavailable
from tieout.model.discrepancy import ActionStatus
from tieout.record import keys
from tieout.record.beating import duties
from tieout.record.entry import Draft, EntryKind
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import attestations, checkpoints
from tieout.record.tlog.note import Verifier, open_note
from tieout.record.witness.server import serving
from tieout.record.writer import Unit

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def on_file(tmp_path: Path) -> RecordSettings:
    """A record in a file that can be copied; the same code reads both databases."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))


@pytest.fixture
def watching(settings: RecordSettings, tmp_path: Path) -> Bench:
    """A witness that knows the log of *settings*."""
    (tmp_path / "witness").mkdir()
    return Bench(tmp_path / "witness", *keys.load(settings.key_folder).verifiers)


@asynccontextmanager
async def witnessed(settings: RecordSettings, bench: Bench) -> AsyncIterator[RecordSettings]:
    """The settings with the witness in them, for as long as it runs."""
    async with serving(bench.witness, "127.0.0.1", 0, tell=bench.said.append) as url:
        yield replace(settings, witnesses={bench.signer.vkey: url})


async def grow(record: StoreRecord, count: int) -> None:
    """So many more entries."""
    size = await record.database.read(lambda connection: len(connection.execute(select(checkpoints)).all()))
    for number in range(size, size + count):
        await record.write(Unit((Draft(event=f"e{number}", kind=EntryKind.HEARTBEAT),)))


async def test_each_head_is_cosigned_and_the_line_is_kept(
    settings: RecordSettings, watching: Bench, clock: VirtualClock
) -> None:
    """Before each act the head is cosigned; the lines are in the store, and hold under its checkpoints."""
    async with witnessed(settings, watching) as known:
        for count in (3, 4):
            record = await open_record(known, clock)
            await grow(record, count)
            await record.permit()
            await record.permit()
            await record.close()
    record = await open_record(settings, clock)
    rows = await record.database.read(
        lambda connection: connection.execute(
            select(attestations.c.body, checkpoints.c.note).join(checkpoints, checkpoints.c.size == attestations.c.size)
        ).all()
    )
    await record.close()
    assert len(rows) == 2
    for row in rows:
        assert open_note(row.note + row.body, [Verifier(watching.signer.vkey)]).signers == ("witness.test",)


async def test_an_older_copy_put_in_place_is_refused_with_the_reason(
    on_file: RecordSettings, clock: VirtualClock, tmp_path: Path
) -> None:
    """Database and side file set back together: the service opens, and may not act, for the witness saw more of it."""
    (tmp_path / "witness").mkdir()
    watching = Bench(tmp_path / "witness", *keys.load(on_file.key_folder).verifiers)
    async with witnessed(on_file, watching) as known:
        record = await open_record(known, clock)
        await grow(record, 3)
        await record.close()
        shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-copy")
        record = await open_record(known, clock)
        await grow(record, 2)
        await record.permit()
        await record.close()
        for name in ("tieout.db", "keys/head"):
            shutil.copy(tmp_path.parent / f"{tmp_path.name}-copy" / name, tmp_path / name)
        record = await open_record(known, clock)
        with pytest.raises(
            LogBehind, match=r"the log has 3 entries, and witness witness.test has seen 5: .*older copy"
        ):
            await record.permit()
        # Whoever goes on writing to hide it has another history than the one that was seen.
        await record.write(Unit(tuple(Draft(event=f"other{number}", kind=EntryKind.HEARTBEAT) for number in range(4))))
        with pytest.raises(LogBehind, match=r"does not extend what witness witness.test has seen"):
            await record.permit()
        await record.close()
    assert len(watching.said) == 1


async def test_a_forked_log_of_the_same_size_is_refused(
    on_file: RecordSettings, clock: VirtualClock, tmp_path: Path
) -> None:
    """Two histories of one size under one key: the second is refused."""
    fork = tmp_path.parent / f"{tmp_path.name}-fork"
    (tmp_path / "witness").mkdir()
    watching = Bench(tmp_path / "witness", *keys.load(on_file.key_folder).verifiers)
    async with witnessed(on_file, watching) as known:
        record = await open_record(known, clock)
        await record.close()
        shutil.copytree(tmp_path, fork)
        for folder in (tmp_path, fork):
            record = await open_record(
                replace(known, store=str(folder / "tieout.db"), keys=str(folder / "keys")), clock
            )
            clock.advance(1)
            await grow(record, 2)
            if folder == fork:
                with pytest.raises(LogBehind, match="has seen another log of 2 entries"):
                    await record.permit()
            else:
                await record.permit()
            await record.close()


async def test_a_witness_that_is_away_is_waited_for_only_so_long(
    settings: RecordSettings, watching: Bench, clock: VirtualClock
) -> None:
    """Without an answer acting goes on for the time that was set, across restarts, and then stops, saying since when."""
    async with witnessed(settings, watching) as known:
        record = await open_record(known, clock)
        await grow(record, 1)
        await record.permit()
        await record.close()
    record = await open_record(known, clock)
    clock.advance(known.witness_seconds)
    await record.permit()
    clock.advance(1)
    with pytest.raises(RecordUnavailable, match=r"since 2026-11-20 10:00:00 UTC: witness witness.test does not answer"):
        await record.permit()
    await record.close()


async def test_one_witness_of_two_is_enough_but_one_that_objects_is_too(
    settings: RecordSettings, watching: Bench, clock: VirtualClock, tmp_path: Path
) -> None:
    """A second witness may be away; where either has seen more, nothing may be acted on."""
    (tmp_path / "second").mkdir()
    second = Bench(tmp_path / "second", *keys.load(settings.key_folder).verifiers, name="second.test")
    async with witnessed(settings, watching) as known:
        both = replace(known, witnesses={**known.witnesses, second.signer.vkey: NOWHERE})
        record = await open_record(both, clock)
        await grow(record, 1)
        await record.permit()
        await record.close()
    other = Log("tieout-test", seed=bytes(31) + b"9")
    second.trusted["tieout-test"].append(Verifier(other.signer.vkey))
    assert second.witness.add_checkpoint(other.request(0, 9)).status == 200
    async with witnessed(settings, watching) as known, witnessed(settings, second) as knows_more:
        record = await open_record(replace(known, witnesses={**known.witnesses, **knows_more.witnesses}), clock)
        with pytest.raises(LogBehind, match=r"the log has 1 entries, and witness second\.test has seen 9"):
            await record.permit()
        await record.close()


async def test_a_stranger_in_the_witness_place_counts_for_nothing(
    settings: RecordSettings, watching: Bench, clock: VirtualClock, tmp_path: Path
) -> None:
    """A signature by another key than the one that is known is no cosignature; a log's key is no witness' key."""
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other", *keys.load(settings.key_folder).verifiers)
    async with witnessed(settings, watching) as known:
        (url,) = known.witnesses.values()
        record = await open_record(replace(settings, witnesses={other.signer.vkey: url}), clock)
        await grow(record, 1)
        with pytest.raises(RecordUnavailable, match="not by the key it is known by"):
            await record.permit()
        await record.close()
    log_key = keys.load(settings.key_folder).vkey
    with pytest.raises(KeyUnusable, match="the key of a log"):
        await open_record(replace(settings, witnesses={log_key: NOWHERE}), clock)


async def test_a_witness_without_the_logs_key_says_so(
    settings: RecordSettings, clock: VirtualClock, tmp_path: Path
) -> None:
    """A witness that was never given this log's key is named, with the way to mend it."""
    (tmp_path / "new").mkdir()
    async with witnessed(settings, Bench(tmp_path / "new")) as known:
        record = await open_record(known, clock)
        await grow(record, 1)
        with pytest.raises(RecordUnavailable, match="does not know this log's key"):
            await record.permit()
        await record.close()


async def test_the_desk_acts_only_while_a_witness_agrees(settings: RecordSettings, watching: Bench) -> None:
    """A cure is booked while the witness cosigns; while none does nothing is, a person is told why, and checking goes on."""
    away = RecordedDesk(replace(settings, witnesses={watching.signer.vkey: NOWHERE}))
    await away.start()
    missed_fill(away)
    report = await away.read()
    assert statuses(report) == [ActionStatus.SKIPPED]
    assert any("witness" in each for each in away.said)
    async with witnessed(settings, watching) as known:
        away.settings = known
        await away.start()
        assert statuses(await away.read()) == [ActionStatus.DONE]
        assert (await away.read()).status == "matched"
        assert away.record is not None
        await away.record.close()


async def test_the_log_is_witnessed_while_nothing_happens(
    settings: RecordSettings, watching: Bench, clock: VirtualClock
) -> None:
    """The duties of a record have its head cosigned at the start and with each heartbeat; what fails is told of."""
    async with witnessed(settings, watching) as known:
        record = await open_record(known, clock)
        await grow(record, 1)
        duty = next(each for each in duties(record, known, clock) if "witnessed" in each.name)
        await duty.run()
        with watching.memory.hold() as held:
            assert [seen.size for _, seen in held.logs()] == [1]
        assert (duty.at_once, duty.every.total_seconds()) == (True, 300)
        await record.close()
