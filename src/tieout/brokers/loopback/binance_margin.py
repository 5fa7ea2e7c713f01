"""On what terms a futures account of Binance's trades: position mode, leverage, brackets, mark prices, funding.

Source: Binance's public REST documentation, as of 2026-11. A world lends nothing: terms are taken, told, and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from .base import Asked, Refused, Route
from .binance_futures import Futures
from .binance_rows import Json, symbol
from .binance_spot import failure
from .bodies import milliseconds, text
from .symbols import listed

_BRACKET: Json = {
    "bracket": 1, "initialLeverage": 20, "notionalCap": 100_000_000, "notionalFloor": 0, "maintMarginRatio": 0.01, "cum": 0,
}  # fmt: skip


class Terms:
    """Those of one side."""

    def __init__(self, side: Futures) -> None:
        self._side, self._venue = side, side.venue

    def routes(self) -> Iterable[Route]:
        """Where they are told and taken."""
        path = self._side.path
        yield Route("GET", f"{path}/positionSide/dual", self.mode)
        yield Route("GET", f"{path}/multiAssetsMargin", lambda _asked: {"multiAssetsMargin": False})
        yield Route("GET", f"{path}/leverageBracket", self.brackets)
        yield Route("POST", f"{path}/leverage", self.leverage)
        yield Route("POST", f"{path}/marginType", lambda _asked: {"code": 200, "msg": "success"})
        yield Route("GET", f"{path}/premiumIndex", self.marks, signed=False)
        yield Route("GET", f"{path}/fundingRate", lambda _asked: [], signed=False)

    def mode(self, asked: Asked) -> object:
        """Whether positions have a long and a short leg."""
        return {"dualSidePosition": self._venue.desk.state.account(asked.account).hedge_mode}

    def brackets(self, _asked: Asked) -> object:
        """One bracket for each contract."""
        return [{"symbol": name, "brackets": [_BRACKET]} for name in self._names()]

    def leverage(self, asked: Asked) -> object:
        """What was asked for."""
        said = asked.fields
        return {"symbol": said.get("symbol"), "leverage": int(said.get("leverage", 1)), "maxNotionalValue": "100000000"}

    def marks(self, asked: Asked) -> object:
        """Prices that positions are valued at; no funding is due."""
        wanted, rows = asked.fields.get("symbol"), [self._mark(*row) for row in self._names().items()]
        if wanted is None:
            return rows
        found = [row for row in rows if row["symbol"] == wanted]
        if not found:
            raise Refused(failure(-1121, "Invalid symbol."))
        return found[0]

    def _mark(self, name: str, asset: str) -> Json:
        now, known = self._venue.present(), self._venue.desk.state.prices.get(asset)
        at = text(known.price) if known else "0"
        due = milliseconds(now + timedelta(hours=8))
        rates: Json = {"lastFundingRate": "0", "interestRate": "0", "nextFundingTime": due, "time": milliseconds(now)}
        return {"symbol": name, "markPrice": at, "indexPrice": at, "estimatedSettlePrice": at, **rates}

    def _names(self) -> dict[str, str]:
        rows = listed(self._venue.desk.state)
        return {symbol(row): row.asset for row in rows if row.sort == self._side.sort}
