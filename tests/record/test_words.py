"""People's words: kept once, before they count."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from tests.live.recorded import RecordedDesk
from tieout.clock import VirtualClock
from tieout.errors import RecordError
from tieout.record.base import Verdict, Word
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import approvals, known_breaks, payloads


async def test_a_word_is_kept_once_and_its_text_is_sealed(settings: RecordSettings, clock: VirtualClock) -> None:
    """What a person says of a break stands in the log once, however often it is sent, and its text only as ciphertext."""
    record = await open_record(settings, clock)
    word = Word(id="w1", account="main", subject="b1", verdict=Verdict.COMMENT, actor="ann", text="sold 12.5 by hand")
    for _ in range(2):
        await record.say(word)
    rows = await record.database.read(lambda connection: connection.execute(select(approvals)).all())
    (sealed,) = await record.database.read(lambda connection: connection.execute(select(payloads.c.sealed)).all())
    await record.close()
    assert [(row.subject, row.verdict, row.actor, row.at) for row in rows] == [("b1", "comment", "ann", clock.now())]
    assert b"12.5" not in sealed.sealed


async def test_a_break_is_known_until_the_last_word_on_it(settings: RecordSettings, clock: VirtualClock) -> None:
    """Accepting a break again moves the date; both words stay."""
    record = await open_record(settings, clock)
    for days in (1, 3):
        until = clock.now() + timedelta(days=days)
        await record.say(
            Word(
                id=f"w{days}",
                account="main",
                subject="b1",
                verdict=Verdict.KNOWN,
                actor="ann",
                text="airdrop",
                until=until,
            )
        )
    known = await record.database.read(lambda connection: connection.execute(select(known_breaks)).all())
    said = await record.database.read(lambda connection: connection.execute(select(approvals)).all())
    await record.close()
    assert [(row.break_id, row.until) for row in known] == [("b1", clock.now() + timedelta(days=3))]
    assert len(said) == 2


async def test_nothing_is_adopted_that_cannot_be_recorded(settings: RecordSettings) -> None:
    """An adoption is in the log before the books change; where it cannot be, they stay empty."""
    desk = RecordedDesk(settings, adopted=False)
    record = await desk.start()
    await record.close()
    with pytest.raises(RecordError):
        await desk.reconciler.adopt("main", actor="ann")
    assert await desk.held() == ({}, {})
    record = await desk.start()
    await desk.reconciler.adopt("main", actor="ann", why="first day")
    said = await record.database.read(lambda connection: connection.execute(select(approvals)).all())
    await record.close()
    assert [(row.subject, row.verdict, row.actor) for row in said] == [("main", "adopt", "ann")]
    assert await desk.held() != ({}, {})


async def test_who_was_spoken_of_is_known_whoever_wrote_it(settings: RecordSettings, clock: VirtualClock) -> None:
    """A word said here is known at once, one of another process a second later; each account's last one counts."""
    here, there = await open_record(settings, clock), await open_record(settings, clock)
    assert await here.spoken() == {}
    first = Word(id="w1", account="main", subject="main", verdict=Verdict.HALT, actor="ann", text="")
    await here.say(first)
    said = dict(await here.spoken())
    assert said.keys() == {"main"}
    assert await there.spoken() == said
    await there.say(replace(first, id="w2", verdict=Verdict.RESUME))
    await there.say(replace(first, id="w3", account="other", subject="other"))
    assert await here.spoken() == said
    clock.advance(1)
    both = await here.spoken()
    assert both.keys() == {"main", "other"}
    assert said["main"] < both["main"] < both["other"]
    assert await there.spoken() == both
    await here.close()
    await there.close()
