"""The drawer: what lies there is whole, sealed, there after a restart, and no change of two at a time is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tieout.clock import VirtualClock
from tieout.errors import BookError
from tieout.record.drawer import Drawer
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

SECRET = b"0.98765432101234567890"


def files(folder: Path) -> list[bytes]:
    """What all files there hold."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_no_change_is_lost_between_two_processes(settings: RecordSettings, clock: VirtualClock) -> None:
    """Twenty changes from two records at once all count, and a restart knows them."""
    first, second = await open_record(settings, clock), await open_record(settings, clock)
    drawers = Drawer(first), Drawer(second)
    assert await drawers[0].content("main") is None
    await drawers[0].change("main", lambda _: (b"", None))
    changes = (each.change("main", lambda raw: ((raw or b"") + b"x", None)) for each in drawers * 10)
    await asyncio.gather(*changes)
    await first.close()
    await second.close()
    again = await open_record(settings, clock)
    assert await Drawer(again).content("main") == b"x" * 20
    assert await Drawer(again).content("other") is None
    await again.close()


async def test_a_change_that_fails_leaves_what_was(settings: RecordSettings, clock: VirtualClock) -> None:
    """Whatever it raises is raised, and nothing of it is kept; one that gives nothing changes nothing."""
    record = await open_record(settings, clock)
    drawer = Drawer(record)
    await drawer.change("main", lambda _: (SECRET, None))

    def fails(_: bytes | None) -> tuple[bytes, None]:
        raise BookError("it", "does not fit")

    with pytest.raises(BookError):
        await drawer.change("main", fails)
    assert await drawer.change("main", lambda raw: (None, raw)) == SECRET
    assert await drawer.content("main") == SECRET
    await record.close()


async def test_it_lies_there_sealed(tmp_path: Path, settings: RecordSettings, clock: VirtualClock) -> None:
    """No file of a store shows what was put there."""
    record = await open_record(settings, clock)
    await Drawer(record).change("main", lambda _: (SECRET, None))
    await record.close()
    assert not any(SECRET in raw for raw in files(tmp_path))
