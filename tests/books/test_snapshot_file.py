"""Books in a file: read anew, never written unless told to, and then whole, once and only what was decided."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.decide.building import START, cash, fill, order, pos, side

from tieout.books.snapshot_file import SnapshotFile
from tieout.clock import VirtualClock
from tieout.errors import BookError, SourceMalformed, SourceUnreachable
from tieout.model.changes import BookFill, SetPosition
from tieout.model.codec import encode
from tieout.model.snapshot import Snapshot

HELD = side(
    pos("X", "1", average_price=Decimal(100)),
    pos("Y", "2"),
    cash("500", locked="20"),
    order("c"),
    fill("f", "buy", "1"),
)
BOUGHT = fill("g", "buy", "2")


def books(path: Path, *, writable: bool = True, held: Snapshot | None = None) -> SnapshotFile:
    """Books in a file that holds *held*."""
    path.write_bytes(encode(held or HELD.said("local", START, "main")))
    return SnapshotFile(path, "main", VirtualClock(START), writable=writable)


def names(folder: Path) -> list[str]:
    """What stands in a folder."""
    return [path.name for path in folder.iterdir()]


async def test_changes_are_refused_unless_it_is_writable(tmp_path: Path) -> None:
    """The file is somebody else's: what speaks against it is said, and no byte moves."""
    file = tmp_path / "local.json"
    one = books(file, writable=False)
    before = file.read_bytes()
    for attempt in (one.apply([BookFill(BOUGHT)], reason="r"), one.adopt(HELD.said("broker", START, "main"))):
        with pytest.raises(BookError, match="another program writes this file"):
            await attempt
    assert (file.read_bytes(), names(tmp_path)) == (before, ["local.json"])


async def test_a_fill_is_booked_and_all_else_stays_to_the_letter(tmp_path: Path) -> None:
    """Position, cost and cash move by the fill; other rows, the orders and the moment that the file speaks of do not."""
    one = books(tmp_path / "local.json")
    before = await one.read()
    await one.apply([BookFill(BOUGHT)], reason="missed")
    after = await one.read()
    assert after.positions is not None and before.positions is not None
    held = {row.asset: row for row in after.positions}
    assert (held["X"].amount, held["X"].average_price) == (Decimal(3), Decimal(100))
    assert held["Y"] == before.positions[1]
    assert [(row.total, row.locked) for row in after.balances or ()] == [(Decimal(300), None)]
    assert {row.fill_id for row in after.fills or ()} == {"f", "g"}
    assert (after.orders, after.as_of, after.fills_since) == (before.orders, before.as_of, before.fills_since)


async def test_booking_twice_is_refused(tmp_path: Path) -> None:
    """The record that stands in the file is not booked again, and the file stays."""
    file = tmp_path / "local.json"
    one = books(file)
    await one.apply([BookFill(BOUGHT)], reason="missed")
    once = file.read_bytes()
    with pytest.raises(BookError):
        await one.apply([BookFill(BOUGHT)], reason="missed")
    assert file.read_bytes() == once


async def test_all_or_none(tmp_path: Path) -> None:
    """A change that does not fit leaves those before it unbooked."""
    file = tmp_path / "local.json"
    one = books(file)
    before = file.read_bytes()
    with pytest.raises(BookError):
        await one.apply([BookFill(BOUGHT), BookFill(BOUGHT)], reason="missed")
    assert file.read_bytes() == before


