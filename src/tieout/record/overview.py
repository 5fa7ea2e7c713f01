"""Many accounts at a glance: a few queries for all of them, and a closer look only at those where something stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, func, select

from tieout.record.breaks import BreakRow, list_breaks
from tieout.record.history import Wanted
from tieout.record.payloads import Payloads
from tieout.record.standing import Standing, read_standing, with_standing
from tieout.record.store.schema import accounts, approvals, halts, observations, reports

AT_ONCE = 500  # names in one query


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


def glance(
    connection: Connection, sealed: Payloads | None, names: Collection[str], now: datetime
) -> tuple[Glance, ...]:
    """The accounts *names* at a glance, by name; without *sealed* what waits for a person is not known.

    Raises:
        LogBroken: What is stored is not what was recorded.
    """
    wanted = sorted(names)
    last = _last_readings(connection, wanted)
    open_breaks = dict[str, list[BreakRow]]()
    for chunk in _chunks(wanted):
        for row in list_breaks(connection, Wanted(account=chunk)):
            open_breaks.setdefault(row.account, []).append(row)
    closer = {*open_breaks, *_halted(connection), *_spoken_of(connection, last)}
    found = []
    for name in wanted:
        standing = read_standing(connection, sealed, name) if name in closer else None
        rows = tuple(with_standing(row, standing, now) for row in open_breaks.get(name, ()))
        found.append(Glance(account=name, last=last.get(name), breaks=rows, standing=standing))
    return tuple(found)


def _last_readings(connection: Connection, names: list[str]) -> dict[str, LastReading]:
    found = {}
    for chunk in _chunks(names):
        newest = (
            select(func.max(reports.c.entry).label("entry"))
            .join(observations, observations.c.entry == reports.c.entry)
            .join(accounts, accounts.c.id == reports.c.account)
            .where(accounts.c.name.in_(chunk), ~observations.c.look)
            .group_by(reports.c.account)
            .subquery()
        )
        query = (
            select(reports, accounts.c.name)
            .join(newest, newest.c.entry == reports.c.entry)
            .join(accounts, accounts.c.id == reports.c.account)
        )
        for row in connection.execute(query):
            found[row.name] = LastReading(**{each: getattr(row, each) for each in LastReading.__struct_fields__})
    return found


def _halted(connection: Connection) -> set[str]:
    query = select(accounts.c.name).join(halts, halts.c.account == accounts.c.id).where(halts.c.lifted_at.is_(None))
    return set(connection.execute(query.distinct()).scalars())


def _spoken_of(connection: Connection, last: dict[str, LastReading]) -> set[str]:
    """Accounts of which somebody said something that their last reading may not have heard."""
    query = (
        select(accounts.c.name, func.max(approvals.c.entry).label("entry"))
        .join(approvals, approvals.c.account == accounts.c.id)
        .group_by(accounts.c.name)
    )
    rows = connection.execute(query)
    return {row.name for row in rows if row.name not in last or row.entry > last[row.name].entry}


def _chunks(names: list[str]) -> Iterable[tuple[str, ...]]:
    for start in range(0, len(names), AT_ONCE):
        yield tuple(names[start : start + AT_ONCE])
