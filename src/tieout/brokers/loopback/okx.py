"""OKX v5: signed with HMAC-SHA256 in base64 over time, method, path and body, with the key's passphrase.

Source: OKX's public v5 documentation, as of 2026-11. Refusals come with status 200 and a code, but for those at the door.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated.facts import Resting
from tieout.errors import ActionRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import Leg

from . import okx_rows as rows
from . import rights
from .base import Asked, LoopbackVenue, Refused, Route
from .binance_futures import waits
from .bodies import Reply, milliseconds
from .okx_stream import OkxStream
from .symbols import asset_of, by_asset, listed, order_id

_LARGEST_PAGE = 100
_WINDOW = timedelta(seconds=30)
_LEGS: dict[str, Leg | None] = {"long": "long", "short": "short"}
_REASONS = {
    "this venue lists no such instrument": ("51001", "Instrument ID doesn't exist."),
    "insufficient funds": ("51008", "Order failed. Insufficient balance."),
    "duplicate client order id": ("51016", "Client order ID already exists."),
    "nothing to reduce": ("51112", "Close order size exceeds your available size."),
    "no such live order": ("51400", "Cancellation failed as the order has been filled, canceled or does not exist."),
    "no such order": ("51603", "Order does not exist."),
}


def whole(rows_: Sequence[object]) -> object:
    """OKX's envelope of an answer."""
    return {"code": "0", "msg": "", "data": list(rows_)}


def failure(code: str, message: str, status: int = 200) -> Reply:
    """OKX's envelope of a refusal."""
    return Reply({"code": code, "msg": message, "data": []}, status)


