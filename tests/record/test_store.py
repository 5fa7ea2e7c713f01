"""What `Database` promises, on both databases: durable, whole or not at all, consistent, and no values in its failures."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from tieout.errors import RecordError, RecordUnavailable
from tieout.record.store.database import Database, SqliteDatabase, open_database
from tieout.record.store.migrations import HEAD, migrate
from tieout.record.store.schema import accounts, live_positions
from tieout.record.store.types import EPOCH

MOMENT = datetime(2026, 11, 20, 10, 0, 0, 123_456, tzinfo=UTC)
MARKED = "48151623.42"  # an amount that may be read nowhere


@pytest.fixture
def where(bare: str) -> str:
    """A database without a table."""
    return bare


@pytest.fixture
async def database(where: str) -> AsyncIterator[Database]:
    """A database with the tables of a record."""
    opened = open_database(where)
    await opened.write(migrate)
    yield opened
    await opened.close()


def add(connection: Connection, *names: str) -> None:
    """Make accounts."""
    for name in names:
        connection.execute(insert(accounts).values(name=name))


def names(connection: Connection) -> list[str]:
    """The accounts that there are."""
    return [row.name for row in connection.execute(select(accounts.c.name).order_by(accounts.c.name))]


def files(folder: Path) -> list[Path]:
    """What is in a folder."""
    return sorted(folder.iterdir())


def hold(connection: Connection, **changed: object) -> None:
    """Keep a position of an account that is there."""
    account = connection.execute(select(accounts.c.id)).scalar()
    row = {"account": account, "asset": "X", "side": "net", "amount": Decimal(MARKED), "at": EPOCH, "entry": 1}
    connection.execute(insert(live_positions).values({**row, **changed}))


async def test_what_was_written_is_there_for_others_at_once(database: Database, where: str) -> None:
    """When `write` returns, whoever opens the database anew reads it, although the writer never closed."""
    await database.write(lambda connection: add(connection, "a"))
    other = open_database(where)
    assert await other.read(names) == ["a"]
    await other.close()


async def test_a_commit_waits_for_the_disk(database: Database) -> None:
    """No setting of the database answers before what was written is on the disk."""
    if isinstance(database, SqliteDatabase):
        asked = [("PRAGMA synchronous", 2), ("PRAGMA journal_mode", "wal"), ("PRAGMA secure_delete", 1)]
    else:
        asked = [("SHOW synchronous_commit", "on")]
    for question, answer in asked:
        found = await database.write(lambda connection, sql=question: connection.execute(text(sql)).scalar())  # type: ignore[misc]
        assert found == answer


@pytest.mark.parametrize("failure", [RecordUnavailable("no"), ValueError("no"), KeyError("no")])
async def test_a_failed_write_leaves_nothing(database: Database, failure: Exception) -> None:
    """Whatever is raised within a transaction, nothing of it is kept, its end is not told, and the next one works."""
    told: list[object] = []

    def work(connection: Connection) -> None:
        add(connection, "a", "b")
        raise failure

    with pytest.raises(type(failure)):
        await database.write(work, told.append)
    await database.write(lambda connection: add(connection, "c"))
    assert (await database.read(names), told) == (["c"], [])


async def test_a_broken_constraint_leaves_nothing(database: Database) -> None:
    """A row that is there already undoes all that was written with it."""
    await database.write(lambda connection: add(connection, "a"))
    with pytest.raises(IntegrityError):
        await database.write(lambda connection: add(connection, "b", "a"))
    assert await database.read(names) == ["a"]


async def test_a_broken_constraint_shows_no_values(database: Database) -> None:
    """Neither a key, nor a foreign key, nor a missing value tells the row that broke it; nor does the chain of failures."""
    await database.write(lambda connection: add(connection, "a"))
    await database.write(hold)
    for wrong in ({}, {"account": 7, "asset": "Y"}, {"asset": "Z", "at": None}):
        with pytest.raises(IntegrityError) as caught:
            await database.write(lambda connection, row=wrong: hold(connection, **row))  # type: ignore[misc]
        error: BaseException | None = caught.value
        assert caught.value.__suppress_context__
        while error is not None:
            assert MARKED not in f"{error} {error!r} {error.args}"
            error = error.__cause__
        assert database.name in str(caught.value)


async def test_failures_show_no_values(database: Database) -> None:
    """A statement that the database does not take is one plain sentence, without what it was given."""
    wrong = text("INSERT INTO nowhere (amount) VALUES (:amount)")
    with pytest.raises(RecordUnavailable) as caught:
        await database.write(lambda connection: connection.execute(wrong, {"amount": MARKED}))
    assert caught.value.why.startswith(database.name)
    assert MARKED not in repr(caught.value)
    assert "nowhere" not in caught.value.why


async def test_the_end_is_told_before_anybody_else_writes(database: Database) -> None:
    """What is called after a commit sees it done, with its result, in the order of the commits."""
    told: list[int] = []

    def count(connection: Connection) -> int:
        add(connection, f"a{len(names(connection))}")
        return len(names(connection))

    if isinstance(database, SqliteDatabase):
        results = await asyncio.gather(*(database.write(count, told.append) for _ in range(20)))
    else:
        results = [await database.write(count, told.append) for _ in range(20)]
    assert sorted(results) == told == list(range(1, 21))


async def test_a_read_sees_one_state(database: Database, where: str) -> None:
    """What others commit while a read is under way is not in it, and is in the next one."""

    async def interfere() -> None:
        other = open_database(where)
        await other.write(lambda connection: add(connection, "b"))
        await other.close()

    def work(connection: Connection) -> tuple[list[str], list[str]]:
        before = names(connection)
        thread = threading.Thread(target=lambda: asyncio.run(interfere()))
        thread.start()
        thread.join()
        return before, names(connection)

    await database.write(lambda connection: add(connection, "a"))
    assert await database.read(work) == (["a"], ["a"])
    assert await database.read(names) == ["a", "b"]


async def test_a_read_does_not_write(database: Database) -> None:
    """A read that tries to write is refused, and leaves nothing."""
    with pytest.raises(RecordUnavailable, match="cannot be written"):
        await database.read(lambda connection: add(connection, "a"))
    assert await database.read(names) == []


async def test_what_is_opened_for_reading_writes_nothing(database: Database, where: str) -> None:
    """It reads what another process writes meanwhile, and refuses to write, within a read as well."""
    await database.write(lambda connection: add(connection, "a"))
    looking = open_database(where, read_only=True)
    assert await looking.read(names) == ["a"]
    await database.write(lambda connection: add(connection, "b"))
    assert await looking.read(names) == ["a", "b"]
    with pytest.raises(RecordUnavailable, match="opened for reading only"):
        await looking.write(lambda connection: add(connection, "c"))
    with pytest.raises(RecordUnavailable, match="cannot be written"):
        await looking.read(lambda connection: add(connection, "c"))
    await looking.close()
    assert await database.read(names) == ["a", "b"]


async def test_closing_is_safe_to_repeat(where: str) -> None:
    """A database that was closed, twice, or before it was ever used, refuses what comes after it with a sentence."""
    for used in (True, False):
        opened = open_database(where)
        if used:
            await opened.write(migrate)
        await opened.close()
        await opened.close()
        for late in (opened.read(names), opened.write(names)):
            with pytest.raises(RecordUnavailable, match="was closed"):
                await late


async def test_two_that_add_lose_nothing(database: Database, where: str) -> None:
    """Two processes that read and then write, each in its transaction, do not overwrite each other's change."""
    other = open_database(where)
    await database.write(lambda connection: add(connection, "0"))

    def bump(connection: Connection) -> None:
        held = connection.execute(select(accounts.c.name).with_for_update()).scalar_one()
        connection.execute(accounts.update().values(name=str(int(held) + 1)))

    await asyncio.gather(*(each.write(bump) for _ in range(20) for each in (database, other)))
    assert await other.read(names) == ["40"]
    await other.close()


