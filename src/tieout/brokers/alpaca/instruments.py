"""What Alpaca says of an asset: one question each. A coin pair is asked for without its slash, as positions write it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal

from tieout.brokers.alpaca.fields import Json, RowError, RowLeft, believed, due_word, number, word
from tieout.brokers.alpaca.symbols import COIN, OPTION, asset
from tieout.brokers.wire.http import Http
from tieout.errors import SourceMalformed
from tieout.model.amounts import ONE
from tieout.model.instrument import Instrument, Standing, wrong_in

ASSETS, CONTRACTS = "/v2/assets", "/v2/options/contracts"
_STATUS: dict[str, Standing] = {"active": "active", "inactive": "suspended"}
_AT_ONCE = 8


class AlpacaInstruments:
    """One key's way to what Alpaca lists."""

    def __init__(self, name: str, http: Http) -> None:
        self._name, self._http = name, http

    async def get(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """Those of *assets* that Alpaca lists.

        Raises:
            SourceError: One could not be asked for, or answered for.
        """
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> Instrument | None:
            async with turns:
                return await self._one(name)

        found = await asyncio.gather(*(one(name) for name in dict.fromkeys(assets)))
        return tuple({row.asset: row for row in found if row is not None}.values())

    async def _one(self, name: str) -> Instrument | None:
        try:
            known = asset(name)
        except RowLeft:
            return None
        symbol = name.replace("/", "")
        if not symbol.replace(".", "").isalnum() or not symbol.isascii():
            return None  # nothing at Alpaca is called so, and nothing else may get into the path
        path = f"{CONTRACTS if known.kind == OPTION else ASSETS}/{symbol}"
        answer = await self._http.get("instruments", path, answers=(404,))
        if answer.status == 404:
            if not word(answer.fields(), "message"):
                raise SourceMalformed(self._name, "instruments", "HTTP 404, and not in the venue's words")
            return None
        make = _contract if known.kind == OPTION else _asset
        found = believed(self._name, "instruments", make, answer.fields())
        if name not in (found.asset, *found.names):
            raise SourceMalformed(self._name, "instruments", "another instrument than was asked for")
        return found


def _asset(row: Json) -> Instrument:
    symbol, what = due_word(row, "symbol"), asset(due_word(row, "symbol"), due_word(row, "class"))
    whole = row.get("fractionable") is False
    return _sound(
        Instrument(
            asset=what.name,
            names=_without_slash(symbol, what.name) if what.kind == COIN else (),
            base=what.base,
            quote=what.quote,
            settlement="cash",
            quantity_step=number(row, "min_trade_increment") or (ONE if whole else None),
            min_quantity=number(row, "min_order_size") or (ONE if whole else None),
            price_tick=number(row, "price_increment"),
            status=_STATUS.get(due_word(row, "status")),
        )
    )


def _contract(row: Json) -> Instrument:
    what = asset(due_word(row, "symbol"), OPTION)
    ends = word(row, "expiration_date")
    return _sound(
        Instrument(
            asset=what.name,
            base=word(row, "underlying_symbol"),
            quote=what.quote,
            settlement="cash",
            contract_size=_size(row),
            quantity_step=ONE,
            min_quantity=ONE,
            status=_STATUS.get(due_word(row, "status")),
            expiry=None if ends is None else _day(ends),
        )
    )


def _size(row: Json) -> Decimal | None:
    """What a price is multiplied by: `size` counts what is delivered, which is another thing where that was adjusted."""
    return number(row, "multiplier") or number(row, "size")


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise RowError("expiration_date is no day") from None


def _without_slash(symbol: str, name: str) -> tuple[str, ...]:
    others = (symbol, name.replace("/", ""))
    return tuple(dict.fromkeys(other for other in others if other != name))


def _sound(row: Instrument) -> Instrument:
    wrong = wrong_in(row)
    if wrong is not None:
        raise RowError(wrong)
    return row
