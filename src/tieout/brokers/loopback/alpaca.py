"""Alpaca's trading interface over a world: keys in headers, lists that page, brackets whose legs hide where Alpaca's do.

Orders and records of the world bear ids of their own, Alpaca's are UUIDs: `alpaca_id` turns the one into the other. A coin
that the world has as a balance is a holding at Alpaca.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import World
from tieout.clock import Clock
from tieout.errors import ActionRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import Order

from .alpaca_assets import instrument_row
from .alpaca_rows import Json, activity_rows, alpaca_id, coin_row, fill_row, order_row, position_row, time_text, worth
from .alpaca_stream import AlpacaStream
from .base import Asked, Handler, Login, LoopbackVenue, Refused, Route
from .bodies import Reply, text

_OPEN_ORDERS, _MOST_ORDERS, _MOST_ACTIVITIES = 50, 500, 100


def _wrong(message: str, status: int = 422, code: int = 40010001) -> Refused:
    return Refused(Reply({"code": code, "message": message}, status))


class LoopbackAlpaca(LoopbackVenue):
    """Alpaca over a world.

    Attributes:
        legs: Orders of the world and the legs that belong to each: a bracket.
        held: Legs that wait for their twin to end.
        page: No list is longer, whatever was asked for.
        told: Fields of single assets, by symbol, that are told otherwise than the world has them.
    """

    kinds = frozenset(("asset_class", "activity_type"))
    stream_kinds = (AlpacaStream,)

    def __init__(self, world: World, *logins: Login, clock: Clock | None = None) -> None:
        super().__init__(world, *logins, clock=clock)
        self.legs: dict[str, tuple[str, ...]] = {}
        self.held: set[str] = set()
        self.page = _MOST_ORDERS
        self.told: dict[str, Json] = {}

    def routes(self) -> Iterable[Route]:
        """The paths of `/v2`."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/v2/account", self._account),
            ("GET", "/v2/positions", self._positions),
            ("GET", "/v2/orders", self._orders),
            ("GET", "/v2/orders:by_client_order_id", self._by_client_id),
            ("GET", "/v2/orders/{id}", self._order),
            ("POST", "/v2/orders", self._submit),
            ("DELETE", "/v2/orders/{id}", self._cancel),
            ("GET", "/v2/account/activities", self._activities),
            ("GET", "/v2/account/activities/{type}", self._activities),
            ("GET", "/v2/assets/{symbol}", self._instrument),
            ("GET", "/v2/options/contracts/{symbol}", self._instrument),
            ("GET", "/v2/clock", self._time),
        )
        return [Route(*row) for row in table]

    def authenticate(self, asked: Asked) -> str:
        """The account whose key and secret stand in the headers."""
        login = self.logins.get(asked.headers.get("apca-api-key-id", ""))
        if login is None or asked.headers.get("apca-api-secret-key") != login.secret:
            raise _wrong("request is not authorized", 401, 40110000)
        return self.admitted(asked, login)

    def forbidden(self) -> Reply:
        """An account that may not trade; keys all may the same here."""
        return Reply({"code": 40310000, "message": "account is not allowed to trade"}, 403)

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        """403 where funds are short, 422 for all else."""
        if error.reason == "insufficient funds":
            return Reply({"code": 40310000, "message": "insufficient buying power"}, 403)
        return Reply({"code": 42210000, "message": error.reason}, 422)

    def unknown(self, _asked: Asked) -> Reply:
        """A path that Alpaca does not have."""
        return Reply({"message": "Not Found"}, 404)

    def _account(self, asked: Asked) -> Json:
        currency = self.world.state.account(asked.account).currency
        own = [row for row in self.desk.balances(asked.account) if row.currency == currency]
        cash, free = (text(own[0].total), text(own[0].available)) if own else ("0", "0")
        return worth(self.desk.positions(asked.account)) | {
            "id": alpaca_id(asked.account), "account_number": "PA0000000000", "status": "ACTIVE", "currency": currency,
            "cash": cash, "buying_power": free, "multiplier": "1", "shorting_enabled": True, "daytrade_count": 0,
            "pattern_day_trader": False, "trading_blocked": "trade" not in self.may, "transfers_blocked": False,
            "account_blocked": False, "trade_suspended_by_user": False, "created_at": "2020-01-01T00:00:00Z",
        }  # fmt: skip

    def _positions(self, asked: Asked) -> list[Json]:
        currency = self.world.state.account(asked.account).currency
        prices, fills = self.desk.state.prices, self.desk.fills(asked.account)
        coins = [
            coin_row(row, currency, prices.get(f"{row.currency}/{currency}"), fills)
            for row in self.desk.balances(asked.account)
            if row.currency != currency
        ]
        orders = self.world.state.account(asked.account).live.values()
        return [
            position_row(row, [each.order for each in orders]) for row in self.desk.positions(asked.account)
        ] + coins

    def _orders(self, asked: Asked) -> list[Json]:
        fields = asked.fields
        nested, wanted = fields.get("nested") == "true", fields.get("status", "open")
        limit = int(fields.get("limit", _OPEN_ORDERS))
        if limit > _MOST_ORDERS:
            raise _wrong("limit is larger than 500")
        legs = set(chain.from_iterable(self.legs.values()))
        listed = self.desk.orders if wanted == "open" else self.desk.all_orders
        rows = [
            order
            for order in listed(asked.account)
            if self._listed(order, wanted, fields) and not (nested and order.broker_order_id in legs)
        ]
        if fields.get("direction", "desc") == "desc":
            rows.reverse()
        return [self._row(asked.account, order, nested=nested) for order in rows[: min(limit, self.page)]]

    def _listed(self, order: Order, wanted: str, fields: dict[str, str]) -> bool:
        held = order.broker_order_id in self.held
        if wanted != "all" and (order.live and not held) != (wanted == "open"):
            return False
        symbols = fields.get("symbols")
        if symbols and order.asset not in symbols.split(","):
            return False
        return _between(order.created_at, fields)

    def _row(self, account: str, order: Order, *, nested: bool) -> Json:
        mine = self.legs.get(order.broker_order_id or "", ())
        family = mine or any(order.broker_order_id in legs for legs in self.legs.values())
        legs = [self.world.state.account(account).orders[leg].order for leg in mine] if nested else []
        row = order_row(order, held=order.broker_order_id in self.held)
        return row | {
            "order_class": "bracket" if family else "",
            "legs": [self._row(account, leg, nested=nested) for leg in legs] or None,
        }

    def _order(self, asked: Asked) -> Json:
        return self._row(asked.account, self._named(asked), nested=True)

    def _by_client_id(self, asked: Asked) -> Json:
        found = self.desk.order(asked.account, client_order_id=asked.fields.get("client_order_id", ""))
        if found is None:
            raise _wrong("order not found", 404, 40410000)
        return self._row(asked.account, found.order, nested=True)

    def _named(self, asked: Asked) -> Order:
        """The order whose id stands in the path."""
        orders = self.world.state.account(asked.account).orders
        ours = next((id_ for id_ in orders if alpaca_id(id_) == asked.names["id"]), None)
        found = None if ours is None else self.desk.order(asked.account, broker_order_id=ours)
        if found is None:
            raise _wrong("order not found", 404, 40410000)
        return found.order

    def _submit(self, asked: Asked) -> Json:
        told = asked.document
        limit, stop = told.get("limit_price"), told.get("stop_price")
        request = OrderRequest(
            client_order_id=told["client_order_id"], asset=told["symbol"], side=told["side"],
            quantity=dec(told["qty"]), type=told["type"],
            limit_price=None if limit is None else dec(limit), stop_price=None if stop is None else dec(stop),
        )  # fmt: skip
        return self._row(asked.account, self.desk.submit(asked.account, request), nested=False)

    def _cancel(self, asked: Asked) -> Reply:
        order = self._named(asked)
        if order.status == "cancelled":
            raise _wrong("order is already canceled", code=42210000)
        self.desk.cancel(asked.account, broker_order_id=order.broker_order_id)
        return Reply(b"", 204)

    def _activities(self, asked: Asked) -> list[Json]:
        fields, account = asked.fields, asked.account
        size = int(fields.get("page_size", _MOST_ACTIVITIES))
        if size > _MOST_ACTIVITIES:
            raise _wrong("page_size is larger than 100")
        wanted = asked.names.get("type") or fields.get("activity_types")
        rows = [(fill.at, fill_row(fill)) for fill in self.desk.fills(account)]
        for activity in self.desk.activities(account):
            rows += [(activity.at, row) for row in activity_rows(activity, self.world, account)]
        rows.sort(key=lambda pair: pair[0])
        kept = [
            row
            for at, row in rows
            if _between(at, fields) and (not wanted or row["activity_type"] in wanted.split(","))
        ]
        if fields.get("direction", "desc") == "desc":
            kept.reverse()
        ids = [row["id"] for row in kept]
        begin = ids.index(fields["page_token"]) + 1 if fields.get("page_token") in ids else 0
        return kept[begin : begin + min(size, self.page)]

    def _instrument(self, asked: Asked) -> Json:
        row = instrument_row(self.desk.state.instruments.values(), asked.names["symbol"], asked.path)
        if row is None:
            raise _wrong(f"asset not found for {asked.names['symbol']}", 404, 40410000)
        return row | self.told.get(row["symbol"], {})

    def _time(self, _asked: Asked) -> Json:
        now = time_text(self.present())
        return {"timestamp": now, "is_open": True, "next_open": now, "next_close": now}


def _between(at: datetime | None, fields: dict[str, str]) -> bool:
    """Whether *at* lies after *after* and before *until*, exclusive both."""
    after, until = fields.get("after"), fields.get("until")
    at = at or datetime.min.replace(tzinfo=UTC)
    return (not after or at > datetime.fromisoformat(after)) and (not until or at < datetime.fromisoformat(until))
