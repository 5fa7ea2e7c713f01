"""States kept whole: few, and enough for a restart, for a replay of any day, and for one of what is left after an erasure."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.live.recorded import RecordedDesk
from tests.record.test_recording import missed_fill
from tieout.errors import LogBroken
from tieout.live.replaying import judge_stored
from tieout.record.restoring import configuration_of
from tieout.record.retention import erase_expired
from tieout.record.settings import RecordSettings, Retention
from tieout.record.store.schema import payloads, states
from tieout.record.stretches import read_stretch

DAY = 86_400


async def days(desk: RecordedDesk, count: int) -> None:
    """Days with three starts and six readings each; on each a fill is missed, and booked."""
    for _ in range(count):
        for _ in range(3):
            await desk.start()
            await desk.read()
            await desk.read()
            desk.clock.advance(600)
        desk.clock.advance(DAY - 1_800)


async def again(desk: RecordedDesk, days_ago: float) -> tuple[int, list[bool]]:
    """How many readings had to be judged before those asked for, and of each of these whether it came out the same."""
    record, since = desk.record, desk.clock.now() - timedelta(days=days_ago)
    assert record is not None

    def judge(connection: object) -> tuple[int, list[bool]]:
        stretch = read_stretch(connection, record.payloads, "main", since=since)  # type: ignore[arg-type]
        assert stretch is not None

        def stored(name: str) -> bytes:
            return configuration_of(connection, record.payloads, "main", name)  # type: ignore[arg-type]

        judged = judge_stored(stretch.readings, stretch.state, stored, first=stretch.first)
        return stretch.before, [one.same for one in judged]

    return await record.database.read(judge)


async def test_one_state_a_day_and_the_newest_are_kept(settings: RecordSettings) -> None:
    """Of each day the first state stays, and nothing of those that were put in their place."""
    desk = RecordedDesk(settings)
    missed_fill(desk)
    await days(desk, 4)
    record = await desk.start()
    kept = await record.database.read(
        lambda connection: connection.execute(select(states.c.at).order_by(states.c.entry)).scalars().all()
    )
    assert [at.date().day for at in kept[:-1]] == sorted({at.date().day for at in kept[:-1]})
    assert len(kept) in (4, 5)
    await record.close()


async def test_a_replay_of_any_day_starts_on_that_day(settings: RecordSettings) -> None:
    """Not more readings than one day's are judged before those that were asked for, and all come out the same."""
    desk = RecordedDesk(settings)
    missed_fill(desk)
    await days(desk, 4)
    record = await desk.start()
    for days_ago in (1.1, 2.1, 3.1, 4.1):
        before, same = await again(desk, days_ago)
        assert before <= 6
        assert same
        assert all(same)
    await record.close()


async def test_what_is_left_after_an_erasure_can_be_replayed(settings: RecordSettings) -> None:
    """Older days are gone with their states, which held amounts; the days after them replay as they were."""
    desk = RecordedDesk(settings)
    missed_fill(desk)
    await days(desk, 5)
    record = await desk.start()
    short = Retention(observations=3, reports=3, breaks=3, decisions=3, actions=3, alerts=3)
    await erase_expired(record, short, desk.clock.now())
    oldest, count = await record.database.read(
        lambda connection: tuple(connection.execute(select(func.min(states.c.at), func.count())).one())
    )
    assert oldest >= desk.clock.now() - timedelta(days=3)
    bodies = await record.database.read(
        lambda connection: connection.execute(
            select(func.count()).select_from(payloads).join(states, states.c.body == payloads.c.id)
        ).scalar()
    )
    assert bodies == count
    _, same = await again(desk, 2.1)
    assert same
    assert all(same)
    with pytest.raises(LogBroken, match="erased"):
        await again(desk, 4.1)
    assert await erase_expired(record, short, desk.clock.now()) == 0
    await record.close()
