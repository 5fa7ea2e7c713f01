"""Binance's futures, USDⓈ-M and COIN-M: positions with legs, a wallet, conditional orders apart, income."""

from __future__ import annotations

from collections.abc import Iterable

from tieout.brokers.simulated.facts import Resting
from tieout.errors import ActionRefused

from . import binance_rows as rows
from .base import Asked, Refused, Route
from .binance_spot import Spot, failure
from .binance_stream import listen_key
from .bodies import milliseconds, text
from .symbols import by_asset, number_of


class Futures(Spot):
    """Linear contracts."""

    sort = "linear"
    path = "/fapi/v1"
    held = "/fapi/v3"  # where wallets and positions are told
    days = 7

    def routes(self) -> Iterable[Route]:
        """What this side answers."""
        yield from self.common("userTrades")
        yield Route("GET", f"{self.held}/account", self.wallet)
        yield Route("GET", f"{self.held}/positionRisk", self.positions)
        yield Route("GET", f"{self.path}/openAlgoOrders", self.algo_orders)
        yield Route("GET", f"{self.path}/algoOrder", self.algo_order)
        yield Route("POST", f"{self.path}/algoOrder", self.submit_algo)
        yield Route("DELETE", f"{self.path}/algoOrder", self.cancel_algo)
        yield Route("POST", f"{self.path}/listenKey", self.listen_key, signed=False)

    def listen_key(self, asked: Asked) -> object:
        """A key for the stream, the same one while it lasts; it is asked for by key alone, unsigned."""
        login = self.venue.logins.get(asked.headers.get("x-mbx-apikey", ""))
        if login is None or any(stream.refusing for stream in self.venue.streams):
            raise Refused(failure(-2015, "Invalid API-key, IP, or permissions for action.", 401))
        return {"listenKey": listen_key(login)}

    def wallet(self, asked: Asked) -> object:
        """Every currency; cash without unrealised profit is the wallet balance."""
        wallets = [
            {"asset": row.currency, "walletBalance": text(row.total), "availableBalance": text(row.available),
             "crossWalletBalance": text(row.total), "unrealizedProfit": "0", "marginBalance": text(row.total),
             "updateTime": milliseconds(self.venue.present())}
            for row in self.desk.balances(asked.account)
        ]  # fmt: skip
        return {"totalWalletBalance": "0", "totalMaintMargin": "0", "assets": wallets, "positions": []}

    def positions(self, asked: Asked) -> object:
        """Every open position, one row a leg."""
        named = [(row, self.listing(row.asset)) for row in self.desk.positions(asked.account)]
        return [rows.position(row, listed) for row, listed in named if listed is not None]

    def open_orders(self, asked: Asked) -> object:
        """Live orders; those that wait for their trigger are not among them."""
        told = [(resting, row) for resting, row in self.resting(asked) if not waits(resting)]
        return [rows.order(self.desk.state, asked.account, resting, row) for resting, row in told]

    def algo_orders(self, asked: Asked) -> object:
        """Those that wait for their trigger."""
        return [rows.algo_order(resting, row) for resting, row in self.resting(asked) if waits(resting)]

    def found(self, asked: Asked, missing: str = "no such order") -> Resting:
        """The order at the endpoint that is asked: conditional ones are known only at their own."""
        said, apart = asked.fields, asked.path.endswith("algoOrder")
        names = ("algoId", "clientAlgoId") if apart else ("orderId", "origClientOrderId")
        found = self.owned(asked, said.get(names[0]), said.get(names[1]), missing)
        if waits(found) is not apart:
            raise ActionRefused("order", missing)
        return found

    def algo_order(self, asked: Asked) -> object:
        """One conditional order."""
        found = self.found(asked)
        return rows.algo_order(found, by_asset(self.desk.state)[found.order.asset])

    def submit_algo(self, asked: Asked) -> object:
        """Take a conditional order."""
        found = self.taken(asked)
        return rows.algo_order(found, by_asset(self.desk.state)[found.order.asset])

    def cancel_algo(self, asked: Asked) -> object:
        """End a conditional order; only its ids are told."""
        order = self.found(asked, "no such live order").order
        self.desk.cancel(asked.account, broker_order_id=order.broker_order_id)
        ids = {"algoId": number_of(order.broker_order_id), "clientAlgoId": order.client_order_id}
        return {**ids, "code": "200", "msg": "success"}


class CoinFutures(Futures):
    """Inverse contracts, which settle in their coin."""

    sort = "inverse"
    path = held = "/dapi/v1"


def waits(resting: Resting) -> bool:
    """Whether it is a conditional order that its market has not touched."""
    return resting.order.stop_price is not None and not resting.triggered
