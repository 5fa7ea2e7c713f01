"""Migrations: the tables are those of the schema, every older version is brought forward, a newer one is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, Table, event, inspect, select
from sqlalchemy.sql.type_api import TypeEngine

from tests.proving import sample
from tests.record.faults import Crash
from tieout.clock import VirtualClock
from tieout.errors import RecordUnavailable
from tieout.record.entry import Draft, EntryKind
from tieout.record.log import read_head
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store import migrations
from tieout.record.store.database import Database, open_database
from tieout.record.store.migrations import HEAD, migrate, version_of
from tieout.record.store.schema import metadata
from tieout.record.writer import Unit

FOLDER = Path(migrations.__file__).parent
# What comes after the newest version, as its author would write it: a table, a column, and rows moved into it.
NEXT = '''
"""One more."""
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{head}"


def upgrade() -> None:
    op.create_table("mottos", sa.Column("id", sa.Integer, primary_key=True), sa.Column("motto", sa.Text, nullable=False))
    op.add_column("accounts", sa.Column("desk", sa.Text))
    op.execute("UPDATE accounts SET desk = name")
    op.execute("INSERT INTO mottos (id, motto) SELECT id, name FROM accounts")
'''


def scripts(folder: Path = FOLDER) -> ScriptDirectory:
    """The versions that there are."""
    return ScriptDirectory.from_config(_config(folder))


def _config(folder: Path, connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(folder))
    return config


VERSIONS = [script.revision for script in reversed(list(scripts().walk_revisions()))]


def make(connection: Connection, version: str) -> None:
    """The tables as they were in a version, made by its own migrations, with a row in each."""
    by_migrations(connection, version)
    tables = _reflected(connection)
    for table in tables.sorted_tables:
        connection.execute(table.insert().values({column.name: _value(column.type) for column in table.columns}))


def _reflected(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name != "alembic_version")
    return found


def _value(kind: TypeEngine[object]) -> object:
    values = {
        int: 1,
        str: "7",
        bytes: b"\x07",
        bool: True,
        Decimal: Decimal(7),
        datetime: datetime(2026, 1, 1, tzinfo=UTC),
    }
    return values[kind.python_type]


def content(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every table but alembic's, column by column, with its rows."""
    return {table.name: _rows(connection, table) for table in _reflected(connection).sorted_tables}


def _rows(connection: Connection, table: Table) -> list[tuple[object, ...]]:
    columns = sorted(table.columns, key=lambda column: column.name)
    return [tuple(column.name for column in columns), *map(tuple, connection.execute(select(*columns)).all())]


