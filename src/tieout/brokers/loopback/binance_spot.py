"""Binance's spot endpoints, and what its futures share with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated.facts import Resting
from tieout.errors import ActionRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import Leg, Order

from . import binance_rows as rows
from .base import Asked, LoopbackVenue, Route
from .bodies import Reply, at_milliseconds, milliseconds, text
from .symbols import Listed, asset_of, by_asset, order_id

_LARGEST_PAGE = 1000
_LEGS: dict[str, Leg | None] = {"LONG": "long", "SHORT": "short"}
_KINDS = {told: kind for table in rows.TYPES.values() for kind, told in table.items()}


def failure(code: int, message: str, status: int = 400) -> Reply:
    """Binance's form of a refusal."""
    return Reply({"code": code, "msg": message}, status)


class Spot:
    """One side of Binance over a venue's desk."""

    sort = "spot"  # of instruments
    path = "/api/v3"
    days = 1  # the longest span between startTime and endTime

    def __init__(self, venue: LoopbackVenue) -> None:
        self.venue, self.desk = venue, venue.desk

    def routes(self) -> Iterable[Route]:
        """What this side answers."""
        yield from self.common("myTrades")
        yield Route("GET", f"{self.path}/account", self.wallet)

    def common(self, trades: str) -> Iterable[Route]:
        """What both sides have; *trades* is the path of executions."""
        yield Route("GET", f"{self.path}/time", self.time, signed=False)
        yield Route("GET", f"{self.path}/exchangeInfo", self.info, signed=False)
        yield Route("GET", f"{self.path}/openOrders", self.open_orders)
        yield Route("GET", f"{self.path}/allOrders", self.all_orders)
        yield Route("GET", f"{self.path}/order", self.order)
        yield Route("POST", f"{self.path}/order", self.submit)
        yield Route("DELETE", f"{self.path}/order", self.cancel)
        yield Route("GET", f"{self.path}/{trades}", self.trades)

    def time(self, _asked: Asked) -> object:
        """The venue's clock."""
        return {"serverTime": milliseconds(self.venue.present())}

    def info(self, _asked: Asked) -> object:
        """Every instrument of this side."""
        symbols = rows.markets(self.desk.state, self.sort, self.venue.steps)
        return {"timezone": "UTC", "serverTime": milliseconds(self.venue.present()), "symbols": symbols}

    def wallet(self, asked: Asked) -> object:
        """Every coin, what is available and what orders hold back."""
        wallets = [
            {"asset": row.currency, "free": text(row.available), "locked": text(row.locked)}
            for row in self.desk.balances(asked.account)
        ]
        return {"makerCommission": 0, "canTrade": True, "accountType": "SPOT", "permissions": ["SPOT"], "uid": 1,
                "updateTime": milliseconds(self.venue.present()), "balances": wallets}  # fmt: skip

    def listing(self, asset: str) -> Listed | None:
        """The instrument of that name, if it is of this side."""
        row = by_asset(self.desk.state).get(asset)
        return row if row is not None and row.sort == self.sort else None

    def resting(self, asked: Asked) -> list[tuple[Resting, Listed]]:
        """The live orders of this side, of the symbol asked for where one is."""
        live, wanted = self.desk.state.account(asked.account).live, asked.fields.get("symbol")
        found = [(live[row.broker_order_id or ""], self.listing(row.asset)) for row in self.desk.orders(asked.account)]
        return [(told, row) for told, row in found if row is not None and wanted in (None, rows.symbol(row))]

    def open_orders(self, asked: Asked) -> object:
        """Every live order, of all symbols where none is named."""
        return [rows.order(self.desk.state, asked.account, told, row) for told, row in self.resting(asked)]

    def all_orders(self, asked: Asked) -> object:
        """Every order there ever was in one symbol, by the same pages as executions."""
        wanted, account = asked.fields.get("symbol"), self.desk.state.account(asked.account)
        found = [(account.orders[row.broker_order_id or ""], self.listing(row.asset))
                 for row in self.desk.all_orders(asked.account)]  # fmt: skip
        told = [(order, row) for order, row in found if row is not None and rows.symbol(row) == wanted]
        return self.page(asked, [rows.order(self.desk.state, asked.account, order, row) for order, row in told])

    def found(self, asked: Asked, missing: str = "no such order") -> Resting:
        """The order that is asked for by either id.

        Raises:
            ActionRefused: Binance knows none, for the reason *missing*.
        """
        said = asked.fields
        return self.owned(asked, said.get("orderId"), said.get("origClientOrderId"), missing)

    def owned(self, asked: Asked, number: str | None, client: str | None, missing: str) -> Resting:
        """The order of the account, of this side and of the symbol asked for, that bears these ids."""
        id_ = None if number is None else order_id(self.desk.state, number)
        found = self.desk.order(asked.account, broker_order_id=id_, client_order_id=client)
        row = None if found is None else self.listing(found.order.asset)
        if found is None or row is None or asked.fields.get("symbol", rows.symbol(row)) != rows.symbol(row):
            raise ActionRefused("order", missing)
        return found

    def order(self, asked: Asked) -> object:
        """One order, live or ended."""
        return self.told(asked.account, self.found(asked))

    def told(self, account: str, found: Resting) -> object:
        """An order as it stands."""
        row = by_asset(self.desk.state)[found.order.asset]
        return rows.order(self.desk.state, account, found, row)

    def after(self, account: str, order: Order) -> Resting:
        """The order as it stands now."""
        return self.venue.world.state.account(account).orders[order.broker_order_id or ""]

    def cancel(self, asked: Asked) -> object:
        """End a live order; one that ended is not known here."""
        found = self.found(asked, "no such live order")
        if not found.order.live:
            raise ActionRefused("cancel", "no such live order")
        self.desk.cancel(asked.account, broker_order_id=found.order.broker_order_id)
        return self.told(asked.account, self.after(asked.account, found.order))

    def submit(self, asked: Asked) -> object:
        """Take an order; it is told as it then stands."""
        return self.told(asked.account, self.taken(asked))

    def taken(self, asked: Asked) -> Resting:
        """The order that a request asks for, in the world."""
        said = asked.fields
        request = OrderRequest(
            client_order_id=said.get("newClientOrderId") or said.get("clientAlgoId", ""),
            asset=asset_of(
                self.desk.state, lambda row: rows.symbol(row) == said.get("symbol") and row.sort == self.sort
            ),
            side="buy" if said.get("side") == "BUY" else "sell",
            quantity=dec(said.get("quantity", "0")),
            type=_KINDS.get(said.get("type", ""), "none"),
            limit_price=_price(said.get("price")),
            stop_price=_price(said.get("stopPrice") or said.get("triggerPrice")),
            reduce_only=said.get("reduceOnly") == "true",
            position_side=_LEGS.get(said.get("positionSide", "")),
        )
        return self.after(asked.account, self.desk.submit(asked.account, request))

    def trades(self, asked: Asked) -> object:
        """The executions in one symbol, from an id on, within a window of time, or the latest."""
        wanted = asked.fields.get("symbol")
        if wanted is None:
            return failure(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        found = [(fill, self.listing(fill.asset)) for fill in self.desk.fills(asked.account)]
        return self.page(
            asked, [rows.trade(fill, row) for fill, row in found if row is not None and rows.symbol(row) == wanted]
        )

    def page(self, asked: Asked, told: Sequence[rows.Json]) -> object:
        """What Binance's limits leave of *told*, oldest first."""
        said = asked.fields
        limit = min(int(said.get("limit", 500)), _LARGEST_PAGE)
        if "fromId" in said:
            return [row for row in told if int(str(row["id"])) >= int(said["fromId"])][:limit]
        if "startTime" not in said and "endTime" not in said:
            return told[-limit:]
        span = timedelta(days=self.days)
        start = at_milliseconds(said["startTime"]) if "startTime" in said else at_milliseconds(said["endTime"]) - span
        end = at_milliseconds(said["endTime"]) if "endTime" in said else start + span
        if end - start > span:
            return failure(-1127, f"More than {self.days * 24} hours between startTime and endTime.")
        first, last = milliseconds(start), milliseconds(end)
        return [row for row in told if first <= int(str(row["time"])) <= last][:limit]


def _price(told: str | None) -> Decimal | None:
    return None if told is None else dec(told)
