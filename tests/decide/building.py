"""Histories in a few words: two sides, a number of readings, and what Tieout says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct, convert, to_builtins

from tieout.decide import Decided, Policy
from tieout.live.road import State, reconcile_observation
from tieout.model.case import Approved
from tieout.model.codec import encode
from tieout.model.discrepancy import ActionStatus, ReconciliationStrategy
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import (
    Activity,
    ActivityKind,
    Balance,
    Fill,
    Lookup,
    Observation,
    Order,
    OrderSide,
    OrderStatus,
    Position,
    SideError,
    SideFailure,
    Snapshot,
    Source,
)

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
OLD = -3600  # an hour before the first reading
DOWN = SideError(SideFailure.TIMEOUT)
WORD, FINGERPRINT = re.compile("[a-z_]+( [a-z_]+)*"), re.compile("[0-9a-f]{20}")
GOES = {ActionStatus.PLANNED}
STOPS = {ActionStatus.AWAITING_APPROVAL, ActionStatus.SKIPPED}
BOOKINGS = frozenset(
    ("book_fill", "reverse_fill", "book_activity", "set_position", "set_balance", "update_order", "adopt_order")
)


def moment(seconds: float) -> datetime:
    """So many seconds after the first reading."""
    return START + timedelta(seconds=seconds)


def pos(asset: str, amount: str, *, price: str | None = "100", **more: Any) -> Position:
    """A position paid in USD."""
    marked = Decimal(price) if price is not None else None
    return Position(asset, Decimal(amount), market_price=marked, **{"currency": "USD", **more})


def cash(total: str, currency: str = "USD", *, usd: str | None = None, locked: str | None = None) -> Balance:
    """A balance."""
    return Balance(
        currency,
        Decimal(total),
        locked=Decimal(locked) if locked is not None else None,
        usd_price=Decimal(usd) if usd is not None else None,
    )


def fill(
    name: str, side: OrderSide, quantity: str, *, price: str = "100", at: float = OLD, own: bool = False, **more: Any
) -> Fill:
    """A fill of X without a fee; an own one bears the client id ``c-<name>``."""
    stated: dict[str, Any] = {"asset": "X", "client_order_id": f"c-{name}" if own else None, **more}
    return Fill(name, side=side, quantity=Decimal(quantity), price=Decimal(price), at=moment(at), **stated)


def moved(name: str, kind: ActivityKind, amount: str, *, at: float = OLD, currency: str = "USD") -> Activity:
    """Cash that moved without a trade."""
    return Activity(name, kind, moment(at), currency=currency, amount=Decimal(amount))


def order(name: str, status: OrderStatus = "open", *, filled: str = "0", quantity: str = "10", **more: Any) -> Order:
    """A buy order for X at 100, an hour old, with the client id *name* and the broker id ``b-<name>``."""
    stated: dict[str, Any] = {
        "asset": "X", "side": "buy", "limit_price": Decimal(100), "client_order_id": name,
        "broker_order_id": f"b-{name}", "created_at": moment(OLD), "updated_at": moment(OLD), **more,
    }  # fmt: skip
    return Order(quantity=Decimal(quantity), status=status, filled=Decimal(filled), **stated)


class Side(Struct, frozen=True, kw_only=True):
    """What a side says, before it is said when."""

    positions: Sequence[Position] | None = ()
    balances: Sequence[Balance] | None = ()
    orders: Sequence[Order] | None = ()
    fills: Sequence[Fill] | None = ()
    activities: Sequence[Activity] | None = ()
    coverage: dict[str, str] | None = None
    fills_since: datetime | None = None
    activities_since: datetime | None = None

    def said(self, source: Source, at: datetime, account: str) -> Snapshot:
        """The snapshot of *source* at that time."""
        rows = {name: getattr(self, name) for name in ("positions", "balances", "orders", "fills", "activities")}
        listed = {name: None if value is None else tuple(value) for name, value in rows.items()}
        return Snapshot(
            "tieout.snapshot/1", account, source, at,
            coverage=self.coverage,  # type: ignore[arg-type]
            fills_since=self.fills_since, activities_since=self.activities_since, **listed,
        )  # fmt: skip


def side(*rows: Position | Balance | Order | Fill | Activity, **more: Any) -> Side:
    """A side with these rows, each in its section; the other sections are known to be empty."""
    sections: dict[type, str] = {
        Position: "positions", Balance: "balances", Order: "orders", Fill: "fills", Activity: "activities",
    }  # fmt: skip
    listed: dict[str, list[Any]] = {}
    for row in rows:
        listed.setdefault(sections[type(row)], []).append(row)
    return Side(**{**listed, **more})


def reading(
    at: float,
    local: Side | SideError,
    broker: Side | SideError,
    *,
    account: str = "main",
    lookups: Sequence[Lookup] = (),
    before: Side | None = None,
) -> Observation:
    """One line of a history, *at* seconds after the first."""
    now = moment(at)
    return Observation(
        at=now,
        account=account,
        local=local.said("local", now, account) if isinstance(local, Side) else local,
        broker=broker.said("broker", now, account) if isinstance(broker, Side) else broker,
        local_before=before.said("local", now, account) if before is not None else None,
        lookups=tuple(lookups) or None,
    )


def every(seconds: float, times: int, local: Side, broker: Side, *, start: float = 0) -> list[Observation]:
    """The same two sides, read again and again."""
    return [reading(start + seconds * number, local, broker) for number in range(times)]


def decided(
    history: Iterable[Observation], policy: Policy | None = None, settings: Settings | None = None
) -> list[tuple[ReconciliationReport, Decided]]:
    """Every reading's report, with what was decided."""
    states: dict[str, State] = {}
    told = []
    for one in history:
        outcome = reconcile_observation(
            one, states.get(one.account, State()), settings or Settings(), policy or Policy(), trigger="replay"
        )
        states[one.account] = outcome.state
        told.append(sound(outcome.report, outcome.decided))
    return told


