"""A process joins those that share a store: it gets a name of its own, leases, and the fence before what it writes."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tieout.bootstrap import Running
from tieout.config import Config
from tieout.config.local import LocalEngine
from tieout.errors import BadInput, Problem, RecordError
from tieout.live.alarm import Alarm
from tieout.record.leases import Leases
from tieout.record.store.database import PostgresDatabase, open_database
from tieout.serve.workers.shared import Make, SharedEngine


@asynccontextmanager
async def joined(config: Config, running: Running, make: Make, alarm: Alarm) -> AsyncIterator[SharedEngine]:
    """This process's share of the accounts, for as long as this stands.

    Raises:
        BadInput: What is configured cannot be shared: all that stands in the way.
        RecordError: The store cannot be asked, or other workers divide accounts otherwise.
    """
    record = running.record
    assert record is not None, "a service has one"
    database = open_database(config.record.store)
    leases = Leases(database, _name(), config.service.shards)
    try:
        _require_shareable(config, running, postgres=isinstance(database, PostgresDatabase))
        await leases.begin()
        record.fence = leases
        yield SharedEngine(leases, running.accounts, make, alarm)
        with suppress(RecordError):  # they run out
            await leases.leave()
    finally:
        await database.close()


def _name() -> str:
    """A name that nobody ever had: the machine and the process say where to look, the rest makes it one of its own."""
    return f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(8)}"


def _require_shareable(config: Config, running: Running, *, postgres: bool) -> None:
    problems = []
    if not postgres:
        what, mend = "a file is no store for several workers", "name a PostgreSQL database in record.store"
        problems.append(Problem(config.file, "service.workers", f"{what}", f'{mend}, or write workers = "solo"'))
    for name in running.accounts:
        if isinstance(config.account(name).local, LocalEngine):
            what, mend = (
                "books that an engine keeps in a folder are one process's",
                'push them, or write workers = "solo"',
            )
            problems.append(Problem(config.file, f"accounts.{name}.local", what, mend))
    if problems:
        raise BadInput(problems)
