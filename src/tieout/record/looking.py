"""The record, opened to look only: beside a service that writes, and where the master key is missing, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from tieout.errors import KeyUnusable, RecordUnavailable
from tieout.record import keys
from tieout.record.payloads import Payloads
from tieout.record.settings import RecordSettings
from tieout.record.store.address import is_address
from tieout.record.store.database import open_database

T = TypeVar("T")


class Looking(Struct, frozen=True):
    """What a look has: the database's connection, and the sealed payloads where the master key is there.

    `locked` is why they cannot be opened, in a sentence; None where they can.
    """

    connection: Connection
    sealed: Payloads | None
    locked: str | None


def look(settings: RecordSettings, work: Callable[[Looking], T]) -> T:
    """The result of *work* on one consistent state of the record; nothing is written.

    Raises:
        RecordUnavailable: There is no such store, or it cannot be read now.
    """
    return asyncio.run(_look(settings, work))


def opened(looking: Looking) -> Payloads:
    """The sealed payloads.

    Raises:
        KeyUnusable: The master key is not there to open them.
    """
    if looking.sealed is None:
        raise KeyUnusable(looking.locked or "the master key is missing")
    return looking.sealed


async def _look(settings: RecordSettings, work: Callable[[Looking], T]) -> T:
    check_there(settings.store)
    database = open_database(settings.store, read_only=True)
    sealed, locked = None, None
    try:
        try:
            sealed = Payloads(database, keys.load(settings.key_folder).vault)
        except KeyUnusable as error:
            locked = error.why
        return await database.read(lambda connection: work(Looking(connection, sealed, locked)))
    finally:
        await database.close()


def check_there(store: str) -> None:
    """Refuse a store that is not there: nobody who looks, or says something, makes one.

    Raises:
        RecordUnavailable: It is not there.
    """
    if is_address(store):
        return
    with suppress(OSError):
        if Path(store).is_file():
            return
    raise RecordUnavailable(
        f"{store}: there is no store; name one with --store, or a configuration with [record] store by --config"
    )
