"""Kraken's spot REST API: POST with a nonce that grows, signed with HMAC-SHA512 over path and SHA-256 of nonce and form.

Source: Kraken's public REST documentation, as of 2026-11. Everything comes with status 200; `error` tells. Assets have their
plain codes here, without the letters X and Z in front that older ones bear.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated.facts import Resting
from tieout.errors import ActionRefused
from tieout.model.amounts import ZERO, dec, exact
from tieout.model.snapshot import Activity, Fill, OrderStatus

from . import rights
from .base import Asked, LoopbackVenue, Refused, Route
from .binance_futures import waits
from .bodies import EPOCH, Reply, milliseconds, text
from .kraken_stream import KrakenStream, stream_token
from .symbols import Listed, asset_of, by_asset, listed

Json = dict[str, object]
_PAGE = 50
_TYPES = {"limit": "limit", "market": "market", "stop": "stop-loss", "stop_limit": "stop-loss-limit"}
_KINDS = {told: kind for kind, told in _TYPES.items()}
_STATUS: dict[OrderStatus, str] = {
    "open": "open", "pending": "pending", "partially_filled": "open", "filled": "closed",
    "cancelled": "canceled", "expired": "expired", "rejected": "canceled",
}  # fmt: skip
_LEDGER = {
    "funding": "rollover",
    "fee": "rollover",
    "interest": "staking",
    "rebate": "reward",
    "cash_in_lieu": "dividend",
}
_REASONS = {
    "this venue lists no such instrument": "EQuery:Unknown asset pair",
    "insufficient funds": "EOrder:Insufficient funds",
    "duplicate client order id": "EOrder:Duplicate client order id",
    "no such live order": "EOrder:Unknown order",
    "no such order": "EOrder:Unknown order",
}


def seconds(at: datetime) -> Decimal:
    """*at* in seconds since 1970, with its fraction."""
    microseconds = (at - EPOCH).days * 86_400_000_000 + (at - EPOCH).seconds * 1_000_000 + (at - EPOCH).microseconds
    return Decimal(microseconds).scaleb(-6)


def _symbol(row: Listed) -> str:
    return row.base + row.quote


def whole(result: object) -> object:
    """Kraken's envelope of an answer."""
    return {"error": [], "result": result}


def failure(*errors: str) -> Reply:
    """Kraken's envelope of a refusal."""
    return Reply({"error": list(errors)})


