"""Tieout checks what a trading system believes it holds against what its broker says: exactly, and with the cause.

The names below are the library. They are fetched where they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tieout.books import DecimalLedger, EngineBooks, OrderManager
    from tieout.books.durable import DurableBooks
    from tieout.books.state import StateManager
    from tieout.brokers.base import BrokerAdapter
    from tieout.errors import ReconciliationError
    from tieout.live.account import Account
    from tieout.live.engine import LiveTradingEngine
    from tieout.live.reconciler import PositionReconciler
    from tieout.live.road import reconcile_observation
    from tieout.model.discrepancy import ReconciliationStrategy
    from tieout.model.report import Discrepancy as PositionDiscrepancy
    from tieout.model.report import ReconciliationReport

__version__ = "0.1.0"
__all__ = [
    "Account",
    "BrokerAdapter",
    "DecimalLedger",
    "DurableBooks",
    "EngineBooks",
    "LiveTradingEngine",
    "OrderManager",
    "PositionDiscrepancy",
    "PositionReconciler",
    "ReconciliationError",
    "ReconciliationReport",
    "ReconciliationStrategy",
    "StateManager",
    "reconcile_observation",
]

_HOMES = {
    "Account": ("tieout.live.account", "Account"),
    "BrokerAdapter": ("tieout.brokers.base", "BrokerAdapter"),
    "DecimalLedger": ("tieout.books", "DecimalLedger"),
    "DurableBooks": ("tieout.books.durable", "DurableBooks"),
    "EngineBooks": ("tieout.books", "EngineBooks"),
    "LiveTradingEngine": ("tieout.live.engine", "LiveTradingEngine"),
    "OrderManager": ("tieout.books", "OrderManager"),
    "PositionDiscrepancy": ("tieout.model.report", "Discrepancy"),
    "PositionReconciler": ("tieout.live.reconciler", "PositionReconciler"),
    "ReconciliationError": ("tieout.errors", "ReconciliationError"),
    "ReconciliationReport": ("tieout.model.report", "ReconciliationReport"),
    "ReconciliationStrategy": ("tieout.model.discrepancy", "ReconciliationStrategy"),
    "StateManager": ("tieout.books.state", "StateManager"),
    "reconcile_observation": ("tieout.live.road", "reconcile_observation"),
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home[0]), home[1])
