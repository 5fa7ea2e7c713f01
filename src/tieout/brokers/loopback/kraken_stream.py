"""Kraken's private channels (v2) over a world: a token of REST, executions and balances, numbered by channel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tieout.brokers.simulated.facts import Filled, OrderPut

from .bodies import text
from .sockets import LoopbackStream, Socket, Told, document

if TYPE_CHECKING:
    from .kraken import LoopbackKraken

_KINDS = {"open": "new", "cancelled": "canceled", "expired": "expired", "filled": "filled", "rejected": "canceled"}


def stream_token(account: str) -> str:
    """What REST gives a key of *account* to listen with."""
    return hashlib.sha256(f"token of {account}".encode()).hexdigest()


class KrakenStream(LoopbackStream):
    """`/v2`."""

    path = "/v2"

    def __init__(self, venue: LoopbackKraken) -> None:
        super().__init__()
        self._venue = venue

    def greet(self, socket: Socket) -> None:
        """The venue speaks first."""
        data = [{"api_version": "v2", "system": "online", "version": "2.0.10"}]
        socket.send({"channel": "status", "type": "update", "data": data})

    def hear(self, socket: Socket, text: str) -> None:
        """A subscription or a ping."""
        told = document(text)
        params = told.get("params")
        if told.get("method") == "ping":
            socket.send({"method": "pong"})
        elif told.get("method") == "subscribe" and isinstance(params, dict):
            known = {stream_token(login.account): login.account for login in self._venue.logins.values()}
            socket.account = "" if self.refusing else known.get(str(params.get("token")), "")
            if not socket.account:
                socket.send({"method": "subscribe", "success": False, "error": "EAPI:Invalid token"})
                return
            socket.topics.add(str(params.get("channel")))
            socket.send({"method": "subscribe", "success": True, "result": {"channel": params.get("channel")}})

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An order or an execution; the balances, for whatever else moved money."""
        row: dict[str, object]
        channel = "executions"
        if isinstance(fact, Filled):
            fill = fact.fill
            row = {"order_id": fill.broker_order_id, "cl_ord_id": fill.client_order_id or "", "exec_type": "trade",
                   "exec_id": fill.fill_id, "symbol": fill.asset, "side": fill.side, "last_qty": text(fill.quantity),
                   "last_price": text(fill.price)}  # fmt: skip
        elif isinstance(fact, OrderPut):
            order = fact.resting.order
            row = {"order_id": order.broker_order_id, "cl_ord_id": order.client_order_id or "", "symbol": order.asset,
                   "exec_type": _KINDS.get(order.status, "status"),
                   "order_status": _KINDS.get(order.status, "new")}  # fmt: skip
        else:
            channel, row = "balances", {"asset": fact.activity.currency, "amount": text(fact.activity.amount)}
        if channel in socket.topics:
            socket.count += channel == "executions"
            yield {"channel": channel, "type": "update", "data": [row], "sequence": socket.count}
