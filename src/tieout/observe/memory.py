"""What a reading teaches the next one. Nothing known is forgotten because a side did not answer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec.structs import replace

from tieout.model.discrepancy import Key
from tieout.model.memory import Memory
from tieout.model.snapshot import Observation, Snapshot


def remember(memory: Memory, observation: Observation, doubted: Collection[Key]) -> Memory:
    """The memory after a reading.

    Args:
        memory: What was known before.
        observation: The reading.
        doubted: Rows whose broker side is in doubt: they keep the baseline they had.
    """
    local, broker = observation.local, observation.broker
    after = replace(memory, readings=memory.readings + 1)
    if isinstance(local, Snapshot):
        after = _of_local(after, local)
    if isinstance(broker, Snapshot):
        after = _of_broker(after, broker, doubted)
    if memory.lookups or observation.lookups:
        after = replace(after, lookups=_lookups(memory, observation))
    return replace(_positioned(after, observation), ahead=_ahead(memory, observation))


def _of_local(memory: Memory, local: Snapshot) -> Memory:
    ids = {value for order in local.orders or () for value in (order.client_order_id, order.broker_order_id) if value}
    ids |= {value for fill in local.fills or () for value in (fill.client_order_id, fill.broker_order_id) if value}
    held = memory.local_held or not is_empty(local)
    own = memory.own_ids if ids <= memory.own_ids else memory.own_ids | ids
    return replace(memory, own_ids=own, local_held=held)


def _of_broker(memory: Memory, broker: Snapshot, doubted: Collection[Key]) -> Memory:
    held_back = dict(memory.held_back)
    fresh = {"position": broker.covers("positions") == "complete", "balance": broker.covers("balances") == "complete"}
    for key in list(held_back):
        if fresh.get(key.domain, False) and key not in doubted:
            del held_back[key]
    for key in doubted:
        baseline = memory.baseline(key)
        if baseline is not None and fresh.get(key.domain, False):
            held_back[key] = baseline
    return replace(
        memory,
        positions=broker if fresh["position"] else memory.positions,
        balances=broker if fresh["balance"] else memory.balances,
        held_back=held_back,
    )


def _positioned(memory: Memory, observation: Observation) -> Memory:
    """Assets that have position rows; rows that the last reading showed just so are not gone over again."""
    sides = [side for side in (observation.local, observation.broker) if isinstance(side, Snapshot)]
    shown = tuple(side.positions for side in sides if side.positions)
    if not shown:
        return memory
    gone = [rows for rows in memory.shown if rows not in shown]
    assets = {row.asset for rows in gone for row in rows if row.amount}
    known = memory.positioned if assets <= memory.positioned else memory.positioned | assets
    return replace(memory, positioned=known, shown=shown)


def is_empty(side: Snapshot) -> bool:
    """Whether a side holds nothing at all: zero rows mean no rows."""
    return (
        not any(row.amount for row in side.positions or ())
        and not any(row.total for row in side.balances or ())
        and not (side.orders or side.fills or side.activities)
    )


def _lookups(memory: Memory, observation: Observation) -> dict[str, tuple[datetime, datetime, int]]:
    """Counts answers of *no such order*; an order that was found, or listed, starts over, an error proves nothing."""
    counted, at, names = dict(memory.lookups), observation.at, _names(observation)
    for answer in observation.lookups or ():
        given = answer.client_order_id or answer.broker_order_id
        name = names.get(answer.client_order_id or "") or names.get(answer.broker_order_id or "") or given
        if name is None or answer.error is not None:
            continue
        if answer.order is not None:
            counted.pop(name, None)
        else:
            first, _, times = counted.get(name, (at, at, 0))
            counted[name] = (first, at, times + 1)
    for order in observation.broker.orders or () if isinstance(observation.broker, Snapshot) else ():
        for listed in (order.client_order_id, order.broker_order_id):
            counted.pop(names.get(listed or "", listed or ""), None)
    return counted


def _names(observation: Observation) -> dict[str, str]:
    """By either id of each of local's orders: the name under which its lookups are counted."""
    orders = observation.local.orders or () if isinstance(observation.local, Snapshot) else ()
    return {given: order.name for order in orders for given in (order.broker_order_id, order.client_order_id) if given}


def _ahead(memory: Memory, observation: Observation) -> dict[str, datetime]:
    """Records dated after their own side's clock, each with the reading that first showed it."""
    ahead: dict[str, datetime] = {}
    for side in (observation.local, observation.broker):
        if not isinstance(side, Snapshot):
            continue
        dated = [(f"fill {row.fill_id}", row.at) for row in side.fills or () if row.at > side.as_of]
        dated += [(f"activity {row.activity_id}", row.at) for row in side.activities or () if row.at > side.as_of]
        for order in side.orders or ():
            if order.touched_at is not None and order.touched_at > side.as_of:
                dated.append((f"order {order.name}", order.touched_at))
        for ref, _ in dated:
            ahead[ref] = memory.ahead.get(ref, observation.at)
    return ahead
