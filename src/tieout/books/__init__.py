"""The local side: exact books of an engine, and other sources of what a trading system believes."""

from tieout.books.base import LocalBooks
from tieout.books.engine_books import EngineBooks
from tieout.books.entries import Entry
from tieout.books.instruments import Instrument
from tieout.books.ledger import DecimalLedger, ledger_from
from tieout.books.orders import OrderEvent, OrderManager

__all__ = [
    "DecimalLedger",
    "EngineBooks",
    "Entry",
    "Instrument",
    "LocalBooks",
    "OrderEvent",
    "OrderManager",
    "ledger_from",
]
