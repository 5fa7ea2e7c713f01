"""Migrations: run at every start, forward only. A released one is never edited; the next one mends it.

A new store gets the tables of this version at once; a test holds them equal to those that all migrations lead to.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from tieout.errors import RecordUnavailable
from tieout.record.store.schema import metadata

HEAD = "0007"
# Any number that nobody else uses: processes that start together on one PostgreSQL migrate one after the other.
_LOCK = 7_419_350_211
# How long the server waits for a migration's first statement, which comes once libraries are loaded: on a busy machine that
# takes longer than a write may.
_PATIENCE = "120s"
# As alembic makes it.
_VERSION = (
    "CREATE TABLE alembic_version "
    "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def version_of(connection: Connection) -> str | None:
    """The version of the tables, None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def migrate(connection: Connection) -> None:
    """Bring the tables to this version, in the transaction of *connection*; a crash leaves the old ones.

    Raises:
        RecordUnavailable: They were made by a newer Tieout.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    found = version_of(connection)
    if found == HEAD:
        return
    if found is None:
        _make(connection)
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{_PATIENCE}'"))
    # Imported here: it takes longer than everything else that a start does, and is needed once a version.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    try:
        command.upgrade(config, HEAD)
    except CommandError:
        raise RecordUnavailable("the record was written by a newer Tieout; install that version") from None


def _make(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)  # tables of something else are no reason to go on
    connection.execute(text(_VERSION))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})
