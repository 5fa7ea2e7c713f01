"""The database itself: that its tables are those that Tieout made, by its own description of them."""

from __future__ import annotations

from sqlalchemy import Connection, create_engine

from tieout.record.audit.fetching import Fetch
from tieout.record.audit.finding import Finding, Kind
from tieout.record.store.migrations import HEAD, migrate

_VERSION = "SELECT version_num FROM alembic_version WHERE version_num <> ?"
_DESCRIBED = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE ? ORDER BY type, name"


def check_structure(connection: Connection, fetch: Fetch) -> list[Finding]:
    """Where the database describes its tables otherwise than Tieout made them.

    A flipped bit in a table's name or in a column's makes a database that answers and answers something else.
    """
    others = fetch(_VERSION, (HEAD,))
    if others:
        what = f"the store says that it is of version {others[0][0]}, and this Tieout knows {HEAD}"
        return [Finding(Kind.DAMAGED, f"{what}: verify it with the Tieout that wrote it, or restore it from a backup")]
    if connection.dialect.name != "sqlite":
        return []  # what a server keeps of its tables cannot be reached by who can reach its rows
    with create_engine("sqlite://").connect() as memory:
        migrate(memory)
        described = [tuple(row) for row in memory.exec_driver_sql(_DESCRIBED, ("sqlite_%",))]
    stored = fetch(_DESCRIBED, ("sqlite_%",))
    if stored == described:
        return []
    wrong = sorted({str(row[2]) for row in set(stored) ^ set(described)})
    what = f"the file's own description of its tables was changed, of {', '.join(wrong)}"
    return [Finding(Kind.DAMAGED, f"{what}: restore it from a backup, and verify that against the head kept besides")]
