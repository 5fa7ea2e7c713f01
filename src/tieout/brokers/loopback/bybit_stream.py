"""Bybit's private stream over a world: a signed login, topics, and rows as REST has them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from tieout.brokers.simulated.facts import Filled, OrderPut

from . import bybit_rows as rows
from .bodies import at_milliseconds, milliseconds
from .sockets import LoopbackStream, Socket, Told, document
from .symbols import by_asset

if TYPE_CHECKING:
    from .bybit import LoopbackBybit


class BybitStream(LoopbackStream):
    """`/v5/private`."""

    path = "/v5/private"

    def __init__(self, venue: LoopbackBybit) -> None:
        super().__init__()
        self._venue = venue

    def hear(self, socket: Socket, text: str) -> None:
        """A login, a subscription or a ping."""
        told = document(text)
        op, args = told.get("op"), told.get("args")
        listed = args if isinstance(args, list) else []
        if op == "ping":
            socket.send({"op": "pong", "args": [str(milliseconds(self._venue.present()))], "conn_id": "c"})
        elif op == "auth":
            socket.account = self._account(listed)
            socket.send({"success": bool(socket.account), "ret_msg": "", "op": "auth", "conn_id": "c"})
        elif op == "subscribe":
            socket.topics |= {str(each) for each in listed}
            socket.send({"success": bool(socket.account), "ret_msg": "", "op": "subscribe", "conn_id": "c"})

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An order or an execution; the wallet, for whatever else moved money."""
        state = self._venue.world.state
        named = by_asset(state)
        if isinstance(fact, OrderPut):
            row = named[fact.resting.order.asset]
            yield self._data("order", {"category": rows.category(row), **rows.order(fact.resting, row, waits=False)})
        elif isinstance(fact, Filled):
            row = named[fact.fill.asset]
            yield self._data("execution", {"category": rows.category(row), **rows.fill(fact.fill, row)})
        else:
            held = self._venue.desk.balances(fact.account)
            yield self._data("wallet", {"accountType": "UNIFIED", "coin": [rows.wallet(row) for row in held]})

    def _account(self, args: list[object]) -> str:
        key, until, signed = (*args, "", "", "")[:3]
        login = self._venue.logins.get(str(key))
        if self.refusing or login is None or not str(until).isdecimal():
            return ""
        due = hmac.new(login.secret.encode(), f"GET/realtime{until}".encode(), hashlib.sha256).hexdigest()
        fresh = self._venue.fresh(at_milliseconds(str(until)), behind=timedelta(), ahead=timedelta(minutes=1))
        return login.account if fresh and hmac.compare_digest(due, str(signed)) else ""

    def _data(self, topic: str, row: object) -> object:
        return {"id": "1", "topic": topic, "creationTime": milliseconds(self._venue.present()), "data": [row]}
