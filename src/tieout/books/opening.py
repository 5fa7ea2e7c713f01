"""What a snapshot says, as the beginning of books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from tieout.books.orders import OrderManager
from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Activity, Balance, Fill, Position, Snapshot


def opening_rows(snapshot: Snapshot) -> Iterator[Position | Balance | Fill | Activity]:
    """Every row of the snapshot that a ledger opens with."""
    yield from snapshot.positions or ()
    yield from snapshot.balances or ()
    yield from snapshot.fills or ()
    yield from snapshot.activities or ()


@exact
def order_manager_from(snapshot: Snapshot) -> OrderManager:
    """The orders of the snapshot, with what its fills account for; every client id in it counts as used."""
    manager = OrderManager()
    by_client: defaultdict[str | None, Decimal] = defaultdict(lambda: ZERO)
    by_broker: defaultdict[str | None, Decimal] = defaultdict(lambda: ZERO)
    for fill in snapshot.fills or ():
        if fill.broker_order_id is not None:
            by_broker[fill.broker_order_id] += fill.quantity
        if fill.client_order_id is not None:
            manager.note_sent(fill.client_order_id)
            # Counted by one id only, or a fill that bears both would count twice.
            if fill.broker_order_id is None:
                by_client[fill.client_order_id] += fill.quantity
    since = _vouched_since(snapshot)
    for order in snapshot.orders or ():
        listed = by_client.get(order.client_order_id, ZERO) + by_broker.get(order.broker_order_id, ZERO)
        whole = since is not None and order.created_at is not None and order.created_at >= since
        manager.open(order, listed=listed, whole=whole)
    return manager


def _vouched_since(snapshot: Snapshot) -> datetime | None:
    """From when on the snapshot lists every fill; None where it vouches for nothing."""
    if snapshot.fills_since is not None:
        return snapshot.fills_since
    return min((fill.at for fill in snapshot.fills or ()), default=None)