async def test_a_file_that_its_writer_wrote_meanwhile_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the engine wrote between reading and writing is never lost under our change."""
    file = tmp_path / "local.json"
    one = books(file)
    newer = encode(side(pos("X", "7")).said("local", START, "main"))
    read = SnapshotFile._bytes

    def then_moved(self: SnapshotFile) -> bytes:
        raw = read(self)
        file.write_bytes(newer)
        return raw

    monkeypatch.setattr(SnapshotFile, "_bytes", then_moved)
    with pytest.raises(BookError, match="meanwhile"):
        await one.apply([BookFill(BOUGHT)], reason="missed")
    assert (file.read_bytes(), names(tmp_path)) == (newer, ["local.json"])


async def test_one_process_changes_it_at_a_time(tmp_path: Path) -> None:
    """While another Tieout is between reading and writing it, a change is refused, and afterwards it is booked once."""
    file = tmp_path / "local.json"
    one, other = books(file), SnapshotFile(file, "main", VirtualClock(START), writable=True)
    with one._alone(), pytest.raises(BookError, match="another process"):
        await other.apply([BookFill(BOUGHT)], reason="missed")
    await other.apply([BookFill(BOUGHT)], reason="missed")
    with pytest.raises(BookError):
        await one.apply([BookFill(BOUGHT)], reason="missed")
    assert [row.fill_id for row in (await one.read()).fills or ()].count("g") == 1


async def test_its_mode_and_a_torn_leftover(tmp_path: Path) -> None:
    """A file keeps its mode; what a crash left beside it is written over, never read."""
    file = tmp_path / "local.json"
    one = books(file)
    file.chmod(0o640)
    (tmp_path / "local.json.new").write_text("{torn")
    await one.apply([SetPosition("Y", "net", Decimal(5), "asked for")], reason="approved")
    assert file.stat().st_mode & 0o777 == 0o640
    assert {row.asset: row.amount for row in (await one.read()).positions or ()} == {"X": 1, "Y": 5}
    assert not (tmp_path / "local.json.new").exists()


async def test_a_file_that_is_not_sound_is_an_error_and_never_empty(tmp_path: Path) -> None:
    """Missing, torn, the other side's, another account's, too old: each is a failure of its own kind."""
    file, clock = tmp_path / "local.json", VirtualClock(START)
    said = HELD.said("local", START, "main")
    one = SnapshotFile(file, "main", clock, max_age_seconds=60)
    with pytest.raises(SourceUnreachable, match="no such file"):
        await one.read()
    for wrong in (
        encode(said)[:-5],
        b"",
        b"[]",
        encode(replace(said, source="broker")),
        encode(replace(said, account="x")),
    ):
        file.write_bytes(wrong)
        with pytest.raises(SourceMalformed):
            await one.read()
    file.write_bytes(encode(said))
    clock.advance(60)
    assert (await one.read()).positions == said.positions
    clock.advance(1)
    with pytest.raises(SourceUnreachable, match="61 seconds old"):
        await one.read()


async def test_empty_books_are_adopted_once(tmp_path: Path) -> None:
    """A file that is not there, or holds nothing, takes the broker's statement; one that holds something does not."""
    file = tmp_path / "local.json"
    one = SnapshotFile(file, "main", VirtualClock(START), writable=True)
    await one.adopt(HELD.said("broker", START, "main"))
    assert (await one.read()).positions == HELD.said("local", START, "main").positions
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BookError, match="not empty"):
        await one.adopt(HELD.said("broker", START, "main"))


@given(
    amounts=st.lists(st.decimals(-(10**6), 10**6, places=3).filter(bool), max_size=5),
    totals=st.lists(st.decimals(-(10**6), 10**6, places=2), max_size=4),
    age=st.integers(0, 10**8),
)
async def test_a_change_touches_its_own_row_alone(
    amounts: list[Decimal], totals: list[Decimal], age: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the file holds: every other row, and every record, is the same afterwards."""
    rows = [pos(f"A{index}", str(amount), average_price=Decimal(3)) for index, amount in enumerate(amounts)]
    money = [cash(str(total), f"C{index}", usd="2", locked="0") for index, total in enumerate(totals)]
    old = order("old", "filled", updated_at=START - timedelta(seconds=age))
    held = side(*rows, *money, replace(old, filled=old.quantity), fill("f", "buy", "1")).said("local", START, "main")
    one = books(tmp_path_factory.mktemp("books") / "local.json", held=held)
    await one.apply([SetPosition("NEW", "net", Decimal(1), "asked for")], reason="approved")
    after = await one.read()
    assert [row for row in after.positions or () if row.asset != "NEW"] == list(held.positions or ())
    assert (after.balances, after.orders, after.fills, after.activities) == (
        held.balances, held.orders, held.fills, held.activities,
    )  # fmt: skip


async def test_a_file_of_a_time_to_come_is_not_what_is_held_now(tmp_path: Path) -> None:
    """Its writer's clock is an hour ahead: believed, the file would count as new for an hour after it died."""
    file = tmp_path / "local.json"
    file.write_bytes(encode(replace(HELD.said("local", START, "main"), as_of=START + timedelta(seconds=3600))))
    clock = VirtualClock(START)
    with pytest.raises(SourceUnreachable, match="3600 seconds ahead"):
        await SnapshotFile(file, "main", clock, max_age_seconds=60).read()
    clock.advance(3550)
    assert await SnapshotFile(file, "main", clock, max_age_seconds=60).read()
