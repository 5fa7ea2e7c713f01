"""A log that is verified while a service goes on writing it is sound."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.record.audit import house
from tieout.clock import SystemClock
from tieout.record.audit import structure, verifying
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings


async def _grow(settings: RecordSettings) -> None:
    record = await open_record(settings, SystemClock())
    await record.heartbeat()
    await record.close()


async def test_a_log_that_grows_while_it_is_verified_does_not_seem_cut(
    settings: RecordSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look at the store and the end of it a service writes on, and its head besides moves: all is sound."""
    await _grow(settings)
    looked = structure.check_structure

    def looked_and_grown(*arguments: object) -> object:
        found = looked(*arguments)  # type: ignore[arg-type]
        growing = threading.Thread(target=lambda: asyncio.run(_grow(settings)))
        growing.start()
        growing.join()
        return found

    monkeypatch.setattr(verifying, "check_structure", looked_and_grown)

    def verdict() -> object:
        return asyncio.run(house.verdict(settings)).findings

    assert await asyncio.to_thread(verdict) == ()
