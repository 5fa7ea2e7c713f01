"""People speak from processes of their own while a service writes: one log, nothing lost, and the service hears them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.live.test_reconciler import actions
from tests.proving import sample
from tests.record import postgres
from tests.record.test_people import Floor, position
from tieout.clock import SystemClock
from tieout.model.discrepancy import ActionKind, ActionStatus
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import approvals, reports

pytestmark = [pytest.mark.long, pytest.mark.prove]

ROOT = Path(__file__).parents[2]
WORDS = 6


async def run(*arguments: str) -> tuple[int, str]:
    """A Python process of its own; what it returned, and all that it printed."""
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments,
        env={**os.environ, "PYTHONPATH": path}, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def today(settings: RecordSettings) -> Floor:
    """A floor that lives now, as the other processes do, halted by a stranger's trade."""
    floor = Floor(settings)
    floor.clock.advance(int((SystemClock().now() - floor.clock.now()).total_seconds()) - 3600)
    await floor.start()
    await floor.read()
    return floor


@pytest.fixture(params=sample(["postgres", "sqlite"], 2))
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where they meet: on a server, and in `make prove` in a file, too."""
    if request.param == "sqlite":
        return str(tmp_path / "tieout.db")
    server: postgres.Server = request.getfixturevalue("server")
    return server.made()


async def test_words_from_other_processes_and_readings_share_one_log(settings: RecordSettings) -> None:
    """Two processes speak while the service reads: every word and every reading is kept, and the log verifies."""
    floor = await today(settings)
    name = position(await floor.strange())
    speaking = [
        asyncio.create_task(run("tests.record.speaking", settings.store, settings.keys, name, str(WORDS)))
        for _ in range(2)
    ]
    readings = 3
    while not all(task.done() for task in speaking):
        await floor.read(1)
        readings += 1
    assert [await task for task in speaking] == [(0, "")] * 2
    assert floor.said == []  # the service never stopped acting for it
    record = floor.record
    assert record is not None
    said = await record.database.read(lambda c: c.execute(select(approvals.c.entry)).scalars().all())
    kept = await record.database.read(lambda c: c.execute(select(reports.c.entry)).scalars().all())
    assert (len(said), len(kept)) == (2 * WORDS, readings)
    assert readings > 5
    await record.close()
    code, printed = await run("tieout", "audit", "verify", "--store", settings.store, "--keys", settings.keys)
    assert code == 0, printed


async def test_a_command_is_heard_by_the_service_that_runs(settings: RecordSettings) -> None:
    """`tieout breaks approve` in a process of its own: the service that has the record open hears it and books."""
    floor = await today(settings)
    report = await floor.strange()
    assert not await floor.reconciler.listen(["main"])
    place = ("--store", settings.store, "--keys", settings.keys)
    code, printed = await run(
        "tieout", "breaks", "approve", position(report)[:8], "--actor", "ann", "--reason", "seen", *place
    )
    assert (code, "ann approved" in printed) == (0, True)
    floor.clock.advance(1)
    assert await floor.reconciler.listen(["main"]) == {"main"}
    report = await floor.read()
    assert actions(report, ActionKind.BOOK_FILL) == [ActionStatus.DONE]
    assert await floor.held() == floor.stated()
    code, printed = await run("tieout", "resume", "main", "--yes", "--actor", "ann", "--reason", "seen", *place)
    assert code == 0, printed
    assert not floor.may_buy()
    await floor.read()
    assert floor.may_buy()
    assert floor.record is not None
    await floor.record.close()
