"""The world's instruments as dYdX's markets."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.brokers.simulated.state import State
from tieout.model.amounts import ONE

from .base import Asked, Refused
from .bodies import Reply, text
from .dydx_rows import Row


def told(asked: Asked, state: State, otherwise: Mapping[str, Row]) -> Row:
    """The answer to ``/v4/perpetualMarkets``: every market by its ticker, or the one that is asked for.

    Args:
        asked: The question.
        state: The world.
        otherwise: Fields of single markets that are told otherwise than the world has them.
    """
    wanted = asked.fields.get("ticker")
    made = {
        asset: _market(state, asset, number) | otherwise.get(asset, {})
        for number, asset in enumerate(state.instruments)
    }
    if wanted is not None and wanted not in made:
        error = {"msg": "ticker must be a valid ticker (BTC-USD, etc)", "param": "ticker", "location": "query"}
        raise Refused(Reply({"errors": [error]}, 400))
    return {"markets": made if wanted is None else {wanted: made[wanted]}}


def _market(state: State, asset: str, number: int) -> Row:
    priced = state.prices.get(asset)
    return {
        "clobPairId": str(number),
        "ticker": asset,
        "status": "ACTIVE",
        "oraclePrice": text(ONE if priced is None else priced.price),
        "priceChange24H": "0",
        "volume24H": "0",
        "trades24H": 0,
        "nextFundingRate": "0",
        "initialMarginFraction": "0.05",
        "maintenanceMarginFraction": "0.03",
        "openInterest": "0",
        "atomicResolution": -10,
        "quantumConversionExponent": -9,
        "tickSize": "0.01",
        "stepSize": "0.000001",
        "stepBaseQuantums": 10_000,
        "subticksPerTick": 100_000,
        "marketType": "CROSS",
        "openInterestLowerCap": "0",
        "openInterestUpperCap": "0",
        "baseOpenInterest": "0",
        "defaultFundingRate1H": "0",
    }
