"""Coinbase Advanced Trade, `/api/v3/brokerage`: every request bears a token of its own, signed with ES256.

Source: Coinbase's public Advanced Trade documentation, as of 2026-11. A login's secret is the key's PEM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tieout.brokers.base import OrderRequest
from tieout.errors import ActionRefused
from tieout.model.amounts import ZERO, dec
from tieout.model.snapshot import Balance, Order

from . import coinbase_rows as rows
from . import rights
from .base import Asked, LoopbackVenue, Refused, Route
from .bodies import EPOCH, Reply, at_milliseconds, milliseconds
from .coinbase_stream import CoinbaseStream
from .jwt import claims
from .symbols import asset_of, by_asset, listed

_PATH = "/api/v3/brokerage"
_LARGEST_PAGE = 250
_LIFE = timedelta(seconds=120)
_REASONS = {
    "this venue lists no such instrument": "INVALID_PRODUCT_ID",
    "insufficient funds": "INSUFFICIENT_FUND",
    "quantity must be above 0": "INVALID_SIZE",
}


def failure(status: int, error: str, message: str) -> Reply:
    """Coinbase's form of a refusal at the door."""
    return Reply({"error": error, "error_details": message, "message": message}, status)


class LoopbackCoinbase(LoopbackVenue):
    """Coinbase over a world in which spot pairs are listed."""

    kinds = frozenset(("type", "product_type", "platform"))
    stream_kinds = (CoinbaseStream,)

    def routes(self) -> Iterable[Route]:
        """What of Advanced Trade is there, and of the older API what its clients ask for the markets."""
        private: dict[str, Callable[[Asked], object]] = {
            "products": self._products,
            "transaction_summary": lambda _asked: {"fee_tier": {"taker_fee_rate": "0.006", "maker_fee_rate": "0.004"}},
            "accounts": self.accounts,
            "key_permissions": lambda _asked: rights.coinbase(self.may),
            "cfm/positions": lambda _asked: {"positions": []},
            "portfolios": lambda _asked: {"portfolios": []},
            "orders/historical/batch": self.orders,
            "orders/historical/fills": self.fills,
            "orders/historical/{id}": self.order,
        }
        yield from (Route("GET", f"{_PATH}/{path}", handler) for path, handler in private.items())
        yield Route("GET", f"{_PATH}/market/products", self._products, signed=False)
        yield Route("GET", f"{_PATH}/time", self._time, signed=False)
        yield Route("GET", "/v2/time", self._old_time, signed=False)
        yield Route("GET", "/v2/accounts/{id}/transactions", self.history)
        yield Route("POST", f"{_PATH}/orders", self.submit)
        yield Route("POST", f"{_PATH}/orders/batch_cancel", self.cancel)
        for path in ("currencies", "currencies/crypto"):
            yield Route("GET", f"/v2/{path}", lambda _asked: {"data": []}, signed=False)
        yield Route(
            "GET", "/v2/exchange-rates", lambda _asked: {"data": {"currency": "USD", "rates": {}}}, signed=False
        )

    def authenticate(self, asked: Asked) -> str:
        """By a token that names this very method, host and path, and is not too old."""
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        for login in self.logins.values():
            said = claims(token, login.secret)
            if said is not None:
                host = asked.headers.get("host", "")
                wanted = {"kid": login.key, "sub": login.key, "uri": f"{asked.method} {host}{asked.path}"}
                said["uri"] = str(said.get("uri", "")).replace("http://", "", 1)  # without TLS the client leaves it in
                issued = at_milliseconds(int(said.get("nbf", 0)) * 1000)
                fresh = self.fresh(issued, behind=_LIFE, ahead=timedelta(seconds=5))
                if fresh and all(said.get(name) == value for name, value in wanted.items()):
                    return self.admitted(asked, login)
        raise Refused(Reply(b"Unauthorized", 401))

    def forbidden(self) -> Reply:
        """A status and a word."""
        return failure(403, "PERMISSION_DENIED", "Missing required scopes")

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """Coinbase's word for the world's reason: with status 200 for an order, 404 for one that is not known."""
        if asked.method == "GET":
            return failure(404, "NOT_FOUND", "order with this orderID was not found")
        word = _REASONS.get(error.reason, "UNSUPPORTED_ORDER_CONFIGURATION")
        told = {"error": word, "message": error.reason, "error_details": "", "preview_failure_reason": word}
        return Reply({"success": False, "failure_reason": word, "order_id": "", "error_response": told})

    def _time(self, _asked: Asked) -> object:
        now = self.present()
        epoch = milliseconds(now)
        return {"iso": rows.moment(now), "epochSeconds": str(epoch // 1000), "epochMillis": str(epoch)}

    def _old_time(self, _asked: Asked) -> object:
        return {"data": {"iso": rows.moment(self.present()), "epoch": milliseconds(self.present()) // 1000}}

    def _products(self, asked: Asked) -> object:
        wanted = asked.fields.get("product_type", "SPOT") == "SPOT"
        found = [rows.product(row) for row in listed(self.desk.state) if row.spot and wanted]
        return {"products": found, "num_products": len(found)}

    def accounts(self, asked: Asked) -> object:
        """Every account that was ever used, empty ones too, by pages."""
        held = {row.currency: row for row in self.desk.balances(asked.account)}
        used = dict.fromkeys([self.desk.state.account(asked.account).currency, *held, *self._used(asked.account)])
        told = [rows.wallet(held.get(name) or Balance(name, ZERO, ZERO, ZERO)) for name in used]
        return _page(asked, "accounts", told, 49)

    def _used(self, account: str) -> Iterable[str]:
        yield from (row.currency for row in self.desk.activities(account) if row.currency)

    def history(self, asked: Asked) -> object:
        """What moved one account, executions included, newest first; a page begins behind the line that is named."""
        named, currency = by_asset(self.desk.state), asked.names["id"].removeprefix("wallet-")
        moved = [rows.transaction(row) for row in self.desk.activities(asked.account) if row.currency == currency]
        bought = [(row, named[row.asset]) for row in self.desk.fills(asked.account)]
        moved += [rows.traded(row, to, currency) for row, to in bought if currency in (to.base, to.quote)]
        told = sorted(moved, key=lambda row: str(row["created_at"]), reverse=True)
        return _behind(asked, told)

    def orders(self, asked: Asked) -> object:
        """Orders of a status, newest first, by pages."""
        named, wanted = by_asset(self.desk.state), asked.fields.get("order_status")
        live = wanted in ("OPEN", "PENDING", "QUEUED")
        found = reversed(self.desk.orders(asked.account) if live else self.desk.all_orders(asked.account))
        told = [rows.order(row, named[row.asset]) for row in found if wanted in (None, rows.STATUS[row.status])]
        return _page(asked, "orders", told, _LARGEST_PAGE)

    def order(self, asked: Asked) -> object:
        """One order, live or ended."""
        found = self.desk.order(asked.account, broker_order_id=asked.names["id"])
        if found is None:
            raise ActionRefused("order", "no such order")
        return {"order": rows.order(found.order, by_asset(self.desk.state)[found.order.asset])}

    def fills(self, asked: Asked) -> object:
        """Executions, newest first, by pages."""
        named, said = by_asset(self.desk.state), asked.fields
        start = (
            datetime.fromisoformat(said["start_sequence_timestamp"]) if "start_sequence_timestamp" in said else EPOCH
        )
        end = datetime.fromisoformat(said["end_sequence_timestamp"]) if "end_sequence_timestamp" in said else None
        found = [
            row
            for row in reversed(self.desk.fills(asked.account))
            if row.at >= start and (end is None or row.at <= end)
        ]
        wanted = [row for row in found if said.get("product_id") in (None, rows.symbol(named[row.asset]))]
        return _page(asked, "fills", [rows.fill(row, named[row.asset]) for row in wanted], 100)

    def submit(self, asked: Asked) -> object:
        """Take an order; one whose client id was seen is the order that it was then."""
        said = asked.document
        client = str(said.get("client_order_id", ""))
        known = self.desk.order(asked.account, client_order_id=client)
        if known is not None:
            self.world.submits_seen(asked.account)
        order = self._taken(asked, said) if known is None else known.order
        told = {"order_id": order.broker_order_id, "product_id": said["product_id"], "side": said["side"],
                "client_order_id": client}  # fmt: skip
        return {"success": True, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": order.broker_order_id,
                "success_response": told, "order_configuration": said["order_configuration"]}  # fmt: skip

    def _taken(self, asked: Asked, said: dict[str, Any]) -> Order:
        ((kind, terms),) = said["order_configuration"].items()
        limit, stop = terms.get("limit_price"), terms.get("stop_price")
        request = OrderRequest(
            client_order_id=str(said.get("client_order_id", "")),
            asset=asset_of(self.desk.state, lambda row: row.spot and rows.symbol(row) == said.get("product_id")),
            side="buy" if said.get("side") == "BUY" else "sell",
            quantity=dec(terms.get("base_size", "0")),
            type="market" if kind.startswith("market") else "limit" if stop is None else "stop_limit",
            limit_price=None if limit is None else dec(limit),
            stop_price=None if stop is None else dec(stop),
        )
        return self.desk.submit(asked.account, request)

    def cancel(self, asked: Asked) -> object:
        """End orders by id, each with its own answer."""
        return {"results": [self._ended(asked.account, id_) for id_ in asked.document.get("order_ids", [])]}

    def _ended(self, account: str, id_: str) -> object:
        found = self.desk.order(account, broker_order_id=id_)
        live = found is not None and found.order.live
        if live:
            self.desk.cancel(account, broker_order_id=id_)
        reason = "UNKNOWN_CANCEL_FAILURE_REASON" if live else "UNKNOWN_CANCEL_ORDER"
        return {"success": live, "failure_reason": reason, "order_id": id_}


def _page(asked: Asked, name: str, found: Sequence[object], size: int) -> object:
    """A page, whether another follows, and where it begins."""
    start = int(asked.fields.get("cursor") or 0)
    limit = min(int(asked.fields.get("limit", size)), _LARGEST_PAGE)
    more = start + limit < len(found)
    page = list(found[start : start + limit])
    return {
        name: page,
        "has_next": more,
        "cursor": str(start + limit) if more else "",
        "size": len(page),
        "sequence": "0",
    }


def _behind(asked: Asked, told: Sequence[rows.Json]) -> object:
    """A page of the older API, and after which line the next begins."""
    after, limit = asked.fields.get("starting_after"), min(int(asked.fields.get("limit", 25)), 100)
    start = next((place + 1 for place, row in enumerate(told) if row["id"] == after), 0)
    page = list(told[start : start + limit])
    mark = page[-1]["id"] if start + limit < len(told) else None
    paging = {
        "starting_after": after,
        "ending_before": None,
        "limit": limit,
        "order": "desc",
        "next_starting_after": mark,
    }
    return {"pagination": paging, "data": page}
