"""Binance, spot and futures: `/api/v3`, `/fapi/v1` to `v3`, `/dapi/v1`, signed with HMAC-SHA256 over query and body.

Source: Binance's public REST documentation, as of 2026-11. One server is all; a key is for one account of the world.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import timedelta

from tieout.errors import ActionRefused

from . import rights
from .base import Asked, LoopbackVenue, Refused, Route
from .binance_futures import CoinFutures, Futures
from .binance_ledger import Income, SpotLists
from .binance_margin import Terms
from .binance_market import Quotes
from .binance_spot import Spot, failure
from .binance_stream import BinanceFuturesStream, BinanceSpotStream
from .bodies import Reply, at_milliseconds

_WINDOW_MS = 5000
_AHEAD = timedelta(seconds=1)
_REASONS = {
    "this venue lists no such instrument": (-1121, "Invalid symbol."),
    "insufficient funds": (-2010, "Account has insufficient balance for requested action."),
    "duplicate client order id": (-2010, "Duplicate order sent."),
    "nothing to reduce": (-2022, "ReduceOnly Order is rejected."),
    "no such live order": (-2011, "Unknown order sent."),
    "no such order": (-2013, "Order does not exist."),
}


class LoopbackBinance(LoopbackVenue):
    """Binance over a world in which spot pairs, linear and inverse contracts are listed."""

    kinds = frozenset(("accountType", "algoType", "contractType", "algoStatus", "incomeType"))
    stream_kinds = (BinanceSpotStream, BinanceFuturesStream)

    def routes(self) -> Iterable[Route]:
        """Every side's endpoints."""
        yield from Spot(self).routes()
        yield from Futures(self).routes()
        yield from SpotLists(self).routes()
        yield from CoinFutures(self).routes()
        for side in (Futures(self), CoinFutures(self)):
            yield from Income(side).routes()
            yield from Terms(side).routes()
        yield from Quotes(Spot(self)).routes()
        yield from Quotes(Futures(self)).routes()
        yield Route("GET", "/sapi/v1/account/apiRestrictions", lambda _asked: rights.binance(self.may))
        for path in ("capital/config/getall", "margin/allPairs", "margin/isolated/allPairs"):
            yield Route("GET", f"/sapi/v1/{path}", lambda _asked: [])

    def authenticate(self, asked: Asked) -> str:
        """By key, signature and time, each with Binance's own refusal."""
        login = self.logins.get(asked.headers.get("x-mbx-apikey", ""))
        if login is None:
            raise Refused(failure(-2015, "Invalid API-key, IP, or permissions for action.", 401))
        payload, _, signature = (asked.query + asked.body).partition("&signature=")
        due = hmac.new(login.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(due, signature):
            raise Refused(failure(-1022, "Signature for this request is not valid."))
        self._require_fresh(asked)
        return self.admitted(asked, login)

    def forbidden(self) -> Reply:
        """The same words as for a key that is not known."""
        return failure(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """Binance's code for the world's reason."""
        code, message = _REASONS.get(error.reason, (-1013, "Filter failure"))
        return failure(code, message)

    def unknown(self, _asked: Asked) -> Reply:
        """A page, as from the edge."""
        return Reply(b"<html><body><h2>404 Not found</h2></body></html>", 404)

    def _require_fresh(self, asked: Asked) -> None:
        told = asked.fields.get("timestamp", "")
        window = timedelta(milliseconds=int(asked.fields.get("recvWindow", _WINDOW_MS)))
        if not told.isdecimal():
            raise Refused(failure(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."))
        if not self.fresh(at_milliseconds(told), behind=window, ahead=_AHEAD):
            raise Refused(failure(-1021, "Timestamp for this request is outside of the recvWindow."))
