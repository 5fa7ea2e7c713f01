"""What a reading has to know of those before it, kept whole now and then: a restart and a replay start from these.

The log never speaks of states, for they are judged again from the readings: no proof needs them; they are deleted outright.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, delete, func, insert, select

from tieout.record.store.schema import payloads, states

Rows = Sequence[Row[*tuple[object, ...]]]


def keep_state(connection: Connection, account: int, entry: int, at: datetime, *, body: int, gap: bool) -> None:
    """Keep the state before the reading at *entry*, in place of the last one, unless that is needed.

    The first of its day is, for a replay of that day; and so is one after a gap, which no reading before it leads to.

    Args:
        connection: Inside the transaction of that reading.
        account: Whose, by row.
        entry: Where the reading stands.
        at: When it began.
        body: The payload that holds the state.
        gap: A reading before it could not be kept.
    """
    newest = select(states).where(states.c.account == account).order_by(states.c.entry.desc()).limit(2)
    kept = connection.execute(newest).all()
    connection.execute(insert(states).values(account=account, entry=entry, at=at, body=body, gap=gap))
    if len(kept) == 2 and not kept[0].gap and kept[0].at.date() == kept[1].at.date():
        delete_states(connection, kept[:1])


def newest_states(connection: Connection) -> dict[int, int]:
    """For each account, by row, the reading from which its next start goes on."""
    newest = select(states.c.account, func.max(states.c.entry).label("entry")).group_by(states.c.account)
    return {row.account: row.entry for row in connection.execute(newest)}


def states_before(connection: Connection, at: datetime) -> Rows:
    """Those before *at*, but never the newest of an account."""
    newest = newest_states(connection)
    rows = connection.execute(select(states).where(states.c.at < at)).all()
    return [row for row in rows if row.entry != newest[row.account]]


def delete_states(connection: Connection, rows: Rows) -> None:
    """Delete states and what they hold, which are amounts."""
    for row in rows:
        connection.execute(delete(states).where(states.c.account == row.account, states.c.entry == row.entry))
        connection.execute(delete(payloads).where(payloads.c.id == row.body))
