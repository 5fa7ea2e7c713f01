"""What the page of breaks shows, read from the store, by what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from tieout.model.amounts import ZERO
from tieout.model.discrepancy import SEVERITY_RANK, CauseCode, Severity
from tieout.record.breaks import BreakRow, list_breaks
from tieout.record.history import Wanted
from tieout.record.looking import Looking
from tieout.record.standing import Standing, known_accounts, read_standing, with_standing
from tieout.serve.access.roles import Caller
from tieout.serve.desk import Desk

MOST = 200
STATES = {"open": "Open", "all": "Open and closed", "waiting": "Waiting for a person"}
ORDERS = {"severity": "The worst first", "age": "The oldest first", "value": "The most in USD first"}


class Filter(Struct, frozen=True, kw_only=True):
    """Which breaks, and in which order; empty is all. Whatever else was asked for counts as empty."""

    account: str = ""
    severity: str = ""
    cause: str = ""
    state: str = "open"
    order: str = "severity"


class Listed(Struct, frozen=True, kw_only=True):
    """A break of the list; `usd` is its value as it was last seen, where the visitor sees amounts and one is known."""

    row: BreakRow
    usd: Decimal | None


class Listing(Struct, frozen=True, kw_only=True):
    """The breaks that fit, the first ones of them, and the accounts that there are."""

    rows: tuple[Listed, ...]
    total: int


def filter_of(asked: Mapping[str, str], caller: Caller) -> Filter:
    """What was asked for, as far as it can be."""
    state, order = asked.get("state", "open"), asked.get("order", "severity")
    orders = ORDERS if caller.sees_amounts else ORDERS.keys() - {"value"}
    return Filter(
        account=asked.get("account", ""),
        severity=asked.get("severity", "") if asked.get("severity", "") in list(Severity) else "",
        cause=asked.get("cause", "") if asked.get("cause", "") in list(CauseCode) else "",
        state=state if state in STATES else "open",
        order=order if order in orders else "severity",
    )


async def read_listing(desk: Desk, caller: Caller, wanted: Filter) -> Listing:
    """The breaks that fit and that *caller* may see.

    Raises:
        RecordUnavailable: The record cannot be read now.
    """
    now = desk.clock.now()

    def read(seen: Looking) -> Listing:
        names = {name for name in known_accounts(seen.connection) if caller.is_for(name)}
        asked = Wanted(account=_one(wanted.account), severity=_one(wanted.severity), cause=_one(wanted.cause))
        rows = [
            row for row in list_breaks(seen.connection, asked, closed=wanted.state == "all") if row.account in names
        ]
        standings = {name: read_standing(seen.connection, seen.sealed, name) for name in {row.account for row in rows}}
        found = [_listed(row, standings[row.account], now, caller) for row in rows]
        if wanted.state == "waiting":
            found = [each for each in found if each.row.awaits]
        found.sort(key=_KEYS[wanted.order])
        return Listing(rows=tuple(found[:MOST]), total=len(found))

    return await desk.look(read, amounts=True)


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _listed(row: BreakRow, standing: Standing, now: datetime, caller: Caller) -> Listed:
    usd = None
    if caller.sees_amounts and standing.report is not None and row.closed_at is None:
        mine = (each for each in standing.report.discrepancies if each.discrepancy_id == row.discrepancy_id)
        usd = next((each.usd_value for each in mine), None)
    return Listed(row=with_standing(row, standing, now), usd=usd)


def _by_severity(each: Listed) -> tuple[object, ...]:
    row = each.row
    return row.closed_at is not None, not row.awaits, -SEVERITY_RANK[Severity(row.severity)], row.first_seen


def _by_age(each: Listed) -> tuple[object, ...]:
    return each.row.closed_at is not None, each.row.first_seen


def _by_value(each: Listed) -> tuple[object, ...]:
    # What nobody can value may be worth anything.
    return each.row.closed_at is not None, each.usd is not None, -(each.usd or ZERO)


_KEYS = {"severity": _by_severity, "age": _by_age, "value": _by_value}