@contextlib.contextmanager
def next_version(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tieout as it will be one version on."""
    shutil.copytree(FOLDER, folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "migrations" / "versions" / "v9999_one_more.py").write_text(NEXT.format(head=HEAD))
    with patch.context() as patched:
        patched.setattr(migrations, "HEAD", "next")
        patched.setattr(migrations, "__file__", str(folder / "migrations" / "__init__.py"))
        yield


@pytest.fixture
def where(bare: str) -> str:
    """A database without a table."""
    return bare


@pytest.fixture
async def database(where: str) -> Database:
    """An empty database."""
    return open_database(where)


def test_there_is_one_line_of_versions() -> None:
    """Each version has one before it, up to the first; the newest is the one that a start brings the tables to."""
    assert scripts().get_heads() == [HEAD]
    assert [scripts().get_revision(version).down_revision for version in VERSIONS] == [None, *VERSIONS[:-1]]


def by_migrations(connection: Connection, version: str = HEAD) -> None:
    """The tables of a version by all migrations up to it, as a store has them that was made by the first one."""
    command.upgrade(_config(FOLDER, connection), version)


@pytest.mark.parametrize("made", [migrate, by_migrations])
async def test_the_tables_are_those_of_the_schema(database: Database, made: Callable[[Connection], None]) -> None:
    """Tables, columns, types, keys and indexes are those that the code is written against, in a new store and an old one."""

    def differences(connection: Connection) -> list[object]:
        made(connection)
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    found = await database.write(differences)
    await database.close()
    assert found == []


@pytest.mark.prove
@pytest.mark.parametrize("version", sample(VERSIONS, 3))
async def test_every_version_is_brought_forward(database: Database, version: str) -> None:
    """A store of any version that ever was, a row in each table, becomes one of this version and loses no row."""

    def upgrade(connection: Connection) -> tuple[dict[str, int], dict[str, int], str | None]:
        make(connection, version)
        before = {name: len(rows) for name, rows in content(connection).items()}
        migrate(connection)
        return before, {name: len(rows) for name, rows in content(connection).items()}, version_of(connection)

    before, after, reached = await database.write(upgrade)
    await database.close()
    assert set(before.values()) == {2}  # its columns and one row
    assert before.items() <= after.items()
    assert reached == HEAD


async def test_a_new_store_is_as_an_old_one_to_the_letter(where: str) -> None:
    """Each table of a new store has the columns, keys and indexes, in name and kind, that all migrations lead to."""

    def described(connection: Connection) -> dict[str, object]:
        seen = inspect(connection)
        names = seen.get_table_names()
        return {
            name: (
                {
                    each["name"]: (str(each["type"]), each["nullable"], each["default"])
                    for each in seen.get_columns(name)
                },
                seen.get_pk_constraint(name),
                sorted(map(str, seen.get_foreign_keys(name))),
                sorted(map(str, seen.get_unique_constraints(name))),
                sorted(map(str, seen.get_indexes(name))),
            )
            for name in names
        }

    def all_gone(connection: Connection) -> None:
        found = MetaData()
        found.reflect(connection)
        found.drop_all(connection)

    database = open_database(where)
    await database.write(migrate)
    new = await database.read(described)
    await database.write(all_gone)
    await database.write(by_migrations)
    old = await database.read(described)
    await database.close()
    assert new == old


async def test_a_migration_may_be_slow(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is brought forward also on a machine that takes longer to load what does that than a write may pause."""
    upgrade = command.upgrade

    def late(config: Config, revision: str) -> None:
        time.sleep(0.5)
        upgrade(config, revision)

    old = open_database(where)
    await old.write(lambda connection: make(connection, VERSIONS[-2]))
    await old.close()
    monkeypatch.setattr("tieout.record.store.database.STOPPED_MS", 50)
    monkeypatch.setattr(command, "upgrade", late)
    opened = open_database(where)
    await opened.write(migrate)
    assert await opened.read(version_of) == HEAD
    await opened.close()


async def test_migrating_again_changes_nothing(database: Database) -> None:
    """A start on tables of this version leaves every one as it is."""
    await database.write(lambda connection: make(connection, HEAD))
    before = await database.read(content)
    for _ in range(2):
        await database.write(migrate)
    assert await database.read(content) == before
    await database.close()


async def test_the_next_version_takes_what_is_there(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that adds a table and a column, and moves rows, goes through on a store that is in use."""
    await database.write(lambda connection: make(connection, HEAD))
    before = await database.read(content)
    with next_version(tmp_path, monkeypatch):
        await database.write(migrate)
        assert await database.read(version_of) == "next"
    after = await database.read(content)
    await database.close()
    assert after.pop("mottos") == [("id", "motto"), (1, "7")]
    assert after.pop("accounts")[1][0] == "7"
    assert after == {name: rows for name, rows in before.items() if name != "accounts"}


async def test_a_newer_store_is_refused_and_left_alone(
    settings: RecordSettings, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Tieout that meets tables of a newer one says so in a sentence, and touches nothing; the newer one goes on."""
    record = await open_record(settings, clock)
    await record.write(Unit((Draft(event="e", kind=EntryKind.HEARTBEAT),)))
    with next_version(tmp_path, monkeypatch):
        await record.database.write(migrate)
    before = await record.database.read(content)
    await record.close()
    with pytest.raises(RecordUnavailable, match="written by a newer Tieout; install that version"):
        await open_record(settings, clock)
    database = open_database(settings.store)
    assert (await database.read(content), await database.read(version_of)) == (before, "next")
    await database.close()
    with pytest.MonkeyPatch.context() as patched, next_version(tmp_path / "again", patched):
        record = await open_record(settings, clock)
        assert (await record.database.read(read_head)).size == 1
        await record.close()


class CrashAt:
    """Dies at the *fatal*-th statement that any engine runs."""

    def __init__(self, fatal: int) -> None:
        self.count, self._fatal = 0, fatal

    def __call__(self, *_: object) -> None:
        """Called before each statement."""
        self.count += 1
        if self.count == self._fatal:
            raise Crash


@contextlib.contextmanager
def crash_at(fatal: int) -> Iterator[CrashAt]:
    """Every statement is counted; one is fatal."""
    counting = CrashAt(fatal)
    event.listen(Engine, "before_cursor_execute", counting)
    try:
        yield counting
    finally:
        event.remove(Engine, "before_cursor_execute", counting)


async def test_a_crash_in_the_middle_leaves_the_old_or_the_new(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever statement of a migration is the last, the store is as it was before; the next start goes through."""
    await database.write(lambda connection: make(connection, HEAD))
    before = await database.read(content)
    with next_version(tmp_path, monkeypatch):
        fatal = 0
        while await database.read(version_of) != "next":
            fatal += 1
            with crash_at(fatal), contextlib.suppress(Crash):
                await database.write(migrate)
            if await database.read(version_of) == HEAD:
                assert await database.read(content) == before
    reached = await database.read(content)
    await database.close()
    assert fatal > 6
    assert reached["mottos"] == [("id", "motto"), (1, "7")]


async def test_a_crash_while_the_first_tables_are_made_leaves_none(database: Database) -> None:
    """A store whose very first start was cut off is empty, and the second start makes it."""

    def undone(connection: Connection) -> None:
        migrate(connection)
        raise Crash

    with crash_at(sys.maxsize) as counting, contextlib.suppress(Crash):
        await database.write(undone)
    statements = counting.count
    assert statements > len(metadata.tables)
    for fatal in {1, 2, statements // 3, statements // 2, statements - 1, statements}:
        with crash_at(fatal), contextlib.suppress(Crash):
            await database.write(migrate)
        assert await database.read(lambda connection: inspect(connection).get_table_names()) == []
    await database.write(migrate)
    assert await database.read(version_of) == HEAD
    await database.close()


START = """
import asyncio, os, sys
from sqlalchemy import Engine, event
from tieout.record.store.database import open_database
from tieout.record.store.migrations import migrate

left = int(sys.argv[2])

def before(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)

async def start():
    database = open_database(sys.argv[1])
    if left:
        event.listen(Engine, "before_cursor_execute", before)
    sys.stdin.read()  # so that all begin at once
    await database.write(migrate)
    await database.close()

asyncio.run(start())
"""


def start(where: str, fatal: int = 0) -> subprocess.Popen[bytes]:
    """A process that brings a store to this version, and is killed at one of its statements."""
    command_line = [sys.executable, "-c", START, where, str(fatal)]
    return subprocess.Popen(command_line, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


async def test_processes_that_start_together_make_the_tables_once(where: str) -> None:
    """Four first starts at once on one empty store all come up, and the store is as one start makes it."""
    starting = [start(where) for _ in range(4)]
    said = await asyncio.gather(*(asyncio.to_thread(each.communicate) for each in starting))
    assert [(each.returncode, errors) for each, (_, errors) in zip(starting, said, strict=True)] == [(0, b"")] * 4
    database = open_database(where)
    assert await database.read(version_of) == HEAD
    assert set(await database.read(content)) == set(metadata.tables)
    await database.close()


@pytest.mark.parametrize("fatal", [3, 25])
async def test_a_start_that_is_killed_leaves_nothing_behind(where: str, fatal: int) -> None:
    """`kill -9` in the middle of the first migration: the next process finds an empty store, not half of one."""
    killed = start(where, fatal)
    await asyncio.to_thread(killed.communicate)
    assert killed.returncode == -9
    database = open_database(where)
    assert await database.read(lambda connection: inspect(connection).get_table_names()) == []
    await database.write(migrate)
    assert await database.read(version_of) == HEAD
    await database.close()
