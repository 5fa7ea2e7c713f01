"""One account to reconcile."""

from __future__ import annotations

from msgspec import Struct

from tieout.books.base import LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.decide import Policy
from tieout.live.gate import Gate
from tieout.model.settings import Settings
from tieout.observe.reading import Reach


class Account(Struct, frozen=True, kw_only=True):
    """One account to reconcile: its two sides, what holds for it, and the gate of its orders, where it has one here."""

    name: str
    local: LocalBooks
    broker: BrokerAdapter
    settings: Settings = Settings()
    policy: Policy = Policy()
    reach: Reach = Reach()
    gate: Gate | None = None
