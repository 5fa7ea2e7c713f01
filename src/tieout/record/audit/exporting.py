"""The log handed on: its entries as they are, or the readings with their amounts, in the form that replay takes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select

from tieout.errors import LogBroken, RecordUnavailable
from tieout.model.codec import encode
from tieout.record.audit.fetching import rows_of
from tieout.record.audit.scanning import WINDOW
from tieout.record.base import Past
from tieout.record.entry import Entry, decode
from tieout.record.payloads import Payloads
from tieout.record.restoring import read_readings
from tieout.record.store.schema import accounts, checkpoints, log_entries, observations
from tieout.record.tlog.merkle import leaf_hash

_ENTRIES = "SELECT entry, body FROM log_entries WHERE entry >= ? AND entry < ? ORDER BY entry"


class Span(Struct, frozen=True):
    """What is asked for: of these accounts (empty: of all, and of none), from a moment on, and before another."""

    accounts: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None


class Placed(Struct, frozen=True):
    """An entry at its place. `raw` are the exact bytes that the log hashes."""

    index: int
    raw: bytes
    entry: Entry


def last_index(connection: Connection) -> int:
    """Where the last entry stands; -1 where there is none."""
    found: int | None = connection.execute(select(func.max(log_entries.c.entry))).scalar()
    return -1 if found is None else found


def read_entries(connection: Connection, first: int, end: int) -> Iterator[Placed]:
    """The entries from *first* up to but not including *end*.

    Raises:
        LogBroken: One cannot be read.
    """
    fetch = rows_of(connection)
    for start in range(first, end, WINDOW):
        for index, raw in fetch(_ENTRIES, (start, min(start + WINDOW, end))):
            yield Placed(index, raw, decode(raw, index))


def export_entries(connection: Connection, span: Span, write: Callable[[str], object]) -> int:
    """Write each entry as a line: where it stands, its leaf hash (hex), and itself, byte for byte. Returns how many."""
    count = 0
    for placed in read_entries(connection, 0, last_index(connection) + 1):
        at, account = placed.entry.at, placed.entry.account
        if span.until is not None and at >= span.until:
            break  # the log's time never goes back
        if (span.since is None or at >= span.since) and (not span.accounts or account in span.accounts):
            line = {"index": placed.index, "leaf": leaf_hash(placed.raw).hex(), "entry": msgspec.Raw(placed.raw)}
            write(msgspec.json.encode(line).decode() + "\n")
            count += 1
    return count


def export_observations(connection: Connection, sealed: Payloads, span: Span, write: Callable[[str], object]) -> int:
    """Write each reading as a line of a history, amounts and all, in the order of time. Returns how many.

    Raises:
        LogBroken: One is not what was recorded, or was erased.
    """
    names = [row.name for row in connection.execute(select(accounts.c.name).order_by(accounts.c.id))]
    readings = [
        _readings(connection, sealed, name, span) for name in names if not span.accounts or name in span.accounts
    ]
    count = 0
    for past in heapq.merge(*readings, key=lambda past: (past.observation.at, past.entry)):
        write(encode(past.observation).decode() + "\n")
        count += 1
    return count


def _readings(connection: Connection, sealed: Payloads, account: str, span: Span) -> Iterator[Past]:
    at = observations.c.at
    mine = select(accounts.c.id).where(accounts.c.name == account).scalar_subquery()
    first = None
    if span.since is not None:
        query = select(func.min(observations.c.entry)).where(observations.c.account == mine, at >= span.since)
        first = connection.execute(query).scalar()
        if first is None:
            return
    try:
        for past in read_readings(connection, sealed, account, after=-1 if first is None else first - 1):
            if span.until is not None and past.observation.at >= span.until:
                return
            yield past
    except LogBroken as error:
        if "erased" in error.why:
            raise LogBroken(f"{error.why}; give --since to begin after it", error.entry) from None
        raise


def newest_checkpoint(connection: Connection) -> str:
    """The signed note over the whole log.

    Raises:
        RecordUnavailable: There is none yet.
    """
    found: bytes | None = connection.execute(
        select(checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
    ).scalar()
    if found is None:
        raise RecordUnavailable("the log has no checkpoint yet")
    return found.decode()
