"""The dead man's switch: called while the service does its work, and not a moment longer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.loopback import on_loopback
from tests.serve.api.stage import Stage
from tieout.clock import SystemClock
from tieout.config import load
from tieout.errors import BadInput, RecordUnavailable
from tieout.live.alarm import LoggedAlarm
from tieout.live.watch import Trouble
from tieout.model.secret import Secret
from tieout.serve.tasks import beside
from tieout.serve.vital import keep_calling, switch_of, unwell

TOKEN = "switch-of-nobody"


class Minutes(SystemClock):
    """A clock whose minutes pass when a test says so."""

    def __init__(self) -> None:
        self._over, self._waits = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait for the test."""
        assert seconds == 60
        self._waits.set()
        await self._over.wait()
        self._over.clear()

    async def minute(self) -> None:
        """Wait until what runs on this clock sleeps, and let a minute pass."""
        async with asyncio.timeout(20):
            await self._waits.wait()
        self._waits.clear()
        self._over.set()
        async with asyncio.timeout(20):
            await self._waits.wait()


@asynccontextmanager
async def elsewhere(status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """Something that is to be called: its address, and how it was."""
    calls: list[str] = []

    async def called(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/{token}", called)
    async with on_loopback(app) as url:
        yield f"{url}/{TOKEN}", calls


async def test_it_is_called_while_all_is_well(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """It is called while all is well, and not once it is not; the log says so, and not where it is."""
    clock = Minutes()
    caplog.set_level(logging.INFO, "tieout.heartbeat")
    async with (
        elsewhere() as (url, calls),
        beside(keep_calling(Secret(url), stage.desk, clock), "calling", LoggedAlarm()),
    ):
        await clock.minute()
        assert calls == [f"/{TOKEN}"] * 2
        stage.desk.schedule.watch.begin("main", Trouble.OVERDUE, "as a test says")
        await clock.minute()
        await clock.minute()
        assert calls == [f"/{TOKEN}"] * 2
        stage.desk.schedule.watch.end("main", Trouble.OVERDUE)
        await clock.minute()
        assert len(calls) == 3
    said = [record.getMessage() for record in caplog.records if record.name == "tieout.heartbeat"]
    assert [text.partition(":")[0] for text in said] == [
        "the dead man's switch is called",
        "the dead man's switch is not called",
        "the dead man's switch is called",
    ]
    assert TOKEN not in caplog.text


async def test_what_does_not_answer_well_is_told(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """An address that refuses, or is not there, is told of once; without its path."""
    for status, url in ((404, None), (200, f"http://127.0.0.1:9/{TOKEN}")):
        clock = Minutes()
        async with (
            elsewhere(status) as (there, _),
            beside(keep_calling(Secret(url or there), stage.desk, clock), "calling", LoggedAlarm()),
        ):
            await clock.minute()
            await clock.minute()
    said = [record.getMessage() for record in caplog.records if record.name == "tieout.heartbeat"]
    assert [text.partition(": ")[2] for text in said] == [
        "it answers 404",
        "it is not reached (ClientConnectorError)",
    ]
    assert TOKEN not in caplog.text


async def test_it_is_well_only_while_it_works(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that comes to no end, and a record that cannot be written, stop the calls; both over, they go on."""
    desk = stage.desk
    await stage.reconciled(times=1)
    assert await unwell(desk) is None
    for trouble in (Trouble.OVERDUE, Trouble.BROKEN, Trouble.SKIPPED):
        desk.schedule.watch.begin("main", trouble, "as a test says")
        assert await unwell(desk) == "1 of 2 accounts do not come to the end of their reconciliations"
        desk.schedule.watch.end("main", trouble)
    desk.schedule.watch.begin("main", Trouble.STREAM, "polled meanwhile")
    assert await unwell(desk) is None
    record = desk.running.record
    assert record is not None

    async def full() -> None:
        raise RecordUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(record, "heartbeat", full)
        assert await unwell(desk) == "the record cannot be written: the disk is full"
    before = record.writer.size
    assert await unwell(desk) is None
    assert record.writer.size > before


@pytest.mark.parametrize("found", ["", "switch-of-nobody", "https://x y"])
def test_no_address_is_refused_without_it(found: str, tmp_path: Path) -> None:
    """A service that was told to call something, and cannot, does not start; what was found there is not shown."""
    path = tmp_path / "tieout.toml"
    path.write_text('[service]\nheartbeat_url_file = "switch"\n'.replace("switch", str(tmp_path / "switch")))
    (tmp_path / "switch").write_text(found)
    (tmp_path / "switch").chmod(0o600)
    with pytest.raises(BadInput) as failed:
        switch_of(load(path, None, {}), {})
    assert "service.heartbeat_url_file" in str(failed.value)
    assert not found or found not in str(failed.value)
    assert switch_of(load(None, None, {}), {}) is None
