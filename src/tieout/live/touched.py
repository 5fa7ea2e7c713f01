"""What an account's streams told of, as the sections that are to be read because of it."""

from __future__ import annotations

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.model.snapshot import Section

Touched = frozenset[Section] | None
EVERYTHING: Touched = None

_TRADE: frozenset[Section] = frozenset(("fills", "orders", "positions", "balances"))
# With each section what leads to it, and what it leads to: read together, they explain each other.
_LEADS_TO: dict[Section, frozenset[Section]] = {
    "fills": _TRADE,
    "positions": _TRADE,
    "balances": _TRADE,
    "orders": frozenset(("orders", "balances")),  # it locks funds; its fills are told as such
    "activities": frozenset(("activities", "positions", "balances")),
}


def touched_by(event: StreamEvent) -> Touched:
    """The sections that *event* calls for: all where it does not say, or where something went untold before it."""
    if event.what is not Heard.TOUCHED or event.section is None:
        return EVERYTHING
    return _LEADS_TO[event.section]


def both(one: Touched, other: Touched) -> Touched:
    """What either calls for."""
    return EVERYTHING if one is None or other is None else one | other
