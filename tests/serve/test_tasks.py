"""What runs beside the service: it is ended with it, and heard of where it ends by a fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.serve.ops.process import write_configuration
from tieout.config import load
from tieout.errors import BadInput, RecordUnavailable
from tieout.record import keys
from tieout.serve.service import serving
from tieout.serve.tasks import Place, beside


class Heard:
    """A person who hears alarms."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.rang = asyncio.Event()

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Hear one."""
        self.sentences.append(f"{account}: {sentence}")
        self.rang.set()


async def broken() -> None:
    """Work that ends by a failure."""
    raise RecordUnavailable("the disk is gone")


async def test_what_ends_by_a_fault_is_told_and_the_rest_goes_on() -> None:
    """A task beside something that raises is told of at once; what it runs beside stands, and ends well."""
    heard = Heard()
    async with beside(broken(), "looking after the log", heard):
        await asyncio.wait_for(heard.rang.wait(), 5)
    place = Place("sending alerts", heard)
    async with place.standing(asyncio.Event().wait()):
        heard.rang.clear()
        await place.take(broken())
        await asyncio.wait_for(heard.rang.wait(), 5)
    assert [each.partition(" has ended, by a fault: ")[0] for each in heard.sentences] == [
        "service: looking after the log", "service: sending alerts"
    ]  # fmt: skip
    assert heard.sentences[0].endswith(": RecordUnavailable: the disk is gone; start anew")


async def test_what_is_ended_with_the_rest_is_no_fault() -> None:
    """Work that is cancelled at the end, or came to its own, is not told of."""
    heard = Heard()
    async with beside(asyncio.Event().wait(), "waiting", heard), beside(asyncio.sleep(0), "nothing", heard):
        await asyncio.sleep(0)
    async with beside(asyncio.sleep(600), "what had no time to begin", heard):
        assert heard.sentences == []
    assert heard.sentences == []


async def test_a_service_that_could_not_timestamp_its_log_does_not_start(tmp_path: Path) -> None:
    """Wrong roots of the authority are refused at the start, and not swallowed with the heartbeat of the log."""
    path = write_configuration(tmp_path, "main")
    keys.create(tmp_path / "keys", "test")
    lines = '\ntimestamps = "https://stamps.example"\ntimestamp_roots = "nowhere.pem"'
    path.write_text(path.read_text("utf-8").replace("[record]", f"[record]{lines}"), "utf-8")
    with pytest.raises(BadInput, match="holds no certificate that can be read"):
        async with serving(load(path, None, {})):
            await asyncio.sleep(0)