async def test_amounts_and_moments_come_back_as_they_were(database: Database) -> None:
    """Decimals of any length and moments of any zone lose nothing, where the databases' own types would."""
    amounts = ("0", "-0.000000000000000001", "1" * 40 + "." + "2" * 24, "1E+30", MARKED)

    def work(connection: Connection) -> None:
        add(connection, "a")
        for number, amount in enumerate(amounts):
            hold(connection, asset=str(number), amount=Decimal(amount), at=MOMENT)

    await database.write(work)
    query = select(live_positions.c.amount, live_positions.c.at).order_by(live_positions.c.asset)
    rows = await database.read(lambda connection: connection.execute(query).all())
    assert [(row.amount, row.at) for row in rows] == [(Decimal(amount), MOMENT) for amount in amounts]


async def test_scrubbing_changes_nothing_that_is_kept(database: Database) -> None:
    """What was committed is there after it, and writing goes on."""
    await database.write(lambda connection: add(connection, "a"))
    await database.scrub()
    await database.write(lambda connection: add(connection, "b"))
    assert await database.read(names) == ["a", "b"]


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The SQLite file and those beside it are readable by nobody else."""
    opened = open_database(str(tmp_path / "in" / "tieout.db"))
    await opened.write(migrate)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path / "in")}
    await opened.close()
    assert modes == dict.fromkeys(("tieout.db", "tieout.db-wal", "tieout.db-shm"), 0o600)


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "q?mode=memory.db", "h#ash.db", "ünï.db", "file:x.db"])
async def test_a_path_means_itself(tmp_path: Path, name: str) -> None:
    """Characters that mean something in an address do not in a path."""
    opened = open_database(str(tmp_path / name))
    await opened.write(migrate)
    await opened.close()
    assert [path.name for path in files(tmp_path)] == [name]


async def test_what_is_no_record_is_said_so(tmp_path: Path) -> None:
    """A file that is no database, a folder, and a file that is not there to be read are refused in a sentence."""
    (tmp_path / "letter.db").write_bytes(b"Dear Sir or Madam, " * 100)
    (tmp_path / "folder.db").mkdir()
    for name, words in (("letter.db", "this is not a Tieout record"), ("folder.db", "is a directory")):
        with pytest.raises(RecordUnavailable, match=words):
            await _read_once(str(tmp_path / name))
    looking = open_database(str(tmp_path / "absent.db"), read_only=True)
    with pytest.raises(RecordUnavailable, match="cannot be opened"):
        await looking.read(names)
    await looking.close()
    assert not (tmp_path / "absent.db").exists()


async def _read_once(where: str) -> None:
    opened = open_database(where)
    try:
        await opened.write(migrate)
    finally:
        await opened.close()


async def test_a_store_of_something_else_is_left_alone(where: str) -> None:
    """Tables of another program under our names stop the start, in words that say what to do; they stay as they are."""
    opened = open_database(where)

    def foreign(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE payloads (mine TEXT)"))
        connection.execute(text("INSERT INTO payloads VALUES ('precious')"))

    await opened.write(foreign)
    with pytest.raises(RecordUnavailable, match="tables of something else"):
        await opened.write(migrate)
    kept = await opened.read(lambda connection: connection.execute(text("SELECT mine FROM payloads")).scalars().all())
    await opened.close()
    assert kept == ["precious"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://desk:hunter2@127.0.0.1:1/record",
        "postgres://desk:hunter2@/record?host=/nowhere/at/all",
        "postgresql://desk:hunter2@127.0.0.1:1/record?hostaddr=hunter2",
        "postgresql://desk:hunter2@127.0.0.1:hunter2/record",
        "postgresql://",
    ],
)
async def test_a_password_is_never_shown(url: str) -> None:
    """A server that does not answer is one sentence, without the address that holds the password."""
    with pytest.raises(RecordError) as caught:
        await open_database(url).read(names)
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


_LOOK = """
import asyncio, os, sys
from tieout.record.store.database import open_database
from tieout.record.store.migrations import version_of

async def look():
    opened = open_database(sys.argv[1], read_only=True)
    print(await opened.read(version_of))
    await opened.close()

if os.geteuid() == 0:  # root may write anywhere: somebody else has to look
    os.setuid(65534)
asyncio.run(look())
"""


def test_it_is_read_where_nothing_can_be_written() -> None:
    """A record that was closed is read from a folder in which no file can be made, and nothing is left there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_read_once(f"{name}/tieout.db"))
        if os.geteuid() == 0:
            os.chown(folder / "tieout.db", 65534, 65534)
        folder.chmod(0o555)
        said = subprocess.run(
            [sys.executable, "-c", _LOOK, f"{name}/tieout.db"], check=True, capture_output=True
        ).stdout
        left = [path.name for path in files(folder)]
        folder.chmod(0o755)
    assert said == f"{HEAD}\n".encode()
    assert left == ["tieout.db"]
