"""The outbox: which alerts still have to reach a person, and what became of the others.

An alert is put here in the transaction of the reading that calls for it, so that neither is without the other; the log holds
it through that reading. What is kept here of its delivery is no entry of the log: it says what a mail server answered, not
what was found, decided or done. Nobody can prove it, and nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, case, exists, or_, select, update

from tieout.model.discrepancy import SEVERITY_RANK, Severity
from tieout.model.notice import ENDS, NoticeKind
from tieout.record.patient import PatientRecord
from tieout.record.recorder import StoreRecord
from tieout.record.store.database import Database
from tieout.record.store.schema import accounts, alerts

LONGEST_WAIT = timedelta(hours=2)  # whatever waits for longer was put off by a clock that was wrong
AGAIN = timedelta(hours=1)  # between two escalations of the same
AT_ONCE = 500  # ids in one statement
MOST = 5000


class Alert(Struct, frozen=True, kw_only=True):
    """A row of the outbox.

    Attributes:
        key: What it is about; the same from its opening to its end.
        kind: opened, grown, standing, closed or lifted.
        at: When it was called for.
        attempts: How often sending it failed.
        next_at: When it is tried next, where it waits.
        failure: How sending it failed last: which channels, and what kind of failure.
        over: A later row says that it is closed.
        begun: An earlier row of the same key said that it stands.
        told_higher: An earlier row of the same key was escalated.
    """

    id: int
    account: str
    entry: int
    key: str
    kind: NoticeKind
    severity: Severity
    text: str
    at: datetime
    attempts: int = 0
    next_at: datetime | None = None
    delivered_at: datetime | None = None
    escalated_at: datetime | None = None
    failure: str | None = None
    over: bool = False
    begun: bool = False
    told_higher: bool = False


class Outbox:
    """The outbox of a record. Each change is a short transaction of its own; `RecordError` where it cannot be made.

    Args:
        record: Whose; one that is opened patiently is opened when the outbox is first asked.
    """

    def __init__(self, record: StoreRecord | PatientRecord) -> None:
        self._record = record

    async def waiting(self, now: datetime, most: int = MOST, of: Collection[str] | None = None) -> tuple[Alert, ...]:
        """What has to be sent of the accounts that have something due, the worst first, then the oldest.

        What waits for its next attempt is among it: when a message goes out anyway, it says everything.

        Args:
            now: The present.
            most: How many at most; the rest come the next time.
            of: Which accounts; None for all.
        """
        return await (await self._database()).read(lambda connection: _waiting(connection, now, most, of))

    async def delivered(self, ids: Sequence[int], at: datetime, failure: str | None = None) -> None:
        """They went out. Repeating it changes nothing."""
        await self._change(ids, {"delivered_at": at, "next_at": None, "failure": failure})

    async def failed(self, ids: Sequence[int], next_at: datetime, why: str) -> None:
        """They did not go out, and are tried again at *next_at*. *why* names channels by their scheme, never an address."""
        await self._change(ids, {"attempts": alerts.c.attempts + 1, "next_at": next_at, "failure": why})

    async def to_escalate(
        self, now: datetime, after: timedelta, of: Collection[str] | None = None
    ) -> tuple[Alert, ...]:
        """CRITICAL alerts that have stood for *after* and are not over, delivered or not; the oldest first.

        One that grows on and on comes once in an hour.
        """
        return await (await self._database()).read(lambda connection: _standing(connection, now, after, of))

    async def escalated(self, ids: Sequence[int], at: datetime) -> None:
        """Somebody else was told of them."""
        await self._change(ids, {"escalated_at": at}, alerts.c.escalated_at.is_(None))

    async def _change(
        self, ids: Sequence[int], values: dict[str, object], only: ColumnElement[bool] | None = None
    ) -> None:
        if not ids:
            return
        unsent = alerts.c.delivered_at.is_(None) if only is None else only

        def change(connection: Connection) -> None:
            for start in range(0, len(ids), AT_ONCE):
                some = alerts.c.id.in_(ids[start : start + AT_ONCE])
                connection.execute(update(alerts).where(some, unsent).values(values))

        await (await self._database()).write(change)

    async def _database(self) -> Database:
        record = self._record
        return (await record.opened() if isinstance(record, PatientRecord) else record).database


def list_alerts(
    connection: Connection, *, sent_since: datetime | None, most: int = MOST, of: Collection[str] = ()
) -> tuple[Alert, ...]:
    """For showing: what waits, the worst first, then what went out since then, the newest first.

    Args:
        connection: Where they are; it is only read.
        sent_since: Nothing that went out before it; None for all that is kept.
        most: How many of each at most; 0 is no limit.
        of: Which accounts; none for all.
    """
    mine = _of(of or None)
    waiting = _query().where(alerts.c.delivered_at.is_(None), *mine).order_by(_WORST, alerts.c.id)
    sent = _query().where(alerts.c.delivered_at.is_not(None), *mine)
    if sent_since is not None:
        sent = sent.where(alerts.c.delivered_at >= sent_since)
    sent = sent.order_by(alerts.c.delivered_at.desc(), alerts.c.id.desc())
    return tuple(_alert(row) for query in (waiting, sent) for row in connection.execute(query.limit(most or None)))


def _waiting(connection: Connection, now: datetime, most: int, of: Collection[str] | None) -> tuple[Alert, ...]:
    unsent = alerts.c.delivered_at.is_(None)
    due = or_(alerts.c.next_at.is_(None), alerts.c.next_at <= now, alerts.c.next_at > now + LONGEST_WAIT)
    whose = [row.account for row in connection.execute(select(alerts.c.account).where(unsent, due).distinct())]
    if not whose:
        return ()
    query = _query().where(unsent, alerts.c.account.in_(whose), *_of(of))
    # What was never tried comes first: thousands that one broken channel keeps here must not hide what is new.
    chosen = query.order_by(alerts.c.attempts > 0, _WORST, alerts.c.id).limit(most)
    found = [_alert(row) for row in connection.execute(chosen)]
    return tuple(sorted(found, key=lambda alert: (-SEVERITY_RANK[alert.severity], alert.id)))


def _standing(connection: Connection, now: datetime, after: timedelta, of: Collection[str] | None) -> tuple[Alert, ...]:
    lately = exists().where(*_same, _other.c.escalated_at > now - AGAIN, _other.c.escalated_at <= now)
    query = _query().where(
        alerts.c.escalated_at.is_(None),
        alerts.c.severity == Severity.CRITICAL,
        alerts.c.kind.in_((NoticeKind.OPENED, NoticeKind.GROWN)),
        alerts.c.at <= now - after,
        ~_OVER,
        ~lately,
        *_of(of),
    )
    return tuple(_alert(row) for row in connection.execute(query.order_by(alerts.c.id).limit(MOST)))


_other = alerts.alias("other")
_same = (_other.c.account == alerts.c.account, _other.c.key == alerts.c.key)
_OVER = exists().where(*_same, _other.c.id > alerts.c.id, _other.c.kind.in_(ENDS))
_earlier = (*_same, _other.c.id < alerts.c.id, _other.c.kind.not_in(ENDS))
_BEGUN = exists().where(*_earlier)
_TOLD_HIGHER = exists().where(*_earlier, _other.c.escalated_at.is_not(None))
_WORST = case((alerts.c.severity == Severity.CRITICAL, 0), (alerts.c.severity == Severity.MODERATE, 1), else_=2)


def _query() -> Select[tuple[object, ...]]:
    return select(
        alerts, accounts.c.name, _OVER.label("over"), _BEGUN.label("begun"), _TOLD_HIGHER.label("told_higher")
    ).join(accounts, accounts.c.id == alerts.c.account)


def _of(names: Collection[str] | None) -> list[ColumnElement[bool]]:
    return [] if names is None else [accounts.c.name.in_(names)]


def _alert(row: Row[tuple[object, ...]]) -> Alert:
    other = {"account": row.name, "kind": NoticeKind(row.kind), "severity": Severity(row.severity)}
    same = {name: getattr(row, name) for name in Alert.__struct_fields__ if name not in other}
    return Alert(**other, **same)
