"""What happened to an account, the newest first: breaks, halts, words of people, actions, alerts.

No amounts, but for what people write, which takes the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection, func, select

from tieout.record.payloads import Payloads
from tieout.record.rows import split_ids
from tieout.record.store.schema import accounts, actions, alerts, approvals, break_history, breaks, halts, payloads

What = Literal["opened", "closed", "halt", "resume", "word", "action", "alert"]


class Happening(Struct, frozen=True, kw_only=True):
    """One thing that happened.

    Attributes:
        entry: Where the log has it.
        what: Of which kind; `verdict` says more: a severity, a person's word, what became of an action.
        about: What it is about, in the account's own names.
        break_id: The break that it is about, where it is about one.
        actor: Who said it; None where nobody did.
        text: Why, in the words of whoever decided.
        assignee: Who is to look after it, from then on.
    """

    entry: int
    at: datetime
    what: What
    about: str
    verdict: str = ""
    break_id: str | None = None
    actor: str | None = None
    text: str = ""
    assignee: str | None = None


def read_timeline(connection: Connection, sealed: Payloads | None, account: str, most: int) -> tuple[Happening, ...]:
    """The newest *most* happenings of an account; without *sealed* what people wrote is lacking."""
    found = [
        *_breaks(connection, account, most),
        *_halts(connection, account, most),
        *_words(connection, sealed, account, most),
        *_actions(connection, account, most),
        *_alerts(connection, account, most),
    ]
    return tuple(sorted(found, key=lambda each: (each.entry, each.at), reverse=True)[:most])


def _breaks(connection: Connection, account: str, most: int) -> Iterator[Happening]:
    query = (
        select(
            break_history.c.break_id,
            func.min(break_history.c.entry).label("first"),
            func.max(break_history.c.entry).filter(break_history.c.event == "closed").label("last"),
            breaks,
        )
        .join(breaks, breaks.c.id == break_history.c.break_id)
        .join(accounts, accounts.c.id == breaks.c.account)
        .where(accounts.c.name == account)
        .group_by(break_history.c.break_id, *breaks.c)
        .order_by(func.max(break_history.c.entry).desc())
        .limit(most)
    )
    for row in connection.execute(query):
        about = f"{row.domain} {row.asset}"
        yield Happening(
            entry=row.first, at=row.first_seen, what="opened", about=about, verdict=row.severity, text=row.cause,
            break_id=row.id,
        )  # fmt: skip
        if row.closed_at is not None and row.last is not None:
            yield Happening(entry=row.last, at=row.closed_at, what="closed", about=about, break_id=row.id)


def _halts(connection: Connection, account: str, most: int) -> Iterator[Happening]:
    query = select(halts).join(accounts, accounts.c.id == halts.c.account).where(accounts.c.name == account)
    for row in connection.execute(query.order_by(halts.c.entry.desc()).limit(most)):
        about = row.asset or account
        yield Happening(entry=row.entry, at=row.set_at, what="halt", about=about, text=row.reason)
        if row.lifted_entry is not None and row.lifted_at is not None:
            yield Happening(entry=row.lifted_entry, at=row.lifted_at, what="resume", about=about, actor=row.lifted_by)


def _words(connection: Connection, sealed: Payloads | None, account: str, most: int) -> Iterator[Happening]:
    query = (
        select(approvals, breaks.c.domain, breaks.c.asset, payloads.c.commitment)
        .join(payloads, payloads.c.id == approvals.c.body)
        .join(accounts, accounts.c.id == approvals.c.account)
        .outerjoin(breaks, breaks.c.id == approvals.c.subject)
        .where(accounts.c.name == account)
        .order_by(approvals.c.entry.desc())
        .limit(most)
    )
    rows = connection.execute(query).all()
    opened = {} if sealed is None else sealed.open(connection, {row.commitment for row in rows})
    for row in rows:
        written = opened.get(row.commitment)
        known = row.domain is not None
        yield Happening(
            entry=row.entry,
            at=row.at,
            what="word",
            about=f"{row.domain} {row.asset}" if known else row.subject,
            verdict=row.verdict,
            break_id=row.subject if known else None,
            actor=row.actor,
            text="" if written is None else written.payload.decode("utf-8", "replace"),
            assignee=row.assignee,
        )


def _actions(connection: Connection, account: str, most: int) -> Iterator[Happening]:
    query = select(actions).join(accounts, accounts.c.id == actions.c.account).where(accounts.c.name == account)
    for row in connection.execute(query.order_by(actions.c.intent.desc()).limit(most)):
        ids = split_ids(row.break_ids)
        yield Happening(
            entry=row.intent if row.outcome is None else row.outcome,
            at=row.intended_at if row.ended_at is None else row.ended_at,
            what="action",
            about=row.kind,
            verdict=row.status,
            break_id=ids[0] if ids else None,
            text=row.why or "",
        )


def _alerts(connection: Connection, account: str, most: int) -> Iterator[Happening]:
    query = select(alerts).join(accounts, accounts.c.id == alerts.c.account).where(accounts.c.name == account)
    for row in connection.execute(query.order_by(alerts.c.entry.desc()).limit(most)):
        told = "delivered" if row.delivered_at is not None else "waiting to be sent"
        yield Happening(entry=row.entry, at=row.at, what="alert", about=account, verdict=told, text=row.text)
