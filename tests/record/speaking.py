"""Speaks through the record as a process of its own: `python -m tests.record.speaking STORE KEYS BREAK TIMES`."""

from __future__ import annotations

import asyncio
import sys

from tieout.clock import SystemClock
from tieout.record.opening import open_record
from tieout.record.people import People
from tieout.record.settings import RecordSettings


async def speak(store: str, keys: str, break_id: str, times: int) -> None:
    """Open the record for each word anew, as a command does."""
    for number in range(times):
        record = await open_record(RecordSettings(store=store, keys=keys), SystemClock())
        await People(record, SystemClock()).comment(break_id, actor="ann", why=f"comment {number}")
        await record.close()


if __name__ == "__main__":
    asyncio.run(speak(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
