"""What a venue says of its markets, out of the entries that ccxt's client has already: numbers are text there, or absent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.listing import NAMED_BY, named
from tieout.brokers.ccxt.parse import RowError, moment, price, settlement
from tieout.clock import Clock
from tieout.errors import SourceMalformed
from tieout.model.amounts import ONE
from tieout.model.instrument import Instrument, Standing, wrong_in

TICK_SIZE, DECIMAL_PLACES = 4, 2  # ccxt's own numbers for what a precision is told in
DIGITS_ALONE = frozenset(("hyperliquid",))  # a price has so many digits there, wherever its point is: that is no step


class CcxtInstruments:
    """One account's way to what its venue lists."""

    def __init__(self, name: str, venue: str, asking: CcxtAsking, clock: Clock) -> None:
        self._name, self._venue, self._asking, self._clock = name, venue, asking, clock

    async def get(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """Those of *assets* that the venue lists; it is asked only for what no client of it knows yet.

        Raises:
            SourceError: Its markets cannot be had, or one of them cannot be read.
        """
        asking, markets = self._asking, self._asking.markets
        if markets is None:
            await asking.ask("markets", lambda client: client.load_markets())
        else:
            await markets.ready(asking.client())
            known = list(asking.client().markets.values())
            unknown = [name for name in assets if not any(named(market, (name,)) for market in known)]
            if unknown and await markets.look_up(unknown):
                await markets.ready(asking.client())
        client, now = asking.client(), self._clock.now()
        steps = getattr(client, "precisionMode", TICK_SIZE), self._venue not in DIGITS_ALONE
        return tuple(self._made(market, steps, now) for market in client.markets.values() if named(market, assets))

    def _made(self, market: Mapping[str, Any], steps: tuple[int, bool], now: datetime) -> Instrument:
        try:
            return instrument(market, now, mode=steps[0], ticks=steps[1])
        except RowError as error:
            raise SourceMalformed(self._name, "instruments", str(error)) from None


def instrument(market: Mapping[str, Any], now: datetime, *, mode: int = TICK_SIZE, ticks: bool = True) -> Instrument:
    """One market entry as an instrument.

    Args:
        market: The entry.
        now: Contracts that end before it are expired.
        mode: What the entry's precision is told in.
        ticks: Whether prices move in steps there.

    Raises:
        RowError: A number of it is none, or a float.
    """
    precision, least = market.get("precision") or {}, (market.get("limits") or {}).get("amount") or {}
    expiry = moment(market, "expiry")
    contract = not market.get("spot")
    found = Instrument(
        asset=str(market["symbol"]),
        names=tuple(dict.fromkeys(_others(market))),
        base=market.get("base"),
        quote=market.get("quote"),
        settle=market.get("settle") if contract else None,
        settlement=settlement(market),
        contract_size=price(market, "contractSize") if contract else None,
        quantity_step=_step(precision, "amount", mode),
        min_quantity=price(least, "min"),
        price_tick=_step(precision, "price", mode) if ticks else None,
        smallest_unit=None,
        status=_status(market, expiry, now),
        expiry=expiry,
    )
    wrong = wrong_in(found)
    if wrong is not None:
        raise RowError(wrong)
    return found


def _others(market: Mapping[str, Any]) -> Iterator[str]:
    told = [market.get(name) for name in NAMED_BY] + [(market.get("info") or {}).get("wsname")]
    return (name for name in told if isinstance(name, str) and name and name != market["symbol"])


def _step(precision: Mapping[str, Any], field: str, mode: int) -> Decimal | None:
    told = price(precision, field) if mode == TICK_SIZE else None
    if mode == DECIMAL_PLACES and precision.get(field) is not None:
        places = precision[field]
        if not str(places).isdigit():
            raise RowError(f"{field} is no number of digits")
        told = ONE.scaleb(-int(places))
    return told


def _status(market: Mapping[str, Any], expiry: datetime | None, now: datetime) -> Standing | None:
    if expiry is not None and expiry <= now:
        return "expired"
    active = market.get("active")
    return None if active is None else "active" if active else "suspended"