class LoopbackOkx(LoopbackVenue):
    """OKX over a world in which spot pairs and swaps are listed. One account is both trading and funding account."""

    kinds = frozenset(("instType", "mgnMode", "posSide"))
    stream_kinds = (OkxStream,)

    def routes(self) -> Iterable[Route]:
        """What of v5 is there."""
        get: dict[str, Callable[[Asked], object]] = {
            "asset/currencies": lambda _asked: whole([]),
            "account/config": lambda _asked: whole(
                [{"acctLv": "2", "posMode": "net_mode", "uid": "1", **rights.okx(self.may)}]
            ),
            "account/balance": self.balance,
            "account/positions": self.positions,
            "account/bills": self.bills,
            "account/bills-archive": self.bills,
            "trade/orders-pending": self.orders,
            "trade/orders-algo-pending": self.algo_orders,
            "trade/order": self.order,
            "trade/order-algo": self.algo_order,
            "trade/fills-history": self.fills,
            "trade/fills": self.fills,
        }
        post: dict[str, Callable[[Asked], object]] = {
            "trade/order": self.submit,
            "trade/batch-orders": self.submit,
            "trade/order-algo": self.submit,
            "trade/cancel-order": self.cancel,
            "trade/cancel-algos": self.cancel,
        }
        yield Route("GET", "/api/v5/public/time", self._time, signed=False)
        yield Route("GET", "/api/v5/public/instruments", self._instruments, signed=False)
        yield from (Route("GET", f"/api/v5/{path}", handler) for path, handler in get.items())
        yield from (Route("POST", f"/api/v5/{path}", handler) for path, handler in post.items())

    def authenticate(self, asked: Asked) -> str:
        """By key, passphrase, time and signature."""
        login = self.logins.get(asked.headers.get("ok-access-key", ""))
        if login is None:
            raise Refused(failure("50111", "Invalid OK-ACCESS-KEY", 401))
        if asked.headers.get("ok-access-passphrase") != login.password:
            raise Refused(failure("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.", 401))
        stamp = asked.headers.get("ok-access-timestamp", "")
        payload = f"{stamp}{asked.method}{asked.target}{asked.body}"
        due = base64.b64encode(hmac.new(login.secret.encode(), payload.encode(), hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(due, asked.headers.get("ok-access-sign", "")):
            raise Refused(failure("50113", "Invalid Sign", 401))
        if not self.fresh(datetime.fromisoformat(stamp), behind=_WINDOW, ahead=_WINDOW):
            raise Refused(failure("50102", "Timestamp request expired", 401))
        return self.admitted(asked, login)

    def forbidden(self) -> Reply:
        """A code."""
        return failure("50120", "This API key doesn't have permission to use this function")

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """OKX's code for the world's reason; for an action it stands in the row."""
        code, message = _REASONS.get(error.reason, ("51000", "Parameter error"))
        if asked.method == "GET":
            return failure(code, message)
        row = {"ordId": "", "clOrdId": "", "sCode": code, "sMsg": message}
        return Reply({"code": "1", "msg": "All operations failed", "data": [row]})

    def _time(self, _asked: Asked) -> object:
        return whole([{"ts": str(milliseconds(self.present()))}])

    def _instruments(self, asked: Asked) -> object:
        return whole(
            [rows.instrument(row) for row in listed(self.desk.state) if rows.kind(row) == asked.fields["instType"]]
        )

    def balance(self, asked: Asked) -> object:
        """The trading account's currencies."""
        details = [rows.wallet(row) for row in self.desk.balances(asked.account)]
        return whole([{"uTime": str(milliseconds(self.present())), "totalEq": "", "adjEq": "", "details": details}])

    def positions(self, asked: Asked) -> object:
        """Every open position."""
        named = by_asset(self.desk.state)
        return whole([rows.position(row, named[row.asset]) for row in self.desk.positions(asked.account)])

    def _live(self, asked: Asked) -> list[Resting]:
        live = self.desk.state.account(asked.account).live
        return [live[row.broker_order_id or ""] for row in reversed(self.desk.orders(asked.account))]

    def orders(self, asked: Asked) -> object:
        """Live orders, newest first, by pages; conditional ones are not among them."""
        named = by_asset(self.desk.state)
        found = [rows.order(row, named[row.order.asset]) for row in self._live(asked) if not waits(row)]
        return whole(_page(asked, found, "ordId"))

    def algo_orders(self, asked: Asked) -> object:
        """Those that wait for their trigger; all of them are of the kind `trigger` here."""
        if "ordType" not in asked.fields:
            return failure("50014", "Parameter ordType can not be empty.")
        wanted = "trigger" in asked.fields["ordType"].split(",")
        named = by_asset(self.desk.state)
        found = [rows.algo_order(row, named[row.order.asset]) for row in self._live(asked) if wanted and waits(row)]
        return whole(_page(asked, found, "algoId"))

    def _found(self, account: str, said: dict[str, Any], missing: str) -> Resting:
        """The order that *said* names by an id of either side.

        Raises:
            ActionRefused: There is none, for the reason *missing*.
        """
        number, client = said.get("ordId") or said.get("algoId"), said.get("clOrdId") or said.get("algoClOrdId")
        id_ = None if number is None else order_id(self.desk.state, str(number))
        found = self.desk.order(account, broker_order_id=id_, client_order_id=client)
        apart = "algoId" in said or "algoClOrdId" in said
        if found is None or waits(found) is not apart:
            raise ActionRefused("order", missing)
        return found

    def order(self, asked: Asked) -> object:
        """One order, live or ended."""
        found = self._found(asked.account, dict(asked.fields), "no such order")
        return whole([rows.order(found, by_asset(self.desk.state)[found.order.asset])])

    def algo_order(self, asked: Asked) -> object:
        """One conditional order."""
        found = self._found(asked.account, dict(asked.fields), "no such order")
        return whole([rows.algo_order(found, by_asset(self.desk.state)[found.order.asset])])

    def fills(self, asked: Asked) -> object:
        """Executions in one kind of instrument, newest first, by pages."""
        named, said = by_asset(self.desk.state), asked.fields
        found = [rows.fill(row, named[row.asset]) for row in reversed(self.desk.fills(asked.account))]
        wanted = [row for row in found if said.get("instType") in (None, row["instType"])]
        return whole(_page(asked, wanted, "billId"))

    def bills(self, asked: Asked) -> object:
        """Everything that moved cash, but for trades, newest first, by pages."""
        moved = [row for row in reversed(self.desk.activities(asked.account)) if row.currency is not None]
        return whole(_page(asked, [rows.bill(row) for row in moved], "billId"))

    def submit(self, asked: Asked) -> object:
        """Take an order; only its ids are told."""
        said = asked.document
        one = said[0] if isinstance(said, list) else said
        limit = one.get("px") or one.get("orderPx")
        stop = one.get("triggerPx")
        kind = ("limit" if limit not in (None, "-1") else "market") if stop is None else "stop"
        request = OrderRequest(
            client_order_id=_client_id(one, self.world.state.count, algo=asked.path.endswith("algo")),
            asset=asset_of(self.desk.state, lambda row: rows.symbol(row) == one.get("instId")),
            side=one["side"],
            quantity=dec(one.get("sz", "0")),
            type="stop_limit" if kind == "stop" and limit not in (None, "-1") else kind,
            limit_price=None if limit in (None, "-1") else dec(limit),
            stop_price=None if stop is None else dec(stop),
            reduce_only=one.get("reduceOnly") in (True, "true"),
            position_side=_LEGS.get(one.get("posSide", "")),
        )
        return whole([self._taken(asked, self.desk.submit(asked.account, request).broker_order_id or "")])

    def cancel(self, asked: Asked) -> object:
        """End an order; only its ids are told."""
        said = asked.document
        found = self._found(asked.account, said[0] if isinstance(said, list) else said, "no such live order")
        if not found.order.live:
            raise ActionRefused("cancel", "no such live order")
        id_ = found.order.broker_order_id or ""
        self.desk.cancel(asked.account, broker_order_id=id_)
        return whole([self._taken(asked, id_)])

    def _taken(self, asked: Asked, id_: str) -> object:
        number, told = str(int(id_.rpartition("-")[2])), self.world.state.account(asked.account).orders[id_].order
        if "algo" in asked.path:
            return {"algoId": number, "algoClOrdId": told.client_order_id or "", "sCode": "0", "sMsg": ""}
        return {"ordId": number, "clOrdId": told.client_order_id or "", "tag": "", "sCode": "0", "sMsg": ""}


def _client_id(one: dict[str, Any], count: int, *, algo: bool) -> str:
    """The client's id; a conditional order is known by its algoClOrdId only, and one without gets one of the venue's."""
    return str(one.get("algoClOrdId" if algo else "clOrdId") or f"okx{count}")


def _page(asked: Asked, found: Sequence[rows.Json], id_: str) -> list[rows.Json]:
    """What `begin`, `end`, `after` and `limit` leave of rows that come newest first."""
    said = asked.fields
    limit = min(int(said.get("limit", _LARGEST_PAGE)), _LARGEST_PAGE)
    begin, end = int(said.get("begin", 0)), int(said.get("end", 10**15))
    kept = [row for row in found if begin <= int(str(row.get("ts") or begin)) <= end]
    if "after" in said:
        kept = [row for row in kept if int(str(row[id_])) < int(said["after"])]
    return kept[:limit]
