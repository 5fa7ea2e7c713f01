"""Snapshots in a few words, and readings of them: compared, explained and remembered, without deciding anything.

Times are seconds after ten o'clock, so that a fill five minutes old is ``at=-300``. Numbers are written as text or whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from msgspec import Struct

from tieout.compare import compare
from tieout.explain import explain
from tieout.explain.market import Market
from tieout.explain.projection import total
from tieout.explain.records import Standing, plain_record
from tieout.model.amounts import EXACT
from tieout.model.case import Case, Explanation
from tieout.model.changes import Change
from tieout.model.discrepancy import DOUBTS, Difference, Key
from tieout.model.memory import Memory
from tieout.model.settings import Settings
from tieout.model.snapshot import Activity, Balance, Fill, Lookup, Observation, Order, OrderSide, Position, Snapshot
from tieout.observe import coverage_of, remember

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
Number = str | int | Decimal


def moment(seconds: float) -> datetime:
    """That many seconds after ten o'clock."""
    return TEN + timedelta(seconds=seconds)


def _numbers(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: Decimal(value) if name in names else value for name, value in given.items()}


def pos(asset: str, amount: Number, **fields: Any) -> Position:
    """A position; a share in USD at 100 unless told otherwise."""
    told = {"currency": "USD", "market_price": "100", **fields}
    return Position(asset, Decimal(amount), **_numbers(told, "average_price", "market_price", "multiplier"))


def bal(currency: str, total: Number, **fields: Any) -> Balance:
    """A balance."""
    return Balance(currency, Decimal(total), **_numbers(fields, "available", "locked", "usd_price"))


def fill(fill_id: str, asset: str, amount: Number, price: Number, at: float = -300, **fields: Any) -> Fill:
    """A fill of a signed *amount*: below 0 is a sale. Its order is ``c-0`` of the client's unless told otherwise."""
    signed = Decimal(amount)
    told = {"client_order_id": "c-0", **fields}
    if "fee" in fields:
        told.setdefault("fee_currency", "USD")
    way: OrderSide = "buy" if signed > 0 else "sell"
    return Fill(fill_id, asset, way, abs(signed), Decimal(price), moment(at), **_numbers(told, "fee"))


def act(activity_id: str, kind: str, at: float = -300, **fields: Any) -> Activity:
    """An activity."""
    return Activity(activity_id, kind, moment(at), **_numbers(fields, "amount", "new_amount"))  # type: ignore[arg-type]


def order(name: str, amount: Number, status: str = "open", **fields: Any) -> Order:
    """An order of AAPL for a signed *amount*: ``c-1`` is the client's name of it, anything else the broker's."""
    signed = Decimal(amount)
    told: dict[str, Any] = {"asset": "AAPL", "filled": "0", "at": -300, **fields}
    touched = told.pop("at")
    if touched is not None:
        told.setdefault("updated_at", moment(touched))
    told["client_order_id" if name.startswith("c-") else "broker_order_id"] = name
    told = _numbers(told, "filled", "limit_price", "stop_price")
    return Order(side="buy" if signed > 0 else "sell", quantity=abs(signed), status=status, **told)  # type: ignore[arg-type]


OURS = order("c-0", 1000, "cancelled", at=-3600)  # the order behind fills that name none: local sent it


def side(source: str, *rows: Any, as_of: float = 0, **fields: Any) -> Snapshot:
    """One side: rows fall into their sections; positions, balances, fills and activities are fetched, if only empty.

    ``without=("fills",)`` leaves sections out; ``fills_since=-900`` and ``activities_since`` are seconds too.
    """
    kinds: dict[str, type] = {
        "positions": Position, "balances": Balance, "orders": Order, "fills": Fill, "activities": Activity,
    }  # fmt: skip
    without = fields.pop("without", ())
    sections: dict[str, Any] = {
        name: tuple(row for row in rows if isinstance(row, kind)) for name, kind in kinds.items() if name not in without
    }
    for name in ("fills_since", "activities_since"):
        if fields.get(name) is not None:
            fields[name] = moment(fields[name])
    return Snapshot("tieout.snapshot/1", "main", source, moment(as_of), **sections, **fields)  # type: ignore[arg-type]


