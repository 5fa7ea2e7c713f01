"""Alpaca's symbols and ours. A coin pair is BTC/USD among orders and assets but BTCUSD among positions and activities."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from tieout.brokers.alpaca.fields import RowLeft

ONE, HUNDRED = Decimal(1), Decimal(100)
EQUITY, OPTION, COIN = "us_equity", "us_option", "crypto"

_QUOTES = ("USDT", "USDC", "USD", "BTC")
_CONTRACT = re.compile(r"([A-Z]{1,5})(\d?)\d{6}[CP]\d{8}")
_LETTERS = re.compile(r"[A-Z0-9]{6,}")  # no share at Alpaca has that many letters without a dot


class Asset(NamedTuple):
    """What a symbol stands for: our name, its class, units behind one, and what a trade in it is paid with."""

    name: str
    kind: str
    multiplier: Decimal | None
    quote: str
    base: str | None = None


def asset(symbol: str, told: str | None = None) -> Asset:
    """What *symbol* stands for; *told* is the class that the row gives, if any.

    A contract whose deliverable was adjusted (its root ends in a digit) has a multiplier that the symbol does not tell.

    Raises:
        RowLeft: The class is one that is not read here, or the symbol does not look like one of its class.
    """
    kind = told or _kind(symbol)
    if kind == EQUITY:
        return Asset(symbol, EQUITY, ONE, "USD")
    if kind == OPTION:
        contract = _CONTRACT.fullmatch(symbol)
        if contract is None:
            raise RowLeft("an option with another symbol than OCC's")
        return Asset(symbol, OPTION, None if contract[2] else HUNDRED, "USD")
    if kind == COIN:
        base, quote = _pair(symbol)
        return Asset(f"{base}/{quote}", COIN, ONE, quote, base)
    raise RowLeft("an asset class that is not read here")


def _kind(symbol: str) -> str:
    """The class of a symbol that stands alone."""
    if _CONTRACT.fullmatch(symbol):
        return OPTION
    paired = _LETTERS.fullmatch(symbol) is not None and symbol.endswith(_QUOTES)
    return COIN if "/" in symbol or paired else EQUITY


def _pair(symbol: str) -> tuple[str, str]:
    """Base and quote of a coin pair, written with or without the slash."""
    base, slash, quote = symbol.partition("/")
    if slash and base and quote:
        return base, quote
    for known in _QUOTES:
        if symbol.endswith(known) and len(symbol) > len(known):
            return symbol.removesuffix(known), known
    raise RowLeft("a coin pair in a currency that is not known here")
