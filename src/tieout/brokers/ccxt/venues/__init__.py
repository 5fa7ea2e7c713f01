"""What is asked of each venue for each section, and how an answer proves that it is whole. Data, a module a venue."""

from __future__ import annotations

from tieout.brokers.ccxt.calls import Call, Venue
from tieout.brokers.ccxt.venues.binance import VENUES as BINANCE
from tieout.brokers.ccxt.venues.bybit import VENUES as BYBIT
from tieout.brokers.ccxt.venues.coinbase import VENUES as COINBASE
from tieout.brokers.ccxt.venues.hyperliquid import VENUES as HYPERLIQUID
from tieout.brokers.ccxt.venues.kraken import VENUES as KRAKEN
from tieout.brokers.ccxt.venues.okx import VENUES as OKX
from tieout.brokers.ccxt.venues.others import VENUES as OTHERS

__all__ = ["UNKNOWN", "VENUES", "Call", "Venue", "venue"]

VENUES: dict[str, Venue] = {
    **BINANCE,
    **BYBIT,
    **OKX,
    **KRAKEN,
    **COINBASE,
    **HYPERLIQUID,
    **OTHERS,
}
UNKNOWN = Venue()


def venue(name: str) -> Venue:
    """What is known of the venue that ccxt calls *name*; one that is not listed has no sections."""
    return VENUES.get(name, UNKNOWN)
