"""The log on both databases: appended whole, found again, never twice."""

from __future__ import annotations

import asyncio

from tieout.clock import VirtualClock
from tieout.record.entry import Draft, EntryKind
from tieout.record.log import read_head
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.writer import Unit


def draft(name: str) -> Draft:
    """Something to log."""
    return Draft(event=name, kind=EntryKind.HEARTBEAT)


async def test_what_many_write_at_once_stands_in_one_order(settings: RecordSettings, clock: VirtualClock) -> None:
    """Every writer is told a place of its own, and together they leave no gap."""
    record = await open_record(settings, clock)
    written = await asyncio.gather(*(record.write(Unit((draft(f"e{number}"),))) for number in range(200)))
    await record.close()
    assert sorted(written) == [(number,) for number in range(200)]


async def test_writing_again_changes_nothing(settings: RecordSettings, clock: VirtualClock) -> None:
    """An event that was written before is found where it stands, and those written with it do not suffer."""
    record = await open_record(settings, clock)
    first = await record.write(Unit((draft("a"), draft("b"))))
    again = await asyncio.gather(*(record.write(Unit((draft(name),))) for name in ("b", "c", "d")))
    await record.close()
    assert first == (0, 1)
    assert again == [(1,), (2,), (3,)]


async def test_it_goes_on_where_it_was(settings: RecordSettings, clock: VirtualClock) -> None:
    """A log that is opened again goes on after its last entry."""
    for number in range(5):
        record = await open_record(settings, clock)
        assert await record.write(Unit((draft(f"e{number}"),))) == (number,)
        await record.close()


async def test_two_processes_keep_one_order(settings: RecordSettings, clock: VirtualClock) -> None:
    """Two that write to one database at once interleave without a gap."""
    one, two = await open_record(settings, clock), await open_record(settings, clock)
    written = await asyncio.gather(
        *(
            each.write(Unit((draft(f"{name}{number}"),)))
            for number in range(50)
            for name, each in (("a", one), ("b", two))
        )
    )
    head = await one.database.read(read_head)
    await asyncio.gather(one.close(), two.close())
    assert sorted(written) == [(number,) for number in range(100)]
    assert head.size == 100
