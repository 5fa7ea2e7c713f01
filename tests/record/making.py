"""Records with something in them, for the tests that look at them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tieout.model.snapshot import Balance, Position, Snapshot


def snapshot(source: str, at: datetime, *, amount: str = "100", rows: int = 1, account: str = "main") -> Snapshot:
    """One side: *rows* positions of *amount* each, and some cash."""
    assert source in ("local", "broker")
    return Snapshot(
        schema="tieout.snapshot/1",
        account=account,
        source="local" if source == "local" else "broker",
        as_of=at,
        positions=tuple(Position(f"ASSET{number}", Decimal(amount)) for number in range(rows)),
        balances=(Balance("USD", Decimal("10000.00")),),
        orders=(),
        fills=(),
        activities=(),
        fills_since=at,
        activities_since=at,
    )
