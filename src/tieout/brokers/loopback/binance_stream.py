"""Binance's user data over a world: spot subscribed over the WebSocket interface, futures by a listen key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tieout.brokers.simulated.facts import Filled, OrderPut
from tieout.model.snapshot import Fill

from . import binance_rows as rows
from .bodies import at_milliseconds, milliseconds, text
from .sockets import LoopbackStream, Socket, Told, document
from .symbols import by_asset, number_of

if TYPE_CHECKING:
    from .base import Login
    from .binance import LoopbackBinance

Json = dict[str, object]
_WINDOW, _AHEAD = timedelta(seconds=5), timedelta(seconds=1)


def listen_key(login: Login) -> str:
    """The key under which a futures account is listened to."""
    return hashlib.sha256(f"listen {login.key}".encode()).hexdigest()


class _Stream(LoopbackStream):
    spot = True

    def __init__(self, venue: LoopbackBinance) -> None:
        super().__init__()
        self._venue = venue

    def _event(self, fact: Told) -> Json:
        """What a fact is told as."""
        now = milliseconds(self._venue.present())
        if not isinstance(fact, (Filled, OrderPut)):
            held = self._venue.desk.balances(fact.account)
            if self.spot:
                wallets = [{"a": row.currency, "f": text(row.available), "l": text(row.locked)} for row in held]
                return {"e": "outboundAccountPosition", "E": now, "u": now, "B": wallets}
            wallets = [{"a": row.currency, "wb": text(row.total), "cw": text(row.total), "bc": "0"} for row in held]
            return {"e": "ACCOUNT_UPDATE", "E": now, "T": now, "a": {"m": "DEPOSIT", "B": wallets, "P": []}}
        report = self._report(fact)
        return (
            {"e": "executionReport", "E": now, **report}
            if self.spot
            else {"e": "ORDER_TRADE_UPDATE", "E": now, "o": report}
        )

    def _report(self, fact: Filled | OrderPut) -> Json:
        state = self._venue.world.state
        fill: Fill | None = fact.fill if isinstance(fact, Filled) else None
        resting = (
            fact.resting
            if isinstance(fact, OrderPut)
            else state.account(fact.account).orders[fact.fill.broker_order_id or ""]
        )
        row: dict[str, Any] = rows.order(state, fact.account, resting, by_asset(state)[resting.order.asset])
        kind = "TRADE" if fill else "NEW" if resting.order.live else row["status"]
        return {
            "s": row["symbol"], "c": row["clientOrderId"], "S": row["side"], "o": row["type"], "q": row["origQty"],
            "p": row["price"], "x": kind, "X": row["status"], "i": row["orderId"], "z": row["executedQty"],
            "l": text(fill.quantity) if fill else "0", "L": text(fill.price) if fill else "0",
            "t": number_of(fill.fill_id) if fill else -1,
        }  # fmt: skip


class BinanceSpotStream(_Stream):
    """The WebSocket interface, as far as user data goes."""

    path = "/ws-api/v3"

    def hear(self, socket: Socket, text: str) -> None:
        """A subscription with a signature."""
        asked = document(text)
        params = asked.get("params")
        refusal = self._subscribe(socket, params if isinstance(params, dict) else {})
        if asked.get("method") != "userDataStream.subscribe.signature":
            refusal = (400, -1000, "Unknown method.")
        if refusal is None:
            socket.send({"id": asked.get("id"), "status": 200, "result": {"subscriptionId": 0}})
        else:
            status, code, words = refusal
            socket.send({"id": asked.get("id"), "status": status, "error": {"code": code, "msg": words}})

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An event under its subscription."""
        if not (isinstance(fact, OrderPut) and fact.resting.order.filled and fact.resting.order.live):
            yield {"subscriptionId": 0, "event": self._event(fact)}

    def _subscribe(self, socket: Socket, params: dict[str, Any]) -> tuple[int, int, str] | None:
        """Let the client in; what is wrong, where it may not."""
        login = self._venue.logins.get(str(params.get("apiKey")))
        if self.refusing or login is None:
            return 401, -2015, "Invalid API-key, IP, or permissions for action."
        signed = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
        due = hmac.new(login.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(due, str(params.get("signature"))):
            return 400, -1022, "Signature for this request is not valid."
        if not self._venue.fresh(at_milliseconds(params.get("timestamp", 0)), behind=_WINDOW, ahead=_AHEAD):
            return 400, -1021, "Timestamp for this request is outside of the recvWindow."
        socket.account = login.account
        return None


class BinanceFuturesStream(_Stream):
    """`/ws/<listenKey>`: the address alone says who listens."""

    path, spot = "/ws/{key}", False

    def greet(self, socket: Socket) -> None:
        """A key that nobody has hears nothing, as at the venue."""
        key = socket.request.match_info["key"]
        found = next((login for login in self._venue.logins.values() if listen_key(login) == key), None)
        socket.account = "" if found is None else found.account

    def hear(self, socket: Socket, text: str) -> None:
        """Nothing is asked here."""

    def told(self, socket: Socket, fact: Told) -> Iterable[object]:
        """An event."""
        yield self._event(fact)

    def expire(self) -> None:
        """End every key."""
        for socket in self.sockets:
            socket.send({"e": "listenKeyExpired", "E": milliseconds(self._venue.present()), "listenKey": "k"})
