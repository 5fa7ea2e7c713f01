"""A stretch of an account's readings, read back with all that is needed to judge them again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select

from tieout.record.base import Past
from tieout.record.payloads import Payloads
from tieout.record.restoring import read_readings
from tieout.record.store.schema import accounts, observations, payloads, states


class Stretch(Struct, frozen=True, kw_only=True):
    """Readings to be judged again, and what comes before them.

    Attributes:
        account: Whose they are.
        first: The entry of the first that is asked for.
        total: How many are asked for.
        before: How many come before it, from `state` on: judged only for what they leave.
        state: The last whole state at or before `first`, opaque; None is that of an account never read before.
        readings: All of them in their order, those before `first` too. May be gone over once.
    """

    account: str
    first: int
    total: int
    before: int
    state: bytes | None
    readings: Iterator[Past]


def account_names(connection: Connection) -> tuple[str, ...]:
    """The accounts that the record knows, by name."""
    return tuple(row[0] for row in connection.execute(select(accounts.c.name).order_by(accounts.c.name)))


def read_stretch(
    connection: Connection, sealed: Payloads, account: str, *, since: datetime, until: datetime | None = None
) -> Stretch | None:
    """The readings of *account* from *since* (inclusive) until *until* (exclusive); None where there are none.

    Raises:
        LogBroken: What is stored is not what was recorded; also while going over the readings.
    """
    asked = [observations.c.at >= since] if until is None else [observations.c.at >= since, observations.c.at < until]
    first, last, total = _bounds(connection, account, *asked)
    if first is None:
        return None
    start, state = _state_before(connection, sealed, account, first)
    _, _, before = _bounds(connection, account, observations.c.entry >= start, observations.c.entry < first)
    readings = read_readings(connection, sealed, account, after=start - 1, until=last)
    return Stretch(account=account, first=first, total=total, before=before, state=state, readings=readings)


def _bounds(connection: Connection, account: str, *filters: ColumnElement[bool]) -> tuple[int | None, int | None, int]:
    """The first and last entry of the readings that fit, and how many those are; looks are none."""
    entry = observations.c.entry
    query = (
        select(func.min(entry), func.max(entry), func.count())
        .join(accounts, accounts.c.id == observations.c.account)
        .where(accounts.c.name == account, ~observations.c.look, *filters)
    )
    row = connection.execute(query).one()
    return row[0], row[1], row[2]


def _state_before(connection: Connection, sealed: Payloads, account: str, entry: int) -> tuple[int, bytes | None]:
    """The last state that was kept whole at or before *entry*, and the entry of the reading that it is the state before."""
    query = (
        select(states.c.entry, payloads.c.commitment)
        .join(accounts, accounts.c.id == states.c.account)
        .join(payloads, payloads.c.id == states.c.body)
        .where(accounts.c.name == account, states.c.entry <= entry)
        .order_by(states.c.entry.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    opened = None if row is None else sealed.open(connection, [row.commitment])[row.commitment]
    return (0, None) if row is None or opened is None else (row.entry, opened.payload)
