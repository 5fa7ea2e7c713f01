"""Many accounts at a glance: a few queries for all of them, and a closer look only at those where something stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection, func, select

from tieout.record.breaks import BreakRow, list_breaks
from tieout.record.history import Wanted
from tieout.record.payloads import Payloads
from tieout.record.plain import fetch
from tieout.record.readings import decode_record
from tieout.record.standing import Standing, read_standing, with_standing
from tieout.record.store.schema import accounts, approvals, halts, observations, reports

T = TypeVar("T")
AT_ONCE = 500  # names in one query
WHOLE_EVERY = timedelta(hours=1)
_CHANGED = (
    "SELECT name FROM accounts WHERE id IN (SELECT account FROM observations WHERE entry >= ? "
    "UNION SELECT account FROM approvals WHERE entry >= ?)"
)


class LastReading(Struct, frozen=True, kw_only=True):
    """The newest reading of an account that was more than a look."""

    entry: int
    started_at: datetime
    finished_at: datetime
    status: str
    severity: str | None


class Glance(Struct, frozen=True, kw_only=True):
    """An account at a glance.

    Attributes:
        last: Its newest reading; None where there was none.
        breaks: Its open breaks, the worst first.
        standing: What waits and what is halted; None where nothing of it stands.
    """

    account: str
    last: LastReading | None
    breaks: tuple[BreakRow, ...] = ()
    standing: Standing | None = None


class _Seen(Struct, frozen=True, kw_only=True):
    """What the store says of an account, whatever the time is."""

    last: LastReading | None
    breaks: tuple[BreakRow, ...]
    standing: Standing | None


class Overview:
    """Many accounts at a glance, again and again: only those that the log speaks of since the last time are looked at anew.

    Whichever process wrote of them: what changes an account at a glance is a reading or a word, and both are entries of the
    log, which are committed in their order. Give it one look at a time.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._size, self._whole_at = 0, datetime.min.replace(tzinfo=UTC)

    def glance(
        self, connection: Connection, sealed: Payloads | None, names: Collection[str], now: datetime
    ) -> tuple[Glance, ...]:
        """As `glance` says it now.

        Raises:
            LogBroken: What is stored is not what was recorded.
        """
        ((size,),) = fetch(connection, "SELECT size FROM log_head")
        # What is erased when its time has come is no change of its account: it is not shown for longer than this.
        if size < self._size or not timedelta(0) <= now - self._whole_at < WHOLE_EVERY:
            self._seen, self._whole_at = {}, now
        for (name,) in fetch(connection, _CHANGED, (self._size, self._size)) if self._seen else ():
            self._seen.pop(name, None)
        self._seen |= _look(connection, sealed, [name for name in names if name not in self._seen])
        self._size = size
        return tuple(_at(name, self._seen[name], now) for name in sorted(names))


def glance(
    connection: Connection, sealed: Payloads | None, names: Collection[str], now: datetime
) -> tuple[Glance, ...]:
    """The accounts *names* at a glance, by name; without *sealed* what waits for a person is not known.

    Raises:
        LogBroken: What is stored is not what was recorded.
    """
    seen = _look(connection, sealed, names)
    return tuple(_at(name, seen[name], now) for name in sorted(names))


def _at(name: str, seen: _Seen, now: datetime) -> Glance:
    rows = tuple(with_standing(row, seen.standing, now) for row in seen.breaks)
    return Glance(account=name, last=seen.last, breaks=rows, standing=seen.standing)


def _look(connection: Connection, sealed: Payloads | None, names: Collection[str]) -> dict[str, _Seen]:
    if not names:
        return {}
    wanted = sorted(names)
    last = _last_readings(connection, wanted)
    open_breaks = dict[str, list[BreakRow]]()
    for chunk in _chunks(wanted):
        for row in list_breaks(connection, Wanted(account=chunk)):
            open_breaks.setdefault(row.account, []).append(row)
    closer = {*open_breaks, *_halted(connection), *_spoken_of(connection, last)}
    found = {}
    for name in wanted:
        standing = read_standing(connection, sealed, name) if name in closer else None
        found[name] = _Seen(last=last.get(name), breaks=tuple(open_breaks.get(name, ())), standing=standing)
    return found


def _last_readings(connection: Connection, names: list[str]) -> dict[str, LastReading]:
    found = {}
    # For each by itself, from its end: to group all readings by account would take longer with each of them.
    newest = (
        select(reports.c.entry)
        .join(observations, observations.c.entry == reports.c.entry)
        .where(reports.c.account == accounts.c.id, ~observations.c.look)
        .order_by(reports.c.entry.desc())
        .limit(1)
        .correlate(accounts)
        .scalar_subquery()
    )
    for chunk in _chunks(names):
        query = select(reports, accounts.c.name).select_from(accounts).join(reports, reports.c.entry == newest)
        for row in connection.execute(query.where(accounts.c.name.in_(chunk))):
            found[row.name] = LastReading(**{each: getattr(row, each) for each in LastReading.__struct_fields__})
    return found


def _halted(connection: Connection) -> set[str]:
    query = select(accounts.c.name).join(halts, halts.c.account == accounts.c.id).where(halts.c.lifted_at.is_(None))
    return set(connection.execute(query.distinct()).scalars())


def _spoken_of(connection: Connection, last: dict[str, LastReading]) -> set[str]:
    """Accounts of which somebody said something that their last reading has not heard."""
    query = (
        select(accounts.c.name, func.max(approvals.c.entry).label("entry"))
        .join(approvals, approvals.c.account == accounts.c.id)
        .group_by(accounts.c.name)
    )
    said = {row.name: row.entry for row in connection.execute(query)}
    # What was said while a reading ran stands before its report, and was not heard: only the reading itself tells.
    heard = dict[int, int]()
    for chunk in _chunks([last[name].entry for name in said if name in last]):
        of = select(observations.c.entry, observations.c.record).where(observations.c.entry.in_(chunk))
        heard |= {row.entry: decode_record(row.record, row.entry).heard for row in connection.execute(of)}
    return {name for name, entry in said.items() if name not in last or entry > heard[last[name].entry]}


def _chunks(rows: Sequence[T]) -> Iterable[tuple[T, ...]]:
    for start in range(0, len(rows), AT_ONCE):
        yield tuple(rows[start : start + AT_ONCE])
