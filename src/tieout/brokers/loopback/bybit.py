"""Bybit v5: signed with HMAC-SHA256 in a header over time, key, window and the query or the body.

Source: Bybit's public v5 documentation, as of 2026-11. Everything comes with status 200; retCode tells.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated.facts import Resting
from tieout.errors import ActionRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import Leg

from . import bybit_rows as rows
from . import rights
from .base import Asked, LoopbackVenue, Refused, Route
from .binance_futures import waits
from .bodies import Reply, at_milliseconds, milliseconds
from .bybit_stream import BybitStream
from .symbols import asset_of, by_asset, listed

_LEGS: dict[object, Leg | None] = {1: "long", 2: "short"}
_SPAN = timedelta(days=7)
_REASONS = {
    "this venue lists no such instrument": (10001, "params error: symbol invalid"),
    "insufficient funds": (170131, "Insufficient balance."),
    "duplicate client order id": (110072, "OrderLinkedID is duplicate"),
    "nothing to reduce": (110017, "Reduce-only rule not satisfied"),
    "no such live order": (110001, "order not exists or too late to cancel"),
}


class LoopbackBybit(LoopbackVenue):
    """Bybit's unified account over a world in which spot pairs and perpetual contracts are listed."""

    kinds = frozenset(("accountType", "contractType", "execType", "category"))
    stream_kinds = (BybitStream,)

    def routes(self) -> Iterable[Route]:
        """What of v5 is there."""
        get: dict[str, Callable[[Asked], object]] = {
            "asset/coin/query-info": lambda _asked: self.whole({"rows": []}),
            "user/query-api": lambda _asked: self.whole(rights.bybit(self.may)),
            "account/info": lambda _asked: self.whole({"unifiedMarginStatus": 5, "marginMode": "REGULAR_MARGIN"}),
            "account/wallet-balance": self.balance,
            "account/transaction-log": self.moves,
            "position/list": self.positions,
            "order/realtime": self.orders,
            "order/history": self.history,
            "execution/list": self.fills,
        }
        yield Route("GET", "/v5/market/time", self._time, signed=False)
        yield Route("GET", "/v5/market/instruments-info", self._instruments, signed=False)
        yield from (Route("GET", f"/v5/{path}", handler) for path, handler in get.items())
        yield Route("POST", "/v5/order/create", self.submit)
        yield Route("POST", "/v5/order/cancel", self.cancel)

    def whole(self, result: object) -> object:
        """Bybit's envelope of an answer."""
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": milliseconds(self.present())}

    def failure(self, code: int, message: str) -> Reply:
        """Bybit's envelope of a refusal."""
        now = milliseconds(self.present())
        return Reply({"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": now})

    def authenticate(self, asked: Asked) -> str:
        """By key, time and signature."""
        said = asked.headers
        login = self.logins.get(said.get("x-bapi-api-key", ""))
        if login is None:
            raise Refused(self.failure(10003, "API key is invalid."))
        stamp, window = said.get("x-bapi-timestamp", "0"), said.get("x-bapi-recv-window", "5000")
        payload = stamp + login.key + window + (asked.body if asked.method == "POST" else asked.query)
        due = hmac.new(login.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(due, said.get("x-bapi-sign", "")):
            raise Refused(self.failure(10004, "error sign! please check your sign generation algorithm."))
        span = timedelta(milliseconds=int(window))
        if not self.fresh(at_milliseconds(stamp), behind=span, ahead=timedelta(seconds=1)):
            raise Refused(
                self.failure(10002, "invalid request, please check your server timestamp or recv_window param.")
            )
        return self.admitted(asked, login)

    def forbidden(self) -> Reply:
        """A code."""
        return self.failure(10005, "Permission denied, please check your API key permissions.")

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """Bybit's code for the world's reason."""
        return self.failure(*_REASONS.get(error.reason, (10001, "params error")))

    def _time(self, _asked: Asked) -> object:
        now = self.present()
        nanos = str(milliseconds(now) * 1_000_000)
        return self.whole({"timeSecond": str(milliseconds(now) // 1000), "timeNano": nanos})

    def _instruments(self, asked: Asked) -> object:
        wanted = asked.fields.get("category", "")
        found = [rows.instrument(row) for row in listed(self.desk.state) if rows.category(row) == wanted]
        return self.whole({"category": wanted, "list": found, "nextPageCursor": ""})

    def balance(self, asked: Asked) -> object:
        """The unified account's coins."""
        coins = [rows.wallet(row) for row in self.desk.balances(asked.account)]
        wallet = {
            "accountType": "UNIFIED",
            "totalEquity": "",
            "totalWalletBalance": "",
            "accountLTV": "",
            "coin": coins,
        }
        return self.whole({"list": [wallet]})

    def _listed(self, asked: Asked, asset: str) -> bool:
        """Whether rows of *asset* belong to what is asked: category, and settle coin or symbol where one is named."""
        row, said = by_asset(self.desk.state).get(asset), asked.fields
        if row is None or rows.category(row) != said.get("category"):
            return False
        return said.get("settleCoin") in (None, row.settle) and said.get("symbol") in (None, rows.symbol(row))

    def positions(self, asked: Asked) -> object:
        """Every open position of a category; linear ones need a symbol or a settle coin."""
        if asked.fields.get("category") == "linear" and not {"symbol", "settleCoin"} & set(asked.fields):
            return self.failure(10001, "Missing some parameters that must be filled in, symbol or settleCoin")
        named = by_asset(self.desk.state)
        held = [row for row in self.desk.positions(asked.account) if self._listed(asked, row.asset)]
        return self._page(asked, [rows.position(row, named[row.asset]) for row in held], 200)

    def orders(self, asked: Asked) -> object:
        """Live orders, conditional ones among them, newest first; one order where an id is given, ended ones too."""
        said = asked.fields
        if said.get("category") == "linear" and not {"symbol", "settleCoin", "orderId", "orderLinkId"} & set(said):
            return self.failure(
                10001, "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin"
            )
        if "orderId" in said or "orderLinkId" in said:
            return self.history(asked)
        live = self.desk.state.account(asked.account).live
        found = [live[row.broker_order_id or ""] for row in reversed(self.desk.orders(asked.account))]
        return self._page(asked, [self._told(row) for row in found if self._listed(asked, row.order.asset)], 50)

    def history(self, asked: Asked) -> object:
        """Orders of a category, live or ended, by id where one is given."""
        said = asked.fields
        if "orderId" in said or "orderLinkId" in said:
            one = self.desk.order(
                asked.account, broker_order_id=said.get("orderId"), client_order_id=said.get("orderLinkId")
            )
            found = [] if one is None else [one]
        else:
            found = list(reversed(self.desk.state.account(asked.account).orders.values()))
        return self._page(asked, [self._told(row) for row in found if self._listed(asked, row.order.asset)], 50)

    def _told(self, resting: Resting) -> rows.Json:
        return rows.order(resting, by_asset(self.desk.state)[resting.order.asset], waits=waits(resting))

    def fills(self, asked: Asked) -> object:
        """Executions of a category within seven days from startTime, newest first."""
        named = by_asset(self.desk.state)
        found = [row for row in reversed(self.desk.fills(asked.account)) if self._listed(asked, row.asset)]
        return self._page(asked, [rows.fill(row, named[row.asset]) for row in found], 100, at="execTime")

    def moves(self, asked: Asked) -> object:
        """The transaction log without trades, newest first."""
        moved = [rows.move(row) for row in reversed(self.desk.activities(asked.account)) if row.currency is not None]
        wanted = [row for row in moved if asked.fields.get("currency") in (None, row["currency"])]
        return self._page(asked, wanted, 50, at="transactionTime")

    def _page(self, asked: Asked, found: Sequence[rows.Json], largest: int, *, at: str = "") -> object:
        """A page, and where the next begins; rows with a time within what startTime and endTime allow."""
        said = asked.fields
        if at:
            last = at_milliseconds(said["endTime"]) if "endTime" in said else None
            first = at_milliseconds(said["startTime"]) if "startTime" in said else (last or self.present()) - _SPAN
            last = last or first + _SPAN
            if last - first > _SPAN:
                return self.failure(10001, "The time range between startTime and endTime cannot exceed 7 days")
            found = [row for row in found if milliseconds(first) <= int(str(row[at])) <= milliseconds(last)]
        start, limit = int(said.get("cursor") or 0), min(int(said.get("limit", 20)), largest)
        page = list(found[start : start + limit])
        more = str(start + limit) if start + limit < len(found) else ""
        return self.whole({"category": said.get("category", ""), "list": page, "nextPageCursor": more})

    def submit(self, asked: Asked) -> object:
        """Take an order; only its ids are told."""
        said = asked.document
        limit, stop = _price(said.get("price")), _price(said.get("triggerPrice"))
        kind = ("market" if said.get("orderType") == "Market" else "limit") if stop is None else "stop"
        request = OrderRequest(
            client_order_id=str(said.get("orderLinkId") or f"bybit{self.world.state.count}"),
            asset=asset_of(
                self.desk.state,
                lambda row: rows.symbol(row) == said.get("symbol") and rows.category(row) == said.get("category"),
            ),
            side="buy" if said.get("side") == "Buy" else "sell",
            quantity=dec(said.get("qty", "0")),
            type="stop_limit" if stop is not None and limit is not None else kind,
            limit_price=limit,
            stop_price=stop,
            reduce_only=said.get("reduceOnly") is True,
            position_side=_LEGS.get(said.get("positionIdx")),
        )
        order = self.desk.submit(asked.account, request)
        return self.whole({"orderId": order.broker_order_id, "orderLinkId": order.client_order_id})

    def cancel(self, asked: Asked) -> object:
        """End an order; only its ids are told."""
        said: dict[str, Any] = asked.document
        found = self.desk.order(
            asked.account, broker_order_id=said.get("orderId"), client_order_id=said.get("orderLinkId")
        )
        if found is None or not found.order.live:
            raise ActionRefused("cancel", "no such live order")
        self.desk.cancel(asked.account, broker_order_id=found.order.broker_order_id)
        return self.whole({"orderId": found.order.broker_order_id, "orderLinkId": found.order.client_order_id})


def _price(told: str | None) -> Decimal | None:
    return dec(told) if told else None
