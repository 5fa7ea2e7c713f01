"""Migrations: run at every start, forward only. A released one is never edited; the next one mends it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from tieout.errors import RecordUnavailable

HEAD = "0005"
# Any number that nobody else uses: processes that start together on one PostgreSQL migrate one after the other.
_LOCK = 7_419_350_211


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
    if version_of(connection) == HEAD:
        return
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
