"""Coinbase's user channel over a world: subscribed with signed tokens, messages numbered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from tieout.brokers.simulated.facts import Moved, OrderPut

from . import coinbase_rows as rows
from .bodies import at_milliseconds
from .jwt import claims
from .sockets import LoopbackStream, Socket, Told, document
from .symbols import by_asset

if TYPE_CHECKING:
    from .coinbase import LoopbackCoinbase

_GOOD_FOR, _AHEAD = timedelta(minutes=2), timedelta(seconds=5)


class CoinbaseStream(LoopbackStream):
    """The user's endpoint."""

    path = "/"

    def __init__(self, venue: LoopbackCoinbase) -> None:
        super().__init__()
        self._venue = venue

    def hear(self, socket: Socket, text: str) -> None:
        """A subscription to a channel, each with a token."""
        told = document(text)
        account = self._account(str(told.get("jwt")))
        if told.get("type") != "subscribe" or not account or self.refusing:
            socket.send({"type": "error", "message": "authentication failure"})
            return
        socket.account = account
        socket.topics.add(str(told.get("channel")))
        listed = {channel: [account] for channel in socket.topics}
        socket.send(self._numbered(socket, "subscriptions", {"subscriptions": listed}))

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An order, as it then stands. What moves money by itself is not told."""
        if isinstance(fact, Moved) or "user" not in socket.topics:
            return
        state = self._venue.world.state
        name = fact.resting.order.broker_order_id if isinstance(fact, OrderPut) else fact.fill.broker_order_id
        order = state.account(fact.account).orders[name or ""].order
        row = rows.order(order, by_asset(state)[order.asset])
        yield self._numbered(socket, "user", {"type": "update", "orders": [row], "positions": {}})

    def beat(self) -> None:
        """Send a heartbeat to everybody, as the venue does each second."""
        for socket in self.sockets:
            socket.send(self._numbered(socket, "heartbeats", {"heartbeat_counter": 1}))

    def _account(self, token: str) -> str:
        for login in self._venue.logins.values():
            said = claims(token, login.secret)
            if said is not None and said.get("sub") == said.get("kid") == login.key:
                begins = at_milliseconds(int(said.get("nbf", 0)) * 1000)
                return login.account if self._venue.fresh(begins, behind=_GOOD_FOR, ahead=_AHEAD) else ""
        return ""

    def _numbered(self, socket: Socket, channel: str, event: object) -> object:
        number, socket.count = socket.count, socket.count + 1
        stamp = rows.moment(self._venue.present())
        return {"channel": channel, "client_id": "", "timestamp": stamp, "sequence_num": number, "events": [event]}
