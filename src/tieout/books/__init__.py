"""The local side: exact books of an engine, and other sources of what a trading system believes."""

from tieout.books.base import LocalBooks
from tieout.books.durable import DurableBooks, Reopened
from tieout.books.engine_books import EngineBooks
from tieout.books.entries import Entry
from tieout.books.instruments import Instrument
from tieout.books.ledger import DecimalLedger, ledger_from
from tieout.books.orders import OrderEvent, OrderManager
from tieout.books.state import Restored, StateManager

__all__ = [
    "DecimalLedger",
    "DurableBooks",
    "EngineBooks",
    "Entry",
    "Instrument",
    "LocalBooks",
    "OrderEvent",
    "OrderManager",
    "Reopened",
    "Restored",
    "StateManager",
    "ledger_from",
]