def local(*rows: Any, **fields: Any) -> Snapshot:
    """Local's side, which sent the order ``c-0``."""
    mine = () if "orders" in fields.get("without", ()) or fields.pop("stranger", False) else (OURS,)
    return side("local", *mine, *rows, **fields)


def broker(*rows: Any, **fields: Any) -> Snapshot:
    """The broker's side."""
    return side("broker", *rows, **fields)


class Read(Struct, frozen=True):
    """One reading: what differs and why, and what it teaches the next."""

    differences: dict[Key, Difference]
    explanation: Explanation
    memory: Memory

    def seen(self) -> dict[str, tuple[str, str, str, str]]:
        """For each break: its type, difference, cause and residual, by ``domain asset`` (and leg or record)."""
        return {name(key): self._row(key) for key in self.explanation.causes}

    def _row(self, key: Key) -> tuple[str, str, str, str]:
        difference, cause = self.differences[key], self.explanation.causes[key]
        return (str(difference.type), _text(difference.difference), str(cause.code), _text(cause.residual))

    def cause(self, row: str) -> str:
        """The code of one break's cause."""
        return self.seen()[row][2]

    def evidence(self, row: str) -> tuple[str, ...]:
        """The records cited for one break."""
        return next(cause.evidence for key, cause in self.explanation.causes.items() if name(key) == row)

    def case(self, row: str) -> Case:
        """The case that one break belongs to."""
        return next(case for case in self.explanation.cases if row in map(name, case.keys))

    def changes(self, row: str) -> tuple[Change, ...]:
        """What would cure one break."""
        return self.case(row).changes


def name(key: Key) -> str:
    """A break in a few words."""
    return " ".join(part for part in (key.domain, key.asset, key.leg if key.leg != "net" else "", key.record) if part)


def _text(value: Decimal) -> str:
    return format(value.normalize() + 0, "f")


def read(ours: Snapshot, theirs: Snapshot, **told: Any) -> Read:
    """Compare and explain one observation, taken when the later side was; `memory`, `settings` and more may be told."""
    memory, settings = told.pop("memory", Memory()), told.pop("settings", Settings())
    at = moment(told.pop("at")) if "at" in told else max(ours.as_of, theirs.as_of)
    lookups: Iterable[Lookup] = told.pop("lookups", ())
    observation = Observation(at, "main", ours, theirs, told.pop("before", None), tuple(lookups) or None)
    assert not told, f"unknown words {sorted(told)}"
    differences = compare(ours, theirs, coverage_of(observation, settings), settings, lookups)
    explanation = explain(observation, differences, memory, settings)
    for difference in differences:
        cause = explanation.causes.get(difference.key)
        # A promise of every cause: what it explains and what it leaves are the whole difference, exactly.
        assert cause is None or cause.explained + cause.residual == difference.difference, cause
    doubted = [key for key, cause in explanation.causes.items() if cause.code in DOUBTS]
    after = remember(memory, observation, doubted)
    return Read({difference.key: difference for difference in differences}, explanation, after)


def market(*ours: Any, theirs: Iterable[Any] | None = None, settings: Settings | None = None) -> Market:
    """Two sides without a difference that is asked about; the broker holds what local does unless told otherwise."""
    sides = side("local", *ours), side("broker", *(ours if theirs is None else theirs))
    names = {row.asset for one in sides for row in one.positions or ()}
    names |= {row.currency for one in sides for row in one.balances or ()}
    return Market(*sides, (), frozenset(names), settings or Settings())


def effects(rows: Iterable[Fill | Activity], book: Market, **told: Any) -> dict[str, str]:
    """What records that the broker has and local lacks change on local's book, by `domain asset`; *surplus* takes back."""
    standing = Standing.SURPLUS if told.pop("surplus", False) else Standing.MISSING
    settlements, later = told.pop("settlements", {}), told.pop("later", {})
    assert not told, f"unknown words {sorted(told)}"
    records = [plain_record(row, standing) for row in rows]
    with localcontext(EXACT):
        moved = total(records, book, settlements, lambda key, _record: Decimal(later.get(name(key), 0)))
    return {name(key): _text(amount) for key, amount in moved.items()}
