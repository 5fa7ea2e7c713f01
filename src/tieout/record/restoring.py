"""Read back what was kept: readings as they were, the state that the next one needs, intents that nobody saw the end of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Row, func, select

from tieout.errors import LogBroken
from tieout.model.intent import Ended, Intent
from tieout.record.base import Past, Restored
from tieout.record.payloads import Payloads, id_of
from tieout.record.readings import (
    Statement,
    commitments_of,
    decode_record,
    decode_statement,
    observation_of,
    report_of,
    statements_of,
)
from tieout.record.store.schema import (
    accounts,
    actions,
    configurations,
    observations,
    payloads,
    reports,
    snapshots,
    states,
)
from tieout.record.words import words_behind

_intent = msgspec.json.Decoder(Intent)
AT_ONCE = 200  # readings whose payloads are held in memory together


def restore(connection: Connection, sealed: Payloads, account: str) -> Restored:
    """The last whole state of an account and the readings from there on."""
    row = connection.execute(
        select(states.c.entry, payloads.c.commitment)
        .join(accounts, accounts.c.id == states.c.account)
        .join(payloads, payloads.c.id == states.c.body)
        .where(accounts.c.name == account)
        .order_by(states.c.entry.desc())
        .limit(1)
    ).first()
    state = None
    if row is not None:
        opened = sealed.open(connection, [row.commitment])[row.commitment]
        state = opened.payload if opened is not None else None
    after = -1 if row is None else row.entry - 1
    return Restored(state, tuple(read_readings(connection, sealed, account, after=after)))


def read_readings(
    connection: Connection, sealed: Payloads, account: str, *, after: int = -1, until: int | None = None
) -> Iterator[Past]:
    """Readings of an account in their order, those after the entry *after* and up to *until*.

    Raises:
        LogBroken: One is not what was recorded, or was erased.
    """
    query = (
        select(
            observations.c.entry,
            observations.c.record,
            reports.c.report_id,
            reports.c.configuration,
            payloads.c.commitment.label("state"),
        )
        .join(reports, reports.c.entry == observations.c.entry)
        .join(accounts, accounts.c.id == reports.c.account)
        .outerjoin(states, (states.c.account == accounts.c.id) & (states.c.entry == reports.c.entry) & states.c.gap)
        .outerjoin(payloads, payloads.c.id == states.c.body)
        .where(accounts.c.name == account, reports.c.entry > after, ~observations.c.look)
        .order_by(reports.c.entry)
        .limit(AT_ONCE + 1)
    )
    if until is not None:
        query = query.where(reports.c.entry <= until)
    while rows := connection.execute(query).all():
        # One more than is read: it tells until where what was found out belongs to the last.
        yield from _pasts(connection, sealed, account, rows)
        query = query.where(reports.c.entry >= rows[-1].entry)
        if len(rows) <= AT_ONCE:
            return


def _pasts(
    connection: Connection, sealed: Payloads, account: str, rows: Sequence[Row[*tuple[object, ...]]]
) -> Iterator[Past]:
    records = [(row, decode_record(row.record, row.entry)) for row in rows[:AT_ONCE]]
    said = read_statements(connection, {digest for _, record in records for digest in statements_of(record)})
    wanted = {each for _, record in records for each in commitments_of(record, said)}
    opened = sealed.open(connection, wanted | {row.state for row, _ in records if row.state is not None})
    content = {commitment: found.payload for commitment, found in opened.items() if found is not None}
    heard = [record.heard for _, record in records]
    before = [heard_before(connection, account, rows[0].entry), *heard]
    acted = attempted_after(connection, [row.report_id for row, _ in records])
    undone = undone_between(connection, account, [row.entry for row in rows])
    for since, (row, record) in zip(before, records, strict=False):
        if any(opened[each] is None for each in commitments_of(record, said)):
            raise LogBroken(f"report {record.report_id} was erased when its time had come", row.entry)
        yield Past(
            entry=row.entry,
            observation=observation_of(record, account, said, content),
            report=report_of(record, content[record.report]),
            configuration=row.configuration,
            attempted=acted.get(row.report_id, frozenset()),
            undone=undone.get(row.entry, frozenset()),
            state_before=None if row.state is None else content[row.state],
            words=words_behind(connection, account, since, record.heard) if record.heard > since else (),
        )


def heard_before(connection: Connection, account: str, entry: int) -> int:
    """Where the last word stands that the reading before the one at *entry* knew of."""
    raw = connection.execute(
        select(observations.c.record)
        .join(accounts, accounts.c.id == observations.c.account)
        .where(accounts.c.name == account, observations.c.entry < entry, ~observations.c.look)
        .order_by(observations.c.entry.desc())
        .limit(1)
    ).scalar()
    return -1 if raw is None else decode_record(raw, entry).heard


def read_statements(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, Statement]:
    """What sides said, by digest.

    Raises:
        LogBroken: One is not there.
    """
    wanted = {id_of(digest): digest for digest in digests}
    rows = connection.execute(select(snapshots.c.id, snapshots.c.body).where(snapshots.c.id.in_(list(wanted))))
    found = {wanted[row.id]: decode_statement(row.body) for row in rows}
    if len(found) != len(wanted):
        raise LogBroken("what a side said is not there: its row was deleted")
    return found


def attempted_after(connection: Connection, report_ids: list[str]) -> dict[str, frozenset[str]]:
    """The cases that were acted on, by the report that decided it; what was only handed over may be decided again."""
    found: dict[str, set[str]] = {}
    query = select(actions.c.report_id, actions.c.fingerprint).where(
        actions.c.report_id.in_(report_ids), actions.c.status != Ended.HANDED
    )
    for row in connection.execute(query):
        found.setdefault(row.report_id, set()).add(row.fingerprint)
    return {name: frozenset(those) for name, those in found.items()}


def undone_between(connection: Connection, account: str, entries: Sequence[int]) -> dict[int, frozenset[str]]:
    """The cases that were found never to have happened, by the one of *entries* that this was found out after."""
    found: dict[int, set[str]] = {}
    query = (
        select(actions.c.outcome, actions.c.fingerprint)
        .join(accounts, accounts.c.id == actions.c.account)
        .where(accounts.c.name == account, actions.c.status == "undone", actions.c.outcome > entries[0])
    )
    for row in connection.execute(query):
        found.setdefault(entries[bisect_left(entries, row.outcome) - 1], set()).add(row.fingerprint)
    return {entry: frozenset(those) for entry, those in found.items()}


def configuration_of(connection: Connection, sealed: Payloads, account: str, name: str) -> bytes:
    """Settings and policy by name.

    Raises:
        LogBroken: There is none of that name, or it was erased.
    """
    commitment = connection.execute(
        select(payloads.c.commitment)
        .join(configurations, configurations.c.body == payloads.c.id)
        .join(accounts, accounts.c.id == configurations.c.account)
        .where(accounts.c.name == account, configurations.c.name == name)
    ).scalar()
    opened = None if commitment is None else sealed.open(connection, [commitment])[commitment]
    if opened is None:
        raise LogBroken(f"the configuration {name} of {account} is not stored, or was erased")
    return opened.payload


def undone(connection: Connection, account: str) -> dict[str, int]:
    """How often each case of an account was intended and found never to have happened."""
    query = (
        select(actions.c.fingerprint, func.count())
        .join(accounts, accounts.c.id == actions.c.account)
        .where(accounts.c.name == account, actions.c.status == "undone")
        .group_by(actions.c.fingerprint)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def unfinished(connection: Connection, sealed: Payloads, account: str) -> tuple[Intent, ...]:
    """Intents of an account that have no outcome yet, oldest first."""
    rows = connection.execute(
        select(actions, payloads.c.commitment)
        .join(accounts, accounts.c.id == actions.c.account)
        .join(payloads, payloads.c.id == actions.c.body)
        .where(accounts.c.name == account, actions.c.outcome.is_(None))
        .order_by(actions.c.intent)
    ).all()
    opened = sealed.open(connection, [row.commitment for row in rows])
    found = []
    for row in rows:
        content = opened[row.commitment]
        if content is None:
            raise LogBroken(f"intent {row.id} has no outcome, and what it was about to do was erased", row.intent)
        found.append(replace(_intent.decode(content.payload), at=row.intended_at))
    return tuple(found)
