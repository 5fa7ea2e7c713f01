"""dYdX's WebSocket over a world: the channel of a parent sub-account, without a key, messages numbered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tieout.brokers.simulated.facts import Filled, OrderPut

from . import dydx_rows as rows
from .dydx_rows import Row
from .sockets import LoopbackStream, Socket, Told, document

if TYPE_CHECKING:
    from .dydx import DydxVenue

_CHANNEL = "v4_parent_subaccounts"


class DydxStream(LoopbackStream):
    """`/v4/ws`."""

    path = "/v4/ws"

    def __init__(self, venue: DydxVenue) -> None:
        super().__init__()
        self._venue = venue

    def greet(self, socket: Socket) -> None:
        """The indexer speaks first."""
        socket.send({"type": "connected", "connection_id": "c", "message_id": 0})

    def hear(self, socket: Socket, text: str) -> None:
        """A subscription."""
        told = document(text)
        address, _, number = str(told.get("id")).partition("/")
        if told.get("type") != "subscribe" or told.get("channel") != _CHANNEL or self.refusing:
            socket.send(self._numbered(socket, {"type": "error", "message": "Invalid message: could not parse"}))
            return
        login = self._venue.logins.get(address if number == "0" else f"{address}/{number}")
        socket.account = "" if login is None else login.account
        socket.topics.add(str(told["id"]))
        contents: Row = {"subaccount": None, "orders": []}
        socket.send(self._numbered(socket, {"type": "subscribed", **self._named(socket), "contents": contents}))

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An order, an execution or a transfer."""
        whose = self._venue.whose(next(login for login in self._venue.logins.values() if login.account == fact.account))
        contents: Row
        if isinstance(fact, Filled):
            contents = {"fills": [rows.fill(fact.fill, whose)]}
        elif isinstance(fact, OrderPut):
            contents = {"orders": [rows.order(fact.resting, whose)]}
        else:
            contents = {"transfers": {"type": fact.activity.kind.upper()}}
        yield self._numbered(socket, {"type": "channel_data", **self._named(socket), "contents": contents})

    def _named(self, socket: Socket) -> Row:
        return {"connection_id": "c", "channel": _CHANNEL, "id": min(socket.topics), "version": "3.0.0"}

    def _numbered(self, socket: Socket, frame: Row) -> Row:
        socket.count += 1
        return {**frame, "message_id": socket.count}