class LoopbackKraken(LoopbackVenue):
    """Kraken over a world in which spot pairs are listed."""

    kinds = frozenset(("type", "ordertype", "aclass"))
    stream_kinds = (KrakenStream,)

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self._nonces: dict[str, int] = {}

    def routes(self) -> Iterable[Route]:
        """What of the API is there."""
        public: dict[str, Callable[[Asked], object]] = {
            "Time": self._time, "Assets": self._assets, "AssetPairs": self._pairs,
        }  # fmt: skip
        private: dict[str, Callable[[Asked], object]] = {
            "GetApiKeyInfo": lambda _asked: whole(rights.kraken(self.may)),
            "BalanceEx": self.balance,
            "OpenPositions": lambda asked: whole([] if "consolidation" in asked.fields else {}),
            "OpenOrders": self.orders,
            "ClosedOrders": self.ended,
            "QueryOrders": self.order,
            "TradesHistory": self.fills,
            "Ledgers": self.ledger,
            "GetWebSocketsToken": lambda asked: whole({"token": stream_token(asked.account), "expires": 900}),
            "AddOrder": self.submit,
            "CancelOrder": self.cancel,
        }
        yield from (Route("GET", f"/0/public/{name}", handler, signed=False) for name, handler in public.items())
        yield from (Route("POST", f"/0/private/{name}", handler) for name, handler in private.items())

    def authenticate(self, asked: Asked) -> str:
        """By key, signature, and a nonce above the last."""
        login = self.logins.get(asked.headers.get("api-key", ""))
        if login is None:
            raise Refused(failure("EAPI:Invalid key"))
        nonce = asked.fields.get("nonce", "0")
        inner = hashlib.sha256((nonce + asked.body).encode()).digest()
        mac = hmac.new(base64.b64decode(login.secret), asked.path.encode() + inner, hashlib.sha512).digest()
        if not hmac.compare_digest(base64.b64encode(mac).decode(), asked.headers.get("api-sign", "")):
            raise Refused(failure("EAPI:Invalid signature"))
        if int(nonce) <= self._nonces.get(login.key, 0):
            raise Refused(failure("EAPI:Invalid nonce"))
        self._nonces[login.key] = int(nonce)
        return self.admitted(asked, login)

    def acts(self, asked: Asked) -> bool:
        """Everything is a POST here."""
        return asked.path.endswith(("AddOrder", "CancelOrder"))

    def forbidden(self) -> Reply:
        """An error by its name."""
        return failure("EGeneral:Permission denied")

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """Kraken's words for the world's reason."""
        return failure(_REASONS.get(error.reason, "EGeneral:Invalid arguments"))

    def _time(self, _asked: Asked) -> object:
        now = self.present()
        return whole({"unixtime": milliseconds(now) // 1000, "rfc1123": now.strftime("%a, %d %b %y %H:%M:%S +0000")})

    def _assets(self, _asked: Asked) -> object:
        coins = {coin for row in listed(self.desk.state) for coin in (row.base, row.quote)}
        form = {"aclass": "currency", "decimals": 18, "display_decimals": 8, "status": "enabled"}
        return whole({coin: {**form, "altname": coin} for coin in sorted(coins)})

    def _pairs(self, _asked: Asked) -> object:
        return whole({_symbol(row): _pair(row) for row in listed(self.desk.state) if row.spot})

    def balance(self, asked: Asked) -> object:
        """Every asset, and what open orders hold back."""
        held = self.desk.balances(asked.account)
        return whole({row.currency: {"balance": text(row.total), "hold_trade": text(row.locked)} for row in held})

    def orders(self, asked: Asked) -> object:
        """Every live order, by its id."""
        live = self.desk.state.account(asked.account).live
        found = _of_client(asked, [live[row.broker_order_id or ""] for row in self.desk.orders(asked.account)])
        return whole({"open": {row.order.broker_order_id: self._told(row) for row in found}})

    def ended(self, asked: Asked) -> object:
        """Every ended order, newest first, by pages of 50."""
        every = reversed(self.desk.state.account(asked.account).orders.values())
        found = _of_client(asked, [row for row in every if not row.order.live])
        start = int(asked.fields.get("ofs", 0))
        page = {row.order.broker_order_id: self._told(row) for row in found[start : start + _PAGE]}
        return whole({"closed": page, "count": len(found)})

    def order(self, asked: Asked) -> object:
        """The orders of the ids asked for; an unknown one is refused as a whole."""
        said, found = asked.fields, {}
        for id_ in said.get("txid", "").split(",") if "txid" in said else [None]:
            row = self.desk.order(asked.account, broker_order_id=id_, client_order_id=said.get("cl_ord_id"))
            if row is None:
                raise ActionRefused("order", "no such order")
            found[row.order.broker_order_id] = self._told(row)
        return whole(found)

    def _told(self, resting: Resting) -> Json:
        row = by_asset(self.desk.state)[resting.order.asset]
        return _order(resting, row)

    def fills(self, asked: Asked) -> object:
        """Trades, newest first, by pages of 50, with the count of all that fit."""
        named, said = by_asset(self.desk.state), asked.fields
        start, end = dec(said.get("start", "0")), dec(said.get("end", "99999999999"))
        found = [row for row in reversed(self.desk.fills(asked.account)) if start <= seconds(row.at) <= end]
        offset = int(said.get("ofs", 0))
        page = {row.fill_id: _trade(row, named[row.asset]) for row in found[offset : offset + _PAGE]}
        return whole({"trades": page, "count": len(found)})

    def ledger(self, asked: Asked) -> object:
        """What moved a balance, but for trades, newest first, by pages of 50, with the count of all that fit."""
        said = asked.fields
        start, end = dec(said.get("start", "0")), dec(said.get("end", "99999999999"))
        moved = [row for row in reversed(self.desk.activities(asked.account)) if row.currency is not None]
        found = [row for row in moved if start <= seconds(row.at) <= end]
        offset = int(said.get("ofs", 0))
        page = {row.activity_id: _entry(row) for row in found[offset : offset + _PAGE]}
        return whole({"ledger": page, "count": len(found)})

    def submit(self, asked: Asked) -> object:
        """Take an order; its id and a description in words are told."""
        said = asked.fields
        kind = _KINDS.get(said.get("ordertype", ""), "none")
        first, second = _price(said.get("price")), _price(said.get("price2"))
        request = OrderRequest(
            client_order_id=said.get("cl_ord_id") or f"kraken{self.world.state.count}",
            asset=asset_of(self.desk.state, lambda row: row.spot and _symbol(row) == said.get("pair")),
            side="buy" if said.get("type") == "buy" else "sell",
            quantity=dec(said.get("volume", "0")),
            type=kind,
            limit_price=first if kind == "limit" else second if kind == "stop_limit" else None,
            stop_price=first if kind.startswith("stop") else None,
        )
        order = self.desk.submit(asked.account, request)
        words = f"{order.side} {text(order.quantity)} {said.get('pair')} @ {_in_words(request)}"
        return whole({"descr": {"order": words}, "txid": [order.broker_order_id]})

    def cancel(self, asked: Asked) -> object:
        """End an order by its id or the client's; only a count is told."""
        said = asked.fields
        found = self.desk.order(asked.account, broker_order_id=said.get("txid"), client_order_id=said.get("cl_ord_id"))
        if found is None or not found.order.live:
            raise ActionRefused("cancel", "no such live order")
        self.desk.cancel(asked.account, broker_order_id=found.order.broker_order_id)
        return whole({"count": 1})


def _of_client(asked: Asked, rows: list[Resting]) -> list[Resting]:
    """Those that bear the client's id asked for, where one is."""
    wanted = asked.fields.get("cl_ord_id")
    return [row for row in rows if wanted in (None, row.order.client_order_id)]


def _pair(row: Listed) -> Json:
    return {
        "altname": _symbol(row), "wsname": f"{row.base}/{row.quote}", "aclass_base": "currency", "base": row.base,
        "aclass_quote": "currency", "quote": row.quote, "lot": "unit", "pair_decimals": 18, "lot_decimals": 18,
        "cost_decimals": 18, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [], "fees": [["0", "0.26"]],
        "fees_maker": [["0", "0.16"]], "margin_call": 80, "margin_stop": 40, "ordermin": "0.000000000000000001",
        "costmin": "0", "tick_size": "0.000000000000000001", "status": "online",
    }  # fmt: skip


@exact
def _order(resting: Resting, row: Listed) -> Json:
    told = resting.order
    assert told.created_at is not None and told.updated_at is not None, "the world stamps its orders"
    price, price2 = (told.stop_price, told.limit_price) if told.stop_price else (told.limit_price, None)
    words: Json = {
        "pair": _symbol(row), "type": told.side, "ordertype": _TYPES[told.type or "limit"], "leverage": "none",
        "price": text(price or ZERO), "price2": text(price2 or ZERO), "order": "", "close": "",
    }  # fmt: skip
    ended = {} if told.live else {"closetm": seconds(told.updated_at), "reason": None}
    return {
        "refid": None, "userref": 0, "cl_ord_id": told.client_order_id, "status": _STATUS[told.status], "descr": words,
        "opentm": seconds(told.created_at), "starttm": 0, "expiretm": 0, "vol": text(told.quantity), "cost": "0",
        "vol_exec": text(told.done), "fee": "0", "price": "0", "oflags": "fciq", "misc": "", "trades": [],
        "stopprice": text(told.stop_price or ZERO) if not waits(resting) else "0", "limitprice": "0", **ended,
    }  # fmt: skip


@exact
def _trade(told: Fill, row: Listed) -> Json:
    return {
        "ordertxid": told.broker_order_id, "postxid": "", "pair": _symbol(row), "time": seconds(told.at), "type": told.side,
        "ordertype": "limit", "price": text(told.price), "cost": text(told.quantity * told.price), "margin": "0",
        "fee": text(told.fee or ZERO), "vol": text(told.quantity), "misc": "", "trade_id": 1, "maker": False, "leverage": "0",
    }  # fmt: skip


def _entry(told: Activity) -> Json:
    return {
        "refid": told.activity_id, "time": seconds(told.at), "type": _LEDGER.get(told.kind, told.kind), "subtype": "",
        "aclass": "currency", "asset": told.currency, "amount": text(told.amount), "fee": "0", "balance": "0",
    }  # fmt: skip


def _in_words(request: OrderRequest) -> str:
    """The terms of an order as an acknowledgement describes them: "stop loss 101 -> limit 99"."""
    if request.stop_price is None:
        return "market" if request.limit_price is None else f"limit {text(request.limit_price)}"
    stop = f"stop loss {text(request.stop_price)}"
    return stop if request.limit_price is None else f"{stop} -> limit {text(request.limit_price)}"


def _price(told: str | None) -> Decimal | None:
    return dec(told) if told else None
