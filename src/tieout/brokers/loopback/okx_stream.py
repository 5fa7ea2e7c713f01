"""OKX's private stream over a world: a signed login, channels, and rows as REST has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from tieout.brokers.simulated.facts import Filled, OrderPut

from . import okx_rows as rows
from .bodies import at_milliseconds, text
from .sockets import LoopbackStream, Socket, Told, document
from .symbols import by_asset, number_of

if TYPE_CHECKING:
    from .okx import LoopbackOkx

_WINDOW = timedelta(seconds=30)


class OkxStream(LoopbackStream):
    """`/ws/v5/private`."""

    path = "/ws/v5/private"

    def __init__(self, venue: LoopbackOkx) -> None:
        super().__init__()
        self._venue = venue

    def hear(self, socket: Socket, text: str) -> None:
        """A login, a subscription or a ping, which is no JSON."""
        if text == "ping":
            socket.send("pong")
            return
        told = document(text)
        args = told.get("args")
        for arg in args if isinstance(args, list) else []:
            if told.get("op") == "login":
                self._log_in(socket, arg)
            elif told.get("op") == "subscribe" and not socket.account:
                socket.send({"event": "error", "code": "60011", "msg": "Please log in", "connId": "c"})
            elif told.get("op") == "subscribe":
                socket.topics.add(arg["channel"])
                socket.send({"event": "subscribe", "arg": arg, "connId": "c"})

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An order, with its execution where there was one; the account, for whatever else moved money."""
        state = self._venue.world.state
        named = by_asset(state)
        if isinstance(fact, OrderPut) and not fact.resting.order.filled:
            yield _data("orders", rows.order(fact.resting, named[fact.resting.order.asset]))
        elif isinstance(fact, Filled):
            fill = fact.fill
            resting = state.account(fact.account).orders[fill.broker_order_id or ""]
            trade = {"tradeId": str(number_of(fill.fill_id)), "fillPx": text(fill.price), "fillSz": text(fill.quantity)}
            yield _data("orders", {**rows.order(resting, named[fill.asset]), **trade})
        elif not isinstance(fact, OrderPut):
            held = self._venue.desk.balances(fact.account)
            yield _data("account", {"details": [rows.wallet(row) for row in held], "uTime": "1"})

    def _log_in(self, socket: Socket, arg: dict[str, str]) -> None:
        login, stamp = self._venue.logins.get(arg.get("apiKey", "")), arg.get("timestamp", "")
        if self.refusing or login is None or arg.get("passphrase") != login.password:
            socket.send({"event": "error", "code": "60005", "msg": "Invalid apiKey", "connId": "c"})
            return
        due = hmac.new(login.secret.encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(base64.b64encode(due).decode(), arg.get("sign", "")):
            socket.send({"event": "error", "code": "60007", "msg": "Invalid sign", "connId": "c"})
        elif not self._venue.fresh(at_milliseconds(int(stamp) * 1000), behind=_WINDOW, ahead=_WINDOW):
            socket.send({"event": "error", "code": "60006", "msg": "Timestamp request expired", "connId": "c"})
        else:
            socket.account = login.account
            socket.send({"event": "login", "code": "0", "msg": "", "connId": "c"})


def _data(channel: str, row: object) -> object:
    return {"arg": {"channel": channel, "instType": "ANY", "uid": "1"}, "data": [row]}
