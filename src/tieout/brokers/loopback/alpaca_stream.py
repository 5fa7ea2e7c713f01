"""Alpaca's stream of orders over a world: binary frames, a login, and what becomes of orders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tieout.brokers.simulated.facts import Filled, Moved, OrderPut
from tieout.model.snapshot import Order

from .alpaca_rows import Json, alpaca_id, order_row, time_text
from .bodies import text
from .sockets import LoopbackStream, Socket, Told, document

if TYPE_CHECKING:
    from .alpaca import LoopbackAlpaca

_UPDATES = "trade_updates"
_EVENTS = {
    "open": "new",
    "pending": "pending_new",
    "cancelled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}


class AlpacaStream(LoopbackStream):
    """`/stream`."""

    path, binary = "/stream", True

    def __init__(self, venue: LoopbackAlpaca) -> None:
        super().__init__()
        self._venue = venue

    def hear(self, socket: Socket, text: str) -> None:
        """A login, or what to listen to."""
        told = document(text)
        if told.get("action") in ("auth", "authenticate"):
            self._log_in(socket, told)
        elif told.get("action") == "listen" and not socket.account:
            socket.send(_authorization("unauthorized", "listen"))
        elif told.get("action") == "listen":
            asked = told.get("data")
            streams = asked.get("streams") if isinstance(asked, dict) else None
            socket.topics = {_UPDATES} & set(streams if isinstance(streams, list) else ())
            socket.send({"stream": "listening", "data": {"streams": sorted(socket.topics)}})

    def told(self, socket: Socket, fact: Told) -> Iterable[Json]:
        """An order that came, ended or traded; what moved money by itself is not told."""
        if _UPDATES not in socket.topics or isinstance(fact, Moved):
            return
        orders = self._venue.world.state.account(fact.account).orders
        if isinstance(fact, Filled):
            fill, order = fact.fill, orders[fact.fill.broker_order_id or ""].order
            held = self._venue.world.state.account(fact.account).leg(fill.asset, "net")
            trade = {
                "execution_id": alpaca_id(fill.fill_id), "price": text(fill.price), "qty": text(fill.quantity),
                "position_qty": text(held), "timestamp": time_text(fill.at),
            }  # fmt: skip
            yield _update("fill" if order.status == "filled" else "partial_fill", order, trade)
        elif isinstance(fact, OrderPut) and fact.resting.order.status in _EVENTS:
            yield _update(_EVENTS[fact.resting.order.status], fact.resting.order)

    def _log_in(self, socket: Socket, told: dict[str, object]) -> None:
        data = told.get("data")
        named = data if isinstance(data, dict) else {"key_id": told.get("key"), "secret_key": told.get("secret")}
        login = self._venue.logins.get(str(named.get("key_id")))
        if self.refusing or login is None or named.get("secret_key") != login.secret:
            socket.send(_authorization("unauthorized", "authenticate"))
            return
        socket.account = login.account
        socket.send(_authorization("authorized", "authenticate"))

    def expire(self) -> None:
        """Take every login back."""
        for socket in self.sockets:
            socket.account = ""
            socket.send(_authorization("unauthorized", "authenticate"))
            socket.leave()


def _authorization(status: str, action: str) -> Json:
    return {"stream": "authorization", "data": {"status": status, "action": action}}


def _update(event: str, order: Order, trade: Json | None = None) -> Json:
    return {"stream": _UPDATES, "data": {"event": event, "order": order_row(order, held=False)} | (trade or {})}
