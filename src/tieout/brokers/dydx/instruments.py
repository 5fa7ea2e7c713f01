"""What the indexer says of its markets: they come in one answer, of which only those that are asked for are kept."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from tieout.brokers.dydx.holdings import USDC
from tieout.brokers.dydx.rows import Json, RowError, number, table, text
from tieout.brokers.wire.http import Http
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.amounts import ONE
from tieout.model.instrument import Instrument, Standing, wrong_in

MARKETS = "/v4/perpetualMarkets"
_STATUS: dict[str, Standing] = {
    "ACTIVE": "active", "POST_ONLY": "active", "CANCEL_ONLY": "suspended", "PAUSED": "suspended",
    "INITIALIZING": "suspended", "FINAL_SETTLEMENT": "delisted",
}  # fmt: skip


class DydxInstruments:
    """One account's way to what dYdX lists."""

    def __init__(self, name: str, http: Http) -> None:
        self._name, self._http = name, http

    async def get(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """Those of *assets* that dYdX lists.

        Raises:
            SourceError: It did not answer, with no market at all, or with something that is none.
        """
        wanted = dict.fromkeys(assets)
        body = (await self._http.get("instruments", MARKETS)).fields()
        try:
            markets = table(body.get("markets"), "markets")
            if not markets:
                raise SourceIncomplete(self._name, "instruments", "a venue without markets")
            return tuple(_instrument(table(markets[name], "a market"), name) for name in wanted if name in markets)
        except RowError as error:
            raise SourceMalformed(self._name, "instruments", str(error)) from None


def _instrument(row: Json, name: str) -> Instrument:
    if text(row, "ticker") != name:
        raise RowError("a market that contradicts itself")
    step = number(row, "stepSize")
    found = Instrument(
        asset=name,
        base=name.partition("-")[0],
        quote=USDC,
        settle=USDC,
        settlement="cash",  # as its rows say: the whole notional of a trade is booked
        contract_size=ONE,
        quantity_step=step,
        min_quantity=step,
        price_tick=number(row, "tickSize"),
        smallest_unit=_quantum(row),
        status=_STATUS.get(text(row, "status")),
    )
    wrong = wrong_in(found)
    if wrong is not None:
        raise RowError(wrong)
    return found


def _quantum(row: Json) -> Decimal:
    places = row.get("atomicResolution")
    if isinstance(places, bool) or not isinstance(places, int) or not -30 <= places <= 0:
        raise RowError("atomicResolution is no number of digits")
    return ONE.scaleb(places)
