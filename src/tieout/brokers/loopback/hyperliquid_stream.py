"""Hyperliquid's user channels over a world: subscribed with an address, nothing is signed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tieout.brokers.simulated.facts import Filled, OrderPut

from .bodies import milliseconds, text
from .sockets import LoopbackStream, Socket, Told, document
from .symbols import number_of

if TYPE_CHECKING:
    from .hyperliquid import LoopbackHyperliquid


class HyperliquidStream(LoopbackStream):
    """`/ws`."""

    path = "/ws"

    def __init__(self, venue: LoopbackHyperliquid) -> None:
        super().__init__()
        self._venue = venue

    def hear(self, socket: Socket, text: str) -> None:
        """A subscription or a ping."""
        told = document(text)
        wanted = told.get("subscription")
        if told.get("method") == "ping":
            socket.send({"channel": "pong"})
        elif told.get("method") != "subscribe" or not isinstance(wanted, dict) or self.refusing:
            socket.send({"channel": "error", "data": "Invalid subscription"})
        else:
            login = self._venue.logins.get(str(wanted.get("user")))
            socket.account = "" if login is None else login.account
            socket.topics.add(str(wanted.get("type")))
            socket.send({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": wanted}})
            if wanted.get("type") == "userNonFundingLedgerUpdates":
                past: dict[str, object] = {
                    "isSnapshot": True,
                    "user": wanted.get("user"),
                    "nonFundingLedgerUpdates": [],
                }
                socket.send({"channel": wanted["type"], "data": past})

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An order, an execution or a movement of money."""
        if isinstance(fact, OrderPut) and "orderUpdates" in socket.topics:
            order = fact.resting.order
            row = {
                "coin": order.asset.partition("/")[0], "oid": number_of(order.broker_order_id), "sz": text(order.remaining),
                "side": "B" if order.side == "buy" else "A", "limitPx": text(order.limit_price),
            }  # fmt: skip
            status = "open" if order.live else "filled" if order.status == "filled" else "canceled"
            yield {"channel": "orderUpdates", "data": [{"order": row, "status": status, "statusTimestamp": 1}]}
        elif isinstance(fact, Filled) and "userEvents" in socket.topics:
            fill = fact.fill
            row = {"coin": fill.asset.partition("/")[0], "oid": number_of(fill.broker_order_id), "px": text(fill.price),
                   "sz": text(fill.quantity), "time": milliseconds(fill.at), "tid": number_of(fill.fill_id)}  # fmt: skip
            yield {"channel": "user", "data": {"fills": [row]}}
        elif not isinstance(fact, (OrderPut, Filled)) and "userNonFundingLedgerUpdates" in socket.topics:
            row = {"time": milliseconds(fact.activity.at), "hash": "0x0", "delta": {"type": fact.activity.kind}}
            yield {"channel": "userNonFundingLedgerUpdates", "data": {"user": "u", "nonFundingLedgerUpdates": [row]}}
