"""What the record writes is its owner's alone, whatever the umask, and stays so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from tests.canary.desks import START, MarkedDesk
from tests.canary.marks import Marks
from tests.record.faults import mode, umask
from tests.record.making import snapshot
from tieout.clock import VirtualClock
from tieout.errors import KeyUnusable
from tieout.model.codec import encode
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store.database import SqliteDatabase
from tieout.serve.cli import run

MASKS = (0o000, 0o022)


def modes(folder: Path) -> dict[str, int]:
    """The rights on each file below a folder."""
    return {path.relative_to(folder).as_posix(): mode(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def vacuum(connection: Connection) -> Sequence[object]:
    """Write the whole file anew."""
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.commit()
    raw.execute("VACUUM")
    raw.execute("BEGIN")
    return ()


@pytest.mark.parametrize("mask", MASKS)
async def test_every_file_of_a_record_is_its_owners(tmp_path: Path, mask: int) -> None:
    """Database, write-ahead log, shared memory, keys, side file and ballast are 0600, also after a vacuum and a reopening."""
    with umask(mask):
        keys.create(tmp_path / "keys")
        settings = RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))
        desk = MarkedDesk(Marks(), VirtualClock(START))
        seen: set[str] = set()
        for _ in range(2):
            record = await open_record(settings, desk.clock)
            desk.start(record)
            await desk.differ()
            await desk.read()
            assert isinstance(record.database, SqliteDatabase)
            await record.database.write(vacuum)
            await record.database.scrub()
            found = modes(tmp_path)
            seen |= found.keys()
            assert set(found.values()) == {0o600}, found
            await record.close()
            assert set(modes(tmp_path).values()) == {0o600}
    assert mode(tmp_path / "keys") == 0o700
    named = {"tieout.db", "tieout.db-wal", "tieout.db-shm", "tieout.db-ballast"}
    assert seen >= named | {f"keys/{name}" for name in ("head", keys.LOG_KEY, keys.LOG_VKEY, keys.MASTER_KEY)}


@pytest.mark.parametrize("file", [keys.LOG_KEY, keys.MASTER_KEY])
@pytest.mark.parametrize("rights", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, file: str, rights: int) -> None:
    """One sentence names the file and the mend, and nothing of the key."""
    folder = tmp_path / "keys"
    keys.create(folder)
    (folder / file).chmod(rights)
    with pytest.raises(KeyUnusable) as caught:
        keys.load(folder)
    assert str(caught.value).count("\n") == 0
    assert str(folder / file) in str(caught.value)
    assert "0600" in str(caught.value)
    assert (folder / file).read_text().strip() not in str(caught.value)


@pytest.mark.parametrize("mask", MASKS)
def test_a_report_that_is_written_to_a_file_is_its_owners(tmp_path: Path, mask: int) -> None:
    """--output makes a file for its owner alone, and leaves the rights of one that is there."""
    there, fresh = tmp_path / "there", tmp_path / "fresh"
    there.touch()
    there.chmod(0o640)
    for source in ("local", "broker"):
        (tmp_path / source).write_bytes(encode(snapshot(source, START)))
    with umask(mask):
        for to in (there, fresh):
            run(["compare", str(tmp_path / "local"), str(tmp_path / "broker"), "--output", str(to)])
    assert (mode(there), mode(fresh)) == (0o640, 0o600)


@pytest.mark.parametrize("mask", MASKS)
def test_books_and_a_configuration_that_are_new_are_their_owners(tmp_path: Path, mask: int) -> None:
    """adopt and init make files for their owner alone; books that are there keep their rights."""
    stated, fresh, there, config = (tmp_path / name for name in ("broker", "fresh", "there", "tieout.toml"))
    stated.write_bytes(encode(snapshot("broker", START)))
    run(["adopt", "main", "--local", str(there), "--broker", str(stated), "--yes"])
    empty = replace(snapshot("local", START), positions=(), balances=(), orders=(), fills=())
    there.write_bytes(encode(empty))
    there.chmod(0o640)
    with umask(mask):
        for to in (fresh, there):
            assert run(["adopt", "main", "--local", str(to), "--broker", str(stated), "--yes"]) == 0
        run(["init", str(config)])
    assert (mode(fresh), mode(there), mode(config)) == (0o600, 0o640, 0o600)
    assert there.read_bytes() == fresh.read_bytes()
