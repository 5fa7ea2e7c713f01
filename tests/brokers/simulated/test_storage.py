"""The world's own file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, SqliteJournal, World, WorldBroken
from tieout.brokers.simulated.facts import Entry, MemoryJournal
from tieout.clock import VirtualClock
from tieout.errors import OutcomeUnknown, SourceUnreachable
from tieout.model.amounts import dec

REQUEST = OrderRequest(
    client_order_id="c-1", asset="ACME", side="buy", quantity=dec("0.1"), limit_price=dec("0.000000000000000001")
)


def populate(world: World) -> None:
    """An order, a trade and a deposit with every digit there may be."""
    world.add_account("main", currency="USD")
    world.add_instrument(Instrument(asset="ACME", kind="cash", currency="USD", fee_rate=dec("0.000007")))
    world.office.pay("main", "deposit", "USD", dec("123456789.123456789012345678"))
    world.submit("main", REQUEST)
    world.trade("main", "ACME", "buy", dec("1.000000000000000001"), dec("9.999999999999999999"))


def test_a_file_gives_the_same_world_again(tmp_path: Path, clock: VirtualClock) -> None:
    """A world opened again on its file is the same to the digit, and goes on counting where it was."""
    journal = SqliteJournal(tmp_path / "world.sqlite")
    world = World(clock, 7, journal)
    populate(world)
    before = world.snapshot("main")
    journal.close()
    journal = SqliteJournal(tmp_path / "world.sqlite")
    again = World(clock, 99, journal)
    assert again.snapshot("main") == before
    assert again.submits_seen("main") == {"c-1": 1}
    assert again.trade("main", "ACME", "sell", dec(1), dec(1)).fill_id == "f-7-000006"
    journal.close()


def test_decimals_are_kept_as_text(tmp_path: Path, clock: VirtualClock) -> None:
    """No number of the file went through a float."""
    journal = SqliteJournal(tmp_path / "world.sqlite")
    populate(World(clock, 7, journal))
    journal.close()
    connection = sqlite3.connect(tmp_path / "world.sqlite")
    text = "".join(body for (body,) in connection.execute("SELECT body FROM entry"))
    connection.close()
    assert '"123456789.123456789012345678"' in text
    assert '"1.000000000000000001"' in text


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """The file is written with `synchronous=FULL`, which a killed process alone cannot show."""
    journal = SqliteJournal(tmp_path / "world.sqlite")
    assert journal.synchronous == "FULL"
    journal.close()


def test_one_process_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one is turned away, so that no two worlds are told from one file."""
    monkeypatch.setattr("tieout.brokers.simulated.storage.BUSY_S", 0)
    journal = SqliteJournal(tmp_path / "world.sqlite")
    with pytest.raises(WorldBroken):
        SqliteJournal(tmp_path / "world.sqlite")
    journal.close()


def test_a_file_that_is_no_world_is_refused(tmp_path: Path) -> None:
    """Something else in the file is not taken for a world."""
    (tmp_path / "other").write_text("not a database at all, but long enough to be looked at as one " * 20)
    with pytest.raises(WorldBroken):
        SqliteJournal(tmp_path / "other")


class FullDisk(MemoryJournal):
    """A journal whose disk is full once it is told so."""

    full = False

    def append(self, entries: Sequence[Entry]) -> None:
        if self.full:
            raise WorldBroken("disk full")
        super().append(entries)


async def test_a_world_that_cannot_write_answers_nothing(clock: VirtualClock) -> None:
    """What was not written is not told: the change fails, every later answer too, and a new start has the old state."""
    journal = FullDisk()
    world = World(clock, 7, journal)
    populate(world)
    before = world.snapshot("main")
    broker = SimulatedBroker(world, "main")
    journal.full = True
    with pytest.raises(OutcomeUnknown):
        await broker.cancel_order(client_order_id="c-1")
    with pytest.raises(SourceUnreachable):
        await broker.get_open_orders()
    with pytest.raises(WorldBroken):
        world.snapshot("main")
    assert World(clock, 7, journal).snapshot("main") == before
