"""What the page of breaks shows, read from the store, by what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tieout.model.amounts import ZERO
from tieout.model.discrepancy import SEVERITY_RANK, CauseCode, Severity
from tieout.record.breaks import BreakRow, count_breaks, list_breaks
from tieout.record.history import Wanted
from tieout.record.looking import Looking
from tieout.record.standing import Standing, read_standing, with_standing
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
    """The breaks that fit: the first ones of them, and how many there are."""

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
    """The breaks that fit and that *caller* may see: open ones as wanted, then closed ones, the latest first.

    Raises:
        RecordUnavailable: The record cannot be read now.
    """
    now = desk.clock.now()

    def read(seen: Looking) -> Listing:
        asked = _asked(caller, wanted)
        if asked is None:
            return Listing(rows=(), total=0)
        rows = list_breaks(seen.connection, asked)
        # Each of these opens a report, and only those have one that speaks of an open break.
        standings = {name: read_standing(seen.connection, seen.sealed, name) for name in {row.account for row in rows}}
        found = [_listed(row, standings[row.account], now, caller) for row in rows]
        if wanted.state == "waiting":
            found = [each for each in found if each.row.awaits]
        found.sort(key=_KEYS[wanted.order])
        if wanted.state != "all":
            return Listing(rows=tuple(found[:MOST]), total=len(found))
        rest = list_breaks(seen.connection, replace(asked, limit=MOST), closed=True, offset=len(found))
        total = count_breaks(seen.connection, asked, closed=True)
        return Listing(rows=tuple([*found, *(Listed(row=row, usd=None) for row in rest)][:MOST]), total=total)

    return await desk.look(read, amounts=True)


def _asked(caller: Caller, wanted: Filter) -> Wanted | None:
    """What is wanted, of the caller's accounts alone; None where that is nothing."""
    names = _one(wanted.account)
    if caller.accounts is not None:
        names = tuple(sorted(name for name in caller.accounts if wanted.account in ("", name)))
        if not names:
            return None
    return Wanted(account=names, severity=_one(wanted.severity), cause=_one(wanted.cause))


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _listed(row: BreakRow, standing: Standing, now: datetime, caller: Caller) -> Listed:
    usd = None
    if caller.sees_amounts and standing.report is not None:
        mine = (each for each in standing.report.discrepancies if each.discrepancy_id == row.discrepancy_id)
        usd = next((each.usd_value for each in mine), None)
    return Listed(row=with_standing(row, standing, now), usd=usd)


def _by_severity(each: Listed) -> tuple[object, ...]:
    return not each.row.awaits, -SEVERITY_RANK[Severity(each.row.severity)], each.row.first_seen


def _by_age(each: Listed) -> tuple[object, ...]:
    return (each.row.first_seen,)


def _by_value(each: Listed) -> tuple[object, ...]:
    # What nobody can value may be worth anything.
    return each.usd is not None, -(each.usd or ZERO)


_KEYS = {"severity": _by_severity, "age": _by_age, "value": _by_value}
