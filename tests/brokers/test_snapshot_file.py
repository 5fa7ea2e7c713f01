"""A broker that is a file: it states what it claims itself, and takes no orders."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.decide.building import START, cash, fill, order, pos, side

from tieout.brokers.base import OrderRequest
from tieout.brokers.snapshot_file import SnapshotFileBroker
from tieout.clock import VirtualClock
from tieout.errors import ActionRefused, SourceIncomplete, SourceMalformed, SourceUnreachable
from tieout.model.amounts import dec
from tieout.model.codec import encode
from tieout.model.snapshot import SideError, SideFailure
from tieout.observe.reading import Reach, read_broker

SAID = side(pos("X", "1"), cash("5"), order("c"), order("d", "cancelled"), fill("f", "buy", "1")).said(
    "broker", START, "main"
)


def put(path: Path, raw: bytes) -> None:
    """Write the file."""
    path.write_bytes(raw)


def held(path: Path) -> bytes:
    """What is in the file."""
    return path.read_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that states it."""
    path = tmp_path / "broker.json"
    path.write_bytes(encode(SAID))
    return path


async def test_its_statement_is_kept_as_it_is(file: Path) -> None:
    """What the file vouches for, and since when, is its own word: nothing is added when it is read."""
    partial = replace(SAID, activities=None, coverage={"positions": "partial"}, fills_since=START)
    for said in (SAID, partial):
        put(file, encode(said))
        broker = SnapshotFileBroker(file, "main", VirtualClock(START))
        assert await read_broker("main", broker, Reach()) == said


async def test_its_questions_have_the_same_answers(file: Path) -> None:
    """Section by section: what is whole is answered, what is not is incomplete, and live orders alone are open."""
    broker = SnapshotFileBroker(file, "main", VirtualClock(START))
    assert (await broker.get_positions(), await broker.get_balances()) == (SAID.positions, SAID.balances)
    assert [each.client_order_id for each in await broker.get_open_orders()] == ["c"]
    with pytest.raises(SourceIncomplete, match="vouch"):
        await broker.get_fills(START - timedelta(days=1))
    put(file, encode(replace(SAID, positions=None, fills_since=START - timedelta(days=1))))
    assert await broker.get_fills(START - timedelta(days=1)) == SAID.fills
    with pytest.raises(SourceIncomplete):
        await broker.get_positions()


async def test_it_is_never_flat_because_it_is_not_there(file: Path) -> None:
    """Missing, torn, another account's, too old: an error."""
    clock = VirtualClock(START)
    broker = SnapshotFileBroker(file, "main", clock, max_age_seconds=60)
    clock.advance(61)
    with pytest.raises(SourceUnreachable, match="61 seconds old"):
        await broker.get_positions()
    put(file, encode(replace(SAID, account="another")))
    with pytest.raises(SourceMalformed):
        await broker.get_positions()
    put(file, encode(SAID)[:-3])
    assert await read_broker("main", broker, Reach()) == SideError(SideFailure.MALFORMED)
    broker = SnapshotFileBroker(file.with_name("gone.json"), "main", clock)
    assert await read_broker("main", broker, Reach()) == SideError(SideFailure.UNAVAILABLE)


async def test_it_takes_no_orders(file: Path) -> None:
    """A file is read; what should be sent is refused, and nothing happened."""
    broker = SnapshotFileBroker(file, "main", VirtualClock(START))
    before = held(file)
    with pytest.raises(ActionRefused):
        await broker.submit_order(OrderRequest(client_order_id="c", asset="X", side="buy", quantity=dec(1)))
    with pytest.raises(ActionRefused):
        await broker.cancel_order(client_order_id="c")
    assert held(file) == before
    assert not broker.capabilities().order_lookup


async def test_a_file_of_a_time_to_come_is_no_answer(file: Path) -> None:
    """Its writer's clock is ahead: were it believed, the file would count as new long after the writer died."""
    put(file, encode(replace(SAID, as_of=START + timedelta(hours=1))))
    with pytest.raises(SourceUnreachable, match="3600 seconds ahead"):
        await SnapshotFileBroker(file, "main", VirtualClock(START), max_age_seconds=60).get_positions()
