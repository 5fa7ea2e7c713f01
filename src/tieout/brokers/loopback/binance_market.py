"""What Binance tells anybody of its markets: candles, the book and tickers, all of them at the world's present price.

Source: Binance's public REST documentation, as of 2026-11. A world keeps no past prices for this: its candles are flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

from tieout.brokers.simulated.facts import Priced
from tieout.model.amounts import dec

from .base import Asked, Refused, Route
from .binance_rows import Json, symbol
from .binance_spot import Spot, failure
from .bodies import milliseconds, text
from .symbols import listed

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MOST = 1000  # candles in one answer
_DEEP = dec("1000000")  # on offer where the world does not say how much there is
Ticker = Callable[[str, Decimal, Decimal], Json]


class Quotes:
    """One side's market data; nobody has to sign for it."""

    def __init__(self, side: Spot) -> None:
        self._side, self._venue = side, side.venue

    def routes(self) -> Iterable[Route]:
        """Where it is."""
        for name, handler in (("klines", self.candles), ("markPriceKlines", self.candles), ("depth", self.book)):
            yield Route("GET", f"{self._side.path}/{name}", handler, signed=False)
        for name, ticker in (("24hr", _day), ("bookTicker", _best), ("price", _last)):
            yield Route("GET", f"{self._side.path}/ticker/{name}", partial(self._tickers, ticker), signed=False)

    def candles(self, asked: Asked) -> object:
        """Those from startTime on, or the latest; the last one is not over yet."""
        market, said = self._one(asked), asked.fields
        word = said.get("interval", "")
        if not word[:-1].isdecimal() or word[-1:] not in _SECONDS:
            raise Refused(failure(-1120, "Invalid interval."))
        span, most = int(word[:-1]) * _SECONDS[word[-1]] * 1000, min(int(said.get("limit", 500)), _MOST)
        now = milliseconds(self._venue.present())
        latest = min(int(said.get("endTime", now)), now) // span
        first = -(-int(said["startTime"]) // span) if "startTime" in said else latest - most + 1
        return [_candle(number * span, span, market.price) for number in range(first, min(first + most, latest + 1))]

    def book(self, asked: Asked) -> object:
        """One price on both sides, which is where orders trade."""
        market = self._one(asked)
        offer = [[text(market.price), text(_DEEP if market.available is None else market.available)]]
        return {"lastUpdateId": 1, "bids": offer, "asks": offer}

    def _tickers(self, ticker: Ticker, asked: Asked) -> object:
        if "symbol" in asked.fields:
            return ticker(asked.fields["symbol"], *_offer(self._one(asked)))
        return [ticker(name, *_offer(market)) for name, market in self._markets().items()]

    def _one(self, asked: Asked) -> Priced:
        market = self._markets().get(asked.fields.get("symbol", ""))
        if market is None:
            raise Refused(failure(-1121, "Invalid symbol."))
        return market

    def _markets(self) -> dict[str, Priced]:
        state = self._venue.desk.state
        return {
            symbol(row): state.prices[row.asset]
            for row in listed(state)
            if row.sort == self._side.sort and row.asset in state.prices
        }


def _offer(market: Priced) -> tuple[Decimal, Decimal]:
    return market.price, _DEEP if market.available is None else market.available


def _candle(opens: int, span: int, price: Decimal) -> list[object]:
    at = text(price)
    return [opens, at, at, at, at, "1", opens + span - 1, at, 1, "0", "0", "0"]


def _last(name: str, price: Decimal, _size: Decimal) -> Json:
    return {"symbol": name, "price": text(price)}


def _best(name: str, price: Decimal, size: Decimal) -> Json:
    at, there = text(price), text(size)
    return {"symbol": name, "bidPrice": at, "bidQty": there, "askPrice": at, "askQty": there}


def _day(name: str, price: Decimal, size: Decimal) -> Json:
    at = text(price)
    prices = dict.fromkeys(
        ("weightedAvgPrice", "prevClosePrice", "openPrice", "highPrice", "lowPrice", "lastPrice"), at
    )
    rest: Json = {"priceChange": "0", "priceChangePercent": "0", "lastQty": "0", "openTime": 0, "closeTime": 0}
    return {**_best(name, price, size), **prices, **rest, "volume": "1000000", "quoteVolume": "1000000000", "count": 1}
