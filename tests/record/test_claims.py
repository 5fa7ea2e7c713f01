"""An account has one writer: the process that claimed it, until it closes or dies."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest
from sqlalchemy import text

from tests.live.recorded import RecordedDesk
from tests.record import postgres
from tests.record.test_recording import missed_fill
from tieout.clock import SystemClock
from tieout.errors import AccountTaken
from tieout.model.discrepancy import ActionKind, ActionStatus
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store.database import open_database
from tieout.record.store.migrations import migrate

CHILD = """
import asyncio, sys
from tieout.clock import SystemClock
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

async def main():
    record = await open_record(RecordSettings(store=sys.argv[1], keys=sys.argv[2]), SystemClock())
    await record.claim("main")
    print("claimed", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def other_process(settings: RecordSettings) -> Process:
    """A process that has claimed the account."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, settings.store, settings.keys, stdout=PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"claimed\n"
    return child


async def killed(child: Process) -> None:
    child.send_signal(signal.SIGKILL)
    await child.wait()


async def test_an_account_is_claimed_by_one_process_and_freed_by_its_death(settings: RecordSettings) -> None:
    """While the other process lives the claim is refused; other accounts are free; after kill -9 it is had, and kept."""
    child = await other_process(settings)
    record = await open_record(settings, SystemClock())
    try:
        with pytest.raises(AccountTaken, match="another process reconciles main"):
            await record.claim("main")
        await record.claim("second")
        await killed(child)
        for _ in range(200):  # a server may take a moment to notice
            try:
                await record.claim("main")
                break
            except AccountTaken:
                await asyncio.sleep(0.05)
        await record.claim("main")
    finally:
        if child.returncode is None:
            await killed(child)
        await record.close()


async def test_beside_another_process_nothing_is_recorded_and_nothing_acted_on(settings: RecordSettings) -> None:
    """A check beside a running service reads and reports, books nothing, and takes over once the service is gone."""
    child = await other_process(settings)
    desk = RecordedDesk(settings)
    record = await desk.start()
    missed_fill(desk)
    try:
        report = await desk.read()
        assert {action.status for action in report.actions if action.action is ActionKind.BOOK_FILL} == {
            ActionStatus.SKIPPED
        }
        assert any("another process reconciles main" in warning for warning in report.summary.warnings)
        assert (await record.restore("main")).readings == ()
    finally:
        await killed(child)
    for _ in range(200):
        report = await desk.read()
        if ActionStatus.DONE in {action.status for action in report.actions}:
            break
        await asyncio.sleep(0.05)
    assert await desk.held() == desk.stated()
    assert len((await record.restore("main")).readings) == 1
    await record.close()


async def test_claims_that_are_made_at_once_are_of_one_session(server: postgres.Server) -> None:
    """A session that was forgotten would lose its claims some time later, while this process still writes those accounts."""
    database = open_database(server.fresh())
    await database.write(migrate)
    assert all(await asyncio.gather(*(database.claim(account) for account in range(1, 9))))
    here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    held = text(f"SELECT count(*), count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND database = {here}")
    assert await database.read(lambda seen: tuple(seen.execute(held).one())) == (8, 1)
    await database.close()