def sound(report: ReconciliationReport, result: Decided) -> tuple[ReconciliationReport, Decided]:
    """A reading, of which everything holds that holds of any: each action and plan says what, for which breaks and why."""
    assert convert(to_builtins(report), ReconciliationReport) == report, "every field is of its kind"
    names = {found.discrepancy_id for found in report.discrepancies}
    for action in report.actions:
        assert set(action.discrepancy_ids) <= names
        assert WORD.fullmatch(action.detail["reason"]) and all(action.detail.values()), action
    for plan in result.plans:
        named = set(plan.discrepancy_ids)
        assert FINGERPRINT.fullmatch(plan.fingerprint) and named and named <= names and WORD.fullmatch(plan.reason), (
            plan
        )
        kinds = {action.status for action in report.actions if set(action.discrepancy_ids) & named}
        assert isinstance(plan.strategy, ReconciliationStrategy) and kinds & (
            GOES if isinstance(plan, Approved) else STOPS
        )
    return report, result


def told(
    history: Iterable[Observation], policy: Policy | None = None, settings: Settings | None = None
) -> list[ReconciliationReport]:
    """Every reading's report."""
    return [report for report, _ in decided(history, policy, settings)]


def text(reports: Iterable[ReconciliationReport]) -> bytes:
    """The reports as they are written."""
    return b"\n".join(encode(report) for report in reports)


def row(report: ReconciliationReport, domain: str, asset: str = "") -> Discrepancy:
    """The only discrepancy of a domain (and asset)."""
    (found,) = [one for one in report.discrepancies if one.domain == domain and asset in ("", one.asset)]
    return found


def actions(report: ReconciliationReport) -> list[str]:
    """What is done, and how far it has come: ``book_fill planned``; each once, by name."""
    return sorted({f"{one.action} {one.status}" for one in report.actions})


def booked(report: ReconciliationReport) -> list[str]:
    """What would be written into the books without asking."""
    return sorted(one.action for one in report.actions if one.action in BOOKINGS and one.status == "planned")


def verdict(report: ReconciliationReport, domain: str, asset: str = "") -> tuple[str, str, str]:
    """Cause, severity and strategy of the only discrepancy of a domain."""
    found = row(report, domain, asset)
    return str(found.cause.code), str(found.severity), str(found.strategy)
